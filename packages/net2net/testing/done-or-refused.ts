import { expect } from 'vitest'
import { Net2NetError } from '../src/errors.ts'

/**
 * Whether something could be done with what a file says; otherwise it must be refused, in one sentence.
 *
 * @param longest characters of the sentence
 */
export function isDone(use: () => void, longest: number): boolean {
  try {
    use()
    return true
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw error
    expect(error.kind).toMatch(/^(input|refused)$/)
    expect(error.message).toMatch(/^.{10,}$/)
    expect(error.message.length).toBeLessThanOrEqual(longest)
    return false
  }
}
