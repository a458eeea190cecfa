/** From what a model gives to classes and their probabilities. */
import { usageError } from '../../errors.ts'
import { classesOf } from '../../model/classes.ts'
import type { Model } from '../../model/model.ts'
import { type Activation, outputMeanings } from '../../model/output-meaning.ts'
import { mainOutput, tensorOfOutput } from '../../model/tensor-outputs.ts'
import { computingNode } from '../../operators/shared-constants.ts'
import { operatorOf } from '../../operators/table.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { elementCount, float32, Tensor, toNumbers } from '../../tensor/tensor.ts'
import { type LossName, lossNames } from '../compile/losses/index.ts'

/** What one of the model's outputs predicts for a batch. */
export interface Prediction {
  /** What the model gives, as it is. */
  readonly values: Tensor
  /**
   * For classes: how probable each is. Of the values' shape, but for a model with one number for yes or no, which
   * yields two, [batch, 2].
   */
  readonly probabilities?: Tensor<'float32'>
  /** Which axis of `probabilities` holds the classes. */
  readonly classAxis?: number
  /**
   * The most probable class of each: indices, of the shape of `probabilities` without the axis of the classes.
   * Missing where labels do not exclude one another, so that each has a probability of its own.
   */
  readonly classes?: Tensor<'int32'>
  /** The names of the classes, where the model has them. */
  readonly classNames?: readonly string[]
}

/** What makes probabilities of an output, and where its classes are. */
export interface OutputKind {
  /** `none` where the output holds quantities. */
  readonly activation: Activation | 'none'
  /** Whether the graph has computed the activation already: the values are probabilities. */
  readonly isApplied: boolean
  readonly axis: number | undefined
  readonly classNames: readonly string[] | undefined
}

/**
 * What is known of an output: what the caller says, what training stored in the model, what the last
 * node of the graph shows, and whether the model has names of classes (which belong to the output that was
 * trained last, or to the first one).
 */
export function outputKind(
  model: Model,
  output: string,
  asked: {
    readonly activation?: Activation | 'none' | undefined
    readonly axis?: number | undefined
  } = {},
): OutputKind {
  const meanings = outputMeanings(model)
  const meaning = meanings.get(output)
  const node = computingNode(model.graph, output)
  const link = node && operatorOf(node)?.training?.link
  const isMain = mainOutput(model) === output
  const names =
    meaning?.activation || (isMain && meanings.size === 0) ? classesOf(model) : undefined
  const activation =
    asked.activation ??
    (meaning ? (meaning.activation ?? 'none') : (link?.kind ?? (names ? 'softmax' : 'none')))
  const isLinked = node !== undefined && link?.kind === activation
  return {
    activation,
    // Logarithms of probabilities are logits as well.
    isApplied: isLinked && operatorOf(node)?.sign === 'non-negative',
    axis: asked.axis ?? meaning?.axis ?? (isLinked ? link?.axis?.(node, 0) : undefined),
    classNames: names,
  }
}

/**
 * The name of the loss that an output was trained with, where training stored it and it is known by name; else the
 * one that goes with the softmax or sigmoid behind the output, or with names of classes.
 *
 * @param output default: the first of floating-point numbers
 */
export function storedLoss(model: Model, output?: string): LossName | undefined {
  const name = output === undefined ? mainOutput(model) : tensorOfOutput(model, output)
  if (name === undefined) return undefined
  const stored = outputMeanings(model).get(name)?.loss
  const { activation } = outputKind(model, name)
  const usual = {
    softmax: 'softmax-cross-entropy',
    sigmoid: 'bce-with-logits',
    none: undefined,
  } as const
  return lossNames.find((known) => known === stored) ?? usual[activation]
}

/** What the values of an output predict. @throws usage for an axis that they do not have */
export function predictionOf(kind: OutputKind, values: Tensor): Prediction {
  const { activation } = kind
  if (activation === 'none' || !isFloat(values.dtype)) return { values }
  const { dims } = values
  const rows = dims[0] ?? 1
  if (activation === 'sigmoid') {
    const numbers = Float64Array.from(floats(values))
    const each = kind.isApplied ? numbers : numbers.map(sigmoid)
    if (each.length !== rows)
      return { values, probabilities: float32(dims, each), ...labelsAlong(kind, dims) }
    const both = new Float32Array(2 * rows)
    for (let i = 0; i < rows; i++) {
      both[2 * i] = 1 - each[i]!
      both[2 * i + 1] = each[i]!
    }
    return { values, ...classesAlong(kind, float32([rows, 2], both), 1) }
  }
  const rank = dims.length
  const asked = kind.axis ?? (rank === 3 ? 2 : 1)
  const axis = asked < 0 ? asked + rank : asked
  if (!(axis >= 0 && axis < rank))
    throw usageError(
      `The axis ${asked} of the classes does not fit an output of the shape [${dims.join(', ')}].`,
    )
  return {
    values,
    ...classesAlong(kind, kind.isApplied ? asFloat32(values) : softmax(values, axis), axis),
  }
}

/** The names of labels that do not exclude one another, along the last axis. */
function labelsAlong({ classNames }: OutputKind, dims: readonly number[]) {
  const classAxis = dims.length - 1
  return { classAxis, ...namesOf(classNames, dims[classAxis]!) }
}

function classesAlong(
  { classNames }: OutputKind,
  probabilities: Tensor<'float32'>,
  axis: number,
): Omit<Prediction, 'values'> {
  const { dims } = probabilities
  return {
    probabilities,
    classAxis: axis,
    classes: argMax(probabilities, axis),
    ...namesOf(classNames, dims[axis]!),
  }
}

const namesOf = (classNames: readonly string[] | undefined, classes: number) =>
  classNames?.length === classes ? { classNames } : {}

export const floats = (tensor: Tensor): ArrayLike<number> =>
  tensor.data instanceof Float32Array || tensor.data instanceof Float64Array
    ? tensor.data
    : toNumbers(tensor)

const asFloat32 = (tensor: Tensor): Tensor<'float32'> =>
  tensor.data instanceof Float32Array
    ? new Tensor('float32', tensor.dims, tensor.data)
    : float32(tensor.dims, floats(tensor))

/** 1 / (1 + e⁻ᶻ), where neither end overflows. */
export const sigmoid = (z: number): number => {
  const e = Math.exp(-Math.abs(z))
  return z >= 0 ? 1 / (1 + e) : e / (1 + e)
}

/** The elements before, along and behind an axis. */
export const around = (dims: readonly number[], axis: number) => ({
  outer: elementCount(dims.slice(0, axis)),
  size: dims[axis]!,
  inner: elementCount(dims.slice(axis + 1)),
})

/** exp(z − max z) / Σ exp(z − max z) along an axis, computed in float64. */
export function softmax(values: Tensor, axis: number): Tensor<'float32'> {
  const z = floats(values)
  const { outer, size, inner } = around(values.dims, axis)
  const result = new Float32Array(z.length)
  const exponentials = new Float64Array(size)
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      const start = o * size * inner + i
      let most = Number.NEGATIVE_INFINITY
      for (let c = 0; c < size; c++) most = Math.max(most, z[start + c * inner]!)
      let sum = 0
      for (let c = 0; c < size; c++) {
        exponentials[c] = Math.exp(z[start + c * inner]! - most)
        sum += exponentials[c]!
      }
      for (let c = 0; c < size; c++) result[start + c * inner] = exponentials[c]! / sum
    }
  return new Tensor('float32', values.dims, result)
}

/** Where along an axis the largest element is; of equals, the first. */
export function argMax(values: Tensor<'float32'>, axis: number): Tensor<'int32'> {
  const { data, dims } = values
  const { outer, size, inner } = around(dims, axis)
  const best = new Int32Array(outer * inner)
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      const start = o * size * inner + i
      let at = 0
      for (let c = 1; c < size; c++)
        if (data[start + c * inner]! > data[start + at * inner]!) at = c
      best[o * inner + i] = at
    }
  return new Tensor(
    'int32',
    dims.filter((_, a) => a !== axis),
    best,
  )
}
