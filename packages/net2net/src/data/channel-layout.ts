/** Where the channels of a sample are: first, as in PyTorch and most ONNX files, or last, as in Keras and TensorFlow. */
import { elementCount, Tensor, type TypedArray } from '../tensor/tensor.ts'
import { fillRows, type Normalization } from './dataset.ts'
import type { InputStream } from './inputs.ts'
import { type Batch, batchesOf, type SampleSet } from './samples.ts'
import type { Elements } from './stored/elements.ts'

export const channelLayouts = ['channels-first', 'channels-last'] as const
export type ChannelLayout = (typeof channelLayouts)[number]

/** Sizes, of which some may be of any size. */
type Sizes = readonly (number | undefined)[]

/** The shape of a sample whose channels have moved from where they were to the other end. */
export const movedDims = <T>(dims: readonly T[], from: ChannelLayout): readonly T[] =>
  from === 'channels-last'
    ? [...dims.slice(-1), ...dims.slice(0, -1)]
    : [...dims.slice(1), ...dims.slice(0, 1)]

const fits = (dims: readonly number[], wanted: Sizes): boolean =>
  dims.length === wanted.length &&
  dims.every((dim, a) => wanted[a] === undefined || wanted[a] === dim)

/** The layout of a sample that does not have the shape that is wanted, but has it with its channels at the other end. */
export const otherLayoutOf = (dims: readonly number[], wanted: Sizes): ChannelLayout | undefined =>
  dims.length < 2 || fits(dims, wanted)
    ? undefined
    : channelLayouts.find((from) => fits(movedDims(dims, from), wanted))

/** Whether samples of a layout must be moved for a model that takes these sizes (undefined: nobody knows what it takes). */
export const mustMove = (
  dims: readonly number[],
  from: ChannelLayout,
  wanted: Sizes | undefined,
): boolean => dims.length >= 2 && (!wanted || fits(movedDims(dims, from), wanted))

/** Whether a shape [height, width, channels] is that of a picture whose channels are last. */
export const hasChannelsLast = ([height, , channels, ...more]: Sizes): boolean =>
  more.length === 0 && isChannels(channels) && height !== undefined && !isChannels(height)
const isChannels = (size: number | undefined) => size === 1 || size === 3

/** Samples one after the other, with their channels at the other end. `dims` is the shape of one of them as it is. */
export function movedElements<T extends TypedArray>(
  data: T,
  dims: readonly number[],
  from: ChannelLayout,
): T {
  const row = elementCount(dims)
  const columns = (from === 'channels-last' ? dims.at(-1) : row / (dims[0] ?? 1)) ?? 1
  const rows = row / columns
  const moved = data.slice() as T
  for (let at = 0; at < data.length; at += row)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) moved[at + j * rows + i] = data[at + i * columns + j]!
  return moved
}

/** A tensor whose first axis is the sample. */
export function movedTensor(tensor: Tensor, from: ChannelLayout): Tensor {
  const [samples = 0, ...dims] = tensor.dims
  return new Tensor(
    tensor.dtype,
    [samples, ...movedDims(dims, from)],
    movedElements(tensor.data, dims, from),
  )
}

/** The same for what is read in ranges. */
export function movedRanges(
  elements: Elements,
  dims: readonly number[],
  from: ChannelLayout,
): Elements {
  const row = elementCount(dims)
  return {
    dtype: elements.dtype,
    length: elements.length,
    read(at, count) {
      const begin = Math.floor(at / row) * row
      const end = Math.min(elements.length, Math.ceil((at + count) / row) * row)
      const whole = movedElements(elements.read(begin, end - begin), dims, from)
      return whole.subarray(at - begin, at - begin + count)
    },
  }
}

/** Bytes of samples as numbers from 0 to 1, or as these normalized where the samples are pictures. */
export function floatsOfBytes(
  bytes: Tensor,
  normalization: Normalization | undefined,
  name: string,
): Tensor {
  const [, ...dims] = bytes.dims
  const isPicture = dims.length === 3 && normalization !== undefined
  if (isPicture && hasChannelsLast(dims))
    return movedTensor(
      floatsOfBytes(movedTensor(bytes, 'channels-last'), normalization, name),
      'channels-first',
    )
  const floats = new Tensor('float32', bytes.dims, new Float32Array(bytes.data.length))
  const column = { dtype: 'float32' as const, dims, data: bytes.data, divisor: 255 }
  fillRows(isPicture ? { ...column, normalization } : column, floats, undefined, 0, name)
  return floats
}

const lastOf = (inputs: Batch['inputs']): Batch['inputs'] =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [
      name,
      tensor.dims.length === 4 && isChannels(tensor.dims[1])
        ? movedTensor(tensor, 'channels-first')
        : tensor,
    ]),
  )

/** Pictures [channels, height, width] for a model that takes [height, width, channels]. */
export function withChannelsLast(samples: SampleSet): SampleSet {
  const { length, classes, columns, preparation, weights, target } = samples
  return {
    ...{ length, classes, columns, preparation, weights, target },
    async *batches(size, order, epoch) {
      for await (const batch of batchesOf(samples, size, order, epoch))
        yield { ...batch, inputs: lastOf(batch.inputs) }
    },
  }
}

/** The same for what is predicted for. */
export const streamWithChannelsLast = (stream: InputStream): InputStream => ({
  length: stream.length,
  async *batches(size) {
    for await (const batch of stream.batches(size)) yield { ...batch, inputs: lastOf(batch.inputs) }
  },
})
