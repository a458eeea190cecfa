/**
 * BatchNormalization: y = γ·(x − μ)/√(σ² + ε) + β per channel, with the stored statistics μ, σ²
 * or, in training mode, with those of the batch.
 * https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
 *
 * Growth. All four vectors are carried with the channels, so a copied channel is normalized as
 * the one it copies. In training mode too: equal channels have equal batch statistics.
 *
 * Training. Statistics of the batch replace the stored ones, and these follow as in Keras and
 * PyTorch: new = momentum·old + (1 − momentum)·batch, where the batch variance of n values per
 * channel is the unbiased one, n/(n − 1)·σ². (The standard's own training mode stores σ².) Two
 * nodes that share their statistics update them one after the other. Statistics that the model
 * computes (those of a weight that is standardized, say) are no stored ones: the node stays as it
 * is, and gradients pass through them, or are those of the batch's statistics where these are computed of x.
 *
 * Gradients, with δ = ∂L/∂y, x̂ the normalized input and r = 1/√(σ² + ε): ∂L/∂γ = Σ δ·x̂,
 * ∂L/∂β = Σ δ, and ∂L/∂x = γ·r·δ with stored statistics (constants), or γ·r·(δ − mean(δ) −
 * x̂·mean(δ·x̂)) with those of the batch.
 */

import { refusedError } from '../../errors.ts'
import { attributes, float, floatAttribute, intAttribute } from '../../model/attributes.ts'
import { isStandard, type Node } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import { float32 } from '../../tensor/tensor.ts'
import type { AxesRule } from '../contract/axes.ts'
import type {
  BlockedRule,
  BoundsRule,
  FastKernelsRule,
  TrainingContext,
  TrainingRule,
  UpgradeRule,
} from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { meansOfChannels, scaleChannels, shiftChannels } from '../helpers/blocked.ts'
import { elementsOf } from '../helpers/elements.ts'
import {
  copyTo,
  knownShape,
  numberLike,
  perChannel,
  range,
  reduce,
  shapeOf,
} from '../helpers/emission.ts'
import { castLike, formula } from '../helpers/formula.ts'
import { averaged } from '../helpers/running-average.ts'
import { linearIn } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'
import { overFirstAxes } from '../helpers/sums-over-rows.ts'

/** Does the node normalize with the statistics of the batch? */
const usesBatch = (node: Node, opset: number): boolean =>
  opset >= 14
    ? intAttribute(node, 'training_mode', 0) === 1
    : node.outputs.length > 1 && intAttribute(node, 'is_test', 0) === 0

/** Before operator set 9: one statistic per channel and position. */
const perPosition = (node: Node, opset: number): boolean =>
  opset < 9 && intAttribute(node, 'spatial', 1) === 0

const epsilonOf = (node: Node): number => floatAttribute(node, 'epsilon', 1e-5)
const momentumOf = (node: Node): number => floatAttribute(node, 'momentum', 0.9)

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  const statistics = context.shape(3) ?? context.shape(1) ?? (shape && [shape[1] ?? 1])
  return [
    inferredFrom(context, shape),
    ...range(4).map(() => inferredFrom(context, statistics, context.dtype(3) ? 3 : 0)),
  ]
}

const axes: AxesRule = (context) => {
  if (perPosition(context.node, context.opset))
    context.refuse('has statistics for every position (spatial = 0)')
  const x = context.axes(0)
  // A batch of vectors without channels counts as one channel.
  let channels = x[1] ?? context.fixed(1, 'has a single channel')
  for (const i of [1, 2, 3, 4]) channels = context.unify(channels, context.axes(i)[0]!)
  return context.node.outputs.map((_, k) => ({ axes: k === 0 ? x : [channels] }))
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const statistics = usesBatch(context.node, context.opset)
    ? batchStatistics(context)
    : statisticsOfGraph(context)
  return statistics ? batchGradients(context, dy, statistics) : storedGradients(context, dy)
}

interface BatchStatistics {
  readonly mean: string
  readonly variance: string
  /** x − μ, where the graph has it. */
  readonly centred?: string
}

/**
 * Gradients where the batch's own statistics are used: x reaches y through them too. With means over the n values
 * of a channel and m = r·mean(δ·(x − μ)): ∂L/∂x = γ·r·δ − γ·r·mean(δ) − γ·r²·m·(x − μ), ∂L/∂γ = n·m and ∂L/∂β = n·mean(δ).
 */
function batchGradients(
  context: GradientContext,
  dy: string,
  { mean, variance, ...known }: BatchStatistics,
): (string | undefined)[] {
  const x = context.input(0)
  const rank = knownShape(context, x).length
  const over = otherAxes(rank)
  const { add, sub, mul, div, sqrt, neg } = formula(context, dy)
  const channels = (vector: string) => perChannel(context, vector, rank)
  const centred = known.centred ?? sub(x, channels(mean))
  const factor = div(1, sqrt(add(variance, epsilonOf(context.node))))
  const slope = reduce(context, 'Mean', dy, over, false)
  const moment = mul(reduce(context, 'Mean', mul(dy, centred), over, false), factor)
  const count = () => valuesPerChannel(context, dy)
  const inputGradient = () => {
    const scaled = mul(context.input(1), factor)
    const negative = neg(scaled)
    const through = mul(centred, channels(mul(mul(negative, factor), moment)))
    return add(add(mul(dy, channels(scaled)), channels(mul(negative, slope))), through)
  }
  return [
    context.needs(0) ? inputGradient() : undefined,
    context.needs(1) ? mul(moment, count()) : undefined,
    context.needs(2) ? mul(slope, count()) : undefined,
  ]
}

/** Mean and biased variance of the batch per channel: the node's own, if it gives them. */
function batchStatistics(context: GradientContext): BatchStatistics {
  const x = context.input(0)
  const over = otherAxes(knownShape(context, x).length)
  const [mean, variance] = [context.output(1), context.output(2)]
  if (momentumOf(context.node) === 0 && mean !== '' && variance !== '') return { mean, variance }
  const { sub, mul } = formula(context, x)
  const centred = sub(x, reduce(context, 'Mean', x, over, true))
  return {
    mean: reduce(context, 'Mean', x, over, false),
    variance: reduce(context, 'Mean', mul(centred, centred), over, false),
  }
}

/**
 * Mean and variance that nodes before this one compute of x itself, per channel, as exporters write a normalization that stores no statistics (or
 * standardizes a weight). The gradient that passes them is that of the batch's own.
 */
function statisticsOfGraph(context: GradientContext): BatchStatistics | undefined {
  const [x, , , mean, variance] = range(5).map((i) => context.input(i)) as [string, ...string[]]
  const over = otherAxes(knownShape(context, x).length)
  const standard = (name: string, opType: string) => {
    const node = context.producerOf(name)
    return node && isStandard(node, opType) ? node.inputs : []
  }
  /** What this is the mean of, over all axes but the channels. */
  const averaged = (name: string): string => {
    const [value = '', axes = ''] = standard(name, 'ReduceMean')
    const elements = elementsOf(context.info(axes)) ?? []
    const rank = over.length + 1
    const isOver =
      elements.length === over.length &&
      over.every((axis) => elements.includes(axis) || elements.includes(axis - rank))
    return isOver ? value : ''
  }
  const [centred = '', same] = standard(averaged(variance!), 'Mul')
  const [minuend, subtrahend = ''] = standard(centred, 'Sub')
  const isOwn = averaged(mean!) === x && centred === same && minuend === x
  return isOwn &&
    averaged(subtrahend) === x &&
    context.info(subtrahend).shape?.length === over.length + 1
    ? { mean: mean!, variance: variance!, centred }
    : undefined
}

/** How many values each channel has in this batch, as a scalar of the type of `like`. */
function valuesPerChannel(context: GradientContext | TrainingContext, like: string): string {
  const x = context.input(0)
  const [, , ...spatial] = knownShape(context, x)
  const positions = countProduct([spatial])
  if (positions === null) {
    const sizes = [0, 1].map((i) => context.op('Size', [context.input(i)]))
    return castLike(context, context.op('Div', sizes), like)
  }
  const batch = context.op('Squeeze', [shapeOf(context, x, 0, 1)])
  return formula(context, like).mul(castLike(context, batch, like), positions)
}

/** Gradients with stored statistics, these included (they may be computed values). */
function storedGradients(context: GradientContext, dy: string): (string | undefined)[] {
  const rank = knownShape(context, context.input(0)).length
  const over = otherAxes(rank)
  const { mul, sub, add, div, sqrt, neg } = formula(context, dy)
  const [x, scale, , mean, variance] = range(5).map((i) => context.input(i))
  const factor = div(1, sqrt(add(variance!, epsilonOf(context.node))))
  const scaled = () => mul(scale!, factor)
  const shift = () => reduce(context, 'Sum', dy, over, false)
  // Σ δ·(x − μ)
  const moment = () =>
    reduce(context, 'Sum', mul(dy, sub(x!, perChannel(context, mean!, rank))), over, false)
  return [
    context.needs(0) ? mul(dy, perChannel(context, scaled(), rank)) : undefined,
    context.needs(1) ? mul(moment(), factor) : undefined,
    context.needs(2) ? shift() : undefined,
    context.needs(3) ? neg(mul(shift(), scaled())) : undefined,
    context.needs(4) ? mul(mul(mul(moment(), scaled()), mul(factor, factor)), -0.5) : undefined,
  ]
}

/** All axes but the channels. */
const otherAxes = (rank: number): number[] => [0, ...range(rank, 2)]

/**
 * Zeros in the place of old statistics. ONNX Runtime writes the new ones over them, whoever else
 * reads them, and merges equal nodes: two nodes must not be given the same values. They are not,
 * since of two nodes that share their statistics the first has updated those of the second.
 */
const unread = (context: TrainingContext, old: string): string => formula(context, old).mul(old, 0)

/** The normalized batch, and its mean and biased variance per channel. */
function normalizeBatch(context: TrainingContext, old: readonly string[]): readonly string[] {
  const [x, scale, shift] = range(3).map((i) => context.input(i))
  const epsilon = float(epsilonOf(context.node))
  if (context.target !== 'onnxruntime-webgpu') {
    // With momentum 0 the new statistics are the batch's, whatever the old ones are.
    return context.emit(
      'BatchNormalization',
      [x!, scale!, shift!, ...old.map((name) => unread(context, name))],
      { epsilon, momentum: float(0), training_mode: 1 },
      { outputs: 3 },
    )
  }
  // WebGPU has the normalization with given statistics only.
  const over = otherAxes(knownShape(context, x!).length)
  const { sub, mul } = formula(context, x!)
  const centred = sub(x!, reduce(context, 'Mean', x!, over, true))
  const batchMean = reduce(context, 'Mean', x!, over, false)
  const batchVariance = reduce(context, 'Mean', mul(centred, centred), over, false)
  const inputs = [x!, scale!, shift!, batchMean, batchVariance]
  return [context.op('BatchNormalization', inputs, { epsilon }), batchMean, batchVariance]
}

const inTraining: TrainingRule = (context) => {
  const { node } = context
  const [oldMean, oldVariance] = [3, 4].map((i) => context.stored(i))
  if (oldMean === undefined || oldVariance === undefined) {
    if (!usesBatch(node, context.opset)) return undefined
    const old = [3, 4].map((i) => unread(context, context.input(i)))
    return { nodes: [{ ...node, inputs: [...node.inputs.slice(0, 3), ...old] }] }
  }
  const [y, mean, biased] = normalizeBatch(context, [oldMean, oldVariance])
  const momentum = momentumOf(context.node)
  const averages = [
    { batch: mean!, momentum },
    { batch: unbiased(context, biased!), momentum },
  ]
  const nodes = node.outputs.flatMap((name, k): Node[] => {
    const average = averages[k - 1]
    if (name === '' || (k > 0 && !average)) return []
    const old = k === 1 ? oldMean : oldVariance
    return [copyTo(name, average ? averaged(context, old, average) : y!)]
  })
  return {
    nodes,
    averages: new Map(averages.map((average, k) => [context.input(3 + k), average])),
  }
}

/** n/(n − 1)·σ²; a single value per channel has no variance to correct. */
function unbiased(context: TrainingContext, biased: string): string {
  const { sub, div, mul } = formula(context, biased)
  const one = numberLike(context, biased, 1)
  const count = valuesPerChannel(context, biased)
  return mul(biased, div(count, context.op('Max', [sub(count, one), one])))
}

const upgrade: UpgradeRule = ({ node, from }) => {
  if (from >= 14) return node
  if (perPosition(node, from))
    throw refusedError(
      `${describeNode(node)} keeps statistics for every position (spatial = 0), which newer operator sets cannot express.`,
      { where: describeNode(node) },
    )
  const batch = usesBatch(node, from)
  return {
    ...node,
    outputs: node.outputs.slice(0, batch ? 3 : 1),
    attributes: attributes({
      epsilon: float(epsilonOf(node)),
      momentum: float(momentumOf(node)),
      training_mode: batch ? 1 : undefined,
    }),
  }
}

/** With stored statistics, and the normalized values alone. */
const forInference = (node: Node): Node => {
  const kept = [...node.attributes].filter(([name]) => name !== 'training_mode')
  return { ...node, outputs: node.outputs.slice(0, 1), attributes: new Map(kept) }
}

/**
 * On images in blocks of channels: means by pooling, x − μ and all that is linear in it per channel by a depthwise convolution of a
 * single tap. The gradient finds x − μ there.
 */
const blocked: BlockedRule = (context) => {
  const { node } = context
  const output = context.output(0)
  if (!context.isBlocked(0) || !context.fits(output)) return undefined
  const channels = output.shape![1] as number
  const [, scale, shift, ...stored] = range(5).map((i) => (i === 0 ? '' : context.plain(i)))
  const op = (opType: string, ...inputs: readonly string[]) => context.emit(opType, inputs)[0]!
  const number = (value: number) => context.constantOf(float32([], [value]))
  const factorOf = (variance: string) =>
    op(
      'Mul',
      scale!,
      op('Div', number(1), op('Sqrt', op('Add', variance, number(epsilonOf(node))))),
    )
  const x = context.blocks(0)
  if (!usesBatch(node, context.opset)) {
    const factor = factorOf(stored[1]!)
    const offset = op('Sub', shift!, op('Mul', stored[0]!, factor))
    return scaleChannels(context, x, channels, factor, offset)
  }
  if (momentumOf(node) !== 0) return undefined
  const mean = meansOfChannels(context, x, channels)
  const [centred = ''] = shiftChannels(context, x, channels, op('Neg', mean))
  const variance = meansOfChannels(context, op('Mul', centred, centred), channels)
  return [...scaleChannels(context, centred, channels, factorOf(variance), shift), mean, variance]
}

/**
 * Vectors [N, C] by their own statistics: the kernel of the operator takes 7 ns an element, and these operators take 2 together. The gradient finds
 * x − μ there.
 */
const fastKernels: FastKernelsRule = (context) => {
  const { node } = context
  const [x, scale, shift] = range(3).map((i) => context.input(i)) as [string, string, string]
  const isVector = context.info(x).shape?.length === 2
  if (!isVector || !usesBatch(node, context.opset) || momentumOf(node) !== 0) return undefined
  const { add, sub, mul, div, sqrt } = formula(context, x)
  const mean = overFirstAxes(context, 'Mean', x, 1)
  if (mean === undefined) return undefined
  const centred = sub(x, perChannel(context, mean, 2))
  const variance = overFirstAxes(context, 'Mean', mul(centred, centred), 1)!
  const factor = mul(scale, div(1, sqrt(add(variance, epsilonOf(node)))))
  const scaled = mul(centred, perChannel(context, factor, 2))
  return [add(scaled, perChannel(context, shift, 2)), mean, variance]
}

/** Of one unit, whose scale, shift and statistics are numbers. */
const normalizedBounds: BoundsRule = ([x, scale, shift, mean, variance], node) => {
  if (!scale || !shift || !mean || !variance) return undefined
  if (intAttribute(node, 'training_mode', 0) === 1) return undefined
  const factor = scale.low / Math.sqrt(variance.low + epsilonOf(node))
  if (factor === 0) return shift
  if (!x) return undefined
  const ends = [x.low, x.high].map((value) => (value - mean.low) * factor)
  const room =
    2 ** -20 * (Math.max(...ends.map(Math.abs)) + Math.abs(mean.low * factor) + Math.abs(shift.low))
  return {
    low: Math.min(...ends) + shift.low - room,
    high: Math.max(...ends) + shift.low + room,
  }
}

export const batchNormalization: Operator = {
  name: 'BatchNormalization',
  infer,
  axes,
  gradient,
  scaling: linearIn([1, 2]),
  sign: 'unknown',
  growth: {
    normalization: { scale: 1, shift: 2, mean: 3, variance: 4 },
    bounds: normalizedBounds,
    padding: { 1: 1, 2: 0, 3: 0, 4: 1 },
  },
  training: { parameters: [1, 2], inTraining, forInference, upgrade },
  execution: {
    blocked,
    fastKernels,
    // It has stored statistics only.
    wrongOnWebGpu: ({ node, opset }) => usesBatch(node, opset),
  },
}
