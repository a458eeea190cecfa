/**
 * Python pickles as plain data, without executing anything. What a pickle would construct is kept as
 * the call that it is, if its class is on a list of allowed ones; so a pickle can be changed and written
 * again, in protocol 2, which PyTorch loads with `weights_only=True`.
 *
 * @see https://docs.python.org/3/library/pickle.html and Lib/pickletools.py of Python
 */

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
