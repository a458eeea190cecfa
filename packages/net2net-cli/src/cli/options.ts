/** Reading numbers and lists from the command line. */
import { availableParallelism } from 'node:os'
import { InvalidArgumentError } from 'commander'

/** A parser of integers from `minimum` up, to `maximum`. */
export const integer =
  (minimum: number, maximum = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < minimum)
      throw new InvalidArgumentError(`It must be a whole number of at least ${minimum}.`)
    if (value > maximum) throw new InvalidArgumentError(`It must be at most ${maximum}.`)
    return value
  }

/** A number of threads, or of processes: at most four for each core. */
export const parallel = (text: string): number => integer(1, 4 * availableParallelism())(text)

/** A parser of numbers from `minimum` up. */
export const number =
  (minimum = Number.NEGATIVE_INFINITY) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value) || value < minimum)
      throw new InvalidArgumentError(
        minimum === Number.NEGATIVE_INFINITY
          ? 'It must be a number.'
          : `It must be a number of at least ${minimum}.`,
      )
    return value
  }

/** Seeds are 32-bit integers without sign. */
export function seed(text: string): number {
  const value = integer(0)(text)
  if (value > 0xffffffff) throw new InvalidArgumentError('It must be less than 2^32.')
  return value
}

/** `a,b,c` */
export const list = (text: string): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
