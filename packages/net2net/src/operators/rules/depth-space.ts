/**
 * SpaceToDepth and DepthToSpace: the b × b phases of an image as channels, and back.
 *
 * SpaceToDepth: y[n, (i·b + j)·C + c, h, w] = x[n, c, h·b + i, w·b + j]. DepthToSpace in mode DCR is
 * its inverse; in mode CRD the channels count c·b² + i·b + j instead.
 * https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html, …/onnx__DepthToSpace.html
 *
 * Growth. Channels are a product of phases and channels, of which the second grows: the mode says
 * in which order. Gradient: both only move elements, so each one's gradient is the other; for CRD
 * the channels are reordered by a transposition.
 */
import { inputError } from '../../errors.ts'
import { intAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { AxesContext } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { Operator } from '../contract/operator.ts'
import { blockedDepthSpace } from '../helpers/blocked.ts'
import { range, reshape, transpose } from '../helpers/emission.ts'
import { inferredFrom } from '../helpers/shapes.ts'

function blockSize(node: Node): number {
  const size = intAttribute(node, 'blocksize', 0)
  if (size < 1) throw inputError('The attribute "blocksize" must be at least 1.')
  return size
}

const isColumnFirst = (node: Node) => stringAttribute(node, 'mode', 'DCR') === 'CRD'

const quotient = (dim: Dim | undefined, divisor: number): Dim => {
  if (typeof dim !== 'number') return divisor === 1 ? (dim ?? null) : null
  if (dim % divisor !== 0) throw inputError(`${dim} does not divide by ${divisor}.`)
  return dim / divisor
}
const product = (dim: Dim | undefined, factor: number): Dim =>
  typeof dim === 'number' ? dim * factor : factor === 1 ? (dim ?? null) : null

/** Rows and columns are regrouped; whoever regroups them keeps their size. */
function stillSpatial(context: AxesContext, x: readonly Axis[]): readonly Axis[] {
  const reason = 'cuts it into phases'
  const shape = context.output(0).shape
  return x.slice(2).map((axis, i) => {
    context.fix(axis, reason)
    return context.fixed(shape?.[i + 2] ?? null, reason)
  })
}

export const depthSpace: readonly Operator[] = [
  {
    name: 'SpaceToDepth',
    scaling: 'none',
    sign: 'unknown',
    execution: { blocked: blockedDepthSpace },
    infer: (context) => {
      const size = blockSize(context.node)
      const x = context.shape(0)
      return [
        inferredFrom(
          context,
          x && [x[0]!, product(x[1], size ** 2), quotient(x[2], size), quotient(x[3], size)],
        ),
      ]
    },
    axes: (context) => {
      const x = context.axes(0)
      const phases = context.fixed(blockSize(context.node) ** 2, 'holds the phases of the image')
      const channels = context.regroup([phases, x[1]!], [context.output(0).shape?.[1] ?? null])
      if (!channels) return context.refuse('has a number of channels that is not known')
      return [{ axes: [x[0]!, channels[0]!, ...stillSpatial(context, x)] }]
    },
    gradient: (context) => {
      const dy = context.outputGradient(0)
      if (dy === undefined || !context.needs(0)) return []
      return [context.op('DepthToSpace', [dy], { blocksize: blockSize(context.node) })]
    },
  },
  {
    name: 'DepthToSpace',
    scaling: 'none',
    sign: 'unknown',
    execution: { blocked: blockedDepthSpace },
    infer: (context) => {
      const size = blockSize(context.node)
      const x = context.shape(0)
      return [
        {
          dtype: context.dtype(0),
          shape: x && [x[0]!, quotient(x[1], size ** 2), product(x[2], size), product(x[3], size)],
        },
      ]
    },
    axes: (context) => {
      const x = context.axes(0)
      const size = context.output(0).shape?.[1] ?? null
      const phases = blockSize(context.node) ** 2
      const columnFirst = isColumnFirst(context.node)
      const parts = context.regroup([x[1]!], columnFirst ? [size, phases] : [phases, size])
      if (!parts) return context.refuse('has a number of channels that is not known')
      const channels = parts[columnFirst ? 0 : 1]!
      context.fix(parts[columnFirst ? 1 : 0]!, 'holds the phases of the image')
      return [{ axes: [x[0]!, channels, ...stillSpatial(context, x)] }]
    },
    gradient: (context) => {
      const dy = context.outputGradient(0)
      if (dy === undefined || !context.needs(0)) return []
      const size = blockSize(context.node)
      const phases = context.op('SpaceToDepth', [dy], { blocksize: size })
      if (!isColumnFirst(context.node)) return [phases]
      const x = context.input(0)
      const spatial = range(4, 2).map((axis) => ({ of: x, axis }))
      const batch = { of: x, axis: 0 }
      const split = reshape(context, phases, [batch, size ** 2, -1, ...spatial])
      const moved = transpose(context, split, [0, 2, 1, 3, 4])
      return [reshape(context, moved, [batch, { of: x, axis: 1 }, ...spatial])]
    },
  },
]
