/**
 * Reading a model that may be larger than memory. `readSkeleton` walks the wire format once and splits it
 * into a small skeleton (an ordinary ModelProto) and the payloads: where the tensors' numbers lie
 * in the source. In the skeleton, the `raw_data` of each such tensor is the number of its payload.
 *
 * The walk also refuses what no decoder should have to survive: truncation, fields of the wrong
 * wire type, text that is not UTF-8, messages nested or repeated without end.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import { inputError, Net2NetError } from '../errors.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { ModelProtoSchema, TensorProto_DataLocation } from './onnx_pb.ts'
import {
  networkFiles,
  type OtherFormat,
  otherFormat,
  TELLING_BYTES,
  unrecognizedFormat,
} from './other-format.ts'
import { type FieldFacts, fieldsOf, type TensorDataField } from './schema.ts'
import {
  ByteSink,
  type Field,
  varint,
  varintValue,
  type Where,
  WireReader,
  WireType,
} from './wire.ts'

/** A range of a tensor's numbers: packed, or tag and value by turns. */
export interface Span {
  readonly start: number
  readonly end: number
  readonly packed: boolean
}

/** Where the numbers of one tensor lie. */
export interface Payload {
  readonly field: TensorDataField
  readonly spans: readonly Span[]
}

export interface ModelSkeleton {
  readonly source: ByteSource
  readonly skeleton: Uint8Array
  readonly payloads: readonly Payload[]
}

/** Protobuf's own customary limit on nested messages: about 32 levels of subgraphs. */
const MAX_DEPTH = 100
/** Beyond any real model, and few enough to stay within a few hundred megabytes. */
const MAX_MESSAGES = 750_000
const MAX_SCALARS = 2_000_000
const MAX_SKELETON = 2 ** 26
const MAX_TEXT = 2 ** 24

/** Field 9 (raw_data), delimited. */
const RAW_DATA_TAG = (9 << 3) | WireType.delimited

interface Place {
  readonly parent: Place | undefined
  readonly name: string
  readonly index: number | undefined
}

/** @param name what messages call the file */
export function readSkeleton(source: ByteSource, name = 'The model'): ModelSkeleton {
  const unlike = (why: string, cause?: unknown) =>
    inputError(`${name} is not an ONNX file: ${why}`, {
      where: name,
      hint: `${networkFiles} A download may be an error page in its place.`,
      cause,
    })
  if (source.size === 0) throw unlike('it is empty.')
  const start = source.read(0, Math.min(TELLING_BYTES, source.size))
  const mustBeOnnx = (other: OtherFormat | undefined) => {
    if (other)
      throw inputError(`${name} is not an ONNX file: it ${other.what}.`, {
        where: name,
        hint: other.hint,
      })
  }
  mustBeOnnx(otherFormat(start))
  const reduction = new Reduction(source)
  try {
    reduction.message(ModelProtoSchema, 0, source.size, undefined, true, 1)
  } catch (cause) {
    if (!(cause instanceof Net2NetError) || reduction.isRecognized) throw cause
    mustBeOnnx(unrecognizedFormat(start))
    throw unlike(cause.message.replace(/^the model: /, ''), cause)
  }
  return { source, skeleton: reduction.out.bytes(), payloads: reduction.payloads }
}

class Reduction {
  readonly out = new ByteSink()
  readonly payloads: Payload[] = []
  /** Has a field of a model been seen? */
  isRecognized = false
  readonly #reader: WireReader
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  #messages = 0
  #scalars = 0

  constructor(source: ByteSource) {
    this.#reader = new WireReader(source)
  }

  /** Checks the message at `[start, end)`; where `keep` is set, also writes it to the skeleton. */
  message(
    type: DescMessage,
    start: number,
    end: number,
    place: Place | undefined,
    keep: boolean,
    depth: number,
  ): void {
    if (depth > MAX_DEPTH)
      throw inputError(`${describe(place)}: messages are nested more than ${MAX_DEPTH} deep.`)
    this.#countMessage(place)
    if (start === end) return
    const counts = new Map<number, number>()
    const where = () => describe(place)
    const types = fieldsOf(type)
    let data: { field: TensorDataField; spans: Span[] } | undefined
    for (let at = start; at < end; ) {
      const field = this.#reader.field(at, end, where)
      at = field.end
      const facts = types.get(field.number)
      if (!facts) {
        this.#countMessage(place)
        if (keep) this.#copy(field, where)
        continue
      }
      this.isRecognized = true
      const index = counts.get(field.number) ?? 0
      counts.set(field.number, index + 1)
      const inner = { parent: place, name: facts.name, index: facts.repeated ? index : undefined }
      this.#checkWireType(facts, field, inner)

      if (keep && facts.tensorData) {
        data = addData(data, facts.tensorData, field, where)
      } else if (facts.message) {
        const descend = keep && facts.leadsToTensors
        if (descend && index > 0 && !facts.repeated)
          throw inputError(`${where()}: field ${facts.name} is given twice.`)
        const length = descend ? this.#open(field) : 0
        this.message(facts.message, field.valueStart, field.end, inner, descend, depth + 1)
        if (descend) this.out.patchLength(length)
        else if (keep) this.#copy(field, where)
      } else {
        if (facts.dataLocation && !keep) this.#refuseExternal(field, inner)
        if (facts.isString) this.#checkText(field, inner)
        if (facts.repeated)
          this.#count(this.#listLength(facts, field, inner), () => describe(inner))
        if (keep) this.#copy(field, where)
      }
    }
    if (data) this.#replaceData(data)
  }

  #checkWireType(facts: FieldFacts, field: Field, place: Place): void {
    if (field.wireType === facts.wireType) return
    if (facts.packable && field.wireType === WireType.delimited) return
    throw inputError(
      `${describe(place)} has wire type ${field.wireType} where ONNX has ${facts.wireType}.`,
    )
  }

  #checkText(field: Field, place: Place): void {
    const length = field.end - field.valueStart
    if (length > MAX_TEXT)
      throw inputError(`${describe(place)} has ${length} bytes, more than any text should.`)
    try {
      this.#utf8.decode(this.#reader.bytes(field.valueStart, field.end))
    } catch (cause) {
      throw inputError(`${describe(place)} is not UTF-8 text.`, { cause })
    }
  }

  /** Data of other files are only followed where a `Model` shows the tensor. */
  #refuseExternal(field: Field, place: Place): void {
    const location = varintValue(this.#reader.bytes(field.valueStart, field.end))
    if (location !== TensorProto_DataLocation.DEFAULT)
      throw inputError(
        `${describe(place)} is ${location}, but only initializers and tensor attributes may have external data.`,
      )
  }

  #listLength(facts: FieldFacts, field: Field, place: Place): number {
    if (!facts.packable || field.wireType !== WireType.delimited) return 1
    const { valueStart, end } = field
    if (facts.wireType === WireType.varint)
      return this.#reader.countVarints(valueStart, end, () => describe(place))
    return Math.ceil((end - valueStart) / (facts.wireType === WireType.fixed32 ? 4 : 8))
  }

  #countMessage(place: Place | undefined): void {
    if (++this.#messages > MAX_MESSAGES)
      throw inputError(`${describe(place)}: the model has more than ${MAX_MESSAGES} parts.`)
  }

  #count(scalars: number, where: Where): void {
    this.#scalars += scalars
    if (this.#scalars > MAX_SCALARS)
      throw inputError(`${where()}: the model has more than ${MAX_SCALARS} list entries.`)
  }

  /** Writes the tag and leaves room for the length. */
  #open(field: Field): number {
    this.out.push(varint(field.number * 8 + WireType.delimited))
    return this.out.reserveLength()
  }

  #copy(field: Field, where: Where): void {
    if (this.out.length + (field.end - field.start) > MAX_SKELETON)
      throw inputError(
        `${where()}: more than ${MAX_SKELETON} bytes that are not the data of plain tensors.`,
      )
    this.out.push(this.#reader.bytes(field.start, field.end))
  }

  #replaceData(payload: Payload): void {
    const number = varint(this.payloads.length)
    this.payloads.push(payload)
    this.out.push(Uint8Array.of(RAW_DATA_TAG, number.length, ...number))
  }
}

function addData(
  data: { field: TensorDataField; spans: Span[] } | undefined,
  name: TensorDataField,
  field: Field,
  where: Where,
): { field: TensorDataField; spans: Span[] } {
  const packed = field.wireType === WireType.delimited
  const span = { start: packed ? field.valueStart : field.start, end: field.end, packed }
  if (!data) return { field: name, spans: [span] }
  if (data.field !== name || name === 'raw_data')
    throw inputError(
      `${where()} gives its data ${data.field === name ? 'twice' : `as ${data.field} and as ${name}`}.`,
    )
  const last = data.spans.at(-1)
  if (last && !packed && !last.packed && last.end === span.start)
    data.spans[data.spans.length - 1] = { ...last, end: span.end }
  else data.spans.push(span)
  return data
}

function describe(place: Place | undefined): string {
  const parts: string[] = []
  for (let at = place; at; at = at.parent)
    parts.unshift(at.index === undefined ? at.name : `${at.name}[${at.index}]`)
  if (parts.length > 10) parts.splice(5, parts.length - 10, '…')
  return parts.length === 0 ? 'the model' : parts.join('.')
}
