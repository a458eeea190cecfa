import fc from 'fast-check'
import { expect, test } from 'vitest'
import { int64, toNumbers } from '../tensor/tensor.ts'
import { ArrayDataset } from './dataset.ts'
import { numberedAs } from './renumbered.ts'
import type { SampleSet } from './samples.ts'

/** Samples of these classes; the input of each is its number. */
const labelled = (labels: readonly number[], classes?: readonly string[]) =>
  new ArrayDataset(
    { x: { dtype: 'float32', dims: [], data: Uint8Array.from(labels, (_, i) => i), divisor: 1 } },
    { dtype: 'int32', dims: [], data: Int32Array.from(labels) },
    classes,
  )

async function labelsOf(set: SampleSet): Promise<readonly number[]> {
  const labels: number[] = []
  for await (const { target } of set.batches(3)) labels.push(...toNumbers(target))
  return labels
}

const letters = ['a', 'b', 'c', 'd', 'e', 'f']

test('every sample keeps the name of its class, in batches, in all targets and as bytes', () =>
  fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(letters, { minLength: 1 }).chain((own) =>
        fc.record({
          own: fc.constant(own),
          all: fc.shuffledSubarray(letters, { minLength: 6 }),
          labels: fc.array(fc.nat(own.length - 1), { minLength: 1, maxLength: 10 }),
        }),
      ),
      async ({ own, all, labels }) => {
        const set = numberedAs(labelled(labels, own), all)
        const names = labels.map((label) => own[label])
        const named = (numbers: Iterable<number>) => Array.from(numbers, (label) => all[label])
        expect(named(await labelsOf(set))).toEqual(names)
        expect(named(Array.from(set.target!.data!, Number))).toEqual(names)
        expect(named(await labelsOf(set.bytes!.samples))).toEqual(names)
        expect(set.classes).toEqual(all)
      },
    ),
  ))

test('labels that are no class, and samples without names, stay', async () => {
  const set = numberedAs(labelled([0, 255, 1], ['a', 'b']), ['b', 'a'])
  expect(await labelsOf(set)).toEqual([1, 255, 0])
  const plain = labelled([0, 1])
  expect(numberedAs(plain, ['b', 'a'])).toBe(plain)
  const long: SampleSet = {
    length: 2,
    classes: ['a', 'b'],
    batches: () => [{ inputs: {}, target: int64([0, 1]) }],
  }
  expect(await labelsOf(numberedAs(long, ['b', 'a']))).toEqual([1, 0])
})

test('a class that is not among them is refused by its name', () => {
  expect(() => numberedAs(labelled([0], ['a', 'z']), ['a'])).toThrow(/classes z, which/)
})
