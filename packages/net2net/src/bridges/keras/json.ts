/**
 * JSON as Python writes it. There 0.0 and 0 are numbers of two types, and Keras refuses one where it expects the other: so
 * objects remember which of their numbers were written as floats, also in copies by spreading.
 */
import { inputError } from '../../errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A name or a setting as text; what a damaged file has in its place as JSON. */
export const asText = (value: Json | undefined): string =>
  typeof value === 'string' ? value : `${JSON.stringify(value)}`

/** Property of an object or list: the keys of its whole numbers that were floats. */
const floats = Symbol('floats')
/** Begins the text that stands for a float while JSON is read or written. */
const mark = '\u0000'
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs

/** Models within models: deeper ones are none. */
const deepest = 200

/** How deep lists and tables lie within one another at most. */
function nesting(text: string): number {
  let depth = 0
  let most = 0
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/gs))
    if (token === '{' || token === '[') most = Math.max(most, ++depth)
    else if (token === '}' || token === ']') depth--
  return most
}

/**
 * Reads a table.
 *
 * @param what what the text is called in messages
 * @throws Net2NetError (input) where it is no JSON, no table, or nests deeper than any model does
 */
export function parseJson(text: string, what: string): JsonObject {
  if (nesting(text) > deepest)
    throw inputError(`${what} nests more than ${deepest} lists and tables in one another.`)
  let value: Json
  try {
    const marked = text.replaceAll(tokens, (token) =>
      /^[^"]*[.eE]/.test(token) && Number.isInteger(Number(token)) ? `"\\u0000${token}"` : token,
    )
    value = JSON.parse(marked, unmarked) as Json
  } catch (cause) {
    throw inputError(`${what} is not JSON.`, { cause })
  }
  if (!isObject(value)) throw inputError(`${what} is not a table.`)
  return value
}

function unmarked(this: object, key: string, value: unknown): unknown {
  if (typeof value !== 'string' || !value.startsWith(mark)) return value
  const known: unknown = Reflect.get(this, floats)
  const keys = known instanceof Set ? known : new Set<string>()
  keys.add(key)
  Reflect.set(this, floats, keys)
  return Number(value.slice(1))
}

/** The text of a table, in which floats are floats again. */
export function jsonText(value: JsonObject): string {
  const text = JSON.stringify(value, function (this: object, key: string, item: unknown) {
    const keys: unknown = Reflect.get(this, floats)
    const isFloat = keys instanceof Set && keys.has(key) && Number.isInteger(item)
    return isFloat ? `${mark}${Number(item)}.0` : item
  })
  return text.replaceAll(/"\\u0000(-?[\d.e+]+)"/g, (_, digits: string) =>
    digits.includes('e') ? digits.slice(0, -2) : digits,
  )
}
