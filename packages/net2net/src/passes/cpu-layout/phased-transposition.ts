/**
 * Transposed convolutions with strides, by phases: output s·q + a along an axis adds up
 *
 *   w[k] · x[o] for s·o + k·d − p = s·q + a, that is k·d = s·t + r, o = q + e − t
 *
 * with r = (a + p) mod s and e = ⌊(a + p) / s⌋. So each phase is an ordinary convolution of x with every
 * s-th tap of the kernel, turned round, and the phases are put beside each other: nothing is computed that is
 * not needed. With a dilation d that has a divisor in common with s, some phases have no tap, and are zero.
 *
 * In blocks of channels that is DepthToSpace, and the blocked layout has fast kernels for all of it, but none for
 * ConvTranspose. For signals and volumes the elements of the last axis are brought into their places by products with a
 * 0/1 matrix, and those of the others in rows.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Model, Node, Shape } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import { ints, range, reshape, slice, transpose } from '../../operators/helpers/emission.ts'
import { formula } from '../../operators/helpers/formula.ts'
import { float32 } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

/** Rows of this length are rearranged by a product: the 0/1 matrix grows with its square. */
const widestProduct = 64
/** Up to this length, that is still faster than to move element by element. */
const widestMatrix = 256
/** Elements that are copied together. */
const shortestRun = 8

/** One phase along an axis: its taps in the order of the convolution, and its pads. */
interface Phase {
  readonly taps: readonly number[]
  readonly begin: number
  readonly end: number
  readonly dilation: number
}

/** @param block channels per block of the runtime's blocked layout; 1 where it has none */
export function phaseTranspositions(model: Model, block: number): Model {
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  let changed = false
  for (const node of model.graph.nodes) {
    const phases = phasesOf(emitter, node, block)
    if (phases) {
      rewriter.replace(node.outputs[0]!, byPhases(emitter, rewriter, node, phases))
      changed = true
    } else rewriter.share(node)
  }
  return changed ? rewriter.model() : model
}

interface Phased {
  /** The phases along each axis. */
  readonly phases: readonly (readonly Phase[])[]
  /** Sizes of the kernel and of the output. */
  readonly kernel: readonly number[]
  readonly outputs: readonly number[]
  readonly inBlocks: boolean
}

/**
 * Does the node give an image [N, C, H, W] whose phases have the same size? Those of others are put beside each other in no blocks.
 *
 * @param y the image's shape
 */
export function hasEvenPhases(node: Node, y: Shape | undefined): boolean {
  const [stride = 1, other = 1] = intsAttribute(node, 'strides') ?? []
  const sizes = y?.slice(2) ?? []
  return (
    stride > 1 &&
    stride === other &&
    sizes.length === 2 &&
    sizes.every((size) => typeof size === 'number' && size % stride === 0)
  )
}

/** How the node is computed by phases; undefined where it is computed as it stands. */
function phasesOf(emitter: Emitter, node: Node, block: number): Phased | undefined {
  if (node.opType !== 'ConvTranspose' || node.domain !== '') return undefined
  const [x, weight] = node.inputs.map((name) => emitter.info(name).shape)
  const { dtype, shape: y } = emitter.info(node.outputs[0]!)
  if (dtype !== 'float32' || !x || !y || !weight?.every((dim) => typeof dim === 'number'))
    return undefined
  const spatial = range(x.length - 2)
  const kernel = weight.slice(2) as readonly number[]
  const strides = intsAttribute(node, 'strides') ?? spatial.map(() => 1)
  const pads = intsAttribute(node, 'pads') ?? spatial.flatMap(() => [0, 0])
  const dilations = intsAttribute(node, 'dilations') ?? spatial.map(() => 1)
  const group = intAttribute(node, 'group', 1)
  const [filters, channels] = [x[1], y[1]]
  const isDepthwise = group === filters && group === channels
  const unit = isDepthwise ? block : block * group
  const inBlocks =
    block > 1 &&
    hasEvenPhases(node, y) &&
    [filters, channels].every((count) => typeof count === 'number' && count % unit === 0)
  // Of images in the plain layout, the kernel of the operator is as fast; of signals and volumes it is not.
  if (!inBlocks && (group > 1 || spatial.length === 2)) return undefined
  if (strides.every((stride) => stride === 1)) return undefined
  const automatic = stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET'
  if (automatic || node.attributes.has('output_shape')) return undefined
  const phases = spatial.map((i) => {
    const [stride, input, output] = [strides[i]!, x[i + 2], y[i + 2]]
    if (typeof input !== 'number' || typeof output !== 'number') return undefined
    const axis = { kernel: kernel[i]!, stride, dilation: dilations[i]!, pad: pads[i]!, input }
    return phasesAlong(axis, Math.ceil(output / stride))
  })
  if (!phases.every((list) => list !== undefined)) return undefined
  // What nothing reaches would be the bias.
  if (node.inputs[2] && phases.some((list) => list.some(isEmpty))) return undefined
  return { phases, kernel, outputs: y.slice(2) as readonly number[], inBlocks }
}

/** Where the kernel is smaller than the stride, nothing reaches some outputs. */
const isEmpty = ({ taps }: Pick<Phase, 'taps'>): boolean => taps.length === 0

interface TransposedAxis {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly pad: number
  readonly input: number
}

/** The phases of `size` outputs each. Undefined where one would need a negative pad, or none has a tap. */
function phasesAlong(
  { kernel, stride, dilation, pad, input }: TransposedAxis,
  size: number,
): readonly Phase[] | undefined {
  const phases = range(stride).map((phase): Phase => {
    const rest = (phase + pad) % stride
    const shift = Math.floor((phase + pad) / stride)
    const turned = range(kernel).reverse()
    const taps = turned.filter((k) => (k * dilation) % stride === rest)
    /** t of each tap. */
    const steps = taps.map((k) => Math.floor((k * dilation) / stride))
    const [first = 0, second = first - 1] = steps
    return {
      taps,
      begin: first - shift,
      end: size + shift - (steps.at(-1) ?? 0) - input,
      dilation: first - second,
    }
  })
  const fits = ({ taps, begin, end }: Phase) => isEmpty({ taps }) || (begin >= 0 && end >= 0)
  return phases.every(fits) && !phases.every(isEmpty) ? phases : undefined
}

function byPhases(
  emitter: Emitter,
  rewriter: Rewriter,
  node: Node,
  { phases, kernel, outputs, inBlocks }: Phased,
): string {
  const [x = '', weight = '', bias = ''] = node.inputs.map((name) => rewriter.value(name))
  const [filters, perGroup] = emitter.info(node.inputs[1]!).shape as readonly number[]
  const group = intAttribute(node, 'group', 1)
  const field = kernel.reduce((a, b) => a * b, 1)
  // [M, C, K·L] as [C, K·L, M]: matrices are transposed, and whole rows are picked.
  const rows = transpose(emitter, reshape(emitter, weight, [filters!, perGroup! * field]), [1, 0])
  const kernels = reshape(emitter, rows, [perGroup!, field, filters!])
  const convolved = combinations(phases).map((along) => {
    if (along.some(isEmpty)) return undefined
    const taps = along.reduce<readonly number[]>(
      (found, { taps }, i) => found.flatMap((before) => taps.map((k) => before * kernel[i]! + k)),
      [0],
    )
    const picked = emitter.op('Gather', [kernels, ints(emitter, taps)], { axis: 1 })
    const counts = along.map(({ taps }) => taps.length)
    // [C, taps, g·m] as [g·C, m, taps].
    const members = filters! / group
    const groups = () => reshape(emitter, picked, [perGroup!, taps.length, group, members])
    const ordered =
      group === 1
        ? transpose(emitter, picked, [0, 2, 1])
        : transpose(emitter, groups(), [2, 0, 3, 1])
    const own = reshape(emitter, ordered, [group * perGroup!, members, ...counts])
    return emitter.op('Conv', [x, own, ...(bias === '' ? [] : [bias])], {
      kernel_shape: counts,
      dilations: along.map(({ dilation }) => dilation),
      pads: [...along.map(({ begin }) => begin), ...along.map(({ end }) => end)],
      ...(group === 1 ? {} : { group }),
    })
  })
  const [some] = convolved.filter((part) => part !== undefined)
  const parts = convolved.map((part) => part ?? formula(emitter, some!).mul(some!, 0))
  if (inBlocks) {
    const blocksize = phases[0]!.length
    return emitter.op('DepthToSpace', [emitter.op('Concat', parts, { axis: 1 })], { blocksize })
  }
  const strides = phases.map((list) => list.length)
  const sizes = outputs.map((output, i) => Math.ceil(output / strides[i]!))
  const whole = sizes.map((size, i) => size * strides[i]!)
  const images = reshape(emitter, interleaved(emitter, parts, strides, sizes), [
    { of: x, axis: 0 },
    perGroup!,
    ...whole,
  ])
  const beyond = range(outputs.length).filter((i) => whole[i] !== outputs[i])
  if (beyond.length === 0) return images
  const axes = beyond.map((i) => i + 2)
  const ends = beyond.map((i) => outputs[i]!)
  return slice(emitter, images, axes, Array(beyond.length).fill(0), ends)
}

/** All combinations of one phase of each axis, in row order. */
const combinations = (phases: readonly (readonly Phase[])[]): readonly (readonly Phase[])[] =>
  phases.reduce<readonly (readonly Phase[])[]>(
    (found, list) => found.flatMap((before) => list.map((phase) => [...before, phase])),
    [[]],
  )

/** The elements of all phases, given in row order, in the order of the image. */
function interleaved(
  emitter: Emitter,
  phases: readonly string[],
  strides: readonly number[],
  sizes: readonly number[],
): string {
  let parts = phases
  // Elements that lie beside each other already.
  let length = 1
  for (const axis of range(sizes.length).reverse()) {
    const [stride, size] = [strides[axis]!, sizes[axis]!]
    const isLast = axis === sizes.length - 1 && stride > 1
    const run = isLast ? runLength(stride, size) : length
    const own = parts
    parts = range(own.length / stride).map((k) => {
      const lines = own
        .slice(k * stride, (k + 1) * stride)
        .map((part) => reshape(emitter, part, [-1, run]))
      const joined = stride === 1 ? lines[0]! : emitter.op('Concat', lines, { axis: 1 })
      return isLast ? alternating(emitter, joined, stride, run) : joined
    })
    length *= stride * size
  }
  return parts[0]!
}

/**
 * In runs of how many elements phases of `size` elements take turns with their neighbours: as short ones as a product with a small
 * matrix rearranges, but not so short that bringing them together takes longer.
 */
function runLength(stride: number, size: number): number {
  const runs = range(size + 1, shortestRun).filter((run) => size % run === 0)
  return runs.findLast((run) => stride * run <= widestProduct) ?? size
}

/** Rows of `count` runs of `size` elements each, as rows in which the runs take turns. */
function alternating(emitter: Emitter, rows: string, count: number, size: number): string {
  const width = count * size
  if (width > widestMatrix) {
    const runs = reshape(emitter, rows, [-1, count, size])
    return transpose(emitter, runs, [0, 2, 1])
  }
  const moves = new Float32Array(width * width)
  for (const run of range(count))
    for (const i of range(size)) moves[(run * size + i) * width + i * count + run] = 1
  return emitter.op('MatMul', [rows, emitter.constant(float32([width, width], moves))])
}
