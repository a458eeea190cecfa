/** The user's own inputs for a check: arrays by the names of the model's inputs, or pictures in the shape of its input. */
import { type Model, Tensor } from 'net2net'
import { decodeNpy, decodeNpz } from 'net2net/data'
import { inferShapes, requiredInputs } from 'net2net/model'
import { float32, toNumbers } from 'net2net/tensor'
import { inputError } from '../../../src/errors.ts'
import { isView } from './is-view.ts'
import type { InputFile } from './protocol.ts'

type Feeds = Readonly<Record<string, Tensor>>

/** At most so many samples are compared on. */
const most = 32

export interface OwnInputs {
  readonly feeds: readonly Feeds[]
  /** Arrays that are no inputs of the model, as targets are none. */
  readonly aside: readonly string[]
}

/** @throws input where a file fits no input of the model */
export function inputsFrom(files: readonly InputFile[], model: Model): OwnInputs {
  const arrays = files.flatMap((file) =>
    'pixels' in file ? [] : [arraysOf(file.name, file.bytes)],
  )
  const pictures = files.filter((file) => 'pixels' in file)
  const read = arrays.map(({ name, tensors }) => feedsOf(name, tensors, model))
  return {
    feeds: [
      ...read.flatMap(({ feeds }) => feeds),
      ...pictures.map((picture) => pictureFeed(picture, model)),
    ],
    aside: [...new Set(read.flatMap(({ aside }) => aside))],
  }
}

function arraysOf(name: string, bytes: Uint8Array) {
  const isArchive = bytes[0] === 0x50 && bytes[1] === 0x4b
  const tensors = isArchive ? decodeNpz(bytes, name) : new Map([['', decodeNpy(bytes, name)]])
  return { name, tensors }
}

/** Arrays that the library takes for targets, whatever they hold. */
const isTarget = (name: string): boolean => /^(y|targets?|labels?)(_(train|test|val))?$/.test(name)

type Shape = readonly (number | string | null)[]

/** The dimensions in which an array is a batch of an input of this shape; undefined where it is none. */
function batchOf(dims: readonly number[], shape: Shape | undefined): readonly number[] | undefined {
  if (shape === undefined) return dims
  const fits = (batch: readonly number[]) =>
    batch.length === shape.length &&
    shape.every((size, i) => i === 0 || typeof size !== 'number' || size === batch[i])
  const sizes = shape.slice(1).map(Number)
  const views = [
    dims,
    // One sample without an axis for the batch counts as a batch of one.
    [1, ...dims],
    ...(isView(dims.slice(1), sizes) ? [[dims[0] ?? 1, ...sizes]] : []),
  ]
  return views.find(fits)
}

/** The names under which the arrays of an input stand: the best first. */
const partsOf = (name: string) => ['', '_test', '_val', '_train'].map((part) => `${name}${part}`)

/** The array of one input: by name, `x…` of the only input, or the only array that fits it. */
function arrayOf(
  input: string,
  tensors: ReadonlyMap<string, Tensor>,
  { isOnly, shape }: { readonly isOnly: boolean; readonly shape: Shape | undefined },
): string | undefined {
  const named = partsOf(input).find((name) => tensors.has(name))
  if (named !== undefined || !isOnly) return named
  const usual = ['x_test', 'x_val', 'x', 'x_train', 'input'].find((name) => tensors.has(name))
  if (usual !== undefined) return usual
  const others = [...tensors].filter(([name]) => !isTarget(name))
  const fitting = others.filter(([, { dims }]) => batchOf(dims, shape))
  const [found, another] = others.length === 1 ? others : fitting
  return another ? undefined : found?.[0]
}

/** The arrays that are inputs, cut into sets of inputs, and the names of the others. */
function feedsOf(file: string, tensors: ReadonlyMap<string, Tensor>, model: Model): OwnInputs {
  const shapes = inferShapes(model)
  const inputs = requiredInputs(model.graph)
  const arrays = inputs.map(({ name }) => {
    const info = shapes.get(name)
    const shape = info?.shape
    const key = arrayOf(name, tensors, { isOnly: inputs.length === 1, shape })
    const found = key === undefined ? undefined : tensors.get(key)
    if (key === undefined || !found)
      throw inputError(
        `${file} has no array for the input "${name}"; it has ${[...tensors.keys()].join(', ') || 'one without a name'}.`,
        { hint: 'Arrays are called as the inputs; of a network with one input, x.' },
      )
    const dims = batchOf(found.dims, shape)
    if (!dims)
      throw inputError(
        `${file}: an array of shape ${found.dims.join('×')} is none for the input "${name}" of shape ${shape?.map((size) => size ?? '?').join('×')}.`,
      )
    return { key, name, tensor: asType(found, info?.dtype), dims, fixed: shape?.[0] }
  })
  const count = Math.min(...arrays.map(({ dims }) => dims[0] ?? 1))
  const fixed = arrays.map((array) => array.fixed).find((size) => typeof size === 'number')
  const size = typeof fixed === 'number' ? fixed : Math.min(count, most)
  const sets = Math.min(Math.floor(count / size), Math.max(1, Math.floor(most / size)))
  if (sets < 1)
    throw inputError(`${file} has ${count} samples, and the network takes ${size} at once.`)
  const taken = new Set(arrays.map(({ key }) => key))
  return {
    feeds: Array.from({ length: sets }, (_, i) =>
      Object.fromEntries(
        arrays.map(({ name, tensor, dims }) => [name, rows(tensor, dims, i * size, size)]),
      ),
    ),
    aside: [...tensors.keys()].filter((key) => !taken.has(key)),
  }
}

function rows(tensor: Tensor, dims: readonly number[], from: number, count: number): Tensor {
  const row = dims.slice(1).reduce((a, b) => a * b, 1)
  const data = tensor.data.slice(from * row, (from + count) * row)
  return new Tensor(tensor.dtype, [count, ...dims.slice(1)], data)
}

/** Bytes for an input of floats are a picture's: 0 to 1. */
function asType(tensor: Tensor, dtype: string | undefined): Tensor {
  if (dtype !== 'float32' || tensor.dtype === 'float32') return tensor
  const scale = tensor.dtype === 'uint8' ? 1 / 255 : 1
  return float32(
    tensor.dims,
    Float32Array.from(toNumbers(tensor), (value) => value * scale),
  )
}

type Picture = Extract<InputFile, { readonly pixels: unknown }>

/** A picture in the size and the channels of the one input: [n, c, h, w], [n, h, w, c] or [n, h·w], 0 to 1. */
function pictureFeed({ name: file, width, height, pixels }: Picture, model: Model): Feeds {
  const [input, another] = requiredInputs(model.graph)
  const shape = input && inferShapes(model).get(input.name)?.shape
  const sizes = shape?.slice(1).map((size) => (typeof size === 'number' ? size : 0)) ?? []
  const form = another ? undefined : pictureForm(sizes)
  if (!input || !form || sizes.includes(0))
    throw inputError(
      `${file} is a picture, and the network does not take pictures: its input is ${shape?.map((size) => size ?? '?').join('×') ?? 'unknown'}.`,
      { hint: 'Give an .npz file with an array for each input.' },
    )
  const { channels, rows: h, columns: w, last } = form
  const data = new Float32Array(channels * h * w)
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const mean = areaMean(pixels, width, height, x / w, y / h, (x + 1) / w, (y + 1) / h)
      const grey = 0.299 * mean[0]! + 0.587 * mean[1]! + 0.114 * mean[2]!
      for (let c = 0; c < channels; c++) {
        const at = last ? (y * w + x) * channels + c : (c * h + y) * w + x
        data[at] = (channels === 1 ? grey : mean[c]!) / 255
      }
    }
  return { [input.name]: float32([1, ...sizes], data) }
}

function pictureForm(sizes: readonly number[]) {
  const [a = 0, b = 0, c = 0] = sizes
  if (sizes.length === 3 && (a === 1 || a === 3))
    return { channels: a, rows: b, columns: c, last: false }
  if (sizes.length === 3 && (c === 1 || c === 3))
    return { channels: c, rows: a, columns: b, last: true }
  if (sizes.length === 2) return { channels: 1, rows: a, columns: b, last: false }
  const side = Math.sqrt(a)
  return sizes.length === 1 && Number.isInteger(side)
    ? { channels: 1, rows: side, columns: side, last: false }
    : undefined
}

function areaMean(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
): readonly number[] {
  const [left, top] = [Math.floor(x0 * width), Math.floor(y0 * height)]
  const right = Math.max(left + 1, Math.floor(x1 * width))
  const bottom = Math.max(top + 1, Math.floor(y1 * height))
  const sums = [0, 0, 0]
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++)
      for (let c = 0; c < 3; c++) sums[c]! += pixels[(y * width + x) * 4 + c]!
  const count = (right - left) * (bottom - top)
  return sums.map((sum) => sum / count)
}
