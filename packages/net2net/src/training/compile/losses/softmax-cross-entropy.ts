/**
 * Cross-entropy of a softmax, from its logits z:
 *
 *   loss = mean over samples of −Σ_c t_c · log p_c,   p = softmax(z)
 *   ∂loss/∂z = (p · Σ_c t_c − t) / samples
 *
 * with log p = (z − max z) − log Σ exp(z − max z), which never overflows. t is one-hot (from class
 * indices) or given; label smoothing ε makes it (1 − ε) t + ε / C (Szegedy et al. 2016).
 */
import { refusedError, usageError } from '../../../errors.ts'
import type { Shape } from '../../../model/model.ts'
import { type Emitter, isCpu } from '../../../operators/contract/gradient.ts'
import { int64, Tensor } from '../../../tensor/tensor.ts'
import { countEqual, countOf, number, scalable, shareOf, sumOf } from './counts.ts'
import type { EmittedLoss, Loss } from './loss.ts'
import { emitWeighted } from './weighted-cross-entropy.ts'

/**
 * From so many classes on, a row of zeros and one 1 for each prediction costs more than to address its entry: 10 ns on ONNX Runtime's CPU, and 0.4 for each of
 * the row's numbers.
 */
const manyClasses = 48

export interface SoftmaxCrossEntropyOptions {
  /** Class indices (int64, without the class axis; the default), or a distribution per sample. */
  readonly target?: 'indices' | 'one-hot' | undefined
  /** ε: how much of each target is spread over all classes. Default 0. */
  readonly labelSmoothing?: number | undefined
  /**
   * Axis of the classes, from the back where negative. Default: that of the model's softmax; else
   * the one that the targets do not have, [N, T] for scores [N, T, V] or [N, H, W] for [N, C, H, W];
   * where they do not tell, the last one of scores of rank 3, axis 1 otherwise.
   */
  readonly axis?: number | undefined
  /** How much each class counts, for indices: one number for each. Default: all the same. */
  readonly classWeights?: readonly number[] | undefined
  /** A label that does not count: of padding, say, or of what nobody knows. Default: all count. */
  readonly ignoredLabel?: number | undefined
}

export function softmaxCrossEntropy(options: SoftmaxCrossEntropyOptions = {}): Loss {
  const { target: form = 'indices', labelSmoothing = 0, classWeights, ignoredLabel } = options
  mustHold(options)
  const isWeighted = classWeights !== undefined || ignoredLabel !== undefined
  const axisOf = (shape: Shape, classAxis: number | undefined, given: Shape | undefined) =>
    classAxisOf(shape, options.axis ?? classAxis, given)
  return {
    name: 'softmax-cross-entropy',
    link: 'softmax',
    ...(form === 'indices' ? { weighted: true } : {}),
    // Weights of classes have a mean of their own in every batch.
    ...(classWeights ? {} : { isMean: true }),
    target(shape, classAxis, given) {
      const axis = axisOf(shape, classAxis, form === 'indices' ? given : undefined)
      const classes = classesOf(shape, axis)
      if (classWeights && classWeights.length !== classes)
        throw usageError(
          `There are ${classWeights.length} class weights, but the model has ${classes} classes.`,
        )
      return form === 'one-hot'
        ? { dtype: 'float32', shape, perPrediction: classes, classAxis: axis }
        : {
            dtype: 'int64',
            shape: shape.filter((_, a) => a !== axis),
            perPrediction: 1,
            classes,
            classAxis: axis,
            ...(ignoredLabel === undefined ? {} : { ignored: ignoredLabel }),
          }
    },
    emit({ emitter, prediction, target, classAxis, weights }) {
      const shape: Shape = emitter.info(prediction).shape!
      const targetShape = form === 'indices' ? emitter.info(target).shape : undefined
      const axis = axisOf(shape, classAxis, targetShape)
      const classes = classesOf(shape, axis)
      const indices = form === 'indices' ? emitter.op('Cast', [target], { to: 6 }) : undefined
      const scores = { emitter, prediction, shape, axis, classes, labelSmoothing }
      return indices !== undefined && (isWeighted || weights !== undefined)
        ? emitWeighted({
            ...scores,
            indices,
            classWeights,
            weights,
            ignored: ignoredLabel,
            oneHot: (value) => oneHot(emitter, value, axis, classes, shape),
          })
        : emitMean({ ...scores, target, indices })
    },
  }
}

/** @throws usage for options that make no sense */
function mustHold(options: SoftmaxCrossEntropyOptions): void {
  const { target, labelSmoothing = 0, classWeights, ignoredLabel } = options
  if (target === 'one-hot' && (classWeights !== undefined || ignoredLabel !== undefined))
    throw usageError('Class weights and ignored labels are for targets that are indices.')
  if (classWeights?.some((weight) => !(weight >= 0 && Number.isFinite(weight))))
    throw usageError(`Class weights must be numbers that are not negative: ${classWeights}.`)
  if (ignoredLabel !== undefined && !Number.isInteger(ignoredLabel))
    throw usageError(`The label to ignore must be a whole number, not ${ignoredLabel}.`)
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw usageError(`Label smoothing must be in [0, 1), not ${labelSmoothing}.`)
}

interface Scores {
  readonly emitter: Emitter
  readonly prediction: string
  readonly target: string
  /** int32, without the axis of the classes; undefined where the target is a distribution per sample. */
  readonly indices: string | undefined
  readonly shape: Shape
  readonly axis: number
  readonly classes: number
  readonly labelSmoothing: number
}

/** The mean over all predictions. */
function emitMean(scores: Scores): EmittedLoss {
  const { emitter, prediction, target, indices, shape, axis, classes, labelSmoothing } = scores
  const axes = emitter.constant(int64([axis]))
  const over = (op: string, value: string) => emitter.op(op, [value, axes], { keepdims: 1 })
  const shifted = emitter.op('Sub', [prediction, over('ReduceMax', prediction)])
  const exponentials = emitter.op('Exp', [shifted])
  const sums = over('ReduceSum', exponentials)
  const samples = countOf(emitter, indices ?? sums)
  const correct = () => {
    const best = (value: string) => emitter.op('ArgMax', [value], { axis, keepdims: 0 })
    return countEqual(
      emitter,
      emitter.op('Cast', [best(prediction)], { to: 6 }),
      indices ?? emitter.op('Cast', [best(target)], { to: 6 }),
    )
  }
  const isSparse = isCpu(emitter.target) && classes >= manyClasses && labelSmoothing === 0
  if (indices !== undefined && isSparse) {
    const rows = { emitter, indices, axis, shifted, exponentials, sums, samples }
    return { ...emitByEntries(rows), correct }
  }
  const given = indices === undefined ? target : oneHot(emitter, indices, axis, classes, shape)
  const smooth =
    labelSmoothing === 0
      ? given
      : emitter.op('Add', [
          emitter.op('Mul', [given, number(emitter, 1 - labelSmoothing)]),
          number(emitter, labelSmoothing / classes),
        ])
  const logarithms = emitter.op('Sub', [shifted, emitter.op('Log', [sums])])
  const total = sumOf(emitter, emitter.op('Mul', [smooth, logarithms]))
  return {
    loss: emitter.op('Neg', [emitter.op('Div', [total, samples])]),
    ...scalable((scale) => {
      const softmax = emitter.op('Div', [exponentials, sums])
      // One-hot from indices sums to 1; a given distribution need not.
      const weighted =
        indices !== undefined ? softmax : emitter.op('Mul', [softmax, over('ReduceSum', smooth)])
      return shareOf(emitter, emitter.op('Sub', [weighted, smooth]), samples, scale)
    }),
    correct,
  }
}

interface Rows {
  readonly emitter: Emitter
  /** int32, without the axis of the classes. */
  readonly indices: string
  readonly axis: number
  /** z − max z, their exponentials, and the sums of these. */
  readonly shifted: string
  readonly exponentials: string
  readonly sums: string
  readonly samples: string
}

/** Loss and gradient for class indices, of which one entry of each row is read and written, and no rows of zeros are. */
function emitByEntries(rows: Rows): Omit<EmittedLoss, 'correct'> {
  const { emitter, indices, axis, shifted, exponentials, sums, samples } = rows
  const op = (opType: string, ...inputs: string[]) => emitter.op(opType, inputs)
  const entries = op('Unsqueeze', indices, emitter.constant(int64([axis])))
  const chosen = emitter.op('GatherElements', [shifted, entries], { axis })
  const losses = op('Sub', op('Log', sums), chosen)
  return {
    loss: op('Div', sumOf(emitter, losses), samples),
    ...scalable((scale) => {
      const share = op('Div', scale ?? number(emitter, 1), samples)
      const softmax = op('Mul', exponentials, op('Div', share, sums))
      const shares = op('Expand', op('Neg', share), op('Shape', entries))
      return emitter.op('ScatterElements', [softmax, entries, shares], { axis, reduction: 'add' })
    }),
  }
}

/**
 * The axis of the classes in scores.
 *
 * @param known as the caller or the link at the end of the model says
 * @param given the shape of targets that are indices
 * @throws usage for an axis that there is not
 */
export function classAxisOf(
  shape: Shape,
  known: number | undefined,
  given: Shape | undefined,
): number {
  const rank = shape.length
  const axis = known ?? missingAxis(shape, given)
  const positive = axis < 0 ? axis + rank : axis
  if (positive >= 1 && positive < rank) return positive
  throw usageError(`The class axis ${axis} does not fit predictions of rank ${rank}.`)
}

/** The axis of scores that targets of this shape do not have, or the usual one. */
function missingAxis(shape: Shape, given: Shape | undefined): number {
  const usual = shape.length === 3 ? 2 : 1
  if (given?.length !== shape.length - 1) return usual
  const fits = (axis: number) =>
    shape
      .filter((_, a) => a !== axis)
      .every(
        (dim, a) => typeof dim !== 'number' || typeof given[a] !== 'number' || dim === given[a],
      )
  if (fits(usual)) return usual
  const found = shape.findIndex((_, axis) => axis > 0 && fits(axis))
  // Targets that fit nowhere are refused in terms of the usual axis.
  return found > 0 ? found : usual
}

export function classesOf(shape: Shape, axis: number): number {
  const classes = shape[axis]
  if (typeof classes === 'number') return classes
  throw refusedError("The number of classes of the model's output is not known.")
}

/** int32 indices as float rows of zeros and one 1. (OneHot itself is missing on WebGPU.) */
export function oneHot(
  emitter: Emitter,
  indices: string,
  axis: number,
  classes: number,
  shape: Shape,
): string {
  const numbers = new Tensor(
    'int32',
    shape.slice(axis).map((_, a) => (a === 0 ? classes : 1)),
    Int32Array.from({ length: classes }, (_, c) => c),
  )
  const spread = emitter.op('Unsqueeze', [indices, emitter.constant(int64([axis]))])
  return emitter.op('Cast', [emitter.op('Equal', [spread, emitter.constant(numbers)])], { to: 1 })
}
