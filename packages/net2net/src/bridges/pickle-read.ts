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
        `${name} names ${quote(found.path)}, which is not needed to read weights; nothing of it was executed.`,
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
