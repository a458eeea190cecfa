/**
 * Conv: y[n, m, o] = b[m] + Σ_{c, k} w[m, c, k] · x[n, group(m)·C/g + c, o·s + k·d − p]
 *
 * for 1 to 3 spatial axes, strides s, dilations d, leading pads p and g groups; the weight is
 * [M, C/g, k…]. https://onnx.ai/onnx/operators/onnx__Conv.html
 *
 * Growth. Write the input channels as g·k_in and the output channels as g·k_out. An output unit
 * is copied: its weight slice and bias are gathered, so copies compute the same map. An input
 * unit is summed over: if x holds c copies of a channel and their weight slices take split
 * coefficients that add up to one, the sum over k_in does not change. Both hold inside every group, and copying
 * a whole group copies its inputs, weights and outputs alike; so the three factors grow freely.
 * An ordinary convolution is the case g = 1, a depthwise one k_in = 1. Channels that arrive in an
 * order which the groups cut across (some shuffles) keep g and k_in as they are; k_out still grows.
 *
 * Identity. Stride 1, pads that add up to d·(k − 1), and a Dirac kernel whose tap sits where the
 * leading pad puts the centre: at index p / d on each spatial axis.
 */

import { inputError } from '../../errors.ts'
import type { Dim } from '../../model/model.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { IdentityContext, InsertedLayer, WrongOnWebGpu } from '../contract/facets.ts'
import type { InferContext, InferRule, ValueInfo } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { convGradient } from '../decompositions/convolution-gradient.ts'
import { fixAll } from '../helpers/axes-rules.ts'
import { blockedConv } from '../helpers/blocked.ts'
import {
  diracConvolution,
  doNotDivide,
  groupsIn,
  groupsOf,
  largerKernel,
  mustDivide,
  slicedByChannels,
  splitGroups,
} from '../helpers/convolution.ts'
import { linearIn } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'
import {
  attributeList,
  kernelShape,
  outputSize,
  spatialAxes,
  windowOf,
} from '../helpers/windows.ts'

const infer: InferRule = (context) => {
  const { node } = context
  const x = context.shape(0)
  const w = context.shape(1)
  const rank = x?.length ?? w?.length
  if (rank === undefined) return [inferredFrom(context, undefined)]
  if (x && w && x.length !== w.length)
    throw inputError(`The input has rank ${x.length}, the weight rank ${w.length}.`)
  mustDivide(node, w?.[0])
  const channels = x?.[1]
  const expected = typeof w?.[1] === 'number' ? w[1] * groupsOf(node) : undefined
  if (typeof channels === 'number' && expected !== undefined && channels !== expected)
    throw inputError(`The input has ${channels} channels, but the weight is for ${expected}.`)
  const kernel = kernelShape(node, w?.slice(2))
  const spatial: Dim[] =
    x && kernel
      ? windowOf(node, kernel, x.slice(2)).map((axis) => outputSize(axis, node))
      : Array(rank - 2).fill(null)
  return [inferredFrom(context, [x?.[0] ?? null, w?.[0] ?? null, ...spatial])]
}

const axes: AxesRule = (context) => {
  const { node } = context
  const w = context.axes(1)
  const x = context.axes(0, w.length)
  const group = groupsOf(node)
  for (const axis of w.slice(2)) context.fix(axis, 'has its kernel size there')
  if (group === 1) context.contract([x[1]!, { input: 1, axis: 1 }])
  else {
    const [weightG] = splitGroups(context, w[0]!, group)
    const channels = groupsIn(context, x[1]!, group)
    if (channels) {
      context.unify(channels[0], weightG)
      context.contract([channels[1], { input: 1, axis: 1 }])
      context.sizeAttribute('group', channels[0])
    } else fixAll(context, [x[1]!, w[1]!, weightG], doNotDivide(group))
  }
  if (context.has(2)) context.unify(context.axes(2)[0]!, w[0]!)
  const kernel = kernelShape(node, context.shape(1)?.slice(2))
  return [{ axes: [x[0]!, w[0]!, ...spatialAxes(context, x, kernel)] }]
}

const identity = (context: IdentityContext): InsertedLayer => {
  const [channels, , ...own] = context.weightDims
  const kernel = context.kernel ?? own
  const dilations = attributeList(context.node, 'dilations', kernel.length, 1)
  return diracConvolution(channels!, kernel, dilations, groupsOf(context.node))
}

const multiplyAdds = (context: InferContext, outputs: readonly ValueInfo[]): number | null =>
  countProduct([outputs[0]?.shape, context.shape(1)?.slice(1)])

/**
 * WebGPU has kernels over one and two axes, and over three without groups. It reads three input channels at once where it cannot read four, and counts them wrongly beyond the first three; four output
 * channels at once may reach over the end of a group.
 */
const wrongOnWebGpu: WrongOnWebGpu = ({ node, shape }) => {
  const group = groupsOf(node)
  const w = shape(1)
  const [filters, channels] = w ?? []
  if (w === undefined || w.length > (group === 1 ? 5 : 4) || typeof filters !== 'number')
    return true
  if (group > 1) {
    const inGroup = filters / group
    const vector = [4, 2, 1].find((size) => filters % size === 0)!
    return inGroup >= 4 && inGroup % vector !== 0
  }
  if (filters % 4 !== 0) return false
  return typeof channels !== 'number' || (channels % 3 === 0 && channels % 4 !== 0 && channels > 3)
}

export const conv: Operator = {
  name: 'Conv',
  infer,
  axes,
  gradient: convGradient,
  scaling: linearIn([1, 2], [0, 2]),
  sign: 'unknown',
  reads: { sizes: { rounds: true } },
  training: { parameters: [1, 2] },
  growth: {
    layer: {
      weight: (isParameter) => (isParameter(1) ? { input: 1, widthAxis: 1 } : undefined),
      bias: () => 2,
      identity,
      largerKernel,
    },
  },
  execution: {
    slicing: slicedByChannels({ contracted: 1, output: 0 }),
    multiplyAdds,
    blocked: blockedConv,
    wrongOnWebGpu,
  },
}
