/** What Conv and ConvTranspose share. Source: https://onnx.ai/onnx/operators/onnx__Conv.html */
import { inputError } from '../../errors.ts'
import { type AttributeLike, intAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import { type Fill, glorotUniform, zeros } from '../../tensor/fill.ts'
import { elementCount } from '../../tensor/tensor.ts'
import { type Unsupported, unsupported } from '../contract/answers.ts'
import type { AxesContext } from '../contract/axes.ts'
import { type Axis, sizeOf } from '../contract/axis.ts'
import type { InsertedLayer } from '../contract/facets.ts'
import type { WeightSlicingOf } from '../contract/slicing.ts'
import { attributeList } from './windows.ts'

export const groupsOf = (node: Node): number => intAttribute(node, 'group', 1)

/** @throws Net2NetError (input) where so many channels are not as many in each group */
export function mustDivide(node: Node, channels: Dim | undefined): void {
  const groups = groupsOf(node)
  if (typeof channels === 'number' && !(groups > 0 && channels % groups === 0))
    throw inputError(`Its ${channels} channels do not divide into ${groups} groups.`)
}

/** Why channels do not divide into groups, as a reason. */
export const doNotDivide = (group: number) =>
  `has ${group} groups, into which its channels do not divide`

/** Channels as groups · units inside a group; undefined where they are composed differently. */
export function groupsIn(
  context: AxesContext,
  axis: Axis,
  group: number,
): readonly [Axis, Axis] | undefined {
  const size = sizeOf(axis)
  const parts =
    size === null || size % group !== 0 ? undefined : context.regroup([axis], [group, size / group])
  return parts && [parts[0]!, parts[1]!]
}

/** The same; refuses the node where they are composed differently. */
export const splitGroups = (
  context: AxesContext,
  axis: Axis,
  group: number,
): readonly [Axis, Axis] => groupsIn(context, axis, group) ?? context.refuse(doNotDivide(group))

/**
 * Attributes for a kernel with `border` zeros on both sides of each axis: w′[t + b] = w[t] reads x[o·s + (t + b)·d − p′] where w[t]
 * read x[o·s + t·d − p], so p′ = p + b·d, for any stride s and dilation d; transposed convolutions likewise. Equal sizes
 * (`auto_pad`) pad a window that reaches 2·b·d further by b·d more on each side, if they padded at all: a window
 * that is shorter than its stride may have had no zeros.
 */
export function largerKernel(
  node: Node,
  kernel: readonly number[],
  border: readonly number[],
): Readonly<Record<string, AttributeLike | undefined>> | Unsupported {
  if (node.attributes.has('output_shape'))
    return unsupported('it is given the size of its output, and not its pads')
  const rank = kernel.length
  const dilations = attributeList(node, 'dilations', rank, 1)
  const kernel_shape = kernel.map((taps, i) => taps + 2 * border[i]!)
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET')
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const strides = attributeList(node, 'strides', rank, 1)
    const isPadded = (taps: number, i: number) => (taps - 1) * dilations[i]! + 1 >= strides[i]!
    if (!kernel.every((taps, i) => border[i] === 0 || isPadded(taps, i)))
      return unsupported('its window is shorter than its stride, and auto_pad may not pad it')
    return { kernel_shape }
  }
  const pads =
    mode === 'VALID' ? Array<number>(2 * rank).fill(0) : attributeList(node, 'pads', 2 * rank, 0)
  const more = border.map((zeros, i) => zeros * dilations[i]!)
  return { kernel_shape, auto_pad: undefined, pads: pads.map((pad, i) => pad + more[i % rank]!) }
}

/**
 * A Dirac convolution on `channels` channels: kernel and dilations of the layer, stride 1, and
 * pads that keep the size. A layer with an even kernel gets its odd zero at the end.
 */
export function diracConvolution(
  channels: number,
  kernel: readonly number[],
  dilations: readonly number[],
  group: number,
): InsertedLayer {
  const begin = kernel.map((k, i) => Math.floor((k - 1) / 2) * dilations[i]!)
  const end = kernel.map((k, i) => (k - 1) * dilations[i]! - begin[i]!)
  const taps = kernel.map((_, i) => begin[i]! / dilations[i]!)
  const identity: Fill = {
    kind: 'identity',
    axes: [0, 1],
    at: Object.fromEntries(taps.map((tap, i) => [i + 2, tap])),
    ...(group > 1 && { wrap: true }),
  }
  const dims = [channels, channels / group, ...kernel]
  const field = elementCount(kernel)
  return {
    nodes: [
      {
        opType: 'Conv',
        inputs: ['$in', 'weight', 'bias'],
        outputs: ['$out'],
        attributes: {
          kernel_shape: kernel,
          strides: kernel.map(() => 1),
          dilations,
          pads: [...begin, ...end],
          group,
        },
      },
    ],
    parameters: [
      { name: 'weight', dims, identity, random: glorotUniform(field * dims[1]!, field * channels) },
      { name: 'bias', dims: [channels], identity: zeros, random: zeros },
    ],
  }
}

/**
 * How a convolution of one group is computed with a part of its weight: contracted channels are summed, output channels
 * lie side by side.
 *
 * @param axes Which axes of the weight are the channels.
 */
export const slicedByChannels =
  (axes: { readonly contracted: number; readonly output: number }): WeightSlicingOf =>
  (node, position) =>
    position === 1 && groupsOf(node) === 1
      ? {
          data: 0,
          contractedAxis: { weight: axes.contracted, data: 1 },
          outputAxis: { weight: axes.output, output: 1 },
          batch: { data: 0, output: 0 },
          bias: 2,
        }
      : undefined
