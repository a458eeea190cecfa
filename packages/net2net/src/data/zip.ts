/**
 * Zip archives. Members that are stored without compression, as PyTorch, Keras and NumPy write them,
 * are read where they lie, so that an archive may be larger than memory. Zip64 is understood.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

import { inputError } from '../errors.ts'
import { quote } from '../model/quote.ts'
import type { BytePart, ByteSource } from '../tensor/bytes.ts'
import { bytesFrom } from '../tensor/tensor.ts'
import { inMemory, viewOf } from './bytes.ts'

const signatures = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
}
const longestComment = 0xffff
/** Larger directories than of a million members are no model's. */
const largestDirectory = 1 << 28

/** A member as it lies in the archive. */
export interface ZipEntry {
  readonly bytes: ByteSource
  /** Bytes of the member when it is unpacked. */
  readonly unpackedSize: number
  readonly packing: 'stored' | 'deflated' | 'unknown'
}

/**
 * The members of an archive by name, each as bytes that are read when somebody asks.
 *
 * @param name what the archive is called in messages
 * @throws Net2NetError (input) where the archive is broken or a member is compressed or encrypted
 */
export function readZip(source: ByteSource, name: string): ReadonlyMap<string, ByteSource> {
  return new Map(
    [...zipEntries(source, name)].map(([member, { bytes, packing }]) => {
      if (packing !== 'stored') throw broken(name, `its member ${quote(member)} is compressed`)
      return [member, bytes]
    }),
  )
}

/**
 * The members of an archive by name, packed or not.
 *
 * @param archive what it is called in messages
 * @throws Net2NetError (input) where the archive is broken or a member is encrypted
 */
export function zipEntries(source: ByteSource, archive: string): ReadonlyMap<string, ZipEntry> {
  const problem = (what: string) => broken(archive, what)
  const { at, size, count } = findDirectory(source, problem)
  if (size > largestDirectory || at + size > source.size || count > size / 46)
    throw problem('its directory does not fit into the file')
  const directory = source.read(at, size)
  const view = viewOf(directory)
  const members = new Map<string, ZipEntry>()
  const spans: { from: number; to: number }[] = []
  for (let i = 0, offset = 0; i < count; i++) {
    if (offset + 46 > size || view.getUint32(offset, true) !== signatures.central)
      throw problem('its directory is damaged')
    const entry = readEntry(directory, view, offset, problem)
    offset = entry.next
    if (entry.name.endsWith('/') && entry.size === 0) continue
    if (entry.flags & 1) throw problem(`its member ${quote(entry.name)} is encrypted`)
    if (members.has(entry.name)) throw problem(`it holds ${quote(entry.name)} twice`)
    const start = dataStart(source, entry.at, problem)
    if (start + entry.packed > source.size)
      throw problem(`its member ${quote(entry.name)} is cut off`)
    spans.push({ from: entry.at, to: start + entry.packed })
    members.set(entry.name, {
      bytes: { size: entry.packed, ...bytesFrom(source, start) },
      unpackedSize: entry.size,
      packing:
        entry.method === 8
          ? 'deflated'
          : entry.method === 0 && entry.packed === entry.size
            ? 'stored'
            : 'unknown',
    })
  }
  spans.sort((a, b) => a.from - b.from)
  if (spans.some(({ from }, i) => from < (spans[i - 1]?.to ?? 0)))
    throw problem('its members overlap')
  return members
}

const broken = (name: string, what: string) =>
  inputError(`${name} is not a zip archive that can be read: ${what}.`, { where: name })

export interface ZipMember {
  readonly name: string
  readonly data: BytePart
}

/**
 * The parts of an archive with these members, to be written one after the other. The data of each
 * member is aligned to 64 bytes, as PyTorch does, so that it can be mapped into memory.
 */
export function zipParts(members: readonly ZipMember[]): readonly BytePart[] {
  const parts: BytePart[] = []
  const directory: Uint8Array[] = []
  let at = 0
  const push = (part: BytePart) => {
    parts.push(part)
    at += part.byteLength
  }
  for (const { name, data } of members) {
    const path = new TextEncoder().encode(name)
    const sum = crc32Of(data)
    const start = at
    const extra = localExtra(at + 30 + path.length, data.byteLength)
    push(inMemory(concat([localHeader(path, data.byteLength, sum, extra.length), path, extra])))
    push(data)
    directory.push(centralHeader(path, data.byteLength, sum, start))
  }
  const begin = at
  const listing = concat(directory)
  push(inMemory(listing))
  push(inMemory(endOfDirectory(members.length, listing.length, begin)))
  return parts
}

type Broken = (what: string) => Error

function findDirectory(source: ByteSource, broken: Broken) {
  const length = Math.min(source.size, 22 + longestComment)
  const tail = source.read(source.size - length, length)
  const view = viewOf(tail)
  for (let i = length - 22; i >= 0; i--) {
    if (view.getUint32(i, true) !== signatures.end) continue
    const place = {
      count: view.getUint16(i + 10, true),
      size: view.getUint32(i + 12, true),
      at: view.getUint32(i + 16, true),
    }
    if (place.count !== 0xffff && place.size !== 0xffffffff && place.at !== 0xffffffff) return place
    if (i < 20 || view.getUint32(i - 20, true) !== signatures.locator64) return place
    const record = Number(view.getBigUint64(i - 12, true))
    if (record + 56 > source.size) throw broken('the end of its directory is damaged')
    const end = viewOf(source.read(record, 56))
    if (end.getUint32(0, true) !== signatures.end64)
      throw broken('the end of its directory is damaged')
    return {
      count: Number(end.getBigUint64(32, true)),
      size: Number(end.getBigUint64(40, true)),
      at: Number(end.getBigUint64(48, true)),
    }
  }
  throw broken('it has no directory')
}

interface Field {
  value: number
}

function readEntry(bytes: Uint8Array, view: DataView, at: number, broken: Broken) {
  const nameLength = view.getUint16(at + 28, true)
  const extraLength = view.getUint16(at + 30, true)
  const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true)
  if (next > bytes.length) throw broken('its directory is damaged')
  const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength))
  const fields: Field[] = [
    { value: view.getUint32(at + 24, true) },
    { value: view.getUint32(at + 20, true) },
    { value: view.getUint32(at + 42, true) },
  ]
  // Zip64: the fields that are all ones follow in an extra field, in this order.
  for (let extra = at + 46 + nameLength; extra + 4 <= at + 46 + nameLength + extraLength; ) {
    const size = view.getUint16(extra + 2, true)
    if (view.getUint16(extra, true) === 1) {
      let from = extra + 4
      for (const field of fields)
        if (field.value === 0xffffffff && from + 8 <= extra + 4 + size) {
          field.value = Number(view.getBigUint64(from, true))
          from += 8
        }
    }
    extra += 4 + size
  }
  const [size, packed, offset] = fields as [Field, Field, Field]
  return {
    name,
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    size: size.value,
    packed: packed.value,
    at: offset.value,
    next,
  }
}

function dataStart(source: ByteSource, at: number, broken: Broken): number {
  if (at + 30 > source.size) throw broken('a member lies behind its end')
  const view = viewOf(source.read(at, 30))
  if (view.getUint32(0, true) !== signatures.local)
    throw broken('the header of a member is damaged')
  return at + 30 + view.getUint16(26, true) + view.getUint16(28, true)
}

/** 1 January 1980, the format's zero: the same members give the same bytes. */
const date = 0x21

/** The extra field of a local header that ends at `at`: large sizes, and what aligns the data to 64 bytes. */
function localExtra(at: number, size: number): Uint8Array {
  const sizes = new Uint8Array(size >= 0xffffffff ? 20 : 0)
  if (sizes.length > 0) {
    const view = viewOf(sizes)
    view.setUint16(0, 1, true)
    view.setUint16(2, 16, true)
    view.setBigUint64(4, BigInt(size), true)
    view.setBigUint64(12, BigInt(size), true)
  }
  const missing = (64 - ((at + sizes.length + 4) % 64)) % 64
  const padding = new Uint8Array(4 + missing)
  const view = viewOf(padding)
  // "FB", the tag that PyTorch pads with.
  view.setUint16(0, 0x4246, true)
  view.setUint16(2, missing, true)
  return concat([sizes, padding])
}

function localHeader(path: Uint8Array, size: number, sum: number, extraLength: number): Uint8Array {
  const bytes = new Uint8Array(30)
  const view = viewOf(bytes)
  view.setUint32(0, signatures.local, true)
  view.setUint16(4, size >= 0xffffffff ? 45 : 20, true)
  view.setUint16(6, 0x800, true)
  view.setUint16(12, date, true)
  view.setUint32(14, sum, true)
  view.setUint32(18, Math.min(size, 0xffffffff), true)
  view.setUint32(22, Math.min(size, 0xffffffff), true)
  view.setUint16(26, path.length, true)
  view.setUint16(28, extraLength, true)
  return bytes
}

function centralHeader(path: Uint8Array, size: number, sum: number, at: number): Uint8Array {
  const large = size >= 0xffffffff
  const far = at >= 0xffffffff
  const extra = new Uint8Array(large || far ? 4 + (large ? 16 : 0) + (far ? 8 : 0) : 0)
  if (extra.length > 0) {
    const view = viewOf(extra)
    view.setUint16(0, 1, true)
    view.setUint16(2, extra.length - 4, true)
    if (large) {
      view.setBigUint64(4, BigInt(size), true)
      view.setBigUint64(12, BigInt(size), true)
    }
    if (far) view.setBigUint64(extra.length - 8, BigInt(at), true)
  }
  const bytes = new Uint8Array(46)
  const view = viewOf(bytes)
  const version = extra.length > 0 ? 45 : 20
  view.setUint32(0, signatures.central, true)
  view.setUint16(4, version, true)
  view.setUint16(6, version, true)
  view.setUint16(8, 0x800, true)
  view.setUint16(14, date, true)
  view.setUint32(16, sum, true)
  view.setUint32(20, large ? 0xffffffff : size, true)
  view.setUint32(24, large ? 0xffffffff : size, true)
  view.setUint16(28, path.length, true)
  view.setUint16(30, extra.length, true)
  view.setUint32(42, far ? 0xffffffff : at, true)
  return concat([bytes, path, extra])
}

function endOfDirectory(count: number, size: number, at: number): Uint8Array {
  const large = count >= 0xffff || size >= 0xffffffff || at >= 0xffffffff
  const end = new Uint8Array(22)
  const view = viewOf(end)
  view.setUint32(0, signatures.end, true)
  view.setUint16(8, Math.min(count, 0xffff), true)
  view.setUint16(10, Math.min(count, 0xffff), true)
  view.setUint32(12, Math.min(size, 0xffffffff), true)
  view.setUint32(16, Math.min(at, 0xffffffff), true)
  if (!large) return end
  const end64 = new Uint8Array(56)
  const view64 = viewOf(end64)
  view64.setUint32(0, signatures.end64, true)
  view64.setBigUint64(4, 44n, true)
  view64.setUint16(12, 45, true)
  view64.setUint16(14, 45, true)
  view64.setBigUint64(24, BigInt(count), true)
  view64.setBigUint64(32, BigInt(count), true)
  view64.setBigUint64(40, BigInt(size), true)
  view64.setBigUint64(48, BigInt(at), true)
  const locator = new Uint8Array(20)
  viewOf(locator).setUint32(0, signatures.locator64, true)
  viewOf(locator).setBigUint64(8, BigInt(at + size), true)
  viewOf(locator).setUint32(16, 1, true)
  return concat([end64, locator, end])
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c >>> 0
})

/** The CRC-32 of bytes, read a piece at a time. */
function crc32Of(data: BytePart): number {
  let sum = 0xffffffff
  const piece = 1 << 22
  for (let at = 0; at < data.byteLength; at += piece)
    for (const byte of data.read(at, Math.min(piece, data.byteLength - at)))
      sum = table[(sum ^ byte) & 0xff]! ^ (sum >>> 8)
  return (sum ^ 0xffffffff) >>> 0
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
