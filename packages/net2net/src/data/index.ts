/** Data sets: what index.browser.ts has, and what is read from files, in Node. */
import * as kind from '../arguments.ts'
import { checked, checkedAsync, text } from '../arguments.ts'
import * as pictures from './image-folder.node.ts'
import * as anything from './load-data.node.ts'
import * as digits from './load-mnist.node.ts'

export type { ImagesOptions } from './image-folder.node.ts'
export * from './index.browser.ts'
export type { LoadedData, LoadOptions } from './load-data.node.ts'
export type { DigitsOptions, TrainTest } from './load-mnist.node.ts'

const downloading = { cacheFolder: text, signal: kind.signal, onDownload: kind.callback }
const digitsOptions = kind.options<digits.DigitsOptions>({
  ...downloading,
  folder: text,
  mirrors: kind.texts,
  verify: kind.flag,
})

/** Whether a name is that of a file that is read as a table. */
export const isTable = checked('isTable', anything.isTable, { spec: text })

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
  options: kind.options<pictures.ImagesOptions>(
    { classes: kind.texts, signal: kind.signal, onProgress: kind.callback },
    { dims: kind.numbers },
  ),
})
