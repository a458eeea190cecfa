/** Reads Python pickles: their instructions, on a stack, without executing what they name. */
import { inputError } from '../errors.ts'
import { quote } from '../model/quote.ts'
import {
  PickleCall,
  PickleDict,
  PickleGlobal,
  PickleList,
  PicklePersistent,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from './pickle.ts'

/** A state dict of 100,000 tensors takes a tenth of this. */
const mostSteps = 1 << 24
const mark = Symbol('mark')

/** Makes an error that says what is wrong with the pickle. */
type Broken = (what: string) => Error

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
  const broken: Broken = (what) =>
    inputError(`${name} holds a pickle that cannot be read: ${what}.`, { where: name })
  const global = (module: PickleValue, member: PickleValue) => {
    if (typeof module !== 'string' || typeof member !== 'string')
      throw broken('the name of a class is no text')
    const found = new PickleGlobal(module, member)
    if (isAllowed(found.path)) return found
    throw inputError(
      `${name} names ${quote(found.path)}, which is not needed to read weights; nothing of it was executed.`,
      { where: name, hint: 'Save a state dict: torch.save(model.state_dict(), FILE).' },
    )
  }
  const source = new Source(bytes, broken)
  const machine: Machine = { source, stack: new Stack(broken), memo: new Map(), global, broken }
  const { stack } = machine
  for (let steps = 0; ; steps++) {
    if (steps > mostSteps) throw broken('it is absurdly long')
    const opcode = String.fromCharCode(source.uint8())
    if (opcode === STOP) return stack.last()
    const [literal, operation] = [literals[opcode], operations[opcode]]
    if (literal) stack.push(literal(source))
    else if (operation) operation(machine)
    else throw broken(`the instruction 0x${hexadecimal(opcode)} is unknown`)
  }
}

const hexadecimal = (opcode: string) => opcode.charCodeAt(0).toString(16).padStart(2, '0')

/** The bytes of a pickle, read from the first to the last. Numbers are little-endian where nothing else is said. */
class Source {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #broken: Broken
  #at = 0

  constructor(bytes: Uint8Array, broken: Broken) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#broken = broken
  }

  /** Where the next so many bytes begin. */
  #take(length: number): number {
    if (length > this.#bytes.length - this.#at) throw this.#broken('it ends too early')
    this.#at += length
    return this.#at - length
  }

  uint8 = (): number => this.#bytes[this.#take(1)]!
  uint16 = (): number => this.#view.getUint16(this.#take(2), true)
  uint32 = (): number => this.#view.getUint32(this.#take(4), true)
  int32 = (): number => this.#view.getInt32(this.#take(4), true)
  /** Big-endian. */
  float64 = (): number => this.#view.getFloat64(this.#take(8))
  /** A length in eight bytes; one that no file has is more than there is. */
  length = (): number => Number(this.#view.getBigUint64(this.#take(8), true))

  slice(length: number): Uint8Array {
    const from = this.#take(length)
    return this.#bytes.subarray(from, from + length)
  }

  text = (length: number): string => new TextDecoder().decode(this.slice(length))

  /** Up to the next line feed. */
  line(): string {
    const end = this.#bytes.indexOf(10, this.#at)
    if (end < 0) throw this.#broken('it ends too early')
    const found = this.text(end - this.#at)
    this.#take(1)
    return found
  }

  integer(length: number): bigint {
    if (length < 0 || length > 1024) throw this.#broken('it holds an absurd number')
    return integerOf(this.slice(length))
  }
}

/** Values, and marks where a list of them begins. */
class Stack {
  readonly #slots: (PickleValue | typeof mark)[] = []
  readonly #broken: Broken

  constructor(broken: Broken) {
    this.#broken = broken
  }

  push(slot: PickleValue | typeof mark): void {
    this.#slots.push(slot)
  }

  /** Takes the last slot away, whatever it is. */
  drop(): void {
    this.#slots.pop()
  }

  pop(): PickleValue {
    const value = this.top()
    this.#slots.pop()
    return value
  }

  top(): PickleValue {
    const value = this.#slots.at(-1)
    if (value === undefined || value === mark) throw this.#broken('its stack runs empty')
    return value
  }

  /** The last so many values, in their order. */
  popSome(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse()
  }

  /** All values behind the last mark, which goes, too. */
  popMarked(): PickleValue[] {
    const from = this.#slots.lastIndexOf(mark)
    if (from < 0) throw this.#broken('its stack has no mark')
    return this.#slots.splice(from).slice(1) as PickleValue[]
  }

  /** The only value that is left. */
  last(): PickleValue {
    const value = this.pop()
    if (this.#slots.length > 0) throw this.#broken('it leaves values behind')
    return value
  }
}

interface Machine {
  readonly source: Source
  readonly stack: Stack
  readonly memo: Map<number, PickleValue>
  readonly global: (module: PickleValue, member: PickleValue) => PickleGlobal
  readonly broken: Broken
}

const STOP = '.'

/** Instructions that put one value on the stack, which depends on nothing else. Their names are those of Python's `pickletools`. */
const literals: Readonly<Record<string, (source: Source) => PickleValue>> = {
  /* NONE */ N: () => null,
  /* NEWTRUE */ '\x88': () => true,
  /* NEWFALSE */ '\x89': () => false,
  /* BININT1 */ K: (source) => BigInt(source.uint8()),
  /* BININT2 */ M: (source) => BigInt(source.uint16()),
  /* BININT */ J: (source) => BigInt(source.int32()),
  /* LONG1 */ '\x8a': (source) => source.integer(source.uint8()),
  /* LONG4 */ '\x8b': (source) => source.integer(source.int32()),
  /* BINFLOAT */ G: (source) => source.float64(),
  /* BINUNICODE */ X: (source) => source.text(source.uint32()),
  /* SHORT_BINUNICODE */ '\x8c': (source) => source.text(source.uint8()),
  /* BINUNICODE8 */ '\x8d': (source) => source.text(source.length()),
  /* SHORT_BINSTRING */ U: (source) => source.text(source.uint8()),
  /* BINSTRING */ T: (source) => source.text(source.uint32()),
  /* SHORT_BINBYTES */ C: (source) => source.slice(source.uint8()).slice(),
  /* BINBYTES */ B: (source) => source.slice(source.uint32()).slice(),
  /* BINBYTES8 */ '\x8e': (source) => source.slice(source.length()).slice(),
  /* BYTEARRAY8 */ '\x96': (source) => source.slice(source.length()).slice(),
  /* EMPTY_LIST */ ']': () => new PickleList(),
  /* EMPTY_DICT */ '}': () => new PickleDict(),
  /* EMPTY_SET */ '\x8f': () => new PickleSet(),
  /* EMPTY_TUPLE */ ')': () => new PickleTuple([]),
}

/** All other instructions. */
const operations: Readonly<Record<string, (machine: Machine) => void>> = {
  /* PROTO */ '\x80': ({ source, broken }) => {
    if (source.uint8() > 5) throw broken('its protocol is newer than 5')
  },
  /* FRAME */ '\x95': ({ source }) => void source.slice(8),
  /* MARK */ '(': ({ stack }) => stack.push(mark),
  /* POP */ '0': ({ stack }) => stack.drop(),
  /* POP_MARK */ '1': ({ stack }) => void stack.popMarked(),
  /* DUP */ '2': ({ stack }) => stack.push(stack.top()),
  /* TUPLE1 */ '\x85': ({ stack }) => stack.push(new PickleTuple(stack.popSome(1))),
  /* TUPLE2 */ '\x86': ({ stack }) => stack.push(new PickleTuple(stack.popSome(2))),
  /* TUPLE3 */ '\x87': ({ stack }) => stack.push(new PickleTuple(stack.popSome(3))),
  /* TUPLE */ t: ({ stack }) => stack.push(new PickleTuple(stack.popMarked())),
  /* LIST */ l: ({ stack, broken }) => {
    stack.push(append(new PickleList(), stack.popMarked(), broken))
  },
  /* DICT */ d: ({ stack, broken }) => {
    stack.push(setItems(new PickleDict(), stack.popMarked(), broken))
  },
  /* APPEND */ a: ({ stack, broken }) => {
    const items = stack.popSome(1)
    append(stack.top(), items, broken)
  },
  /* APPENDS */ e: ({ stack, broken }) => {
    const items = stack.popMarked()
    append(stack.top(), items, broken)
  },
  /* SETITEM */ s: ({ stack, broken }) => {
    const items = stack.popSome(2)
    setItems(stack.top(), items, broken)
  },
  /* SETITEMS */ u: ({ stack, broken }) => {
    const items = stack.popMarked()
    setItems(stack.top(), items, broken)
  },
  /* ADDITEMS */ '\x90': ({ stack, broken }) => {
    const items = stack.popMarked()
    const target = stack.top()
    if (!(target instanceof PickleSet)) throw broken('it adds to what is no set')
    for (const item of items) target.items.push(item)
  },
  /* GLOBAL */ c: ({ source, stack, global }) => {
    const module = source.line()
    stack.push(global(module, source.line()))
  },
  /* STACK_GLOBAL */ '\x93': ({ stack, global }) => {
    const [module = null, member = null] = stack.popSome(2)
    stack.push(global(module, member))
  },
  /* REDUCE */ R: call,
  /* NEWOBJ */ '\x81': call,
  /* BUILD */ b: ({ stack, broken }) => {
    const state = stack.pop()
    const target = stack.top()
    if (!(target instanceof PickleCall)) throw broken('it gives a state to what has none')
    target.state = state
  },
  /* BINPERSID */ Q: ({ stack }) => stack.push(new PicklePersistent(stack.pop())),
  /* BINPUT */ q: ({ source, stack, memo }) => void memo.set(source.uint8(), stack.top()),
  /* LONG_BINPUT */ r: ({ source, stack, memo }) => void memo.set(source.uint32(), stack.top()),
  /* MEMOIZE */ '\x94': ({ stack, memo }) => void memo.set(memo.size, stack.top()),
  /* BINGET */ h: (machine) => recall(machine, machine.source.uint8()),
  /* LONG_BINGET */ j: (machine) => recall(machine, machine.source.uint32()),
}

function append<T extends PickleValue>(
  target: T,
  items: readonly PickleValue[],
  broken: Broken,
): T {
  if (!(target instanceof PickleList || target instanceof PickleCall))
    throw broken('it appends to what is no list')
  for (const item of items) target.items.push(item)
  return target
}

/** @param items keys and values in turn */
function setItems<T extends PickleValue>(
  target: T,
  items: readonly PickleValue[],
  broken: Broken,
): T {
  if (!(target instanceof PickleDict || target instanceof PickleCall) || items.length % 2 > 0)
    throw broken('it sets items of what is no dict')
  for (let i = 0; i < items.length; i += 2) target.entries.push([items[i]!, items[i + 1]!])
  return target
}

function call({ stack, broken }: Machine): void {
  const [callee, args] = stack.popSome(2)
  if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple))
    throw broken('it calls what is no class')
  stack.push(new PickleCall(callee, args))
}

function recall({ stack, memo, broken }: Machine, index: number): void {
  const value = memo.get(index)
  if (value === undefined) throw broken('it refers to a value that is not there')
  stack.push(value)
}

/** Little-endian two's complement. */
function integerOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return bytes.length > 0 && bytes.at(-1)! & 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value
}
