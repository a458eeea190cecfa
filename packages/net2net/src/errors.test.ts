import fc from 'fast-check'
import { expect, it } from 'vitest'
import { inputError } from './errors.ts'

it('a terminal prints messages as they are, whatever names they hold', () => {
  const unprintable = fc.constantFrom('\0', '\u001b[2J', '\r', '\t', '\u0085', '\u202e', '\u2028')
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), unprintable)), (parts) => {
      const { message } = inputError(`The file ${parts.join('')} is broken.`)
      expect(message).toMatch(/^The file .*is broken\.$/s)
      expect(message.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028-\u202e]/u)
    }),
  )
  expect(inputError('a\u001b[2Jb\n  c').message).toBe('a\\u001b[2Jb\n  c')
  expect(inputError('“größer”, 网络 ≤ 3').message).toBe('“größer”, 网络 ≤ 3')
})
