/** Two parts of a data set. */
import { usageError } from '../errors.ts'
import { permutation, randomStream } from '../tensor/random.ts'
import { ArrayDataset } from './dataset.ts'
import type { SampleSet } from './samples.ts'
import { StoredDataset } from './stored/stored-dataset.ts'
import { Subset } from './subset.ts'

export interface Parts<S> {
  readonly train: S
  readonly test: S
}

/**
 * Splits off a random `fraction` of the samples, for validation. Of a text, whose neighbouring samples belong together (and may
 * overlap), it is the end, and samples that reach from one part into the other are left out.
 */
export function split<S extends SampleSet>(
  dataset: S,
  fraction: number,
  seed?: number,
): Parts<S extends ArrayDataset ? ArrayDataset : SampleSet>
export function split(dataset: SampleSet, fraction: number, seed = 0): Parts<SampleSet> {
  if (!(fraction >= 0 && fraction <= 1))
    throw usageError(`The fraction to split off must be from 0 to 1, not ${fraction}.`)
  const held = Math.round(dataset.length * fraction)
  if (dataset instanceof StoredDataset && dataset.isSequence) {
    const from = dataset.length - held
    const shared = held === 0 ? 0 : dataset.overlap
    return {
      train: new Subset(dataset, { from: 0, length: Math.max(0, from - shared) }),
      test: new Subset(dataset, { from, length: held }),
    }
  }
  const order = permutation(dataset.length, randomStream(seed, 'split'))
  const [rest, some] = [order.subarray(held), order.subarray(0, held)]
  if (dataset instanceof ArrayDataset)
    return { train: dataset.pick(rest), test: dataset.pick(some) }
  return { train: new Subset(dataset, rest), test: new Subset(dataset, some) }
}
