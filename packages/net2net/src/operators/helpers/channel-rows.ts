/**
 * Images [N, C, …] as a matrix with a row of positions for each channel of each sample. What is computed on it stays in the order of the standard: blocks of
 * channels hold no such rows.
 */
import type { Dim, Shape } from '../../model/model.ts'
import type { Emitter } from '../contract/gradient.ts'
import { productOf } from './dims.ts'
import { reduce, reshape, type TargetSize } from './emission.ts'

/** Has a factor one number for each channel of images of this shape? */
export const isPerChannel = (factor: Shape | undefined, [, channels, ...space]: Shape): boolean =>
  typeof channels === 'number' &&
  String(factor?.slice(-1 - space.length)) === String([channels, ...space.map(() => 1)]) &&
  factor!.slice(0, -1 - space.length).every((dim) => dim === 1)

/** [N·C, positions] */
export function inRows(emitter: Emitter, image: string): string {
  const [, , ...positions] = emitter.info(image).shape!
  return rowsOf(emitter, image, productOf(positions))
}

/** A value [N, parts, …] as rows of this length, where it is known. */
export const rowsOf = (emitter: Emitter, value: string, length: Dim): string =>
  typeof length === 'number'
    ? reshape(emitter, value, [-1, length])
    : emitter.op('Flatten', [value], { axis: 2 })

/** [N·C, 1] */
export const sumsOfRows = (emitter: Emitter, rows: string): string =>
  reduce(emitter, 'Sum', rows, [1], true)

/** Sums [N·C, 1] of an image's rows, summed over the samples: [C]. */
export function sumOverSamples(emitter: Emitter, sums: string, image: string): string {
  const sizes: readonly TargetSize[] = [0, 1].map((axis) => ({ of: image, axis }))
  return reduce(emitter, 'Sum', reshape(emitter, sums, sizes), [0], false)
}
