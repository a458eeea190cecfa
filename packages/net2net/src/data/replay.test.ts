import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { permutation, randomStream } from '../tensor/random.ts'
import { float32, int64, toNumbers } from '../tensor/tensor.ts'
import { joined, replayed } from './replay.ts'
import type { SampleSet } from './samples.ts'

/** Samples that are told apart by their numbers, from `first` on; batches share a buffer. */
function numbered(length: number, first: number): SampleSet {
  const buffer = new Float32Array(64)
  return {
    length,
    *batches(size, order = Array.from({ length }, (_, i) => i)) {
      for (let start = 0; start < order.length; start += size) {
        const count = Math.min(size, order.length - start)
        for (let i = 0; i < count; i++) buffer[i] = first + order[start + i]!
        const x = float32([count, 1], buffer.subarray(0, count))
        yield {
          inputs: { [first === 0 ? 'x' : 'other']: x },
          target: int64([...buffer.subarray(0, count)]),
        }
      }
    },
  }
}

async function batchesOf(set: SampleSet, size: number, order?: ArrayLike<number>) {
  const batches: number[][] = []
  for await (const { inputs, target } of set.batches(size, order)) {
    const [x] = Object.values(inputs)
    expect(toNumbers(x!)).toEqual(toNumbers(target))
    batches.push([...toNumbers(x!)])
  }
  return batches
}

const isOld = (sample: number) => sample >= 1000
const orderOf = (set: SampleSet, epoch: number) =>
  permutation(set.length, randomStream(1, 'shuffle', epoch))

describe('replay', () => {
  const cases = fc.record({
    fresh: fc.integer({ min: 1, max: 60 }),
    old: fc.integer({ min: 1, max: 40 }),
    share: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
    size: fc.integer({ min: 1, max: 16 }),
    epoch: fc.nat(5),
  })

  test('takes every new sample once, and a share of old ones in every batch', () =>
    fc.assert(
      fc.asyncProperty(cases, async ({ fresh, old, share, size, epoch }) => {
        const set = replayed(numbered(fresh, 0), numbered(old, 1000), share)
        const batches = await batchesOf(set, size, orderOf(set, epoch))
        const all = batches.flat()
        expect(all).toHaveLength(set.length)
        expect(all.filter((one) => !isOld(one)).sort((a, b) => a - b)).toEqual(
          Array.from({ length: fresh }, (_, i) => i),
        )
        for (const batch of batches) {
          const found = batch.filter(isOld).length
          expect(Math.abs(found - share * batch.length)).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 60 },
    ))

  test('gives the rest of an epoch as it was, and another order in another epoch', () =>
    fc.assert(
      fc.asyncProperty(cases, async ({ fresh, old, share, size, epoch }) => {
        const set = replayed(numbered(fresh, 0), numbered(old, 1000), share)
        const order = orderOf(set, epoch)
        const whole = await batchesOf(set, size, order)
        const done = whole.length >> 1
        const rest = order.subarray(done * size)
        if (rest.length > 0) expect(await batchesOf(set, size, rest)).toEqual(whole.slice(done))
      }),
      { numRuns: 60 },
    ))

  test('refuses shares that are none, and sets of other shapes', async () => {
    expect(() => replayed(numbered(3, 0), numbered(3, 1000), 1)).toThrow(/above 0 and below 1/)
    expect(() => replayed(numbered(3, 0), numbered(0, 1000), 0.5)).toThrow(/both kinds/)
    const wide: SampleSet = {
      length: 2,
      *batches() {
        yield { inputs: { x: float32([1, 2], [1, 2]) }, target: int64([0]) }
      },
    }
    await expect(batchesOf(replayed(numbered(3, 0), wide, 0.5), 4)).rejects.toThrow(
      /Old and new samples differ/,
    )
  })
})

test('joined sets have all samples, in any order', async () => {
  const set = joined([numbered(3, 0), numbered(2, 1000)])
  expect(set.length).toBe(5)
  expect((await batchesOf(set, 2)).flat()).toEqual([0, 1, 2, 1000, 1001])
  expect((await batchesOf(set, 5, [4, 0, 3, 2])).flat().sort()).toEqual([0, 1000, 1001, 2])
})
