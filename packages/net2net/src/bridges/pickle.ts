/**
 * Python pickles as plain data, without executing anything. What a pickle would construct is kept as
 * the call that it is, if its class is on a list of allowed ones; so a pickle can be changed and written
 * again, in protocol 2, which PyTorch loads with `weights_only=True`.
 *
 * @see https://docs.python.org/3/library/pickle.html and Lib/pickletools.py of Python
 */
import { inputError } from '../errors.ts'

/**
 * A value of Python. Integers are bigints and floats are numbers, so that both come back as what they
 * were. Values that were shared in the pickle are the same object here.
 */
export type PickleValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleSet
  | PickleGlobal
  | PickleCall
  | PicklePersistent

export class PickleList {
  readonly items: PickleValue[] = []
}
export class PickleTuple {
  readonly items: readonly PickleValue[]
  constructor(items: readonly PickleValue[]) {
    this.items = items
  }
}
export class PickleDict {
  readonly entries: [PickleValue, PickleValue][] = []
}
export class PickleSet {
  readonly items: PickleValue[] = []
}
/** A class or function, by its name. */
export class PickleGlobal {
  readonly module: string
  readonly name: string
  constructor(module: string, name: string) {
    this.module = module
    this.name = name
  }
  get path(): string {
    return `${this.module}.${this.name}`
  }
}
/** An object: what is called with which arguments, its items (of a subclass of dict or list) and its state. */
export class PickleCall {
  readonly callee: PickleGlobal
  readonly args: PickleTuple
  readonly entries: [PickleValue, PickleValue][] = []
  readonly items: PickleValue[] = []
  state: PickleValue | undefined
  constructor(callee: PickleGlobal, args: PickleTuple) {
    this.callee = callee
    this.args = args
  }
}
/** Something that lies outside the pickle (a storage of PyTorch), by what names it. */
export class PicklePersistent {
  readonly id: PickleValue
  constructor(id: PickleValue) {
    this.id = id
  }
}

/** The entry of a dict under a text, or undefined. */
export function entryOf(value: PickleValue | undefined, key: string): PickleValue | undefined {
  if (!(value instanceof PickleDict || value instanceof PickleCall)) return undefined
  return value.entries.find(([name]) => name === key)?.[1]
}

/** Values nested deeper than this are no model's. */
const deepest = 200
/** A state dict of 100,000 tensors takes a tenth of this. */
const mostSteps = 1 << 24
const mark = Symbol('mark')
type Slot = PickleValue | typeof mark

/**
 * Reads a pickle of protocols 2 to 5.
 *
 * @param isAllowed whether a class or function (`collections.OrderedDict`) may be named
 * @param name what the pickle is called in messages
 * @throws Net2NetError (input) where it is broken, or names what is not allowed
 */
export function readPickle(
  bytes: Uint8Array,
  isAllowed: (path: string) => boolean,
  name: string,
): PickleValue {
  const broken = (what: string) =>
    inputError(`${name} holds a pickle that cannot be read: ${what}.`, { where: name })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stack: Slot[] = []
  const memo = new Map<number, PickleValue>()
  let at = 0
  const take = (length: number): number => {
    if (length > bytes.length - at) throw broken('it ends too early')
    at += length
    return at - length
  }
  const slice = (length: number) => {
    const from = take(length)
    return bytes.subarray(from, from + length)
  }
  const longLength = () => {
    const length = view.getBigUint64(take(8), true)
    return length > BigInt(bytes.length) ? bytes.length + 1 : Number(length)
  }
  const text = (part: Uint8Array) => new TextDecoder().decode(part)
  const line = () => {
    const end = bytes.indexOf(10, at)
    if (end < 0) throw broken('it ends too early')
    const found = text(bytes.subarray(at, end))
    at = end + 1
    return found
  }
  const pop = (): PickleValue => {
    const value = stack.pop()
    if (value === undefined || value === mark) throw broken('its stack runs empty')
    return value
  }
  const popMark = (): PickleValue[] => {
    const from = stack.lastIndexOf(mark)
    if (from < 0) throw broken('its stack has no mark')
    const values = stack.splice(from).slice(1) as PickleValue[]
    return values
  }
  const top = (): PickleValue => {
    const value = stack.at(-1)
    if (value === undefined || value === mark) throw broken('its stack runs empty')
    return value
  }
  const recall = (index: number) => {
    const value = memo.get(index)
    if (value === undefined) throw broken('it refers to a value that is not there')
    stack.push(value)
  }
  const globalOf = (module: PickleValue, member: PickleValue) => {
    if (typeof module !== 'string' || typeof member !== 'string')
      throw broken('the name of a class is no text')
    const found = new PickleGlobal(module, member)
    if (!isAllowed(found.path))
      throw inputError(
        `${name} names ${found.path}, which is not needed to read weights; nothing of it was executed.`,
        { where: name, hint: 'Save a state dict: torch.save(model.state_dict(), FILE).' },
      )
    return found
  }
  const append = (target: PickleValue, items: readonly PickleValue[]) => {
    if (!(target instanceof PickleList || target instanceof PickleCall))
      throw broken('it appends to what is no list')
    for (const item of items) target.items.push(item)
  }
  const setItems = (target: PickleValue, items: readonly PickleValue[]) => {
    if (!(target instanceof PickleDict || target instanceof PickleCall) || items.length % 2 > 0)
      throw broken('it sets items of what is no dict')
    for (let i = 0; i < items.length; i += 2) target.entries.push([items[i]!, items[i + 1]!])
  }
  const call = (callee: PickleValue, args: PickleValue) => {
    if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple))
      throw broken('it calls what is no class')
    return new PickleCall(callee, args)
  }
  for (let steps = 0; at < bytes.length; steps++) {
    if (steps > mostSteps) throw broken('it is absurdly long')
    const code = bytes[at++]!
    switch (String.fromCharCode(code)) {
      case '\x80': // PROTO
        if (bytes[take(1)]! > 5) throw broken('its protocol is newer than 5')
        break
      case '\x95': // FRAME
        take(8)
        break
      case '.': {
        // STOP
        const value = pop()
        if (stack.length > 0) throw broken('it leaves values behind')
        return value
      }
      case '(':
        stack.push(mark)
        break
      case '0':
        stack.pop()
        break
      case '1':
        popMark()
        break
      case '2':
        stack.push(top())
        break
      case 'N':
        stack.push(null)
        break
      case '\x88':
        stack.push(true)
        break
      case '\x89':
        stack.push(false)
        break
      case 'K':
        stack.push(BigInt(bytes[take(1)]!))
        break
      case 'M':
        stack.push(BigInt(view.getUint16(take(2), true)))
        break
      case 'J':
        stack.push(BigInt(view.getInt32(take(4), true)))
        break
      case '\x8a':
        stack.push(integerOf(slice(bytes[take(1)]!)))
        break
      case '\x8b': {
        const length = view.getInt32(take(4), true)
        if (length < 0 || length > 1024) throw broken('it holds an absurd number')
        stack.push(integerOf(slice(length)))
        break
      }
      case 'G':
        stack.push(view.getFloat64(take(8)))
        break
      case 'X':
        stack.push(text(slice(view.getUint32(take(4), true))))
        break
      case '\x8c':
        stack.push(text(slice(bytes[take(1)]!)))
        break
      case '\x8d':
        stack.push(text(slice(longLength())))
        break
      case 'U':
        stack.push(text(slice(bytes[take(1)]!)))
        break
      case 'T':
        stack.push(text(slice(view.getUint32(take(4), true))))
        break
      case 'C':
        stack.push(slice(bytes[take(1)]!).slice())
        break
      case 'B':
        stack.push(slice(view.getUint32(take(4), true)).slice())
        break
      case '\x8e':
      case '\x96':
        stack.push(slice(longLength()).slice())
        break
      case ']':
        stack.push(new PickleList())
        break
      case '}':
        stack.push(new PickleDict())
        break
      case '\x8f':
        stack.push(new PickleSet())
        break
      case ')':
        stack.push(new PickleTuple([]))
        break
      case '\x85':
        stack.push(new PickleTuple([pop()]))
        break
      case '\x86': {
        const second = pop()
        stack.push(new PickleTuple([pop(), second]))
        break
      }
      case '\x87': {
        const third = pop()
        const second = pop()
        stack.push(new PickleTuple([pop(), second, third]))
        break
      }
      case 't':
        stack.push(new PickleTuple(popMark()))
        break
      case 'l': {
        const list = new PickleList()
        append(list, popMark())
        stack.push(list)
        break
      }
      case 'd': {
        const dict = new PickleDict()
        setItems(dict, popMark())
        stack.push(dict)
        break
      }
      case 'a': {
        const item = pop()
        append(top(), [item])
        break
      }
      case 'e': {
        const items = popMark()
        append(top(), items)
        break
      }
      case 's': {
        const value = pop()
        const key = pop()
        setItems(top(), [key, value])
        break
      }
      case 'u': {
        const items = popMark()
        setItems(top(), items)
        break
      }
      case '\x90': {
        const items = popMark()
        const target = top()
        if (!(target instanceof PickleSet)) throw broken('it adds to what is no set')
        for (const item of items) target.items.push(item)
        break
      }
      case 'c': {
        const module = line()
        stack.push(globalOf(module, line()))
        break
      }
      case '\x93': {
        const member = pop()
        stack.push(globalOf(pop(), member))
        break
      }
      case 'R':
      case '\x81': {
        const args = pop()
        stack.push(call(pop(), args))
        break
      }
      case 'b': {
        const state = pop()
        const target = top()
        if (!(target instanceof PickleCall)) throw broken('it gives a state to what has none')
        target.state = state
        break
      }
      case 'Q':
        stack.push(new PicklePersistent(pop()))
        break
      case 'q':
        memo.set(bytes[take(1)]!, top())
        break
      case 'r':
        memo.set(view.getUint32(take(4), true), top())
        break
      case '\x94':
        memo.set(memo.size, top())
        break
      case 'h':
        recall(bytes[take(1)]!)
        break
      case 'j':
        recall(view.getUint32(take(4), true))
        break
      default:
        throw broken(`the instruction 0x${code.toString(16).padStart(2, '0')} is unknown`)
    }
  }
  throw broken('it ends too early')
}

/** Little-endian two's complement. */
function integerOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return bytes.length > 0 && bytes.at(-1)! & 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value
}

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
