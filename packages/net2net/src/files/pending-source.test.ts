import fs from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { FileSource } from './file-source.ts'
import { PendingSource, type Range } from './pending-source.ts'

const at = temporaryFolder()

function sourceOf(size: number, missing: readonly Range[]): PendingSource {
  fs.writeFileSync(at('a'), new Uint8Array(size))
  return new PendingSource(new FileSource(at('a'), { beingWritten: true }), missing)
}

/** What has become of promises, once all that can be kept is. */
async function kept(promises: readonly Promise<void>[]): Promise<boolean[]> {
  const found = promises.map(() => false)
  promises.forEach((promise, i) => {
    promise.then(
      () => (found[i] = true),
      () => undefined,
    )
  })
  await new Promise(setImmediate)
  return found
}

describe('a file that is read while it is written', () => {
  test('bytes are ready once all of them have been written, in whatever pieces', async () => {
    const gaps = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 8 })), { maxLength: 6 })
    const pieces = fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 8 })
    const wanted = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 })), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(gaps, pieces, wanted, async (gaps, pieces, wanted) => {
        const missing: Range[] = []
        let end = 0
        for (const [before, length] of gaps) {
          missing.push({ start: end + before, end: end + before + length })
          end += before + length
        }
        const unwritten = missing.flatMap(({ start, end }) =>
          Array.from({ length: end - start }, (_, i) => start + i),
        )
        const source = sourceOf(80, missing)
        const promises = wanted.map(([start, length]) => source.ready(start, length))
        for (const piece of [0, ...pieces]) {
          if (piece > 0) source.arrived(piece)
          unwritten.splice(0, piece)
          expect(await kept(promises)).toEqual(
            wanted.map(
              ([start, length]) =>
                !unwritten.some((byte) => byte >= start && byte < start + length),
            ),
          )
        }
      }),
    )
  })

  test('what is written later is read, although the file has changed', async () => {
    const source = sourceOf(8, [{ start: 4, end: 8 }])
    fs.writeFileSync(at('a'), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    expect(source.read(2, 4)).toEqual(Uint8Array.of(3, 4, 5, 6))
    const into = new Uint8Array(2)
    source.readInto(6, into)
    expect(into).toEqual(Uint8Array.of(7, 8))
    await source.readAsync(5, into)
    expect(into).toEqual(Uint8Array.of(6, 7))
    expect(source.size).toBe(8)
  })

  test('a failure reaches those who wait, and those who come later', async () => {
    const source = sourceOf(8, [{ start: 4, end: 8 }])
    const waiting = source.ready(0, 8)
    source.fail(new Error('no space'))
    await expect(waiting).rejects.toThrow('no space')
    await expect(source.ready(0, 1)).rejects.toThrow('no space')
  })
})
