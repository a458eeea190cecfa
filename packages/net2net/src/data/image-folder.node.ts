/** A folder of pictures, one subfolder per class, read with sharp. */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { inputError, mustBeOneOf, usageError } from '../errors.ts'
import { fileProblem } from '../files/read-whole.ts'
import { shown } from '../model/classes.ts'
import { type PictureFit, type Preparation, pictureFits } from '../model/preparation.ts'
import { hintOfOtherClasses } from './classes.ts'
import { ArrayDataset, type Normalization } from './dataset.ts'
import {
  ChannelSums,
  knownNormalization,
  type Normalize,
  normalizationOf,
  picturePreparation,
} from './normalize.ts'
import { isPicture, type PictureDims, pictureReader, unreadable } from './picture.node.ts'
import { PictureSet } from './picture-set.node.ts'

export interface ImagesOptions {
  /** Shape of one sample: [channels (1: grey, 3: red, green, blue), height, width]. */
  readonly dims: PictureDims
  /**
   * Names of the classes whose numbering is followed, such as those of the training data; a
   * subfolder with another name is refused. Default: the subfolders in alphabetical order.
   */
  readonly classes?: readonly string[] | undefined
  /** How pictures of another shape become one of this. Default: stretched. */
  readonly fit?: PictureFit | undefined
  /** What the channels are normalized by. Default: they are not; bytes become numbers from 0 to 1. */
  readonly normalize?: Normalize | undefined
  /** What a model knows of the pictures that it was trained on: then these are read as those were. */
  readonly preparation?: Preparation | undefined
  /** Bytes that may be kept in memory; more pictures than that are read each time anew. Default: 1 GiB. */
  readonly memory?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how many of the pictures have been read. */
  readonly onProgress?: ((read: number, total: number) => void) | undefined
}

/** Pictures that take more bytes are read when they are asked for. */
const mostInMemory = 2 ** 30

/**
 * Reads all pictures, resized to the given shape. Classes are the
 * subfolders that hold pictures, in alphabetical order (UTF-16); what is hidden (its name begins
 * with a dot) does not count. Links are followed.
 *
 * @throws input where there are no classes, a class is none of those that were given, or a picture
 *   cannot be read; names the picture
 */
export async function loadImages(
  folder: string,
  options: ImagesOptions,
): Promise<ArrayDataset | PictureSet> {
  const { dims, memory = mostInMemory } = options
  const [channels, height, width] = dims
  if (![channels, height, width].every((size) => Number.isInteger(size) && size >= 1))
    throw usageError(`Pictures cannot have the shape [${dims}].`)
  if (channels !== 1 && channels !== 3)
    throw usageError(`Pictures have 1 or 3 channels, not ${channels}.`)
  const { files, classes } = await labelledPictures(folder, options)
  const known = options.preparation?.kind === 'pictures' ? options.preparation : undefined
  const fit = known?.fit ?? options.fit ?? 'resize'
  mustBeOneOf('fit', fit, pictureFits)
  const read = await pictureReader()
  const row = channels * height * width
  const isLarge = files.length * row > memory
  const data = new Uint8Array(isLarge ? 0 : files.length * row)
  const sums =
    known === undefined && options.normalize === 'data' ? new ChannelSums(channels) : undefined
  if (!isLarge || sums)
    for (const [i, { path }] of files.entries()) {
      options.signal?.throwIfAborted()
      const pixels = await read(path, dims, fit)
      if (!isLarge) data.set(pixels, i * row)
      sums?.add(pixels, height * width)
      options.onProgress?.(i + 1, files.length)
    }
  const normalization = known ? knownNormalization(known) : (sums?.normalization ?? given(options))
  const preparation = picturePreparation(fit, normalization)
  const input = {
    dtype: 'float32' as const,
    dims,
    divisor: 255,
    ...(normalization ? { normalization } : {}),
  }
  const labels = Int32Array.from(files, ({ label }) => label)
  const target = { dtype: 'int32' as const, dims: [], data: labels }
  if (isLarge) return new PictureSet(files, { input, fit, target, classes, preparation })
  return new ArrayDataset({ input: { ...input, data } }, target, classes, { preparation })
}

const given = ({ normalize, dims: [channels] }: ImagesOptions): Normalization | undefined =>
  normalize === undefined || normalize === 'data' ? undefined : normalizationOf(normalize, channels)

async function labelledPictures(folder: string, options: ImagesOptions) {
  const found = await picturesIn(folder)
  if (found.length === 0)
    throw inputError(`${folder} holds no pictures: there should be one subfolder per class.`, {
      where: folder,
    })
  const classes = options.classes ?? found.map(({ name }) => name)
  const files = found.flatMap(({ name, paths }) => {
    const label = classes.indexOf(name)
    if (label >= 0) return paths.map((path) => ({ path, label }))
    const where = join(folder, name)
    throw inputError(`${where} is none of the classes ${shown(classes)}.`, {
      where,
      hint: hintOfOtherClasses,
    })
  })
  return { files, classes }
}

/** The subfolders that hold pictures, and these, each in alphabetical order. */
export async function picturesIn(folder: string) {
  const found: { readonly name: string; readonly paths: readonly string[] }[] = []
  for (const entry of await list(folder)) {
    if (!(await isA('isDirectory', folder, entry))) continue
    const inside = join(folder, entry.name)
    const paths: string[] = []
    for (const picture of await list(inside))
      if (isPicture(picture.name) && (await isA('isFile', inside, picture)))
        paths.push(join(inside, picture.name))
    if (paths.length > 0) found.push({ name: entry.name, paths })
  }
  return found
}

/** What is visible in a folder, in alphabetical order. */
export async function list(folder: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    const visible = entries.filter(({ name }) => !name.startsWith('.'))
    return visible.sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (cause) {
    throw unreadable(folder, fileProblem(cause), cause)
  }
}

/** Whether an entry, or what it links to, is a file or a folder. */
export async function isA(kind: 'isFile' | 'isDirectory', folder: string, entry: Dirent) {
  if (!entry.isSymbolicLink()) return entry[kind]()
  const path = join(folder, entry.name)
  try {
    return (await stat(path))[kind]()
  } catch (cause) {
    throw unreadable(path, `is a link to what ${fileProblem(cause)}`, cause)
  }
}
