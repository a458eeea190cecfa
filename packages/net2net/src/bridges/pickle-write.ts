/** Writes Python pickles in protocol 2. */
import { inputError } from '../errors.ts'
import {
  PickleCall,
  PickleGlobal,
  PickleList,
  PicklePersistent,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from './pickle.ts'

/** Values nested deeper than this are no model's. */
const deepest = 200

/**
 * A pickle of protocol 2. What is the same object here is shared there.
 *
 * @throws Net2NetError (input) for values that contain themselves, or are nested absurdly deep
 */
export function writePickle(value: PickleValue, name: string): Uint8Array {
  const out = new ByteWriter()
  const memo = new Map<object, number>()
  const texts = new Map<string, number>()
  const remember = () => {
    const index = memo.size + texts.size
    if (index < 256) out.bytes(0x71, index)
    else out.code('r').uint32(index)
    return index
  }
  const recall = (index: number) => {
    if (index < 256) out.bytes(0x68, index)
    else out.code('j').uint32(index)
  }
  const globalText = (module: string, member: string) => {
    const key = `\n${module}\n${member}`
    const known = texts.get(key)
    if (known !== undefined) {
      recall(known)
      return
    }
    out.code('c').utf8(`${module}\n${member}\n`)
    texts.set(key, remember())
  }
  const open = new Set<object>()
  const write = (item: PickleValue, depth: number): void => {
    if (depth > deepest)
      throw inputError(`${name} nests values more than ${deepest} deep.`, { where: name })
    if (item === null) out.code('N')
    else if (typeof item === 'boolean') out.bytes(item ? 0x88 : 0x89)
    else if (typeof item === 'bigint') writeInteger(out, item)
    else if (typeof item === 'number') out.code('G').float64(item)
    else if (typeof item === 'string') {
      const known = texts.get(item)
      if (known !== undefined) {
        recall(known)
        return
      }
      const encoded = new TextEncoder().encode(item)
      out.code('X').uint32(encoded.length).append(encoded)
      texts.set(item, remember())
    } else if (item instanceof PickleGlobal) globalText(item.module, item.name)
    else {
      const known = memo.get(item)
      if (known !== undefined) {
        recall(known)
        return
      }
      if (open.has(item))
        throw inputError(`${name} holds a value that contains itself.`, { where: name })
      open.add(item)
      writeObject(item, depth + 1)
      open.delete(item)
    }
  }
  const writeObject = (item: Exclude<PickleValue & object, PickleGlobal>, depth: number): void => {
    if (item instanceof Uint8Array) {
      // Protocol 2 has no bytes: they are Latin-1 text that is encoded when it is loaded.
      globalText('_codecs', 'encode')
      write(String.fromCharCode(...item), depth)
      write('latin1', depth)
      out.bytes(0x86).code('R')
      memo.set(item, remember())
    } else if (item instanceof PickleTuple) {
      const small = [')', '\x85', '\x86', '\x87'][item.items.length]
      if (small === undefined) out.code('(')
      for (const part of item.items) write(part, depth)
      out.code(small ?? 't')
      if (item.items.length > 0) memo.set(item, remember())
    } else if (item instanceof PicklePersistent) {
      write(item.id, depth)
      out.code('Q')
      memo.set(item, remember())
    } else if (item instanceof PickleSet) {
      globalText('__builtin__', 'set')
      const list = new PickleList()
      list.items.push(...item.items)
      write(list, depth)
      out.bytes(0x85).code('R')
      memo.set(item, remember())
    } else if (item instanceof PickleCall) {
      globalText(item.callee.module, item.callee.name)
      write(item.args, depth)
      out.code('R')
      memo.set(item, remember())
      writeItems(item.items, depth)
      writeEntries(item.entries, depth)
      if (item.state !== undefined) {
        write(item.state, depth)
        out.code('b')
      }
    } else {
      out.code(item instanceof PickleList ? ']' : '}')
      memo.set(item, remember())
      if (item instanceof PickleList) writeItems(item.items, depth)
      else writeEntries(item.entries, depth)
    }
  }
  const writeItems = (items: readonly PickleValue[], depth: number) => {
    if (items.length === 0) return
    out.code('(')
    for (const item of items) write(item, depth)
    out.code('e')
  }
  const writeEntries = (
    entries: readonly (readonly [PickleValue, PickleValue])[],
    depth: number,
  ) => {
    if (entries.length === 0) return
    out.code('(')
    for (const [key, entry] of entries) {
      write(key, depth)
      write(entry, depth)
    }
    out.code('u')
  }
  out.bytes(0x80, 2)
  write(value, 0)
  return out.code('.').whole()
}

function writeInteger(out: ByteWriter, value: bigint): void {
  if (value >= 0n && value < 256n) out.bytes(0x4b, Number(value))
  else if (value >= 0n && value < 65536n)
    out.bytes(0x4d, Number(value & 0xffn), Number(value >> 8n))
  else if (value >= -(1n << 31n) && value < 1n << 31n) out.code('J').uint32(Number(value) >>> 0)
  else {
    const digits: number[] = []
    let rest = value
    while (
      !((rest === 0n && (digits.at(-1) ?? 0) < 128) || (rest === -1n && (digits.at(-1) ?? 0) > 127))
    ) {
      digits.push(Number(rest & 0xffn))
      rest >>= 8n
    }
    out.bytes(0x8a, digits.length, ...digits)
  }
}

class ByteWriter {
  #memory = new Uint8Array(1024)
  #length = 0

  bytes(...values: number[]): this {
    return this.append(Uint8Array.from(values))
  }

  /** An instruction by its character. */
  code(character: string): this {
    return this.bytes(character.charCodeAt(0))
  }

  utf8(text: string): this {
    return this.append(new TextEncoder().encode(text))
  }

  uint32(value: number): this {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, value, true)
    return this.append(bytes)
  }

  /** Big-endian, as pickles have it. */
  float64(value: number): this {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value)
    return this.append(bytes)
  }

  append(bytes: Uint8Array): this {
    if (this.#length + bytes.length > this.#memory.length) {
      const memory = new Uint8Array(2 * (this.#length + bytes.length))
      memory.set(this.#memory.subarray(0, this.#length))
      this.#memory = memory
    }
    this.#memory.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  whole(): Uint8Array {
    return this.#memory.slice(0, this.#length)
  }
}
