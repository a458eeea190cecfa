/**
 * ConvTranspose: the transpose of Conv as a linear map. Every x[n, c, i] is multiplied by the
 * weight slice w[c, m, k] and added to y[n, m, i·s + k·d − p]; the weight is [C, M/g, k…].
 * https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
 *
 * Growth. With input channels g·k_in and output channels g·k_out, weight axis 0 is g·k_in and
 * weight axis 1 is k_out. Axis 0 is summed over and takes split coefficients, axis 1 and the bias
 * are copied. With several groups, whole groups are copied, or the outputs inside them; inside a group of
 * more than one input channel the axis would be copied in one factor and split in the other,
 * so it is fixed.
 *
 * Identity: as for Conv, whose inserted layer is used. Transposing a Dirac kernel gives no more.
 *
 * Gradients, with δ = ∂L/∂y: ∂L/∂x is the convolution of δ with the same weight, and ∂L/∂w is that
 * of a convolution which reads δ and gives x.
 */

import { inputError } from '../../errors.ts'
import { intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { AxesRule } from '../contract/axes.ts'
import { product } from '../contract/axis.ts'
import type { WrongOnWebGpu } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { bestWeightGradient } from '../decompositions/convolution-gradient.ts'
import {
  diracConvolution,
  groupsOf,
  largerKernel,
  mustDivide,
  slicedByChannels,
  splitGroups,
} from '../helpers/convolution.ts'
import { knownShape, knownSizes, range, reduce } from '../helpers/emission.ts'
import { linearIn } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'
import {
  attributeList,
  isPointwise,
  type KnownWindowAxis,
  kernelShape,
  reach,
} from '../helpers/windows.ts'

/** A window over the output y, and the sizes it leads to. */
interface TransposedAxis extends KnownWindowAxis {
  readonly extra: number
  readonly output: Dim
}

/** `spatial`: sizes of x. The returned windows slide over y. */
function transposedWindow(
  node: Node,
  kernel: readonly number[],
  spatial: readonly Dim[],
): readonly TransposedAxis[] {
  const rank = spatial.length
  if (kernel.length !== rank)
    throw inputError(
      `The kernel has ${kernel.length} axes, but the input has ${rank} spatial axes.`,
    )
  const strides = attributeList(node, 'strides', rank, 1)
  const dilations = attributeList(node, 'dilations', rank, 1)
  const extras = attributeList(node, 'output_padding', rank, 0)
  const pads = attributeList(node, 'pads', 2 * rank, 0)
  const wanted = intsAttribute(node, 'output_shape')?.slice(-rank)
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET')
  return spatial.map((size, i) => {
    const [stride, dilation, extra] = [strides[i]!, dilations[i]!, extras[i]!]
    const shared = { kernel: kernel[i]!, stride, dilation, extra }
    // Size of the output without pads, less the part that grows with the input.
    const offset = extra + reach(shared) - stride
    const full = (dim: Dim) => (typeof dim === 'number' ? dim * stride + offset : null)
    const axis = (begin: number, end: number, output: Dim): TransposedAxis => ({
      ...shared,
      pads: { begin, end },
      input: output,
      output,
    })
    if (wanted || mode.startsWith('SAME')) {
      const total = wanted
        ? typeof size === 'number'
          ? Math.max(0, full(size)! - wanted[i]!)
          : undefined
        : Math.max(0, offset)
      // Strides beyond the kernel leave less than a whole multiple, and nothing to cut.
      const output = wanted
        ? wanted[i]!
        : typeof size === 'number'
          ? size * stride + Math.min(0, offset)
          : null
      // Without the input's size, the pads are not known: NaN never passes as a pad.
      if (total === undefined) return axis(Number.NaN, Number.NaN, output)
      const small = Math.floor(total / 2)
      return mode === 'SAME_UPPER'
        ? axis(small, total - small, output)
        : axis(total - small, small, output)
    }
    const [begin, end] = mode === 'VALID' ? [0, 0] : [pads[i]!, pads[rank + i]!]
    const kept = stride === 1 && offset === begin + end
    const output = kept ? size : typeof size === 'number' ? full(size)! - begin - end : null
    return axis(begin, end, output)
  })
}

const infer: InferRule = (context) => {
  const { node } = context
  const x = context.shape(0)
  const w = context.shape(1)
  const rank = x?.length ?? w?.length
  if (rank === undefined) return [inferredFrom(context, undefined)]
  const [channels, taken] = [x?.[1], w?.[0]]
  mustDivide(node, taken)
  if (typeof channels === 'number' && typeof taken === 'number' && channels !== taken)
    throw inputError(`The input has ${channels} channels, but the weight is for ${taken}.`)
  const kernel = kernelShape(node, w?.slice(2))
  const filters = w?.[1]
  const spatial =
    x && kernel
      ? transposedWindow(node, kernel, x.slice(2)).map((axis) => axis.output)
      : Array<Dim>(rank - 2).fill(null)
  return [
    inferredFrom(context, [
      x?.[0] ?? null,
      typeof filters === 'number' ? filters * groupsOf(node) : null,
      ...spatial,
    ]),
  ]
}

const axes: AxesRule = (context) => {
  const { node } = context
  const w = context.axes(1)
  const x = context.axes(0, w.length)
  const group = groupsOf(node)
  for (const axis of w.slice(2)) context.fix(axis, 'has its kernel size there')
  let channels = w[1]!
  if (group === 1) context.contract([x[1]!, { input: 1, axis: 0 }])
  else {
    const [g, inside] = splitGroups(context, x[1]!, group)
    context.fix(inside, 'sums over these channels inside each of its groups')
    context.unify(w[0]!, x[1]!)
    context.sizeAttribute('group', g)
    channels = product([g, w[1]!])
  }
  if (context.has(2)) context.unify(context.axes(2)[0]!, channels)
  const kernel = kernelShape(node, context.shape(1)?.slice(2))
  const image = context.shape(0)
  const window = kernel && image ? transposedWindow(node, kernel, image.slice(2)) : []
  const sizes = context.output(0).shape
  const reason = 'spreads its window along it'
  const spatial = x.slice(2).map((axis, i) => {
    const along = window[i]
    if (along && isPointwise(along) && along.extra === 0) return axis
    context.fix(axis, reason)
    return context.fixed(sizes?.[i + 2] ?? null, reason)
  })
  return [{ axes: [x[0]!, channels, ...spatial] }]
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const [x, w] = [context.input(0), context.input(1)]
  const kernel =
    intsAttribute(context.node, 'kernel_shape') ??
    knownSizes(context, knownShape(context, w).slice(2), 'the sizes of its kernel')
  const window = transposedWindow(context.node, kernel, knownShape(context, x).slice(2))
  knownSizes(
    context,
    window.map((axis) => (Number.isNaN(axis.pads.begin) ? null : 0)),
    'the pads that its output shape leads to',
  )
  const group = intAttribute(context.node, 'group', 1)
  return [
    context.needs(0) ? inputGradient(context, dy, w, window, group) : undefined,
    context.needs(1) ? bestWeightGradient(context, x, dy, window, group) : undefined,
    context.has(2) && context.needs(2)
      ? reduce(context, 'Sum', dy, [0, ...range(window.length + 2, 2)], false)
      : undefined,
  ]
}

const inputGradient = (
  context: GradientContext,
  dy: string,
  weight: string,
  window: readonly TransposedAxis[],
  group: number,
): string =>
  context.op('Conv', [dy, weight], {
    kernel_shape: window.map((axis) => axis.kernel),
    strides: window.map((axis) => axis.stride),
    dilations: window.map((axis) => axis.dilation),
    pads: [...window.map((axis) => axis.pads.begin), ...window.map((axis) => axis.pads.end)],
    group,
  })

/**
 * WebGPU has kernels over one and two axes, counts positions in half precision where numbers have that, and reads wrong weights
 * where a group has several inputs and one output.
 */
const wrongOnWebGpu: WrongOnWebGpu = ({ node, shape, dtype }) => {
  const w = shape(1)
  if (dtype(0) === 'float16' || w === undefined || w.length > 4) return true
  const [channels, inGroup] = w
  const group = groupsOf(node)
  const manyOutputs = typeof inGroup === 'number' && inGroup > 1
  return group !== 1 && channels !== group && !manyOutputs
}

export const convTranspose: Operator = {
  name: 'ConvTranspose',
  infer,
  axes,
  gradient,
  scaling: linearIn([1, 2], [0, 2]),
  sign: 'unknown',
  reads: { sizes: { rounds: true } },
  training: { parameters: [1, 2] },
  growth: {
    layer: {
      weight: (isParameter) => (isParameter(1) ? { input: 1, widthAxis: 1 } : undefined),
      identity: (context) => {
        const [, perGroup, ...own] = context.weightDims
        const kernel = context.kernel ?? own
        const group = groupsOf(context.node)
        const dilations = attributeList(context.node, 'dilations', kernel.length, 1)
        return diracConvolution(perGroup! * group, kernel, dilations, group)
      },
      largerKernel,
    },
  },
  execution: {
    slicing: slicedByChannels({ contracted: 0, output: 1 }),
    wrongOnWebGpu,
    multiplyAdds: (context) => countProduct([context.shape(0), context.shape(1)?.slice(1)]),
  },
}
