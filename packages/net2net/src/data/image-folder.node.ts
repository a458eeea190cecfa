/** A folder of pictures, one subfolder per class, read with sharp. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { inputError } from '../errors.ts'
import { fileProblem } from './data-file.node.ts'
import { ArrayDataset } from './dataset.ts'

export interface ImagesOptions {
  /** Shape of one sample: [channels (1: grey, 3: red, green, blue), height, width]. */
  readonly dims: readonly [1 | 3, number, number]
  readonly signal?: AbortSignal
  /** Told how many of the pictures have been read. */
  readonly onProgress?: (read: number, total: number) => void
}

const pictures = /\.(png|jpe?g|webp|gif|tiff?|avif|svg)$/i

/**
 * Reads all pictures, resized to the given shape (stretched, not cropped). Classes are the
 * subfolders in alphabetical order.
 *
 * @throws input where there are no classes, or a picture cannot be read
 */
export async function loadImages(folder: string, options: ImagesOptions): Promise<ArrayDataset> {
  const classes = (await list(folder)).filter((entry) => entry.isDirectory()).map((e) => e.name)
  classes.sort()
  const files: { path: string; label: number }[] = []
  for (const [label, name] of classes.entries())
    for (const entry of await list(join(folder, name)))
      if (entry.isFile() && pictures.test(entry.name))
        files.push({ path: join(folder, name, entry.name), label })
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  if (files.length === 0)
    throw inputError(`${folder} holds no pictures: there should be one subfolder per class.`, {
      where: folder,
    })

  const sharp = await loadSharp()
  const [channels, height, width] = options.dims
  const row = channels * height * width
  const data = new Uint8Array(files.length * row)
  for (const [i, { path }] of files.entries()) {
    options.signal?.throwIfAborted()
    const picture = sharp(path)
      .removeAlpha()
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .resize(width, height, { fit: 'fill' })
    let pixels: Uint8Array
    try {
      pixels = await picture.raw().toBuffer()
    } catch (cause) {
      throw inputError(`${path} cannot be read as a picture: ${(cause as Error).message}.`, {
        where: path,
        cause,
      })
    }
    // From height × width × channels to channels × height × width.
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < height * width; p++)
        data[i * row + c * height * width + p] = pixels[p * channels + c]!
    options.onProgress?.(i + 1, files.length)
  }
  return new ArrayDataset(
    { input: { dtype: 'float32', dims: options.dims, data, divisor: 255 } },
    { dtype: 'int32', dims: [], data: Int32Array.from(files, ({ label }) => label) },
    classes,
  )
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    throw inputError(`${folder} ${fileProblem(cause)}.`, { where: folder, cause })
  }
}

async function loadSharp() {
  try {
    return (await import('sharp')).default
  } catch (cause) {
    throw inputError('Reading pictures needs the package sharp: npm install sharp.', { cause })
  }
}
