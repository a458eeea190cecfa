/** Random changes of pictures: each epoch sees each of them otherwise, and every seed sees the same. */
import { usageError } from '../errors.ts'
import { randomStream } from '../tensor/random.ts'
import { allocate, Tensor, type TypedArray } from '../tensor/tensor.ts'
import { hasChannelsLast, movedTensor } from './channel-layout.ts'
import type { Batch } from './dataset.ts'
import { batchesOf, type SampleSet } from './samples.ts'

export interface AugmentOptions {
  /** Mirror every other picture, left to right. */
  readonly flip?: boolean | undefined
  /** Move by up to so many pixels in each direction; pixels at the edge repeat. */
  readonly shift?: number | undefined
  /** Cut out a part of at least this share of each side, and enlarge it (bilinear): 0.8, say. */
  readonly crop?: number | undefined
  /** Default 0. */
  readonly seed?: number | undefined
}

/**
 * The samples with changed pictures: every input [channels, height, width], or [height, width, channels] of 1 or 3 channels. What happens to a sample depends on the seed, the epoch and its
 * index alone, so that a training that was interrupted goes on with the same ones.
 *
 * @throws usage for a size that there is not, where no input is a picture, or where targets are pictures, too
 */
export function augmented(samples: SampleSet, options: AugmentOptions): SampleSet {
  const { flip = false, shift = 0, crop = 1, seed = 0 } = options
  if (!(Number.isInteger(shift) && shift >= 0))
    throw usageError(`shift must be a whole number of pixels, not ${shift}.`)
  if (!(crop > 0 && crop <= 1))
    throw usageError(`crop must be a share of the sides from 0 to 1, not ${crop}.`)
  if ((samples.target?.dims?.length ?? 0) > 1)
    throw usageError(
      'Pictures are changed, but targets are not: targets that are pictures cannot be augmented.',
    )
  const draw = (epoch: number, sample: number): Change => {
    const random = randomStream(seed, 'augment', epoch, sample)
    const isFlipped = random.uniform() < 0.5
    const [down, right] = [random.below(2 * shift + 1), random.below(2 * shift + 1)]
    const side = crop + (1 - crop) * random.uniform()
    return {
      isFlipped: flip && isFlipped,
      down: down - shift,
      right: right - shift,
      side,
      top: (1 - side) * random.uniform(),
      left: (1 - side) * random.uniform(),
    }
  }
  return changed(samples, draw)
}

/** What happens to a picture: shares of its sides, and pixels. */
interface Change {
  readonly isFlipped: boolean
  readonly down: number
  readonly right: number
  /** Of the part that is cut out, and where it begins. */
  readonly side: number
  readonly top: number
  readonly left: number
}

type Draw = (epoch: number, sample: number) => Change

function changed(samples: SampleSet, draw: Draw): SampleSet {
  const { length, classes, columns, preparation, target, weights, bytes } = samples
  return {
    length,
    classes,
    columns,
    preparation,
    target,
    weights,
    ...(bytes ? { bytes: { ...bytes, samples: changed(bytes.samples, draw) } } : {}),
    async *batches(size, order, epoch = 0): AsyncGenerator<Batch> {
      let at = 0
      for await (const batch of batchesOf(samples, size, order, epoch)) {
        const count = batch.target.dims[0] ?? 1
        const changes = Array.from({ length: count }, (_, i) =>
          draw(epoch, order ? order[at + i]! : at + i),
        )
        at += count
        yield { ...batch, inputs: changedInputs(batch.inputs, changes) }
      }
    },
  }
}

function changedInputs(inputs: Batch['inputs'], changes: readonly Change[]): Batch['inputs'] {
  const isPicture = ({ dims }: Tensor) => dims.length === 4
  if (!Object.values(inputs).some(isPicture))
    throw usageError('Only pictures can be augmented: inputs [channels, height, width].')
  return Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [
      name,
      isPicture(tensor) ? changedInLayout(tensor, changes) : tensor,
    ]),
  )
}

function changedInLayout(tensor: Tensor, changes: readonly Change[]): Tensor {
  if (!hasChannelsLast(tensor.dims.slice(1))) return changedPictures(tensor, changes)
  const first = movedTensor(tensor, 'channels-last')
  return movedTensor(changedPictures(first, changes), 'channels-first')
}

function changedPictures(tensor: Tensor, changes: readonly Change[]): Tensor {
  const { dtype, dims, data } = tensor
  const [, channels = 1, height = 1, width = 1] = dims
  const result = allocate(dtype, data.length)
  const area = height * width
  for (const [i, change] of changes.entries()) {
    const rows = places(height, change.top, change.side, change.down)
    const columns = places(width, change.left, change.side, change.right)
    if (change.isFlipped) columns.reverse()
    for (let c = 0; c < channels; c++) {
      const plane = (i * channels + c) * area
      if (change.side === 1) move(data, result, plane, rows, columns)
      else enlarge(data, result, plane, rows, columns, height)
    }
  }
  return new Tensor(dtype, dims, result)
}

/** Where along one side the pixels come from, within the picture. */
const places = (size: number, begin: number, side: number, moved: number): number[] =>
  Array.from({ length: size }, (_, i) => {
    const from = side === 1 ? i : begin * size + (i + 0.5) * side - 0.5
    return Math.min(size - 1, Math.max(0, from - moved))
  })

function move(
  data: TypedArray,
  result: TypedArray,
  plane: number,
  rows: readonly number[],
  columns: readonly number[],
): void {
  let at = plane
  for (const row of rows)
    for (const column of columns) result[at++] = data[plane + row * columns.length + column]!
}

/** Between pixels, their values are mixed. */
function enlarge(
  data: TypedArray,
  result: TypedArray,
  plane: number,
  rows: readonly number[],
  columns: readonly number[],
  height: number,
): void {
  const width = columns.length
  const isInteger = !(result instanceof Float32Array || result instanceof Float64Array)
  let at = plane
  for (const row of rows) {
    const [top, below] = [Math.floor(row), Math.min(height - 1, Math.floor(row) + 1)]
    for (const column of columns) {
      const [left, right] = [Math.floor(column), Math.min(width - 1, Math.floor(column) + 1)]
      const value = (y: number, x: number) => Number(data[plane + y * width + x])
      const [down, across] = [row - top, column - left]
      const mixed =
        (1 - down) * ((1 - across) * value(top, left) + across * value(top, right)) +
        down * ((1 - across) * value(below, left) + across * value(below, right))
      result[at++] = isInteger ? Math.round(mixed) : mixed
    }
  }
}
