/** Data by name or path, of any kind that we read. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inputError } from '../errors.ts'
import { readWhole } from '../files/read-whole.ts'
import { classesOf } from '../model/classes.ts'
import type { Model } from '../model/model.ts'
import { columnsOf } from '../model/output-meaning.ts'
import { preparationOf } from '../model/preparation.ts'
import { datasetOfArrays } from './arrays.ts'
import type { ArrayDataset } from './dataset.ts'
import { loadImages } from './image-folder.node.ts'
import { mnistSource } from './known-datasets.ts'
import {
  type DigitsOptions,
  isDigitsFolder,
  loadDigits,
  loadFashionMnist,
  loadMnist,
} from './load-mnist.node.ts'
import { inputsOf } from './model-input.ts'
import { decodeNpz } from './npy.ts'
import { loadTable } from './table/load-table.node.ts'
import { isTable } from './table/open-table.node.ts'
import type { TableOptions } from './table/plan.ts'

export interface LoadOptions
  extends Omit<TableOptions, 'target'>,
    Pick<DigitsOptions, 'cacheFolder' | 'signal' | 'onDownload'> {
  /** Shape of one sample, for a folder of pictures: [channels, height, width]. */
  readonly dims?: readonly number[] | undefined
  /** Name of the target's column, for tables. */
  readonly target?: string | undefined
  /** The model that the data are for: its inputs, and the classes, columns and preparation that it knows. */
  readonly model?: Model | undefined
}

export interface LoadedData {
  readonly train: ArrayDataset
  readonly test?: ArrayDataset
}

/**
 * Loads `mnist`, `fashion-mnist`, a folder of IDX files, a folder of pictures (one subfolder per
 * class, perhaps inside `train` and `test`, which share one numbering), an .npz file, or a table
 * (.csv or .tsv).
 *
 * @throws input where it is missing, broken or of no kind that we know
 */
export async function loadData(spec: string, given: LoadOptions = {}): Promise<LoadedData> {
  const options = given.model ? { ...knownTo(given.model), ...defined(given) } : given
  if (spec === 'mnist') return loadMnist(options)
  if (spec === 'fashion-mnist') return loadFashionMnist(options)
  if (!existsSync(spec))
    throw inputError(
      `${spec} does not exist; data are mnist, fashion-mnist, an .npz, .csv or .tsv file, or a folder of IDX files or pictures.`,
      { where: spec },
    )
  if (statSync(spec).isDirectory()) return loadFolder(spec, options)
  if (/\.npz$/i.test(spec))
    return datasetOfArrays(decodeNpz(await readWhole(spec), spec), spec, options)
  if (isTable(spec)) return { train: await loadTable(spec, options) }
  throw inputError(`${spec} is of no known kind: data files are .npz, .csv or .tsv.`, {
    where: spec,
  })
}

/** What a model says of its data. */
function knownTo(model: Model): LoadOptions {
  const inputs = inputsOf(model)
  return {
    inputs,
    dims: inputs[0]?.dims,
    classes: classesOf(model),
    columns: columnsOf(model),
    preparation: preparationOf(model),
  }
}

const defined = (options: LoadOptions): LoadOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

async function loadFolder(folder: string, options: LoadOptions): Promise<LoadedData> {
  if (isDigitsFolder(folder)) {
    // Other data than MNIST come in its form, too: nobody knows what their classes are called.
    const { classes: _, ...files } = mnistSource
    return loadDigits({ ...files, title: folder }, { ...options, folder, verify: false })
  }
  const [channels, height, width] = options.dims ?? []
  if ((channels !== 1 && channels !== 3) || height === undefined || width === undefined)
    throw inputError(
      `${folder} looks like a folder of pictures, but the model's input is not an image of 1 or 3 channels.`,
      { where: folder },
    )
  const read = (path: string, classes: readonly string[] | undefined) =>
    loadImages(path, {
      dims: [channels, height, width],
      classes,
      signal: options.signal,
    })
  const folders = (...names: readonly string[]) =>
    names.map((name) => join(folder, name)).find((path) => existsSync(path))
  const train = folders('train')
  if (train === undefined) return { train: await read(folder, options.classes) }
  const first = await read(train, options.classes)
  const test = folders('test', 'val', 'validation')
  return test === undefined
    ? { train: first }
    : { train: first, test: await read(test, first.classes) }
}
