/** What the trainer requires of data. The sets of `data/` satisfy it, and so may those of a program. */
import { usageError } from '../errors.ts'
import type { Preparation } from '../model/preparation.ts'
import type { DType } from '../tensor/dtype.ts'
import type { TypedArray } from '../tensor/tensor.ts'
import type { Batch, Normalization } from './dataset.ts'

export type { Batch } from './dataset.ts'

/** Samples that can be taken in any order. */
export interface SampleSet {
  /** Number of samples. */
  readonly length: number
  /**
   * The samples `order` (default: all, as they lie) in batches of `size`; the last one may be
   * smaller. A batch's tensors may be overwritten by the next one.
   *
   * @param epoch the epoch of the training (from 0) that they are taken for, which random changes of samples depend on
   */
  batches(
    size: number,
    order?: ArrayLike<number>,
    epoch?: number,
  ): Iterable<Batch> | AsyncIterable<Batch>
  /**
   * Where some float inputs are stored as bytes: the same samples with these as uint8, and what
   * becomes of them. A graph converts them faster than JavaScript does.
   */
  readonly bytes?: ByteInputs | undefined
  /** Names of the classes, where the target is a class index. A trained model keeps them. */
  readonly classes?: readonly string[] | undefined
  /** Names of the features, of a table that has them. A trained model keeps them. */
  readonly columns?: readonly string[] | undefined
  /** How the samples were made of what was read. A trained model keeps it. */
  readonly preparation?: Preparation | undefined
  /** Told where batches have weights. */
  readonly weights?: object | undefined
  /** All targets, where they are in memory: then all labels are checked before the first step. */
  readonly target?:
    | {
        readonly dtype: DType
        /** Of one sample; tells a loss which axis of the predictions the targets do not have. */
        readonly dims?: readonly number[]
        readonly data?: TypedArray
      }
    | undefined
}

/** Samples whose bytes are left as bytes, and what becomes of these by input. */
export interface ByteInputs {
  readonly samples: SampleSet
  /** What they are divided by. */
  readonly divisors: ReadonlyMap<string, number>
  /** What becomes of their channels then. */
  readonly normalizations?: ReadonlyMap<string, Normalization>
}

/**
 * A set of samples, or ready batches: iterated anew in every epoch. A generator can be iterated
 * only once; what serves for several epochs is an object whose iterator starts anew, such as
 * `{ [Symbol.asyncIterator]: makeBatches }`.
 */
export type TrainingData = SampleSet | AsyncIterable<Batch> | Iterable<Batch>

export const isSampleSet = (data: TrainingData): data is SampleSet => 'batches' in data

/**
 * Refuses data that are empty, or that cannot be iterated as often as needed.
 *
 * @param what the beginning of a sentence: `The training data`
 * @param times how often the data will be iterated
 * @throws usage
 */
export function mustServe(data: TrainingData, what: string, times: number): void {
  if (isSampleSet(data)) {
    const { length } = data
    if (!(Number.isInteger(length) && length >= 0))
      throw usageError(`${what} must have a length, the number of their samples, not ${length}.`)
    if (length === 0) throw emptyData(what)
  } else if (times > 1 && isOneShot(data))
    throw usageError(
      `${what} are a generator, which can be iterated only once, but ${times} passes over them are asked for.`,
      { hint: startAnew },
    )
}

/** @param again whether the data have been iterated before: then they are a generator in disguise */
export const emptyData = (what: string, again = false) =>
  again
    ? usageError(`${what} gave no batch when they were iterated again.`, { hint: startAnew })
    : usageError(`${what} are empty.`)

const startAnew =
  'Give an object whose iterator starts anew: { [Symbol.asyncIterator]: makeBatches }.'

/** Whether data are their own iterator, as generators are: what was taken of them is gone. */
function isOneShot(data: AsyncIterable<Batch> | Iterable<Batch>): boolean {
  // A generator that has not begun runs none of its code here.
  const iterator: unknown =
    Symbol.asyncIterator in data ? data[Symbol.asyncIterator]?.() : data[Symbol.iterator]?.()
  return iterator === data
}

/**
 * The data's batches, whatever it is.
 *
 * @throws usage where nothing can be iterated
 */
export function batchesOf(
  data: TrainingData,
  size: number,
  order?: ArrayLike<number>,
  epoch?: number,
): Iterable<Batch> | AsyncIterable<Batch> {
  const batches = isSampleSet(data) ? data.batches(size, order, epoch) : data
  const iterators = Object(batches) as Partial<AsyncIterable<Batch> & Iterable<Batch>>
  const begin = iterators[Symbol.asyncIterator] ?? iterators[Symbol.iterator]
  if (typeof begin === 'function') return batches
  throw usageError(
    'The batches of the data cannot be iterated: give a list or a generator of them.',
  )
}
