/** Data by name or path, of any kind that we read. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inputError, usageError } from '../errors.ts'
import { readWhole } from '../files/read-whole.ts'
import { classesOf } from '../model/classes.ts'
import type { Model } from '../model/model.ts'
import { columnsOf } from '../model/output-meaning.ts'
import { type Preparation, preparationOf, withPreparation } from '../model/preparation.ts'
import { type ArraysOptions, datasetOfArrays } from './arrays.ts'
import { hasChannelsLast, movedDims, withChannelsLast } from './channel-layout.ts'
import { type ImagesOptions, loadImages } from './image-folder.node.ts'
import { mnistSource } from './known-datasets.ts'
import {
  type DigitsOptions,
  isDigitsFolder,
  loadDigits,
  loadFashionMnist,
  loadMnist,
  rangedDigits,
} from './load-mnist.node.ts'
import { inputsOf } from './model-input.ts'
import { normalizedArrays } from './normalize-arrays.ts'
import { decodeNpz } from './npy.ts'
import type { SampleSet } from './samples.ts'
import { isArraysFolder, rangedFolder, storedDataset } from './stored/load-stored.node.ts'
import { rangedNpz } from './stored/stored-arrays.node.ts'
import { loadTable } from './table/load-table.node.ts'
import { isTable } from './table/open-table.node.ts'
import type { TableOptions } from './table/plan.ts'
import { isText, loadText, type TextFileOptions } from './text/load-text.node.ts'

export interface LoadOptions
  extends Omit<TableOptions, 'target'>,
    TextFileOptions,
    Pick<ImagesOptions, 'fit' | 'normalize'>,
    Pick<ArraysOptions, 'layout'>,
    Pick<DigitsOptions, 'cacheFolder' | 'signal' | 'onDownload'> {
  /** Shape of one sample, for a folder of pictures: [channels, height, width], or [height, width, channels]. */
  readonly dims?: readonly number[] | undefined
  /** Name of the target's column, for tables. */
  readonly target?: string | undefined
  /** The model that the data are for: its inputs, and the classes, columns and preparation that it knows. */
  readonly model?: Model | undefined
  /** Bytes of a file of arrays that may be kept in memory. Default: 256 MiB. */
  readonly memory?: number | undefined
}

export interface LoadedData {
  readonly train: SampleSet
  readonly test?: SampleSet
}

/** Files beyond that are read sample by sample. */
const mostInMemory = 2 ** 28

/**
 * Loads `mnist`, `fashion-mnist`, a folder of IDX files, a folder of pictures (one subfolder per
 * class, perhaps inside `train` and `test`, which share one numbering), an .npz file or a folder of .npy files, a table
 * (.csv, .tsv, .jsonl or .parquet), or a text (.txt) or token ids (.bin, .npy) for a model that predicts what comes
 * next. Arrays that are larger than `memory` are read sample by sample, where ranges of them can be read.
 *
 * @throws input where it is missing, broken or of no kind that we know
 */
export async function loadData(spec: string, given: LoadOptions = {}): Promise<LoadedData> {
  const options = given.model ? { ...knownTo(given.model), ...defined(given) } : given
  mustHaveArrays(spec, options)
  const loaded = await loadNormalized(spec, options)
  if (!hasChannelsLast(options.dims ?? []) || !arePictures(spec)) return loaded
  const { train, test } = loaded
  return { train: withChannelsLast(train), ...(test ? { test: withChannelsLast(test) } : {}) }
}

/** Pictures as [channels, height, width]. */
async function loadNormalized(spec: string, options: LoadOptions): Promise<LoadedData> {
  const loaded = await loadAny(spec, options)
  const isNormalized = loaded.train.preparation !== undefined
  if (!isNormalized) return normalizedArrays(loaded, options.normalize, options.preparation)
  if (options.normalize !== undefined && loaded.train.preparation?.kind !== 'pictures')
    throw usageError('Only pictures are normalized.')
  return loaded
}

/** @throws usage for a layout of what are no arrays */
export function mustHaveArrays(spec: string, { layout }: Pick<LoadOptions, 'layout'>): void {
  if (layout === undefined || /\.np[yz]$/i.test(spec) || isArraysFolder(spec)) return
  throw usageError(
    `A layout (--layout) is of arrays in .npz and .npy files, and ${spec} is none: where channels of pictures are is known.`,
    { where: spec },
  )
}

/** Whether it is known where channels are: first, as they are read. */
const arePictures = (spec: string): boolean =>
  spec === 'mnist' ||
  spec === 'fashion-mnist' ||
  (statSync(spec).isDirectory() && !textFiles(spec) && !isArraysFolder(spec))

/** A shape with its channels first. */
export const pictureDimsOf = (
  dims: readonly number[] | undefined,
): readonly number[] | undefined =>
  dims && hasChannelsLast(dims) ? movedDims(dims, 'channels-last') : dims

async function loadAny(spec: string, options: LoadOptions): Promise<LoadedData> {
  if (spec === 'mnist') return loadMnist(options)
  if (spec === 'fashion-mnist') return loadFashionMnist(options)
  if (!existsSync(spec))
    throw inputError(
      `${spec} does not exist; data are mnist, fashion-mnist, an .npz, .csv, .tsv, .jsonl, .parquet, .txt, .bin or .npy file, or a folder of IDX files, .npy files or pictures.`,
      { where: spec },
    )
  if (statSync(spec).isDirectory()) return loadFolder(spec, options)
  if (/\.npz$/i.test(spec)) return loadNpz(spec, options)
  if (isTable(spec)) return { train: await loadTable(spec, options) }
  if (isText(spec) || options.text !== undefined)
    return { train: await loadText(spec, modelFor(options, spec), options) }
  throw inputError(
    `${spec} is of no known kind: data files are .npz, .csv, .tsv, .jsonl, .parquet, .txt, .bin or .npy.`,
    { where: spec },
  )
}

async function loadNpz(spec: string, options: LoadOptions): Promise<LoadedData> {
  const { memory = mostInMemory } = options
  const arrays = statSync(spec).size > memory ? rangedNpz(spec) : undefined
  if (arrays) return storedDataset(arrays, spec, options)
  return datasetOfArrays(decodeNpz(await readWhole(spec), spec), spec, options)
}

function modelFor({ model }: LoadOptions, spec: string): Model {
  if (model) return model
  throw usageError(`${spec} becomes samples as long as a model takes them: give the model, too.`)
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
  const texts = textFiles(folder)
  if (texts) return loadTexts(texts, modelFor(options, folder), options)
  if (isArraysFolder(folder)) return storedDataset(rangedFolder(folder), folder, options)
  if (isDigitsFolder(folder)) {
    // Other data than MNIST come in its form, too: nobody knows what their classes are called.
    const { classes: _, ...files } = mnistSource
    const { memory = mostInMemory } = options
    const large = rangedDigits(folder, mnistSource, memory)
    if (large) return storedDataset(large, folder, options)
    return loadDigits({ ...files, title: folder }, { ...options, folder, verify: false })
  }
  const [channels, height, width] = pictureDimsOf(options.dims) ?? []
  if ((channels !== 1 && channels !== 3) || height === undefined || width === undefined)
    throw inputError(
      `${folder} looks like a folder of pictures, but the model's input is not an image of 1 or 3 channels.`,
      { where: folder },
    )
  const read = (
    path: string,
    classes: readonly string[] | undefined,
    preparation: Preparation | undefined,
  ) =>
    loadImages(path, {
      dims: [channels, height, width],
      classes,
      preparation,
      fit: options.fit,
      normalize: options.normalize,
      memory: options.memory,
      signal: options.signal,
    })
  const folders = (...names: readonly string[]) =>
    names.map((name) => join(folder, name)).find((path) => existsSync(path))
  const train = folders('train')
  if (train === undefined)
    return { train: await read(folder, options.classes, options.preparation) }
  const first = await read(train, options.classes, options.preparation)
  const test = folders('test', 'val', 'validation')
  return test === undefined
    ? { train: first }
    : { train: first, test: await read(test, first.classes, first.preparation) }
}

/** The parts of a text in a folder: train.txt and val.txt, say, or .bin. */
function textFiles(folder: string): { readonly train: string; readonly test?: string } | undefined {
  const find = (...names: readonly string[]) =>
    names
      .flatMap((name) => ['txt', 'bin'].map((ending) => join(folder, `${name}.${ending}`)))
      .find((path) => existsSync(path))
  const train = find('train')
  const test = find('test', 'val', 'validation')
  return train === undefined ? undefined : { train, ...(test === undefined ? {} : { test }) }
}

async function loadTexts(
  files: { readonly train: string; readonly test?: string },
  model: Model,
  options: LoadOptions,
): Promise<LoadedData> {
  const train = await loadText(files.train, model, options)
  if (files.test === undefined) return { train }
  // Both parts have one numbering.
  const known = train.preparation ? withPreparation(model, train.preparation) : model
  return { train, test: await loadText(files.test, known, options) }
}
