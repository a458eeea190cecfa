/**
 * What the compiler holds callers in TypeScript to, held to callers in JavaScript too: public entries wrap their
 * functions in `checked`, which refuses arguments of wrong types in one sentence, before anything is done
 * with them. Ranges, names and shapes are the business of the functions themselves.
 *
 * The message of a kind is what belongs there, in words.
 */
import { z } from 'zod'
import { usageError } from './errors.ts'

type Kinds = Readonly<Record<string, z.ZodType>>

const kind = (words: string, is: (value: unknown) => boolean) => z.custom<unknown>(is, words)
const holds = (value: unknown, property: string, type: string) =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, property) === type

// Not `instanceof`, which says no to what another realm made.
export const number = kind('a number', (value) => typeof value === 'number')
export const text = kind('a string', (value) => typeof value === 'string')
export const flag = kind('true or false', (value) => typeof value === 'boolean')
export const callback = kind('a function', (value) => typeof value === 'function')
export const bytes = kind('a Uint8Array', (value) => ArrayBuffer.isView(value))
export const signal = kind('an AbortSignal', (value) => holds(value, 'aborted', 'boolean'))
export const object = (words: string, property: string, type: 'object' | 'function' | 'string') =>
  kind(words, (value) => holds(value, property, type))
export const model = object('a model, as load gives it', 'graph', 'object')
export const runtime = object('a runtime, as nodeRuntime', 'createSession', 'function')
export const tensor = object('a Tensor', 'dtype', 'string')

export const data = kind(
  'a data set, or batches that can be iterated',
  (value) =>
    holds(value, 'batches', 'function') ||
    (value instanceof Object && (Symbol.asyncIterator in value || Symbol.iterator in value)),
)

export const listOf = (words: string, element: z.ZodType) => z.array(element, words)
export const texts = listOf('a list of strings', text)
export const numbers = listOf('a list of numbers', number)
export const recordOf = (words: string, value: z.ZodType) => z.record(z.string(), value, words)
export const either = (words: string, ...kinds: readonly z.ZodType[]) => z.union(kinds, words)

/** Options that may be left away, and, where there are any, those that must be given. */
export function options(optional: Kinds, mandatory?: Kinds): z.ZodType {
  const whole = z.looseObject(
    { ...z.object(optional).partial().shape, ...mandatory },
    'an object of options',
  )
  return mandatory ? whole : whole.optional()
}

type Call<R> = (...args: never[]) => R

/**
 * The function, its arguments checked.
 *
 * @param parameters in their order; what comes behind them is not checked
 */
export const checked = <F extends Call<unknown>>(name: string, call: F, parameters: Kinds): F =>
  ((...args: Parameters<F>) => {
    mustFit(name, parameters, args)
    return call(...args)
  }) as F

/** The same for functions that give promises: these are rejected. */
export const checkedAsync = <F extends Call<Promise<unknown>>>(
  name: string,
  call: F,
  parameters: Kinds,
): F =>
  (async (...args: Parameters<F>) => {
    mustFit(name, parameters, args)
    return call(...args)
  }) as F

/** @throws usage, naming the function, the argument and what belongs there */
function mustFit(name: string, parameters: Kinds, args: readonly unknown[]): void {
  Object.entries(parameters).forEach(([parameter, kind], i) => {
    const issue = kind.safeParse(args[i]).error?.issues[0]
    if (!issue) return
    const value = issue.path.reduce<unknown>(
      (inside, key) => Reflect.get(Object(inside), key),
      args[i],
    )
    const where = [parameter, ...issue.path.map(String)].join('.')
    throw usageError(`${name}: ${where} must be ${issue.message}, not ${described(value)}.`, {
      where,
    })
  })
}

function described(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Promise) return 'a Promise, which is to be awaited'
  return Array.isArray(value) ? 'a list' : `an object (${value.constructor?.name ?? 'of no class'})`
}
