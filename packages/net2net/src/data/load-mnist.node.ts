/** MNIST and Fashion-MNIST from a folder, a package or the network, checked by SHA-256. */
import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { inputError } from '../errors.ts'
import { makeFolder } from '../files/make-folder.ts'
import { readWhole } from '../files/read-whole.ts'
import { writeWhole } from '../files/write-whole.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { ArrayDataset } from './dataset.ts'
import { digitsDataset } from './digits.ts'
import { decodeIdx } from './idx.ts'
import {
  fashionMnistSource,
  type KnownDataset,
  type KnownFile,
  mnistSource,
} from './known-datasets.ts'
import { type RangedArray, rangedIdx } from './stored/stored-arrays.node.ts'

export interface DigitsOptions {
  /** Folder with the four IDX files, plain or `.gz`. Default: an installed copy, or a download. */
  readonly folder?: string | undefined
  /** Where downloads are kept; default `~/.cache/net2net`. */
  readonly cacheFolder?: string | undefined
  /** Base addresses to download from, instead of the public mirrors. */
  readonly mirrors?: readonly string[] | undefined
  /** Whether the files must be the published ones; default true. */
  readonly verify?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told when a file is about to be downloaded. */
  readonly onDownload?: ((url: string) => void) | undefined
}

/** A data set that comes in two parts. */
export interface TrainTest {
  readonly train: ArrayDataset
  readonly test: ArrayDataset
}

/**
 * The 60,000 training and 10,000 test digits: input `input` [1, 28, 28], bytes that become floats
 * in [0, 1]; the target is the digit.
 *
 * @throws input where the files are missing, truncated or not the published ones
 */
export const loadMnist = (options: DigitsOptions = {}): Promise<TrainTest> =>
  loadDigits(mnistSource, options)

/** Fashion-MNIST, in the form of MNIST. */
export const loadFashionMnist = (options: DigitsOptions = {}): Promise<TrainTest> =>
  loadDigits(fashionMnistSource, options)

/** Loads any data set of MNIST's form. */
export async function loadDigits(known: KnownDataset, options: DigitsOptions): Promise<TrainTest> {
  const folder = options.folder ?? installedFolder(known)
  const read = async (file: KnownFile): Promise<Tensor> => {
    const path =
      folder === undefined ? await download(known, file, options) : find(folder, known, file)
    const bytes = await readWhole(path)
    const array = decodeIdx(bytes, path)
    if (options.verify !== false && sha256(bytes) !== file.sha256)
      throw inputError(
        `${path} is not the published file of ${known.title}: its SHA-256 checksum differs; fetch it again.`,
        { where: path },
      )
    return array
  }
  const { trainImages, trainLabels, testImages, testLabels } = known.files
  const part = async (imagesFile: KnownFile, labelsFile: KnownFile) =>
    digitsDataset(await read(imagesFile), await read(labelsFile), known)
  return {
    train: await part(trainImages, trainLabels),
    test: await part(testImages, testLabels),
  }
}

/**
 * The images and labels of a folder in the form of MNIST, to be read by ranges; undefined where all of its files have at most so many bytes, or
 * where one is packed, so that no range of it can be read.
 */
export function rangedDigits(
  folder: string,
  { files }: KnownDataset,
  most: number,
): ReadonlyMap<string, RangedArray> | undefined {
  const { trainImages, trainLabels, testImages, testLabels } = files
  const named = {
    x_train: trainImages,
    y_train: trainLabels,
    x_test: testImages,
    y_test: testLabels,
  }
  const paths = Object.entries(named).map(
    ([key, { name }]) => [key, locate(folder, name)!] as const,
  )
  const isLarge = paths.some(([, path]) => statSync(path).size > most)
  if (!isLarge || paths.some(([, path]) => path.endsWith('.gz'))) return undefined
  return new Map(
    paths.map(([key, path]) => {
      const array = rangedIdx(path)
      // Images are grey: [n, h, w] is [n, 1, h, w].
      const [count, ...size] = array.dims
      return [key, key.startsWith('x') ? { ...array, dims: [count!, 1, ...size] } : array]
    }),
  )
}

/** Whether a folder holds MNIST's files. */
export const isDigitsFolder = (folder: string): boolean =>
  Object.values(mnistSource.files).every(({ name }) => locate(folder, name) !== undefined)

const locate = (folder: string, name: string): string | undefined =>
  // Some mirrors write the dot of "idx3" in place of the dash.
  [name, `${name}.gz`, name.replace('-idx', '.idx')]
    .map((file) => join(folder, file))
    .find((path) => existsSync(path))

function find(folder: string, known: KnownDataset, file: KnownFile): string {
  const path = locate(folder, file.name)
  if (path !== undefined) return path
  throw inputError(
    `${known.title} is not in ${folder}: ${file.name} (or ${file.name}.gz) is missing there.`,
    { where: folder },
  )
}

/** A copy of the data that is on this machine already. */
function installedFolder(known: KnownDataset): string | undefined {
  const folders = [...known.folders]
  if (known.npmPackage !== undefined) {
    try {
      // Only the package's files are of interest; its code is not run.
      const manifest = createRequire(import.meta.url).resolve(`${known.npmPackage}/package.json`)
      folders.unshift(join(dirname(manifest), 'data'))
    } catch {
      // Not installed: then it is downloaded.
    }
  }
  return folders.find((folder) =>
    Object.values(known.files).every(({ name }) => locate(folder, name) !== undefined),
  )
}

async function download(
  known: KnownDataset,
  file: KnownFile,
  options: DigitsOptions,
): Promise<string> {
  const cache = join(
    options.cacheFolder ?? join(homedir(), '.cache', 'net2net'),
    known.title.toLowerCase(),
  )
  const path = join(cache, file.name)
  if (existsSync(path)) return path
  const problems: string[] = []
  for (const mirror of options.mirrors ?? known.mirrors) {
    const url = `${mirror}${file.name}.gz`
    try {
      options.onDownload?.(url)
      const response = await fetch(url, options.signal ? { signal: options.signal } : {})
      if (!response.ok) throw new Error(`HTTP status ${response.status}`)
      const bytes = gunzipSync(await response.arrayBuffer())
      if (options.verify !== false && sha256(bytes) !== file.sha256)
        throw new Error('the SHA-256 checksum differs from the published one')
      makeFolder(dirname(path))
      // Another process may have fetched it meanwhile.
      await writeWhole(path, bytes, { force: true })
      return path
    } catch (cause) {
      if (options.signal?.aborted) throw cause
      const reason = (cause as Error).cause instanceof Error ? (cause as Error).cause : cause
      problems.push(`${url}: ${(reason as Error).message}`)
    }
  }
  throw inputError(
    `${known.title} is not on this machine and cannot be downloaded (${problems.join('; ')}).`,
    {
      hint: `${known.source}, or give a folder with ${file.name} and its three companions: --data DIR.`,
    },
  )
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
