/** From a data set's batch to what a compiled graph takes. */

import type { Batch } from '../../data/samples.ts'
import { inputError, usageError } from '../../errors.ts'
import type { Dim, Model, Shape, ValueType } from '../../model/model.ts'
import { elementCount, type NumericDType, Tensor } from '../../tensor/tensor.ts'
import type { TargetType } from '../compile/losses/loss.ts'

/**
 * Puts a batch into `feeds`; returns how many predictions it asks for.
 *
 * @throws usage where the batch's size or targets do not fit; input where its inputs do not, or a
 *   class is none of the model's
 */
export type FeedAdapter = (batch: Batch, feeds: Record<string, Tensor>) => number

export function feedAdapter(graph: {
  readonly model: Model
  readonly inputs: readonly string[]
  readonly target: TargetType
}): FeedAdapter {
  const { model, inputs, target } = graph
  const types = new Map(model.graph.inputs.map(({ name, type }) => [name, type]))
  const convert = targetConverter(target)
  const size = target.shape[0]
  return (batch, feeds) => {
    const only = inputs.length === 1 ? Object.values(batch.inputs) : []
    for (const name of inputs) {
      const tensor = batch.inputs[name] ?? (only.length === 1 ? only[0] : undefined)
      if (!tensor)
        throw usageError(
          `The data has no input "${name}"; it has ${Object.keys(batch.inputs).join(', ')}.`,
        )
      mustFit(tensor, types.get(name), inputs.length === 1 ? '' : ` "${name}"`)
      feeds[name] = tensor
    }
    const rows = batch.target.dims[0] ?? 1
    if (typeof size === 'number' && rows !== size)
      throw usageError(
        `The model takes batches of exactly ${size}, but this batch has ${rows}; export it with a dynamic batch, or choose a batch size that fits and divides the data.`,
      )
    feeds.target = convert(batch.target)
    return elementCount(feeds.target.dims) / target.perPrediction
  }
}

/** The size of the batch is none of its business. */
function mustFit({ dtype, dims }: Tensor, type: ValueType | undefined, name: string): void {
  if (type?.kind !== 'tensor') return
  if (dtype !== type.dtype)
    throw inputError(`The data's input${name} is ${dtype}, but the model takes ${type.dtype}.`)
  const { shape } = type
  const fits = (dim: Dim, a: number) => a === 0 || typeof dim !== 'number' || dim === dims[a]
  if (!shape || (shape.length === dims.length && shape.every(fits))) return
  throw inputError(
    `The data's input${name} has the shape ${shownShape(dims)}, but the model takes ${shownShape(shape)}.`,
  )
}

/** Class indices must be those of classes that there are. */
function mustBeClasses(target: Tensor, classes: number): void {
  for (const value of target.data) {
    const index = Number(value)
    if (!(Number.isInteger(index) && index >= 0 && index < classes))
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
function targetConverter({ dtype, shape, classes }: TargetType): (target: Tensor) => Tensor {
  let held: Tensor | undefined
  return (target) => {
    const dims = fittingDims(target.dims, shape)
    if (classes !== undefined) mustBeClasses(target, classes)
    if (target.dtype === dtype) return dims === target.dims ? target : retyped(target, dims)
    const count = target.data.length
    if (held?.data.length !== count)
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

/** Axes of size one may be missing or too many: [n] serves for [n, 1], and the other way round. */
function fittingDims(dims: readonly number[], shape: TargetType['shape']): readonly number[] {
  const fits =
    dims.length === shape.length &&
    dims.every((dim, a) => typeof shape[a] !== 'number' || shape[a] === dim)
  if (fits) return dims
  const rows = dims[0] ?? 1
  const wanted = shape.map((dim, a) => (a === 0 ? rows : dim))
  if (
    wanted.every((dim) => typeof dim === 'number') &&
    elementCount(wanted as number[]) === elementCount(dims)
  )
    return wanted as number[]
  throw usageError(
    `The data's targets have the shape ${shownShape(dims)}, but the loss takes ${shownShape(shape)}.`,
  )
}

const shownShape = (shape: Shape): string =>
  `[${shape.map((dim, a) => (a === 0 ? 'batch' : (dim ?? '?'))).join(', ')}]`
