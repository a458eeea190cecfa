import { intAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import type { AxesRule } from '../contract/axes.ts'
import { type GradientContext, type GradientRule, isCpu } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { linedPoolGradient, pooledLines } from '../decompositions/max-pool-lines.ts'
import { phasedPoolGradient, poolsByPhases } from '../decompositions/max-pool-phases.ts'
import { poolsByTaps, tappedPoolGradient } from '../decompositions/max-pool-taps.ts'
import { poolsByWindows, windowedPoolGradient } from '../decompositions/max-pool-windows.ts'
import { blockedPool } from '../helpers/blocked.ts'
import {
  cannotDifferentiate,
  knownShape,
  reshape,
  reshapeLike,
  shapeOf,
  tensorLike,
} from '../helpers/emission.ts'
import { positivelyHomogeneous } from '../helpers/scaling.ts'
import { addAt } from '../helpers/scatter-back.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import {
  allKnown,
  ceilMode,
  inputsRead,
  type KnownWindowAxis,
  pooledShape,
  poolingAxes,
  poolKernel,
  windowOf,
} from '../helpers/windows.ts'

const infer: InferRule = (context) => {
  const shape = pooledShape(context)
  return [inferredFrom(context, shape), { dtype: 'int64', shape }]
}

const axes: AxesRule = (context) => {
  const pooled = poolingAxes(context)
  if ((context.node.outputs[1] ?? '') !== '')
    context.fix(pooled[1]!, 'gives positions that count through all channels')
  return context.node.outputs.map(() => ({ axes: pooled }))
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const x = context.input(0)
  const given = windowOf(context.node, poolKernel(context.node), knownShape(context, x).slice(2))
  if (!allKnown(given))
    throw cannotDifferentiate(context, 'its automatic pads depend on a size that is not known')
  if (intAttribute(context.node, 'storage_order', 0) !== 0)
    throw cannotDifferentiate(context, 'its positions count columns first (storage_order)')
  const channels = context.info(x).shape?.[1]
  const reaching = ceilMode(context.node) ? withEnds(context, given) : given
  const window = reaching ?? given
  const isPlain = reaching !== undefined && (context.node.outputs[1] ?? '') === ''
  if (isCpu(context.target) && poolsByPhases(window, channels))
    return [phasedPoolGradient(context, dy, x, channels)]
  if (context.target === 'onnxruntime-webgpu' && poolsByWindows(window) && isPlain)
    return [windowedPoolGradient(context, dy, x, context.output(0), window)]
  if (
    context.target === 'onnxruntime-cpu' &&
    !fitsUnpooling(window) &&
    poolsByTaps(window, channels) &&
    isPlain
  )
    return [tappedPoolGradient(context, dy, x, context.output(0), window)]
  const lines =
    context.target === 'onnxruntime-cpu' && isPlain
      ? pooledLines(knownShape(context, x), window)
      : undefined
  if (lines) return [linedPoolGradient(context, dy, x, context.output(0), lines)]
  return [
    fitsUnpooling(window) && reaching
      ? unpool(context, dy, x, given)
      : scatter(context, dy, x, given),
  ]
}

/**
 * Windows of which the last ones reach over the end, with the pads that they reach into. Undefined where sizes are not known, and where one is left out
 * because it would lie behind the image: ONNX Runtime infers another size for y than it computes then.
 */
function withEnds(
  context: GradientContext,
  window: readonly KnownWindowAxis[],
): readonly KnownWindowAxis[] | undefined {
  const outputs = knownShape(context, context.output(0)).slice(2)
  const known = (size: Dim | undefined) => Number(size ?? Number.NaN)
  const axes = window.map((axis, i) => {
    const end = inputsRead(axis, known(outputs[i])) - known(axis.input)
    return { ...axis, pads: { ...axis.pads, end } }
  })
  return axes.every(({ pads }, i) => pads.end >= window[i]!.pads.end) ? axes : undefined
}

/** Windows that do not overlap and lie inside the input: all that MaxUnpool is defined for. */
const fitsUnpooling = (window: readonly KnownWindowAxis[]): boolean =>
  window.every(
    ({ kernel, stride, dilation, pads }) =>
      kernel <= stride && dilation === 1 && pads.begin === 0 && pads.end === 0,
  )

/** The winners' positions: those that the node gives, or else from a second pooling. */
function positions(context: GradientContext, window: readonly KnownWindowAxis[]): string {
  if ((context.node.outputs[1] ?? '') !== '') return context.output(1)
  return context.emit(
    'MaxPool',
    [context.input(0)],
    {
      kernel_shape: window.map((axis) => axis.kernel),
      strides: window.map((axis) => axis.stride),
      dilations: window.map((axis) => axis.dilation),
      pads: [...window.map((axis) => axis.pads.begin), ...window.map((axis) => axis.pads.end)],
      ceil_mode: ceilMode(context.node) ? 1 : undefined,
    },
    { outputs: 2 },
  )[1]!
}

/** Windows that do not overlap: every position wins at most once. */
const unpool = (
  context: GradientContext,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
): string =>
  context.emit(
    'MaxUnpool',
    [dy, positions(context, window), shapeOf(context, x)],
    {
      kernel_shape: window.map((axis) => axis.kernel),
      strides: window.map((axis) => axis.stride),
    },
    { infos: [context.info(x)] },
  )[0]!

/** Any windows: adds into a flat tensor of zeros. */
function scatter(
  context: GradientContext,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
): string {
  const zero = context.op('Mul', [reshape(context, x, [-1]), tensorLike(context, x, [], [0])])
  const winners = reshape(context, positions(context, window), [-1])
  const flat = addAt(context, zero, winners, reshape(context, dy, [-1]), 0)
  return reshapeLike(context, flat, x)
}

export const maxPool: Operator = {
  name: 'MaxPool',
  infer,
  axes,
  gradient,
  scaling: positivelyHomogeneous,
  sign: 'inherited',
  reads: { sizes: { rounds: true, window: true } },
  execution: {
    blocked: blockedPool,
    // It gives no positions.
    wrongOnWebGpu: ({ node }) =>
      (node.outputs[1] ?? '') !== '' || intAttribute(node, 'storage_order', 0) !== 0,
  },
}
