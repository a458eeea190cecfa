import fs from 'node:fs'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { Copier } from './copier.ts'

const at = temporaryFolder()
const open: number[] = []
afterEach(() => {
  for (const descriptor of open.splice(0)) fs.closeSync(descriptor)
})
const descriptor = (name: string, flags: string) => {
  open.push(fs.openSync(at(name), flags))
  return open.at(-1)!
}

describe.each([
  ['on this thread', 0],
  ['on a thread of its own', 2 ** 30],
])('%s', (_, byteLength) => {
  test('ranges are copied to where they shall be, several at a time', async () => {
    const size = 600_000
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7919) >> 8)
    fs.writeFileSync(at('a'), bytes)
    const from = descriptor('a', 'r')
    const copier = new Copier(byteLength)
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(size), fc.nat(size), fc.nat(size)), { maxLength: 5 }),
          async (ranges) => {
            const expected = new Uint8Array(2 * size)
            fs.writeFileSync(at('b'), expected)
            const to = fs.openSync(at('b'), 'r+')
            try {
              const copies = ranges.map(([start, wanted, position]) => {
                const length = Math.min(wanted, size - start)
                expected.set(bytes.subarray(start, start + length), position)
                return copier.copy({ from, at: start, to, position, length })
              })
              expect(await Promise.all(copies)).toEqual(copies.map(() => undefined))
            } finally {
              fs.closeSync(to)
            }
            expect(Buffer.compare(fs.readFileSync(at('b')), expected)).toBe(0)
          },
        ),
        { numRuns: 30 },
      )
    } finally {
      await copier.end()
    }
  })

  test('says what failed, and goes on', async () => {
    fs.writeFileSync(at('a'), new Uint8Array(1000))
    const [from, to] = [descriptor('a', 'r'), descriptor('b', 'w')]
    const copier = new Copier(byteLength)
    try {
      const task = { from, at: 0, to, position: 0, length: 1000 }
      const found = await Promise.all([
        copier.copy({ ...task, length: 2000 }),
        copier.copy({ ...task, to: from }),
        copier.copy({ ...task, from: to }),
        copier.copy(task),
      ])
      expect(found).toEqual([
        { during: 'end', code: '', at: 1000 },
        { during: 'write', code: 'EBADF', at: 0 },
        { during: 'read', code: 'EBADF', at: 0 },
        undefined,
      ])
    } finally {
      await copier.end()
    }
  })
})
