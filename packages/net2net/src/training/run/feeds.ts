/** From a data set's batch to what a compiled graph takes. */

import { otherLayoutOf } from '../../data/channel-layout.ts'
import {
  type Batch,
  batchesOf,
  isSampleSet,
  type SampleSet,
  type TrainingData,
} from '../../data/samples.ts'
import { type ErrorDetails, inputError, usageError } from '../../errors.ts'
import type { Dim, Model, Shape, ValueType } from '../../model/model.ts'
import { type DType, dtypes, isFloat } from '../../tensor/dtype.ts'
import {
  allocate,
  elementCount,
  float32,
  isNumeric,
  type NumericDType,
  Tensor,
  type TypedArray,
  toNumbers,
} from '../../tensor/tensor.ts'
import { WEIGHTS } from '../compile/forward-graph.ts'
import type { TargetType } from '../compile/losses/loss.ts'

/** A compiled graph, and what data it takes. */
export interface FedGraph {
  readonly model: Model
  /** Names of the inputs that data is fed to. */
  readonly inputs: readonly string[]
  readonly target: TargetType
}

/**
 * Puts a batch into `feeds`; returns how many predictions it asks for.
 *
 * @throws usage where it is no batch, or its size or targets do not fit; input where its inputs do
 *   not, or a class is none of the model's
 */
export type FeedAdapter = (batch: Batch, feeds: Record<string, Tensor>) => number

export function feedAdapter(graph: FedGraph): FeedAdapter {
  const { model, inputs, target } = graph
  const types = new Map(model.graph.inputs.map(({ name, type }) => [name, type]))
  const feedInputs = inputsAdapter(graph)
  const convert = targetConverter(target)
  return (batch, feeds) => {
    mustBeBatch(batch)
    const rows = batch.target.dims[0] ?? 1
    mustBeSize(target, rows)
    feedInputs(batch, feeds)
    for (const name of inputs) {
      if (!isBatch(types.get(name), target) || feeds[name]!.dims[0] === rows) continue
      const shown = inputs.length === 1 ? '' : ` "${name}"`
      throw inputError(
        `The data's input${shown} has ${feeds[name]!.dims[0]} samples in a batch, but there are ${rows} targets.`,
      )
    }
    feeds.target = convert(batch.target)
    const { ignored, weights: shape } = target
    if (shape || batch.weights) {
      const weights = spreadWeights(batch.weights, shape, rows)
      feeds[WEIGHTS] = weights
      return sumOfWeights(weights.data, feeds.target.data, ignored)
    }
    if (ignored !== undefined) return countOthers(feeds.target.data, ignored)
    return elementCount(feeds.target.dims) / target.perPrediction
  }
}

/**
 * Puts the inputs of a batch into `feeds`, in the types that the model takes.
 *
 * @throws usage where there is no such input; input where one does not fit
 */
export function inputsAdapter({ model, inputs }: Pick<FedGraph, 'model' | 'inputs'>) {
  const types = new Map(model.graph.inputs.map(({ name, type }) => [name, type]))
  return (batch: Pick<Batch, 'inputs'>, feeds: Record<string, Tensor>): void => {
    const only = inputs.length === 1 ? Object.values(batch.inputs) : []
    for (const name of inputs) {
      const tensor = batch.inputs[name] ?? (only.length === 1 ? only[0] : undefined)
      if (!tensor)
        throw usageError(
          `The data has no input "${name}"; it has ${Object.keys(batch.inputs).join(', ')}.`,
        )
      feeds[name] = fitting(tensor, types.get(name), inputs.length === 1 ? '' : ` "${name}"`)
    }
  }
}

/**
 * What can be said of a set of samples before anything is computed: that its batches have the size
 * that the graph takes, that the first one fits, and that all labels in memory are classes of the
 * model.
 *
 * @throws usage or input
 */
export async function mustFitSamples(
  graph: FedGraph,
  samples: SampleSet,
  size: number,
): Promise<void> {
  const { target } = graph
  for await (const batch of batchesOf(samples, size)) {
    feedAdapter(graph)(batch, {})
    break
  }
  if (typeof target.shape[0] === 'number') mustBeSize(target, samples.length % size || size)
  const { data, dtype } = samples.target ?? {}
  if (target.classes !== undefined && ArrayBuffer.isView(data) && !isHalf(dtype))
    mustBeClasses(data, target.classes, target.ignored)
}

/** What is known of batches before any is taken, as options of `buildStep`. */
export const batchOptionsOf = (
  data: TrainingData,
): { readonly targetShape?: Shape; readonly weighted?: true } =>
  isSampleSet(data)
    ? {
        ...(data.target?.dims ? { targetShape: ['batch', ...data.target.dims] } : {}),
        ...(data.weights ? { weighted: true } : {}),
      }
    : {}

/** Does an input's first axis hold the samples that the target's first axis holds? */
export function isBatch(type: ValueType | undefined, { shape }: TargetType): boolean {
  const first = type?.kind === 'tensor' ? type.shape?.[0] : undefined
  return typeof first === 'string' && first === shape[0]
}

function mustBeSize({ shape: [size] }: TargetType, rows: number): void {
  if (typeof size === 'number' && rows !== size)
    throw usageError(
      `The model takes batches of exactly ${size}, but this batch has ${rows}; export it with a dynamic batch, or choose a batch size that fits and divides the data.`,
    )
}

/** What the compiler holds callers in TypeScript to. */
function mustBeBatch(batch: unknown): asserts batch is Batch {
  const { inputs, target, weights } = Object(batch) as Partial<Batch>
  const isRecord = typeof inputs === 'object' && inputs !== null && !isTensor(inputs)
  if (!isRecord || target === undefined)
    throw usageError(
      'A batch must be an object with inputs (an object of Tensors by name) and target (a Tensor).',
    )
  const others = { target, ...(weights === undefined ? {} : { weights }) }
  for (const [name, tensor] of [...Object.entries(inputs), ...Object.entries(others)])
    if (!isTensor(tensor))
      throw usageError(
        `"${name}" of a batch must be a Tensor: dtype, dims, and a typed array of as many elements.`,
        { where: name },
      )
}

function isTensor(value: unknown): value is Tensor {
  // Tensors have made sure of that themselves; those on a device have no elements to count.
  if (value instanceof Tensor) return true
  const { dtype, dims, data } = Object(value) as Partial<Tensor>
  return (
    typeof dtype === 'string' &&
    isNumeric(dtype) &&
    Array.isArray(dims) &&
    ArrayBuffer.isView(data) &&
    (data as TypedArray).length === elementCount(dims)
  )
}

/** The size of the batch is none of its business. */
function fitting(tensor: Tensor, type: ValueType | undefined, name: string): Tensor {
  if (type?.kind !== 'tensor') return tensor
  const { dtype, dims } = tensor
  const { shape } = type
  const fed = dtype === type.dtype ? tensor : converted(tensor, type.dtype)
  if (!fed)
    throw inputError(`The data's input${name} is ${dtype}, but the model takes ${type.dtype}.`)
  const fits = (dim: Dim, a: number) => a === 0 || typeof dim !== 'number' || dim === dims[a]
  if (!shape || (shape.length === dims.length && shape.every(fits))) return fed
  throw inputError(
    `The data's input${name} has the shape ${shownShape(dims)}, but the model takes ${shownShape(shape)}.`,
    layoutHint(dims, shape),
  )
}

/** Floats of another size as float32, and integers as other integers that hold all of them. */
function converted(tensor: Tensor, dtype: DType | undefined): Tensor | undefined {
  if (dtype === 'float32' && isFloat(tensor.dtype)) return inFloat32(tensor)
  const isInteger = (type: DType) => dtypes[type].kind === 'integer'
  if (dtype === undefined || !isNumeric(dtype) || !isInteger(dtype) || !isInteger(tensor.dtype))
    return undefined
  const data = allocate(dtype, tensor.data.length)
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array
  for (let i = 0; i < data.length; i++) {
    const value = BigInt(tensor.data[i]!)
    data[i] = big ? value : Number(value)
    if (BigInt(data[i]!) !== value) return undefined
  }
  return new Tensor<NumericDType>(dtype, tensor.dims, data)
}

/** Half precision is stored as bit patterns, which are no numbers. */
const isHalf = (dtype: DType | undefined) => dtype === 'float16' || dtype === 'bfloat16'

const inFloat32 = (tensor: Tensor): Tensor =>
  float32(tensor.dims, tensor.data instanceof Float64Array ? tensor.data : toNumbers(tensor))

/** A weight for each prediction: one for a sample is that of all of its predictions. */
function spreadWeights(given: Tensor | undefined, shape: Shape | undefined, rows: number): Tensor {
  if (!shape)
    throw usageError('A batch has weights, which were not asked for: give the option weighted.')
  if (!given) throw usageError('A batch has no weights, but a weight for each sample is asked for.')
  const { dims } = given
  const numbers = inFloat32(given).data
  const wanted = shape.map((dim, a) => (a === 0 ? rows : typeof dim === 'number' ? dim : dims[a]))
  const fits = dims.every((dim, a) => dim === wanted[a]) && dims.length <= wanted.length
  if (!fits || wanted.some((dim) => dim === undefined))
    throw usageError(
      `The weights have the shape ${shownShape(dims)}, but there must be one for each sample, or one for each prediction ${shownShape(shape)}.`,
    )
  const wrong = numbers.findIndex((weight) => !(Number(weight) >= 0 && Number.isFinite(weight)))
  if (wrong >= 0) throw inputError(`Weights must not be negative: there is ${numbers[wrong]}.`)
  const all = wanted as readonly number[]
  const each = elementCount(all) / (numbers.length || 1)
  return float32(
    all,
    Float32Array.from({ length: elementCount(all) }, (_, i) =>
      Number(numbers[Math.floor(i / each)]),
    ),
  )
}

/** Of the predictions that count. */
function sumOfWeights(
  weights: TypedArray,
  labels: TypedArray,
  ignored: number | undefined,
): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++)
    if (ignored === undefined || Number(labels[i]) !== ignored) sum += Number(weights[i])
  return sum
}

function countOthers(labels: TypedArray, ignored: number): number {
  let count = 0
  for (const label of labels) if (Number(label) !== ignored) count++
  return count
}

/** Class indices must be those of classes that there are. */
function mustBeClasses(labels: TypedArray, classes: number, ignored: number | undefined): void {
  for (const value of labels) {
    const index = Number(value)
    if (!(Number.isInteger(index) && index >= 0 && index < classes) && index !== ignored)
      throw inputError(
        classes === 1
          ? `The data's targets hold the class ${value}, but the model has one output only.`
          : `The data's targets hold the class ${value}, but the model has the classes 0 to ${classes - 1}.`,
        classes === 1
          ? { hint: 'bce-with-logits is a loss of yes and no, mse one of values.' }
          : {},
      )
  }
}

/** Targets as the loss wants them: class indices as int64, numbers as float32. */
function targetConverter({
  dtype,
  shape,
  classes,
  ignored,
}: TargetType): (target: Tensor) => Tensor {
  let held: Tensor | undefined
  return (given) => {
    const target = isHalf(given.dtype) ? inFloat32(given) : given
    const dims = fittingDims(target.dims, shape)
    if (classes !== undefined) mustBeClasses(target.data, classes, ignored)
    if (target.dtype === dtype) return dims === target.dims ? target : retyped(target, dims)
    const count = target.data.length
    if (held?.data.length !== count || String(held.dims) !== String(dims))
      held =
        dtype === 'int64'
          ? new Tensor('int64', dims, new BigInt64Array(count))
          : new Tensor('float32', dims, new Float32Array(count))
    const { data } = held
    if (data instanceof BigInt64Array)
      for (let i = 0; i < count; i++) data[i] = BigInt(target.data[i]!)
    else for (let i = 0; i < count; i++) data[i] = Number(target.data[i]!)
    return held
  }
}

const retyped = (tensor: Tensor, dims: readonly number[]): Tensor =>
  new Tensor<NumericDType>(tensor.dtype, dims, tensor.data)

/** Axes of size one may be missing or too many, and neighbours may be one: [n] serves for [n, 1], [n, 784] for [n, 28, 28], and the other way round. */
function fittingDims(dims: readonly number[], shape: TargetType['shape']): readonly number[] {
  const fits =
    dims.length === shape.length &&
    dims.every((dim, a) => typeof shape[a] !== 'number' || shape[a] === dim)
  if (fits) return dims
  const rows = dims[0] ?? 1
  const wanted = shape.map((dim, a) => (a === 0 ? rows : dim))
  const isKnown = wanted.every((dim) => typeof dim === 'number')
  if (isKnown && areInOneOrder(dims, wanted as number[])) return wanted as number[]
  throw inputError(
    `The data's targets have the shape ${shownShape(dims)}, but the loss takes ${shownShape(shape)}.`,
    layoutHint(dims, shape),
  )
}

/** Does one of two shapes have the axes of the other, some neighbours as one? Their numbers are in one order then. */
function areInOneOrder(a: readonly number[], b: readonly number[]): boolean {
  // The products of the first axes: where merged axes end, those that are merged end too.
  const [ends, others] = [a, b].map((dims) => {
    let product = 1
    return new Set(dims.map((size) => (product *= size)))
  }) as [Set<number>, Set<number>]
  if (elementCount(a) !== elementCount(b)) return false
  return [...ends].every((end) => others.has(end)) || [...others].every((end) => ends.has(end))
}

/** What to do where the channels of data are at the other end. */
function layoutHint(dims: readonly number[], shape: Shape): Pick<ErrorDetails, 'hint'> {
  const sizes = shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : undefined))
  const layout = otherLayoutOf(dims.slice(1), sizes)
  if (layout === 'channels-last')
    return {
      hint: "Channels are last in the data, and first in the model: read arrays with --layout channels-last (in a program: layout: 'channels-last'), which moves them.",
    }
  if (layout === 'channels-first')
    return {
      hint: "Channels are first in the data, and last in the model: read arrays with --layout channels-first (in a program: layout: 'channels-first'), which moves them.",
    }
  return {}
}

const shownShape = (shape: Shape): string =>
  `[${shape.map((dim, a) => (a === 0 ? 'batch' : (dim ?? '?'))).join(', ')}]`
