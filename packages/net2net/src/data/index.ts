/** Data sets: what index.browser.ts has, and what is read from files, in Node. */
import * as kind from '../arguments.ts'
import { checked, checkedAsync, text } from '../arguments.ts'
import * as description from './describe-data.node.ts'
import * as pictures from './image-folder.node.ts'
import { tableKinds } from './index.browser.ts'
import * as anything from './load-data.node.ts'
import * as digits from './load-mnist.node.ts'
import { NpzWriter } from './npz-writer.node.ts'
import * as inputs from './open-inputs.node.ts'
import * as tables from './table/open-table.node.ts'

export type {
  ColumnDescription,
  DataDescription,
  PartDescription,
  ValueCount,
} from './describe-data.node.ts'
export type { ImagesOptions } from './image-folder.node.ts'
export * from './index.browser.ts'
export type { LoadedData, LoadOptions } from './load-data.node.ts'
export type { DigitsOptions, TrainTest } from './load-mnist.node.ts'
export type { NpzWriter } from './npz-writer.node.ts'
export type { OpenOptions } from './open-inputs.node.ts'

const downloading = { cacheFolder: text, signal: kind.signal, onDownload: kind.callback }
const normalize = kind.either(
  "'data', 'imagenet', or { mean, deviation }",
  text,
  kind.object('', 'mean', 'object'),
)
const digitsOptions = kind.options<digits.DigitsOptions>({
  ...downloading,
  folder: text,
  mirrors: kind.texts,
  verify: kind.flag,
})

/** Whether a name is that of a file that is read as a table. */
export const isTable = checked('isTable', tables.isTable, { spec: text })

/**
 * Loads `mnist`, `fashion-mnist`, a folder of IDX files, a folder of pictures (one subfolder per
 * class, perhaps inside `train` and `test`, which share one numbering), an .npz file, or a table
 * (.csv or .tsv).
 *
 * @throws Net2NetError (input) where there is no such thing, or it is broken
 */
export const loadData = checkedAsync('loadData', anything.loadData, {
  spec: text,
  options: kind.options<anything.LoadOptions>({
    ...downloading,
    ...tableKinds,
    dims: kind.numbers,
    layout: text,
    target: text,
    model: kind.model,
    memory: kind.number,
    tokens: text,
    length: kind.number,
    stride: kind.number,
    fit: text,
    normalize,
  }),
})

/**
 * Begins an .npz file whose arrays grow row by row, in memory that does not depend on their length. See npz-writer.node.ts.
 *
 * @throws Net2NetError (usage) where it exists (without `force`), or where no file may be
 */
export const createNpz = checkedAsync('createNpz', NpzWriter.create, {
  path: text,
  options: kind.options<NonNullable<Parameters<typeof NpzWriter.create>[1]>>({ force: kind.flag }),
})

/**
 * Looks at data: shapes, types, ranges, classes with how often they occur, and what is missing. See describe-data.node.ts.
 *
 * @throws Net2NetError (input) where there is no such thing, or it is broken
 */
export const describeData = checkedAsync('describeData', description.describeData, {
  spec: text,
  options: kind.options<NonNullable<Parameters<typeof description.describeData>[1]>>({
    ...downloading,
    tokens: text,
  }),
})

/**
 * Opens the inputs of a model, to be read as they are needed: a table, an .npz or .npy file, a picture or a folder of
 * pictures, a folder of IDX files, `mnist` or `fashion-mnist` (of these the test part). `predict` of `net2net/training`
 * takes what it gives. See open-inputs.node.ts.
 *
 * @throws Net2NetError (input) where there is no such thing, or it is broken or does not fit the model
 */
export const openInputs = checkedAsync('openInputs', inputs.openInputs, {
  spec: text,
  model: kind.model,
  options: kind.options<inputs.OpenOptions>({
    ...downloading,
    target: text,
    layout: text,
    stdin: kind.object('a readable stream', 'read', 'function'),
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
  options: kind.options<pictures.ImagesOptions>(
    {
      classes: kind.texts,
      fit: text,
      normalize,
      preparation: kind.object('a preparation, as preparationOf gives it', 'kind', 'string'),
      memory: kind.number,
      signal: kind.signal,
      onProgress: kind.callback,
    },
    { dims: kind.numbers },
  ),
})
