/** Data by name or path, of any kind that we read. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inputError } from '../errors.ts'
import { datasetOfArrays } from './arrays.ts'
import { parseCsv } from './csv.ts'
import { readData } from './data-file.node.ts'
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
import { decodeNpz } from './npy.ts'

export interface LoadOptions extends Pick<DigitsOptions, 'cacheFolder' | 'signal' | 'onDownload'> {
  /** Shape of one sample, for a folder of pictures: [channels, height, width]. */
  readonly dims?: readonly number[]
  /** What integers in a target mean. */
  readonly targetKind?: 'class' | 'value'
  /** Name of the target's column, for tables. */
  readonly target?: string
}

export interface LoadedData {
  readonly train: ArrayDataset
  readonly test?: ArrayDataset
}

/**
 * Loads `mnist`, `fashion-mnist`, a folder of IDX files, a folder of pictures (one subfolder per
 * class, perhaps inside `train` and `test`), an .npz or a .csv file.
 *
 * @throws input where it is missing, broken or of no kind that we know
 */
export async function loadData(spec: string, options: LoadOptions = {}): Promise<LoadedData> {
  if (spec === 'mnist') return loadMnist(options)
  if (spec === 'fashion-mnist') return loadFashionMnist(options)
  if (!existsSync(spec))
    throw inputError(
      `${spec} does not exist; data are mnist, fashion-mnist, an .npz or .csv file, or a folder of IDX files or pictures.`,
      { where: spec },
    )
  if (statSync(spec).isDirectory()) return loadFolder(spec, options)
  if (/\.npz$/i.test(spec))
    return datasetOfArrays(decodeNpz(await readData(spec), spec), spec, options)
  if (/\.csv(\.gz)?$/i.test(spec))
    return { train: parseCsv(new TextDecoder().decode(await readData(spec)), options, spec) }
  throw inputError(`${spec} is of no known kind: data files are .npz or .csv.`, { where: spec })
}

async function loadFolder(folder: string, options: LoadOptions): Promise<LoadedData> {
  if (isDigitsFolder(folder))
    return loadDigits({ ...mnistSource, title: folder }, { ...options, folder, verify: false })
  const [channels, height, width] = options.dims ?? []
  if ((channels !== 1 && channels !== 3) || height === undefined || width === undefined)
    throw inputError(
      `${folder} looks like a folder of pictures, but the model's input is not an image of 1 or 3 channels.`,
      { where: folder },
    )
  const read = (path: string) =>
    loadImages(path, {
      dims: [channels, height, width],
      ...(options.signal ? { signal: options.signal } : {}),
    })
  const train = join(folder, 'train')
  if (!existsSync(train)) return { train: await read(folder) }
  const test = ['test', 'val', 'validation'].map((n) => join(folder, n)).find((p) => existsSync(p))
  return test === undefined
    ? { train: await read(train) }
    : { train: await read(train), test: await read(test) }
}
