/** Data sets: MNIST, Fashion-MNIST, NumPy files, tables, pictures. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import * as arrays from './arrays.ts'
import * as csv from './csv.ts'
import * as sets from './dataset.ts'
import * as idx from './idx.ts'
import * as pictures from './image-folder.node.ts'
import * as anything from './load-data.node.ts'
import * as digits from './load-mnist.node.ts'
import * as numpy from './npy.ts'

export type { ArraysOptions } from './arrays.ts'
export type { CsvOptions } from './csv.ts'
export {
  ArrayDataset,
  type Batch,
  type Column,
  type ColumnShape,
  type Dataset,
} from './dataset.ts'
export { digitsDataset } from './digits.ts'
export type { ImagesOptions } from './image-folder.node.ts'
export type { LoadedData, LoadOptions } from './load-data.node.ts'
export type { DigitsOptions, TrainTest } from './load-mnist.node.ts'

const { bytes, text, number, checked, checkedAsync } = kind
const named = text.optional()
const map = kind.object('a Map of arrays', 'entries', 'function')
const downloading = { cacheFolder: text, signal: kind.signal, onDownload: kind.callback }
const digitsOptions = kind.options({
  ...downloading,
  folder: text,
  mirrors: kind.texts,
  verify: kind.flag,
})

/**
 * Loads `mnist`, `fashion-mnist`, a folder of IDX files, a folder of pictures (one subfolder per
 * class, perhaps inside `train` and `test`, which share one numbering), an .npz file, or a table
 * (.csv or .tsv).
 *
 * @throws Net2NetError (input) where there is no such thing, or it is broken
 */
export const loadData = checkedAsync('loadData', anything.loadData, {
  spec: text,
  options: kind.options({
    ...downloading,
    dims: kind.numbers,
    targetKind: text,
    target: text,
    classes: kind.texts,
  }),
})

/**
 * The 60,000 training and 10,000 test digits: input `input` [1, 28, 28], bytes that become floats
 * in [0, 1]; the target is the digit. See mnist-node.ts.
 */
export const loadMnist = checkedAsync('loadMnist', digits.loadMnist, { options: digitsOptions })

/** Fashion-MNIST, in the form of MNIST. */
export const loadFashionMnist = checkedAsync('loadFashionMnist', digits.loadFashionMnist, {
  options: digitsOptions,
})

/** A folder of pictures, a subfolder for each class. See image-folder.ts. */
export const loadImages = checkedAsync('loadImages', pictures.loadImages, {
  folder: text,
  options: kind.options(
    { classes: kind.texts, signal: kind.signal, onProgress: kind.callback },
    { dims: kind.numbers },
  ),
})

/** A table of numbers; one column is the target. See csv.ts. */
export const parseCsv = checked('parseCsv', csv.parseCsv, {
  text,
  options: kind.options({
    target: kind.either('the name or the position of a column', text, number),
    targetKind: text,
    delimiter: text,
    classes: kind.texts,
  }),
  source: named,
})

/** A data set of arrays whose first axis is the sample. See arrays.ts. */
export const datasetOfArrays = checked('datasetOfArrays', arrays.datasetOfArrays, {
  arrays: map,
  source: named,
  options: kind.options({ targetKind: text }),
})

/** Two parts of a data set, in random order; `test` has this fraction of its samples. */
export const split = checked('split', sets.split, {
  dataset: kind.object('a data set', 'pick', 'function'),
  fraction: number,
  seed: number.optional(),
})

export const decodeIdx = checked('decodeIdx', idx.decodeIdx, { bytes, source: named })
export const decodeNpy = checked('decodeNpy', numpy.decodeNpy, { bytes, source: named })
export const decodeNpz = checked('decodeNpz', numpy.decodeNpz, { bytes, source: named })
export const encodeNpy = checked('encodeNpy', numpy.encodeNpy, { tensor: kind.tensor })
export const encodeNpz = checked('encodeNpz', numpy.encodeNpz, { arrays: map })
