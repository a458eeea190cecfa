/** Errors of net2net's own class, by what went wrong: the command line gives each kind an exit code. */
import { type ErrorDetails, type ErrorKind, Net2NetError } from 'net2net'

const of = (kind: ErrorKind) => (message: string, details?: ErrorDetails) =>
  new Net2NetError(kind, message, details)

/** The call itself is wrong. */
export const usageError = of('usage')
/** A file or value from outside is missing, broken or hostile. */
export const inputError = of('input')
/** What was asked for is not possible. */
export const refusedError = of('refused')
/** A fault of ours. */
export const internalError = of('internal')
