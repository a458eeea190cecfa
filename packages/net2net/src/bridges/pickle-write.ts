/** Writes Python pickles in protocol 2. */
import { inputError } from '../errors.ts'
import {
  PickleCall,
  PickleDict,
  PickleGlobal,
  PickleList,
  type PicklePersistent,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from './pickle.ts'

/** Values nested deeper than this are no model's. */
const deepest = 200

/** What has parts, or more than one form of writing: it is written once and recalled after that. */
type Compound = Exclude<PickleValue & object, PickleGlobal>

/**
 * A pickle of protocol 2. What is the same object here is shared there.
 *
 * @throws Net2NetError (input) for values that contain themselves, or are nested absurdly deep
 */
export function writePickle(value: PickleValue, name: string): Uint8Array {
  const out = new ByteWriter()
  out.bytes(0x80, 2)
  new Pickler(out, name).write(value, 0)
  return out.code('.').whole()
}

class Pickler {
  readonly #out: ByteWriter
  readonly #name: string
  /** What can be recalled, by its number: objects, and texts and names of classes. */
  readonly #memo = new Map<object, number>()
  readonly #texts = new Map<string, number>()
  /** Objects that are being written. */
  readonly #open = new Set<object>()

  constructor(out: ByteWriter, name: string) {
    this.#out = out
    this.#name = name
  }

  write(item: PickleValue, depth: number): void {
    const out = this.#out
    if (depth > deepest)
      throw inputError(`${this.#name} nests values more than ${deepest} deep.`, {
        where: this.#name,
      })
    if (item === null) out.code('N')
    else if (typeof item === 'boolean') out.bytes(item ? 0x88 : 0x89)
    else if (typeof item === 'bigint') writeInteger(out, item)
    else if (typeof item === 'number') out.code('G').float64(item)
    else if (typeof item === 'string') this.#writeText(item)
    else if (item instanceof PickleGlobal) this.#writeGlobal(item.module, item.name)
    else if (!this.#recalls(this.#memo.get(item))) this.#writeOnce(item, depth + 1)
  }

  /** The number under which the last value can be recalled from now on. */
  #remember(): number {
    const index = this.#memo.size + this.#texts.size
    if (index < 256) this.#out.bytes(0x71, index)
    else this.#out.code('r').uint32(index)
    return index
  }

  #recalls(index: number | undefined): boolean {
    if (index === undefined) return false
    if (index < 256) this.#out.bytes(0x68, index)
    else this.#out.code('j').uint32(index)
    return true
  }

  #writeText(text: string): void {
    if (this.#recalls(this.#texts.get(text))) return
    const encoded = new TextEncoder().encode(text)
    this.#out.code('X').uint32(encoded.length).append(encoded)
    this.#texts.set(text, this.#remember())
  }

  #writeGlobal(module: string, member: string): void {
    const key = `\n${module}\n${member}`
    if (this.#recalls(this.#texts.get(key))) return
    this.#out.code('c').utf8(`${module}\n${member}\n`)
    this.#texts.set(key, this.#remember())
  }

  #writeOnce(item: Compound, depth: number): void {
    if (this.#open.has(item))
      throw inputError(`${this.#name} holds a value that contains itself.`, { where: this.#name })
    this.#open.add(item)
    this.#writeCompound(item, depth)
    this.#open.delete(item)
  }

  #writeCompound(item: Compound, depth: number): void {
    if (item instanceof PickleTuple) this.#writeTuple(item, depth)
    else if (item instanceof PickleCall) this.#writeCall(item, depth)
    else if (item instanceof PickleList || item instanceof PickleDict)
      this.#writeContainer(item, depth)
    else {
      if (item instanceof Uint8Array) this.#writeBytes(item, depth)
      else if (item instanceof PickleSet) this.#writeSet(item, depth)
      else this.#writePersistent(item, depth)
      this.#memo.set(item, this.#remember())
    }
  }

  /** Protocol 2 has no bytes: they are Latin-1 text that is encoded when it is loaded. */
  #writeBytes(item: Uint8Array, depth: number): void {
    this.#writeGlobal('_codecs', 'encode')
    this.write(String.fromCharCode(...item), depth)
    this.write('latin1', depth)
    this.#out.bytes(0x86).code('R')
  }

  #writeSet({ items }: PickleSet, depth: number): void {
    this.#writeGlobal('__builtin__', 'set')
    const list = new PickleList()
    list.items.push(...items)
    this.write(list, depth)
    this.#out.bytes(0x85).code('R')
  }

  #writePersistent({ id }: PicklePersistent, depth: number): void {
    this.write(id, depth)
    this.#out.code('Q')
  }

  #writeTuple(item: PickleTuple, depth: number): void {
    const small = [')', '\x85', '\x86', '\x87'][item.items.length]
    if (small === undefined) this.#out.code('(')
    for (const part of item.items) this.write(part, depth)
    this.#out.code(small ?? 't')
    if (item.items.length > 0) this.#memo.set(item, this.#remember())
  }

  #writeCall(item: PickleCall, depth: number): void {
    this.#writeGlobal(item.callee.module, item.callee.name)
    this.write(item.args, depth)
    this.#out.code('R')
    this.#memo.set(item, this.#remember())
    this.#writeItems(item.items, depth)
    this.#writeEntries(item.entries, depth)
    if (item.state === undefined) return
    this.write(item.state, depth)
    this.#out.code('b')
  }

  #writeContainer(item: PickleList | PickleDict, depth: number): void {
    this.#out.code(item instanceof PickleList ? ']' : '}')
    this.#memo.set(item, this.#remember())
    if (item instanceof PickleList) this.#writeItems(item.items, depth)
    else this.#writeEntries(item.entries, depth)
  }

  #writeItems(items: readonly PickleValue[], depth: number): void {
    if (items.length === 0) return
    this.#out.code('(')
    for (const item of items) this.write(item, depth)
    this.#out.code('e')
  }

  #writeEntries(entries: readonly (readonly [PickleValue, PickleValue])[], depth: number): void {
    if (entries.length === 0) return
    this.#out.code('(')
    for (const part of entries.flat()) this.write(part, depth)
    this.#out.code('u')
  }
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
