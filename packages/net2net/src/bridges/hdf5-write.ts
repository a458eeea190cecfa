/**
 * HDF5 files in the earliest format: superblock 0, groups as symbol tables, contiguous data. h5py and Keras
 * open them as their own. Data are copied from lazy tensors when the file is written.
 *
 * @see https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t11.html
 */

import { inMemory, viewOf } from '../data/bytes.ts'
import { inputError } from '../errors.ts'
import { quote } from '../model/quote.ts'
import type { BytePart } from '../tensor/bytes.ts'
import { type DType, dtypes } from '../tensor/dtype.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import type { Hdf5Group, Hdf5Object, Hdf5Value } from './hdf5-read.ts'

/** Longer texts of an attribute lie elsewhere in the file. */
const longestInline = 1 << 15

/** Children of the inner nodes of a group's tree: 2 × 16, as HDF5 itself has it. */
const innerK = 16

/**
 * The parts of a file with these groups, to be written one after the other: first all that describes the
 * data, then the data, each aligned to eight bytes.
 *
 * @throws Net2NetError (input) for element types that HDF5 files of Keras do not have
 */
export function hdf5Parts(root: Hdf5Group): readonly BytePart[] {
  const most = largestGroup(root)
  // One node of the tree holds 32 tables of 2K names each: K is chosen so that this suffices.
  const leafK = Math.max(4, Math.ceil(most / (4 * innerK)))
  const file = new Writer(leafK)
  return file.write(root)
}

function largestGroup(group: Hdf5Group): number {
  let most = 0
  const waiting: Hdf5Object[] = [group]
  for (const object of waiting) {
    if (object.kind !== 'group') continue
    most = Math.max(most, object.children.size)
    waiting.push(...object.children.values())
  }
  return most
}

class Writer {
  readonly #leafK: number
  /** What describes the data: built in memory, since it is small. */
  #memory = new Uint8Array(1 << 16)
  #end = 0
  readonly #data: { tensor: LazyTensor; places: number[] }[] = []

  constructor(leafK: number) {
    this.#leafK = leafK
  }

  write(root: Hdf5Group): readonly BytePart[] {
    const head = this.#allocate(96)
    const { header, tree, heap } = this.#group(root)
    let at = this.#end
    const parts: BytePart[] = []
    for (const { tensor, places } of this.#data) {
      for (const place of places) this.#uint64(place, at)
      const missing = (8 - (tensor.byteLength % 8)) % 8
      parts.push(tensor)
      if (missing > 0) parts.push(inMemory(new Uint8Array(missing)))
      at += tensor.byteLength + missing
    }
    this.#bytes(head, [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0, 0, 8, 8, 0])
    this.#uint16(head + 16, this.#leafK)
    this.#uint16(head + 18, innerK)
    this.#bytes(head + 32, Array(8).fill(0xff))
    this.#uint64(head + 40, at)
    this.#bytes(head + 48, Array(8).fill(0xff))
    this.#entry(head + 56, 0, { header, tree, heap })
    return [inMemory(this.#memory.slice(0, this.#end)), ...parts]
  }

  #group({ children, attributes }: Hdf5Group): { header: number; tree: number; heap: number } {
    const sorted = [...children].map(([name, object]) => ({
      name: new TextEncoder().encode(name),
      object,
    }))
    sorted.sort((a, b) => compareBytes(a.name, b.name))
    const offsets: number[] = []
    let size = 8
    for (const { name } of sorted) {
      offsets.push(size)
      size += 8 * Math.ceil((name.length + 1) / 8)
    }
    const names = this.#allocate(size)
    sorted.forEach(({ name }, i) => {
      this.#bytes(names + offsets[i]!, name)
    })
    const heap = this.#allocate(32)
    this.#text(heap, 'HEAP')
    this.#uint64(heap + 8, size)
    // 1: nothing of the heap is free.
    this.#uint64(heap + 16, 1)
    this.#uint64(heap + 24, names)
    const written = sorted.map(({ object }) =>
      object.kind === 'group' ? this.#group(object) : { header: this.#dataset(object) },
    )
    const perTable = 2 * this.#leafK
    const tree = this.#allocate(24 + 8 * (4 * innerK + 1))
    this.#text(tree, 'TREE')
    const tables = Math.ceil(sorted.length / perTable)
    this.#uint16(tree + 6, tables)
    this.#bytes(tree + 8, Array(16).fill(0xff))
    for (let table = 0; table < tables; table++) {
      const first = table * perTable
      const count = Math.min(perTable, sorted.length - first)
      const node = this.#allocate(8 + 40 * perTable)
      this.#text(node, 'SNOD')
      this.#bytes(node + 4, [1])
      this.#uint16(node + 6, count)
      for (let i = 0; i < count; i++)
        this.#entry(node + 8 + 40 * i, offsets[first + i]!, written[first + i]!)
      this.#uint64(tree + 32 + 16 * table, node)
      this.#uint64(tree + 40 + 16 * table, offsets[first + count - 1]!)
    }
    const symbolTable = { type: 0x11, body: new Uint8Array(16) }
    viewOf(symbolTable.body).setBigUint64(0, BigInt(tree), true)
    viewOf(symbolTable.body).setBigUint64(8, BigInt(heap), true)
    return { header: this.#header([symbolTable, ...this.#attributes(attributes)]), tree, heap }
  }

  #dataset({ value, attributes }: Exclude<Hdf5Object, Hdf5Group>): number {
    const { type, space, data } = encodeValue(value)
    const layout = new Uint8Array(18)
    layout.set([3, 1])
    viewOf(layout).setBigUint64(10, BigInt(data.byteLength), true)
    // Empty data lie nowhere.
    if (data.byteLength === 0) layout.fill(0xff, 2, 10)
    const messages = [
      { type: 0x01, body: space },
      { type: 0x03, body: type },
      { type: 0x05, body: Uint8Array.of(2, 2, 2, 1, 0, 0, 0, 0) },
      { type: 0x08, body: layout },
      ...this.#attributes(attributes),
    ]
    const before = messages.slice(0, 3).reduce((sum, { body }) => sum + 8 + padded(body.length), 0)
    const header = this.#header(messages)
    if (data.byteLength > 0)
      this.#data.push({ tensor: data, places: [header + 16 + before + 8 + 2] })
    return header
  }

  #attributes(attributes: ReadonlyMap<string, Hdf5Value>) {
    return [...attributes].map(([name, value]) => {
      const { type, space, data } = this.#attributeValue(value)
      const text = new TextEncoder().encode(`${name}\0`)
      const sizes = [text, type, space].map(({ length }) => length)
      const body = new Uint8Array(
        8 + sizes.reduce((sum, size) => sum + padded(size), 0) + data.byteLength,
      )
      body[0] = 1
      sizes.forEach((size, i) => {
        viewOf(body).setUint16(2 + 2 * i, size, true)
      })
      let at = 8
      for (const part of [text, type, space]) {
        body.set(part, at)
        at += padded(part.length)
      }
      body.set(data.read(0, data.byteLength), at)
      if (padded(body.length) > 0xffff)
        throw inputError(
          `The attribute ${quote(name)} is longer than the 64 KiB that an HDF5 attribute may have.`,
        )
      return { type: 0x0c, body }
    })
  }

  /** An attribute has room for 64 KiB: longer texts lie in a heap of their own, and the attribute says where. */
  #attributeValue(value: Hdf5Value) {
    const whole = encodeValue(value)
    if (value.kind !== 'texts' || whole.data.byteLength <= longestInline) return whole
    const texts = value.texts.map((text) => new TextEncoder().encode(text))
    const used = texts.reduce((sum, { length }) => sum + 16 + padded(length), 16)
    // What is left at the end is an object, too; HDF5 makes no smaller heaps.
    const size = Math.max(4096, used + 16)
    const heap = this.#allocate(size)
    this.#text(heap, 'GCOL')
    this.#bytes(heap + 4, [1])
    this.#uint64(heap + 8, size)
    const references = new Uint8Array(16 * texts.length)
    const view = viewOf(references)
    let at = heap + 16
    texts.forEach((text, i) => {
      this.#uint16(at, i + 1)
      this.#uint64(at + 8, text.length)
      this.#bytes(at + 16, text)
      at += 16 + padded(text.length)
      view.setUint32(16 * i, text.length, true)
      view.setBigUint64(16 * i + 4, BigInt(heap), true)
      view.setUint32(16 * i + 12, i + 1, true)
    })
    this.#uint64(at + 8, heap + size - at)
    // A sequence of variable length of characters in UTF-8.
    const type = new Uint8Array(16)
    type.set([0x19, 0x01, 0x01, 0, 16, 0, 0, 0, 0x13, 0x10, 0, 0, 1, 0, 0, 0])
    const data: LazyTensor = { dtype: 'uint8', dims: [references.length], ...inMemory(references) }
    return { type, space: whole.space, data }
  }

  #header(messages: readonly { readonly type: number; readonly body: Uint8Array }[]): number {
    const size = messages.reduce((sum, { body }) => sum + 8 + padded(body.length), 0)
    const header = this.#allocate(16 + size)
    this.#bytes(header, [1])
    this.#uint16(header + 2, messages.length)
    this.#uint32(header + 4, 1)
    this.#uint32(header + 8, size)
    let at = header + 16
    for (const { type, body } of messages) {
      this.#uint16(at, type)
      this.#uint16(at + 2, padded(body.length))
      this.#bytes(at + 8, body)
      at += 8 + padded(body.length)
    }
    return header
  }

  /** An entry of a table of symbols. */
  #entry(
    at: number,
    name: number,
    { header, tree, heap }: { header: number; tree?: number; heap?: number },
  ): void {
    this.#uint64(at, name)
    this.#uint64(at + 8, header)
    if (tree === undefined || heap === undefined) return
    this.#uint32(at + 16, 1)
    this.#uint64(at + 24, tree)
    this.#uint64(at + 32, heap)
  }

  #allocate(size: number): number {
    const at = this.#end
    this.#end += padded(size)
    if (this.#end > this.#memory.length) {
      const memory = new Uint8Array(2 * this.#end)
      memory.set(this.#memory)
      this.#memory = memory
    }
    return at
  }

  #bytes(at: number, bytes: ArrayLike<number>): void {
    this.#memory.set(bytes, at)
  }
  #text(at: number, text: string): void {
    this.#bytes(at, new TextEncoder().encode(text))
  }
  #uint16(at: number, value: number): void {
    viewOf(this.#memory).setUint16(at, value, true)
  }
  #uint32(at: number, value: number): void {
    viewOf(this.#memory).setUint32(at, value, true)
  }
  #uint64(at: number, value: number): void {
    viewOf(this.#memory).setBigUint64(at, BigInt(value), true)
  }
}

function encodeValue(value: Hdf5Value) {
  if (value.kind === 'numbers') {
    const { tensor } = value
    return { type: encodeType(tensor.dtype), space: encodeSpace(tensor.dims), data: tensor }
  }
  const texts = value.texts.map((text) => new TextEncoder().encode(text))
  const size = texts.reduce((most, { length }) => Math.max(most, length), 1)
  const bytes = new Uint8Array(size * texts.length)
  texts.forEach((text, i) => {
    bytes.set(text, i * size)
  })
  // A text of fixed length in UTF-8, padded with zeros.
  const type = new Uint8Array(8)
  type.set([0x13, 0x11])
  viewOf(type).setUint32(4, size, true)
  const data: LazyTensor = { dtype: 'uint8', dims: [bytes.length], ...inMemory(bytes) }
  return { type, space: encodeSpace(value.dims), data }
}

function encodeSpace(dims: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 + 8 * dims.length)
  bytes.set([1, dims.length])
  dims.forEach((size, k) => {
    viewOf(bytes).setBigUint64(8 + 8 * k, BigInt(size), true)
  })
  return bytes
}

/** Bits and bias of the exponent and bits of the mantissa. */
const floats: Partial<Record<DType, readonly [exponent: number, mantissa: number, bias: number]>> =
  {
    float16: [5, 10, 15],
    bfloat16: [8, 7, 127],
    float32: [8, 23, 127],
    float64: [11, 52, 1023],
  }

function encodeType(dtype: DType): Uint8Array {
  const { bits, kind } = dtypes[dtype]
  const float = floats[dtype]
  const isInteger = kind === 'integer' && bits >= 8
  if (!float && !isInteger)
    throw inputError(`HDF5 files of Keras hold no numbers of type ${dtype}.`)
  const bytes = new Uint8Array(float ? 20 : 12)
  const view = viewOf(bytes)
  view.setUint32(4, bits / 8, true)
  view.setUint16(10, bits, true)
  if (float) {
    const [exponent, mantissa, bias] = float
    // The sign is the highest bit; the mantissa has an implied first bit.
    bytes.set([0x11, 0x20, bits - 1, 0])
    bytes.set([mantissa, exponent, 0, mantissa], 12)
    view.setUint32(16, bias, true)
  } else bytes.set([0x10, dtype.startsWith('u') ? 0 : 8])
  return bytes
}

const padded = (length: number): number => 8 * Math.ceil(length / 8)

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}
