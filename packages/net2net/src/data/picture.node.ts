/** Single pictures, read with sharp. */
import { inputError } from '../errors.ts'
import type { PictureFit } from '../model/preparation.ts'

/** [channels (1: grey, 3: red, green, blue), height, width] */
export type PictureDims = readonly [1 | 3, number, number]

/** The names of files that are taken for pictures. */
export const isPicture = (name: string): boolean =>
  /\.(png|jpe?g|webp|gif|tiff?|avif|svg)$/i.test(name) && !name.startsWith('.')

/** Reads a picture as bytes of this shape, channels first. */
export type ReadPicture = (
  path: string,
  dims: PictureDims,
  fit?: PictureFit | undefined,
) => Promise<Uint8Array>

/** Sharp's words. */
const fits = { resize: 'fill', crop: 'cover', pad: 'contain' } as const

/**
 * What reads pictures. Those of another shape are stretched to it (the default), cut at two sides, or get black at two sides.
 *
 * @throws input where sharp is not installed; when reading, naming the picture, where it cannot be read
 */
export async function pictureReader(): Promise<ReadPicture> {
  const sharp = await loadSharp()
  return async (path, [channels, height, width], fit = 'resize') => {
    let pixels: Uint8Array
    try {
      pixels = await sharp(path)
        .removeAlpha()
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .resize(width, height, { fit: fits[fit], background: 'black' })
        .raw()
        .toBuffer()
    } catch (cause) {
      throw unreadable(path, `cannot be read as a picture: ${(cause as Error).message}`, cause)
    }
    const area = height * width
    if (pixels.length !== channels * area)
      throw unreadable(path, `has ${pixels.length / area} channels, not ${channels}`)
    // From height × width × channels to channels × height × width.
    const planes = new Uint8Array(pixels.length)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < area; p++) planes[c * area + p] = pixels[p * channels + c]!
    return planes
  }
}

/** In pixels; channels as the file has them, with transparency. */
export interface PictureSize {
  readonly width: number
  readonly height: number
  readonly channels: number
}

/** How large a picture is, as its file says. @throws input, naming the picture, where it cannot be read */
export async function pictureSize(path: string): Promise<PictureSize> {
  const sharp = await loadSharp()
  try {
    const { width, height, channels } = await sharp(path).metadata()
    return { width, height, channels }
  } catch (cause) {
    throw unreadable(path, `cannot be read as a picture: ${(cause as Error).message}`, cause)
  }
}

export const unreadable = (path: string, problem: string, cause?: unknown) =>
  inputError(`${path} ${problem.replace(/\.$/, '')}.`, { where: path, cause })

async function loadSharp() {
  try {
    return (await import('sharp')).default
  } catch (cause) {
    throw inputError('Reading pictures needs the package sharp: npm install sharp.', { cause })
  }
}
