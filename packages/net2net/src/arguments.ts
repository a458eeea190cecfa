/**
 * What the compiler holds callers in TypeScript to, held to callers in JavaScript too: public entries wrap their
 * functions in `checked`, which refuses arguments of wrong types, and options that do not exist, in one sentence,
 * before anything is done with them. Ranges, names and shapes are the business of the functions themselves.
 *
 * What makes checks is marked as free of side effects, so that bundlers can leave out the functions that nobody calls.
 */
import { usageError } from './errors.ts'

/** What is wrong with a value, or with something inside it. */
interface Fault {
  /** The way to it from the argument: keys and positions. */
  readonly path: readonly string[]
  /** The rest of the sentence: `must be a number, not "1"`. */
  readonly message: string
}

/** What an argument must be: a function that finds what is wrong with a value, if anything. */
export type Kind = (value: unknown) => Fault | undefined

type Kinds = Readonly<Record<string, Kind>>
type RequiredKeys<O> = { [K in keyof O]-?: object extends Pick<O, K> ? never : K }[keyof O]
/** A kind for each of these keys: forgetting one does not compile, since it would be refused as unknown. */
type KindsOf<Keys extends PropertyKey> = { readonly [K in Keys]: Kind }

/** A kind in words (`a number`), and the values that are of it. */
// @__NO_SIDE_EFFECTS__
function kind(words: string, is: (value: unknown) => boolean): Kind {
  return (value) =>
    is(value) ? undefined : { path: [], message: `must be ${words}, not ${described(value)}.` }
}

const holds = (value: unknown, property: string, type: string) =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, property) === type

// Not `instanceof`, which does not know what another realm made.
const isRecord = (value: unknown): value is Record<string, unknown> =>
  Object.prototype.toString.call(value) === '[object Object]'

// @__NO_SIDE_EFFECTS__
export function oneOf(words: string, known: readonly string[]): Kind {
  return kind(words, (value) => typeof value === 'string' && known.includes(value))
}
export const number = kind('a number', (value) => typeof value === 'number')
export const text = kind('a string', (value) => typeof value === 'string')
export const flag = kind('true or false', (value) => typeof value === 'boolean')
export const callback = kind('a function', (value) => typeof value === 'function')
export const bytes = kind('a Uint8Array', (value) => ArrayBuffer.isView(value))
export const signal = kind('an AbortSignal', (value) => holds(value, 'aborted', 'boolean'))
/** Whatever it is: what went wrong, or what only the caller reads. */
export const anything: Kind = () => undefined
export const json = kind('what JSON can say', (value) =>
  ['object', 'string', 'number', 'boolean'].includes(typeof value),
)
// @__NO_SIDE_EFFECTS__
export function object(
  words: string,
  property: string,
  type: 'object' | 'function' | 'string' | 'number',
): Kind {
  return kind(words, (value) => holds(value, property, type))
}
// @__NO_SIDE_EFFECTS__
export function map(words: string): Kind {
  return object(words, 'entries', 'function')
}
export const model = object('a model, as load gives it', 'graph', 'object')
export const blob = object('a Blob', 'arrayBuffer', 'function')
/** What planners take: a model, or the solution of one. */
export const solvable = kind(
  'a model, as load gives it, or what solve makes of one',
  (value) => holds(value, 'graph', 'object') || holds(value, 'facts', 'object'),
)
export const plan = object('a growth plan', 'parameters', 'object')
export const runtime = object('a runtime, as nodeRuntime', 'createSession', 'function')
export const tensor = object('a Tensor', 'dtype', 'string')

export const iterable = kind(
  'a list, or what can be iterated',
  (value) => value instanceof Object && Symbol.iterator in value,
)
export const data = kind(
  'a data set, or batches that can be iterated',
  (value) =>
    holds(value, 'batches', 'function') ||
    (value instanceof Object && (Symbol.asyncIterator in value || Symbol.iterator in value)),
)

// @__NO_SIDE_EFFECTS__
export function listOf(words: string, element: Kind): Kind {
  const list = kind(words, Array.isArray)
  return (value) => list(value) ?? faultWithin(Object.entries(value!), () => element)
}
export const texts = listOf('a list of strings', text)
export const numbers = listOf('a list of numbers', number)

// @__NO_SIDE_EFFECTS__
export function recordOf(words: string, element: Kind): Kind {
  const record = kind(words, isRecord)
  return (value) => record(value) ?? faultWithin(Object.entries(value!), () => element)
}

/** The same, or left away. */
// @__NO_SIDE_EFFECTS__
export function optional(kind: Kind): Kind {
  return (value) => (value === undefined ? undefined : kind(value))
}

// @__NO_SIDE_EFFECTS__
export function either(words: string, ...kinds: readonly Kind[]): Kind {
  return kind(words, (value) => kinds.some((candidate) => candidate(value) === undefined))
}

/** Options of the type `O`: those that may be left away, and, where there are any, those that must be given. */
// @__NO_SIDE_EFFECTS__
export function options<O extends object>(
  voluntary: KindsOf<Exclude<keyof O, RequiredKeys<O>>>,
  ...[mandatory]: [RequiredKeys<O>] extends [never] ? [] : [KindsOf<RequiredKeys<O>>]
): Kind {
  const kinds = new Map<string, Kind>([
    ...Object.entries<Kind>(voluntary).map(([name, kind]) => [name, optional(kind)] as const),
    ...Object.entries<Kind>(mandatory ?? {}),
  ])
  const record = kind('an object of options', isRecord)
  const whole: Kind = (value) => {
    const fault = record(value)
    if (fault) return fault
    const given = value as Record<string, unknown>
    const unknown = Object.keys(given).find((name) => !kinds.has(name))
    if (unknown !== undefined)
      return { path: [], message: unknownOption(unknown, [...kinds.keys()]) }
    return faultWithin(
      [...kinds.keys()].map((name) => [name, given[name]]),
      (name) => kinds.get(name)!,
    )
  }
  return mandatory ? whole : optional(whole)
}

/** The first fault among the parts of a value. */
function faultWithin(
  parts: readonly (readonly [key: string, part: unknown])[],
  kindOf: (key: string) => Kind,
): Fault | undefined {
  for (const [key, part] of parts) {
    const fault = kindOf(key)(part)
    if (fault) return { path: [key, ...fault.path], message: fault.message }
  }
  return undefined
}

function unknownOption(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest === undefined
    ? `has no option ${JSON.stringify(name)}; it has ${known.join(', ')}.`
    : `has no option ${JSON.stringify(name)}; did you mean ${JSON.stringify(nearest)}?`
}

/**
 * The function, its arguments checked.
 *
 * @param parameters in their order; what comes behind them is not checked
 */
// @__NO_SIDE_EFFECTS__
export function checked<Args extends unknown[], Result>(
  name: string,
  call: (...args: Args) => Result,
  parameters: Kinds,
): (...args: Args) => Result {
  return (...args) => {
    mustFit(name, parameters, args)
    return call(...args)
  }
}

/** The same for functions that give promises: these are rejected. */
// @__NO_SIDE_EFFECTS__
export function checkedAsync<Args extends unknown[], Result>(
  name: string,
  call: (...args: Args) => Promise<Result>,
  parameters: Kinds,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    mustFit(name, parameters, args)
    return call(...args)
  }
}

/**
 * What classes call when they are constructed, with their arguments.
 *
 * @throws usage, naming the function, the argument and what belongs there
 */
export function mustFit(name: string, parameters: Kinds, args: readonly unknown[]): void {
  for (const [i, [parameter, kind]] of Object.entries(parameters).entries()) {
    const fault = kind(args[i])
    if (!fault) continue
    const where = [parameter, ...fault.path].join('.')
    throw usageError(`${name}: ${where} ${fault.message}`, { where })
  }
}

function described(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Promise) return 'a Promise, which is to be awaited'
  return Array.isArray(value) ? 'a list' : `an object (${value.constructor?.name ?? 'of no class'})`
}

/** The candidate that is nearest to a name by edit distance, if one is near at all. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.ceil(name.length / 2)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Levenshtein's distance: insertions, deletions and replacements of one character. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)),
      )
    row = next
  }
  return row[b.length]!
}
