/**
 * What went wrong, in terms of what the caller can do about it. The command line maps kinds to exit
 * codes; the library only throws.
 *
 * - `usage`: the call itself is wrong (an unknown option, a width that is not larger).
 * - `refused`: the model cannot be grown or trained there; names the node and the reason.
 * - `input`: a file or value from outside is missing, broken or hostile.
 * - `difference`: two models that should compute the same do not.
 * - `interrupted`: stopped on request; what was done is saved.
 * - `internal`: a fault of ours.
 */
export type ErrorKind = 'usage' | 'refused' | 'input' | 'difference' | 'interrupted' | 'internal'

export interface ErrorDetails {
  /** Where: a node, file, field or option. */
  readonly where?: string | undefined
  /** What the reader can do about it. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/** Controls and marks that change how a terminal shows what follows, but for line feeds, which lists of mistakes have. */
const UNPRINTABLE = /(?!\n)[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** A text fit to be printed, whatever names from files it holds. */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** The one error class that this package throws on purpose. `message` is one clear sentence. */
export class Net2NetError extends Error {
  override readonly name = 'Net2NetError'
  readonly kind: ErrorKind
  readonly where: string | undefined
  readonly hint: string | undefined

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(printable(message), details.cause === undefined ? undefined : { cause: details.cause })
    this.kind = kind
    this.where = details.where
    this.hint = details.hint
  }
}

export const usageError = (message: string, details?: ErrorDetails) =>
  new Net2NetError('usage', message, details)
export const refusedError = (message: string, details?: ErrorDetails) =>
  new Net2NetError('refused', message, details)
export const inputError = (message: string, details?: ErrorDetails) =>
  new Net2NetError('input', message, details)
export const internalError = (message: string, details?: ErrorDetails) =>
  new Net2NetError('internal', message, details)

// `String` of an object calls a method that the object may have lost.
const isObject = (value: unknown) => typeof value === 'object' && value !== null

/** What types hold to in TypeScript, for callers in JavaScript. */
export function mustBeOneOf<T extends string>(name: string, value: T, known: readonly T[]): void {
  if (!known.includes(value))
    throw usageError(
      `${name} must be one of ${known.join(', ')}, not ${isObject(value) ? 'an object' : String(value)}.`,
    )
}
