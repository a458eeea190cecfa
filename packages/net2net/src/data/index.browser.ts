/** Data sets from bytes: MNIST, NumPy files, tables, arrays. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { bytes, checked, number, text } from '../arguments.ts'
import * as arrays from './arrays.ts'
import * as pictures from './augment.ts'
import * as csv from './csv.ts'
import * as digits from './digits.ts'
import * as idx from './idx.ts'
import * as numpy from './npy.ts'
import * as renumbered from './renumbered.ts'
import * as replay from './replay.ts'
import * as parts from './split.ts'

export type { ArraysOptions } from './arrays.ts'
export type { AugmentOptions } from './augment.ts'
export type { ChannelLayout } from './channel-layout.ts'
export type { CsvOptions } from './csv.ts'
export {
  type AboutSamples,
  ArrayDataset,
  type Batch,
  type ByteSamples,
  type Column,
  type ColumnShape,
  type Dataset,
  type Normalization,
} from './dataset.ts'
export type { InputBatch, InputStream } from './inputs.ts'
export { fashionMnistSource, type KnownDataset, mnistSource } from './known-datasets.ts'
export type { ByteInputs, SampleSet } from './samples.ts'
export type { Parts } from './split.ts'

const named = kind.optional(text)
const preparation = kind.object('a preparation, as preparationOf gives it', 'kind', 'string')
const modelInput = kind.object('an input of a model', 'name', 'string')
/** Options of everything that reads tables. */
export const tableKinds = {
  targetKind: text,
  classes: kind.texts,
  columns: kind.texts,
  categories: kind.texts,
  encoding: text,
  missing: text,
  standardize: kind.flag,
  text,
  weights: text,
  preparation,
  inputs: kind.listOf('a list of inputs', modelInput),
}
const map = kind.object('a Map of arrays', 'entries', 'function')

/** A table of numbers; one column is the target. See csv.ts. */
export const parseCsv = checked('parseCsv', csv.parseCsv, {
  text,
  options: kind.options<csv.CsvOptions>({
    target: kind.either('the name or the position of a column', text, number),
    ...tableKinds,
    delimiter: text,
  }),
  source: named,
})

/** A data set of arrays whose first axis is the sample. See arrays.ts. */
export const datasetOfArrays = checked('datasetOfArrays', arrays.datasetOfArrays, {
  arrays: map,
  source: named,
  options: kind.options<arrays.ArraysOptions>({
    targetKind: text,
    weights: text,
    layout: text,
    inputs: kind.listOf('a list of inputs', modelInput),
  }),
})

/** Images [n, h, w] of bytes and labels [n] as a data set. */
export const digitsDataset = checked('digitsDataset', digits.digitsDataset, {
  images: kind.tensor,
  labels: kind.tensor,
  about: kind.object('a data set to name, as mnistSource', 'title', 'string'),
})

/** Two parts of a data set, in random order; `test` has this fraction of its samples. */
export const split = checked('split', parts.split, {
  dataset: kind.object('a data set', 'batches', 'function'),
  fraction: number,
  seed: kind.optional(number),
})

/** The samples with randomly changed pictures: mirrored, moved, cut out. See augment.ts. */
export const augmented = checked('augmented', pictures.augmented, {
  samples: kind.object('a set of samples', 'batches', 'function'),
  options: kind.options<pictures.AugmentOptions>({
    flip: kind.flag,
    shift: number,
    crop: number,
    seed: number,
  }),
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

/**
 * The same samples, each class with the number of its name among these; samples without names stay as they are. See renumbered.ts.
 *
 * @throws Net2NetError (input) where the samples have a class that is not among these
 */
export const numberedAs = checked('numberedAs', renumbered.numberedAs, {
  samples,
  classes: kind.texts,
})
