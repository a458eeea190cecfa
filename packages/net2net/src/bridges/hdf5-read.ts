/**
 * The part of HDF5 that Keras and h5py write by default: superblock 0, groups as symbol tables, contiguous
 * little-endian data, attributes of numbers and texts. Whatever else a file has is refused by its name. Data are
 * lazy on the file.
 *
 * @see https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t11.html
 */

import { viewOf } from '../data/bytes.ts'
import { inputError } from '../errors.ts'
import { quote } from '../model/quote.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { byteLengthOf, type DType } from '../tensor/dtype.ts'
import { bytesFrom, elementCount, type LazyTensor } from '../tensor/tensor.ts'

export type Hdf5Object = Hdf5Group | Hdf5Dataset

export interface Hdf5Group {
  readonly kind: 'group'
  readonly attributes: ReadonlyMap<string, Hdf5Value>
  readonly children: ReadonlyMap<string, Hdf5Object>
}

export interface Hdf5Dataset {
  readonly kind: 'dataset'
  readonly attributes: ReadonlyMap<string, Hdf5Value>
  readonly value: Hdf5Value
}

/** Numbers as a tensor, or texts in row-major order. */
export type Hdf5Value =
  | { readonly kind: 'numbers'; readonly tensor: LazyTensor }
  | { readonly kind: 'texts'; readonly dims: readonly number[]; readonly texts: readonly string[] }

/** The text of an attribute or dataset that holds exactly one. */
export const textOf = (value: Hdf5Value | undefined): string | undefined =>
  value?.kind === 'texts' && value.texts.length === 1 ? value.texts[0] : undefined

/** The texts of an attribute or dataset. */
export const textsOf = (value: Hdf5Value | undefined): readonly string[] | undefined =>
  value?.kind === 'texts' ? value.texts : undefined

/** Deeper groups, and more objects, than any model has. */
const deepest = 64
const mostObjects = 1_000_000
/** Texts in attributes and datasets that are read at once. */
const mostText = 1 << 28
const nowhere = 0xffffffffffffffffn

/**
 * Reads the groups of a file.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where the file is broken or uses other parts of HDF5
 */
export function readHdf5(source: ByteSource, name: string): Hdf5Group {
  const root = new Reader(source, name)
  return root.file()
}

interface Message {
  readonly type: number
  readonly bytes: Uint8Array
}

interface DataType {
  readonly size: number
  readonly kind: 'number' | 'text' | 'variable text'
  readonly dtype?: DType
}

class Reader {
  readonly #source: ByteSource
  readonly #name: string
  readonly #heaps = new Map<number, ReadonlyMap<number, Uint8Array>>()
  #objects = 0
  /** Bytes that were read to find the data. */
  #spent = 0

  constructor(source: ByteSource, name: string) {
    this.#source = source
    this.#name = name
  }

  file(): Hdf5Group {
    const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
    const head = this.#read(0, Math.min(96, this.#source.size))
    if (!signature.every((byte, i) => head[i] === byte))
      throw this.#broken('it is not an HDF5 file')
    if (head[8] !== 0)
      throw this.#refused(
        `a superblock of version ${head[8]}`,
        "h5py.File(FILE, 'w', libver='earliest')",
      )
    if (head[13] !== 8 || head[14] !== 8) throw this.#refused('addresses that are not of 8 bytes')
    const object = this.#object(this.#address(viewOf(head), 64), 0, '/')
    if (object.kind !== 'group') throw this.#broken('its root is not a group')
    return object
  }

  #object(at: number, depth: number, path: string): Hdf5Object {
    if (depth > deepest || ++this.#objects > mostObjects)
      throw this.#broken('its groups lead back to themselves or are nested without end')
    const messages = this.#messages(at, path)
    const attributes = new Map(
      messages.filter(({ type }) => type === 0x0c).map(({ bytes }) => this.#attribute(bytes, path)),
    )
    if (messages.some(({ type }) => type === 0x15 || type === 0x02 || type === 0x06))
      throw this.#refused(
        `the newer form of groups at ${quote(path)}`,
        "h5py.File(FILE, 'w', libver='earliest')",
      )
    const table = messages.find(({ type }) => type === 0x11)
    if (table) {
      const view = viewOf(table.bytes)
      const children = this.#members(this.#address(view, 0), this.#address(view, 8), depth, path)
      return { kind: 'group', attributes, children }
    }
    const [space, type, layout] = [0x01, 0x03, 0x08].map(
      (kind) => messages.find((message) => message.type === kind)?.bytes,
    )
    if (!space || !type || !layout) throw this.#broken(`${quote(path)} is neither a group nor data`)
    if (messages.some((message) => message.type === 0x0b))
      throw this.#refused(`compressed data at ${quote(path)}`)
    const dims = this.#dims(space, path)
    const dataType = this.#dataType(type, path)
    const byteLength = elementCount(dims) * dataType.size
    const data = this.#data(layout, byteLength, path)
    return { kind: 'dataset', attributes, value: this.#value(dataType, dims, data, path) }
  }

  /** The messages of an object's header (version 1), its continuations included. */
  #messages(at: number, path: string): readonly Message[] {
    const head = this.#read(at, 16)
    if (head[0] !== 1)
      throw this.#refused(
        `the newer form of objects at ${quote(path)}`,
        "h5py.File(FILE, 'w', libver='earliest')",
      )
    const blocks = [{ at: at + 16, length: viewOf(head).getUint32(8, true) }]
    const messages: Message[] = []
    for (const block of blocks) {
      if (blocks.length > 1000 || block.length > 1 << 26)
        throw this.#broken(`the header of ${quote(path)} is damaged`)
      const bytes = this.#read(block.at, block.length)
      const view = viewOf(bytes)
      for (let from = 0; from + 8 <= bytes.length; ) {
        const size = view.getUint16(from + 2, true)
        const body = bytes.subarray(from + 8, from + 8 + size)
        if (body.length < size) throw this.#broken(`the header of ${quote(path)} is damaged`)
        const type = view.getUint16(from, true)
        if (view.getUint8(from + 4) & 2) throw this.#refused(`shared messages at ${quote(path)}`)
        if (type === 0x10) {
          if (size < 16) throw this.#broken(`the header of ${quote(path)} is damaged`)
          blocks.push({ at: this.#address(viewOf(body), 0), length: this.#length(viewOf(body), 8) })
        } else messages.push({ type, bytes: body })
        from += 8 + size
      }
    }
    return messages
  }

  #members(
    tree: number,
    heap: number,
    depth: number,
    path: string,
  ): ReadonlyMap<string, Hdf5Object> {
    const damaged = () => this.#broken(`the group ${quote(path)} is damaged`)
    const heapHead = this.#read(heap, 32)
    if (tag(heapHead) !== 'HEAP') throw damaged()
    const names = {
      at: this.#address(viewOf(heapHead), 24),
      size: this.#length(viewOf(heapHead), 8),
    }
    if (names.size > mostText) throw damaged()
    const text = this.#read(names.at, names.size)
    const children = new Map<string, Hdf5Object>()
    const nodes = [tree]
    const seen = new Set<number>()
    for (const node of nodes) {
      if (seen.has(node) || seen.size > mostObjects) throw damaged()
      seen.add(node)
      const head = this.#read(node, 8)
      if (tag(head) === 'TREE') {
        const count = viewOf(head).getUint16(6, true)
        if (head[4] !== 0) throw damaged()
        const body = this.#read(node + 24, 16 * count + 8)
        for (let i = 0; i < count; i++) nodes.push(this.#address(viewOf(body), 16 * i + 8))
      } else if (tag(head) === 'SNOD') {
        const count = viewOf(head).getUint16(6, true)
        const body = this.#read(node + 8, 40 * count)
        const view = viewOf(body)
        for (let i = 0; i < count; i++) {
          const offset = this.#length(view, 40 * i)
          const end = text.indexOf(0, offset)
          if (offset >= text.length || end < 0) throw damaged()
          const child = new TextDecoder().decode(text.subarray(offset, end))
          if (view.getUint32(40 * i + 16, true) === 2)
            throw this.#refused(`the link ${quote(child)}`)
          const place = `${path === '/' ? '' : path}/${child}`
          if (children.has(child)) throw damaged()
          children.set(child, this.#object(this.#address(view, 40 * i + 8), depth + 1, place))
        }
      } else throw damaged()
    }
    return children
  }

  #dims(bytes: Uint8Array, path: string): number[] {
    const [version, rank = 0] = bytes
    const start = version === 1 ? 8 : 4
    if ((version !== 1 && version !== 2) || rank > 32 || bytes.length < start + 8 * rank)
      throw this.#broken(`the shape of ${quote(path)} is damaged`)
    const view = viewOf(bytes)
    const dims = Array.from({ length: rank }, (_, k) => this.#length(view, start + 8 * k))
    if (!Number.isSafeInteger(elementCount(dims)))
      throw this.#broken(`the shape [${dims}] of ${quote(path)} is beyond all bounds`)
    return dims
  }

  #dataType(bytes: Uint8Array, path: string): DataType {
    if (bytes.length < 8) throw this.#broken(`the type of ${quote(path)} is damaged`)
    const view = viewOf(bytes)
    const size = view.getUint32(4, true)
    const kind = bytes[0]! & 0x0f
    const isBigEndian = (bytes[1]! & 1) === 1
    if (kind === 3) return { size, kind: 'text' }
    if (kind === 9 && (bytes[1]! & 0x0f) === 1 && size === 16)
      return { size, kind: 'variable text' }
    // An enumeration (h5py writes booleans as one of int8) is its base type.
    if (kind === 8) return this.#dataType(bytes.subarray(8), path)
    if (kind <= 1 && size > 1 && isBigEndian)
      throw this.#refused(`big-endian data at ${quote(path)}`)
    const isSigned = (bytes[1]! & 8) !== 0
    const dtype = kind === 0 ? integers[`${isSigned ? '' : 'u'}${8 * size}`] : undefined
    const float =
      kind === 1 && bytes.length >= 16 ? floats[`${size}/${bytes[13]}/${bytes[15]}`] : undefined
    const found = dtype ?? float
    if (!found)
      throw this.#refused(`a type of data (class ${kind}, ${size} bytes) at ${quote(path)}`)
    return { size, kind: 'number', dtype: found }
  }

  #data(layout: Uint8Array, byteLength: number, path: string): ByteSource {
    const version = layout[0]!
    const kind = layout[1]!
    const view = viewOf(layout)
    const tooShort = () => this.#broken(`the data of ${quote(path)} are cut off`)
    if (version !== 3 && version !== 4)
      throw this.#refused(`a layout of version ${version} at ${quote(path)}`)
    if (kind === 0) {
      const bytes = layout.subarray(4, 4 + view.getUint16(2, true))
      if (bytes.length < byteLength) throw tooShort()
      return { size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) }
    }
    if (kind !== 1) throw this.#refused(`chunked data at ${quote(path)}`)
    if (layout.length < 18) throw tooShort()
    if (view.getBigUint64(2, true) === nowhere) {
      // Never written: zeros, by the default fill value.
      if (byteLength > mostText) throw tooShort()
      return { size: byteLength, read: (_, length) => new Uint8Array(length) }
    }
    const at = this.#address(view, 2)
    if (at + byteLength > this.#source.size || this.#length(view, 10) < byteLength) throw tooShort()
    return { size: byteLength, ...bytesFrom(this.#source, at) }
  }

  #value(
    { kind, size, dtype }: DataType,
    dims: readonly number[],
    data: ByteSource,
    path: string,
  ): Hdf5Value {
    const count = elementCount(dims)
    if (kind === 'number' && dtype) {
      const byteLength = byteLengthOf(dtype, count)
      return { kind: 'numbers', tensor: { dtype, dims, byteLength, ...bytesFrom(data, 0) } }
    }
    if (count > mostObjects || count * size > mostText)
      throw this.#broken(`the texts of ${quote(path)} are absurdly long`)
    this.#spend(count * size)
    const bytes = data.read(0, count * size)
    const texts = Array.from({ length: count }, (_, i) => {
      const part = bytes.subarray(i * size, (i + 1) * size)
      if (kind === 'text') return decodeText(part)
      const view = viewOf(part)
      const length = view.getUint32(0, true)
      if (length === 0) return ''
      const stored = this.#heap(this.#address(view, 4), path).get(view.getUint32(12, true))
      if (!stored || stored.length < length)
        throw this.#broken(`the texts of ${quote(path)} are damaged`)
      return decodeText(stored.subarray(0, length))
    })
    return { kind: 'texts', dims, texts }
  }

  /** The objects of a global heap, which holds texts of variable length. */
  #heap(at: number, path: string): ReadonlyMap<number, Uint8Array> {
    const known = this.#heaps.get(at)
    if (known) return known
    const head = this.#read(at, 16)
    const size = this.#length(viewOf(head), 8)
    if (tag(head) !== 'GCOL' || size > mostText)
      throw this.#broken(`the texts of ${quote(path)} are damaged`)
    const bytes = this.#read(at, size)
    const view = viewOf(bytes)
    const objects = new Map<number, Uint8Array>()
    for (let from = 16; from + 16 <= bytes.length; ) {
      const index = view.getUint16(from, true)
      if (index === 0) break
      const length = this.#length(view, from + 8)
      if (from + 16 + length > bytes.length)
        throw this.#broken(`the texts of ${quote(path)} are damaged`)
      objects.set(index, bytes.subarray(from + 16, from + 16 + length))
      from += 16 + 8 * Math.ceil(length / 8)
    }
    this.#heaps.set(at, objects)
    return objects
  }

  #attribute(bytes: Uint8Array, path: string): [string, Hdf5Value] {
    const damaged = () => this.#broken(`an attribute of ${quote(path)} is damaged`)
    if (bytes.length < 9) throw damaged()
    const view = viewOf(bytes)
    const version = bytes[0]!
    if (version < 1 || version > 3)
      throw this.#refused(`attributes of version ${version} at ${quote(path)}`)
    const pad = (length: number) => (version === 1 ? 8 * Math.ceil(length / 8) : length)
    const sizes = [2, 4, 6].map((at) => view.getUint16(at, true)) as [number, number, number]
    const start = version === 3 ? 9 : 8
    const typeAt = start + pad(sizes[0])
    const spaceAt = typeAt + pad(sizes[1])
    const dataAt = spaceAt + pad(sizes[2])
    if (dataAt > bytes.length) throw damaged()
    const name = decodeText(bytes.subarray(start, start + sizes[0]))
    const place = `${path}@${name}`
    const type = this.#dataType(bytes.subarray(typeAt, typeAt + sizes[1]), place)
    const dims = this.#dims(bytes.subarray(spaceAt, spaceAt + sizes[2]), place)
    const data = bytes.subarray(dataAt)
    if (data.length < elementCount(dims) * type.size) throw damaged()
    const source = {
      size: data.length,
      read: (at: number, length: number) => data.subarray(at, at + length),
    }
    return [name, this.#value(type, dims, source, place)]
  }

  #address(view: DataView, at: number): number {
    const address = this.#length(view, at)
    if (address >= this.#source.size) throw this.#broken('it refers to what lies behind its end')
    return address
  }

  #length(view: DataView, at: number): number {
    if (at + 8 > view.byteLength) throw this.#broken('it ends too early')
    const length = view.getBigUint64(at, true)
    if (length > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.#broken('it has lengths beyond all bounds')
    return Number(length)
  }

  #read(at: number, length: number): Uint8Array {
    if (at + length > this.#source.size) throw this.#broken('it ends too early')
    this.#spend(length)
    return this.#source.read(at, length)
  }

  /** What describes data is read once; objects that point to the same place could be read without end. */
  #spend(length: number): void {
    this.#spent += length
    if (this.#spent > 4 * this.#source.size + mostText)
      throw this.#broken('its objects lie over one another')
  }

  #broken(what: string): Error {
    return inputError(`${this.#name} cannot be read as HDF5: ${what}.`, { where: this.#name })
  }

  #refused(what: string, hint?: string): Error {
    return inputError(`${this.#name} uses ${what}, which this reader of HDF5 does not know.`, {
      where: this.#name,
      ...(hint && { hint: `Write it in the earliest format: ${hint}.` }),
    })
  }
}

const integers: Readonly<Record<string, DType>> = {
  8: 'int8',
  16: 'int16',
  32: 'int32',
  64: 'int64',
  u8: 'uint8',
  u16: 'uint16',
  u32: 'uint32',
  u64: 'uint64',
}

/** By bytes, bits of the exponent and bits of the mantissa. */
const floats: Readonly<Record<string, DType>> = {
  '2/5/10': 'float16',
  '2/8/7': 'bfloat16',
  '4/8/23': 'float32',
  '8/11/52': 'float64',
}

const tag = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 4))

/** UTF-8 up to the first zero byte: texts of fixed length are padded with zeros. */
function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}
