/**
 * Convolutions of images in narrow groups, as convolutions in groups of whole blocks of channels. Groups beside each other are joined,
 * and the weights between what one of them reads and what another one gives are zero: four groups of four channels are one of sixteen. Where that makes no whole
 * blocks, channels that count for nothing fill them: a group of 24 channels is one of 32.
 * ONNX Runtime convolves in blocks (see `blocked-layout.ts`) so much faster than group by group that the products with zeros pay.
 */
import { attributes, intAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import {
  type ImageConvolution,
  isLaidOutAlone,
} from '../../operators/decompositions/convolution-columns.ts'
import { filledUp } from '../../operators/helpers/blocked.ts'
import { costs, positionsOf } from '../../operators/helpers/costs.ts'
import { range } from '../../operators/helpers/emission.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { convolutionOf } from './column-convolutions.ts'
import { inferOnce } from './infer-once.ts'
import { hasEvenPhases } from './phased-transposition.ts'
import { Rewriter } from './rewriter.ts'
import { costInBlocks } from './row-tiles.ts'

/** Joining more groups costs what blocks save. */
const mostJoined = 8

/** Filled blocks have to take less than this share of what they take the place of. */
const worthwhile = 0.9

/** @param block channels per block of the runtime's blocked layout */
export function joinGroups(model: Model, block: number): Model {
  const infos = inferOnce(model)
  const found = new Map(
    model.graph.nodes.flatMap((node) => {
      const groups = groupsOf(node, infos)
      const whole = groups && wholeGroups(groups, block)
      return whole ? [[node, whole] as const] : []
    }),
  )
  if (found.size === 0) return model
  const rewriter = new Rewriter(model)
  for (const node of model.graph.nodes) {
    const whole = found.get(node)
    if (whole) convolve(rewriter, node, whole)
    else rewriter.share(node)
  }
  return rewriter.model()
}

// -------------------------------------------------------------------- choice

interface Groups {
  readonly count: number
  /** Channels of a group along the weight's axes. */
  readonly outer: number
  readonly inner: number
  /** Does the weight's first axis count the channels that are read? */
  readonly isTransposed: boolean
  readonly kernel: readonly number[]
  /** The convolution, or the one that a transposed one is the gradient of, if the sizes of its images are known. */
  readonly convolution: ImageConvolution | undefined
}

interface WholeGroups extends Groups {
  /** How many become one. */
  readonly joined: number
  /** Channels of whole blocks that hold those of what was joined. */
  readonly wholeOuter: number
  readonly wholeInner: number
}

/** The groups of a convolution or a transposed one of images; undefined where each has a single channel. */
function groupsOf(node: Node, infos: ReadonlyMap<string, ValueInfo>): Groups | undefined {
  const count = intAttribute(node, 'group', 1)
  if (node.domain !== '' || !/^Conv(Transpose)?$/.test(node.opType) || count === 1) return undefined
  const isTransposed = node.opType === 'ConvTranspose'
  const [x = '', weight = ''] = node.inputs
  const [y = ''] = node.outputs
  if (isTransposed && !hasEvenPhases(node, infos.get(y)?.shape)) return undefined
  const forward: Node = isTransposed
    ? { ...node, opType: 'Conv', inputs: [y, weight], outputs: [x] }
    : node
  const convolution = convolutionOf({ info: (name) => infos.get(name) ?? {} }, forward)
  const shape = infos.get(weight)?.shape
  const isImage = shape?.length === 4 && infos.get(x)?.dtype === 'float32'
  if (!isImage || !shape.every((dim) => typeof dim === 'number')) return undefined
  const [all, inner, ...kernel] = shape as readonly number[] as [number, number, ...number[]]
  const outer = all / count
  return Math.min(outer, inner) > 1
    ? { count, outer, inner, isTransposed, kernel, convolution }
    : undefined
}

/** The cheapest way to whole blocks, if there is one that pays. */
function wholeGroups(groups: Groups, block: number): WholeGroups | undefined {
  const { count, outer, inner, convolution } = groups
  if ([outer, inner].every((width) => width % block === 0)) return undefined
  const ways = range(Math.min(mostJoined, count) + 1, 1)
    .filter((joined) => count % joined === 0)
    .map((joined) => {
      const [wholeOuter, wholeInner] = [outer, inner].map((width) =>
        filledUp(joined * width, block),
      )
      return { ...groups, joined, wholeOuter: wholeOuter!, wholeInner: wholeInner! }
    })
  const even = ways.find((way) => isExact(way) && way.joined * Math.min(outer, inner) === block)
  if (even || !convolution) return even
  let least = worthwhile * plainCost(convolution)
  let cheapest: WholeGroups | undefined
  for (const way of ways) {
    const cost = wholeCost(way, convolution)
    if (cost < least) [least, cheapest] = [cost, way]
  }
  return cheapest
}

const isExact = ({ joined, outer, inner, wholeOuter, wholeInner }: WholeGroups): boolean =>
  wholeOuter === joined * outer && wholeInner === joined * inner

/** Nanoseconds for each image, group by group: windows are laid out row by row, and multiplied. */
function plainCost(convolution: ImageConvolution): number {
  const { channels, filters, groups, rows, columns } = convolution
  const field = rows.kernel * columns.kernel
  const lines = field === 1 ? 0 : channels * field * rows.output
  const line = isLaidOutAlone(convolution) ? costs.laidOutRowAlone : costs.laidOutRow
  const products = (filters * channels * field * rows.output * columns.output) / groups
  return costs.product * products + lines * (line + costs.laidOut * columns.output)
}

/** Nanoseconds for each image in blocks, with what fills and cuts. */
function wholeCost(way: WholeGroups, convolution: ImageConvolution): number {
  const { count, joined, wholeOuter, wholeInner } = way
  const { batch, rows, columns } = convolution
  const groups = count / joined
  const [channels, filters] = [groups * wholeInner, groups * wholeOuter]
  const numbers = channels * rows.input * columns.input + filters * rows.output * columns.output
  const weight = filters * wholeInner * rows.kernel * columns.kernel
  return (
    costInBlocks({ ...convolution, channels, filters, groups }) +
    (isExact(way) ? 0 : costs.filled * numbers) +
    // Small batches are not to lose what larger ones gain.
    (2 * costs.filledWeight * weight) / positionsOf(batch)
  )
}

// ------------------------------------------------------------------ emission

/** Channels of a joined group, and of the blocks that hold them. */
interface Filling {
  readonly width: number
  readonly whole: number
}

function convolve(rewriter: Rewriter, node: Node, whole: WholeGroups): void {
  const { count, joined, outer, inner, kernel, wholeOuter, wholeInner, isTransposed } = whole
  const [x = '', weight = '', ...bias] = node.inputs.map((name) => rewriter.value(name))
  const groups = count / joined
  const field = kernel.reduce((product, size) => product * size, 1)
  const outerAxis = { width: joined * outer, whole: wholeOuter }
  const innerAxis = { width: joined * inner, whole: wholeInner }
  const [reads, gives] = isTransposed ? [outerAxis, innerAxis] : [innerAxis, outerAxis]
  const apart = rewriter.reshape(weight, [groups, joined, outer, 1, inner, field])
  const diagonal = joined === 1 ? apart : onDiagonal(rewriter, apart, joined)
  const matrices = rewriter.zerosBehind(
    rewriter.reshape(diagonal, [groups, outerAxis.width, innerAxis.width, field]),
    [0, wholeOuter - outerAxis.width, wholeInner - innerAxis.width, 0],
  )
  const inputs = [
    filled(rewriter, x, groups, reads),
    rewriter.reshape(matrices, [groups * wholeOuter, wholeInner, ...kernel]),
    ...bias.map((name) => {
      if (name === '' || gives.width === gives.whole) return name
      const rows = rewriter.reshape(name, [groups, gives.width])
      const wide = rewriter.zerosBehind(rows, [0, gives.whole - gives.width])
      return rewriter.reshape(wide, [groups * gives.whole])
    }),
  ]
  const changed = new Map([...node.attributes, ...attributes({ group: groups })])
  const y = rewriter.emit(node.opType, inputs, changed)[0]!
  rewriter.replace(node.outputs[0]!, cut(rewriter, y, groups, gives))
}

/** The weights of groups [G, joined, M, 1, C, K·L] with zeros between them: [G, joined, M, joined, C, K·L]. */
function onDiagonal(rewriter: Rewriter, weights: string, joined: number): string {
  const own = float32(
    [1, joined, 1, joined, 1, 1],
    range(joined ** 2).map((i) => (Math.floor(i / joined) === i % joined ? 1 : 0)),
  )
  return rewriter.emit('Mul', [weights, rewriter.constant(own, 'own')])[0]!
}

/** Images in groups of so many channels, in groups of more: behind its own ones each has its first one once more, which weights of zero read. */
function filled(
  rewriter: Rewriter,
  images: string,
  groups: number,
  { width, whole }: Filling,
): string {
  if (width === whole) return images
  if (groups === 1) return rewriter.zerosBehind(images, [0, whole - width, 0, 0])
  const channels = range(groups * whole).map((i) => {
    const place = i % whole
    return Math.floor(i / whole) * width + (place < width ? place : 0)
  })
  return gathered(rewriter, images, channels)
}

/** The way back. */
function cut(
  rewriter: Rewriter,
  images: string,
  groups: number,
  { width, whole }: Filling,
): string {
  if (width === whole) return images
  if (groups === 1) {
    const bounds = [0, width, 1].map((bound) => rewriter.constant(int64([bound]), 'sizes'))
    return rewriter.emit('Slice', [images, ...bounds])[0]!
  }
  const channels = range(groups * width).map((i) => Math.floor(i / width) * whole + (i % width))
  return gathered(rewriter, images, channels)
}

function gathered(rewriter: Rewriter, images: string, channels: readonly number[]): string {
  const places = rewriter.constant(int64(channels), 'channels')
  return rewriter.emit('Gather', [images, places], { axis: 1 })[0]!
}
