/** Data sets from bytes: MNIST, NumPy files, tables, arrays. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { bytes, checked, number, text } from '../arguments.ts'
import * as arrays from './arrays.ts'
import * as csv from './csv.ts'
import * as sets from './dataset.ts'
import * as digits from './digits.ts'
import * as idx from './idx.ts'
import * as numpy from './npy.ts'
import * as replay from './replay.ts'

export type { ArraysOptions } from './arrays.ts'
export type { CsvOptions } from './csv.ts'
export {
  ArrayDataset,
  type Batch,
  type Column,
  type ColumnShape,
  type Dataset,
} from './dataset.ts'
export type { InputBatch, InputStream } from './inputs.ts'
export { fashionMnistSource, type KnownDataset, mnistSource } from './known-datasets.ts'
export type { SampleSet } from './samples.ts'

const named = kind.optional(text)
const map = kind.object('a Map of arrays', 'entries', 'function')

/** A table of numbers; one column is the target. See csv.ts. */
export const parseCsv = checked('parseCsv', csv.parseCsv, {
  text,
  options: kind.options<csv.CsvOptions>({
    target: kind.either('the name or the position of a column', text, number),
    targetKind: text,
    delimiter: text,
    classes: kind.texts,
    columns: kind.texts,
  }),
  source: named,
})

/** A data set of arrays whose first axis is the sample. See arrays.ts. */
export const datasetOfArrays = checked('datasetOfArrays', arrays.datasetOfArrays, {
  arrays: map,
  source: named,
  options: kind.options<arrays.ArraysOptions>({ targetKind: text }),
})

/** Images [n, h, w] of bytes and labels [n] as a data set. */
export const digitsDataset = checked('digitsDataset', digits.digitsDataset, {
  images: kind.tensor,
  labels: kind.tensor,
  about: kind.object('a data set to name, as mnistSource', 'title', 'string'),
})

/** Two parts of a data set, in random order; `test` has this fraction of its samples. */
export const split = checked('split', sets.split, {
  dataset: kind.object('a data set', 'pick', 'function'),
  fraction: number,
  seed: kind.optional(number),
})

export const decodeIdx = checked('decodeIdx', idx.decodeIdx, { bytes, source: named })
export const decodeNpy = checked('decodeNpy', numpy.decodeNpy, { bytes, source: named })
export const decodeNpz = checked('decodeNpz', numpy.decodeNpz, { bytes, source: named })
export const encodeNpy = checked('encodeNpy', numpy.encodeNpy, { tensor: kind.tensor })
export const encodeNpz = checked('encodeNpz', numpy.encodeNpz, { arrays: map })

const samples = kind.object('a data set', 'batches', 'function')

/**
 * New samples with a share of old ones in every batch, so that a network does not forget while it learns. See replay.ts.
 *
 * @param share of old samples, above 0 and below 1
 * @throws Net2NetError (usage) for another share, or where one of the sets is empty
 */
export const replayed = checked('replayed', replay.replayed, {
  fresh: samples,
  old: samples,
  share: number,
})

/** All samples of several sets, one set after the other. @throws Net2NetError (usage) where there is none */
export const joined = checked('joined', replay.joined, {
  sets: kind.listOf('a list of data sets', samples),
})
