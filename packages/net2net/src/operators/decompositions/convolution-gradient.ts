/**
 * Gradients of Conv, with δ = ∂L/∂y.
 *
 * Input: ∂L/∂x is δ spread back through the same windows, a transposed convolution with the
 * same weight. For stride 1 that is an ordinary convolution of δ with the kernel turned round and
 * its two channel axes exchanged (within each group), padded by d·(k − 1) − p.
 *
 * Weight: ∂L/∂w[m, c, k] = Σ_{n, o} x[n, c, o·s + k·d − p] · δ[n, m, o]. Reading k as the output
 * position and o as the tap, this is a convolution too: of x with channels and batch exchanged,
 * by δ with its first axes exchanged, with strides and dilations exchanged.
 *
 * Bias: δ summed over the batch and all positions.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { float32 } from '../../tensor/tensor.ts'
import { type Emitter, type GradientRule, isCpu } from '../contract/gradient.ts'
import {
  cannotDifferentiate,
  ints,
  knownShape,
  knownSizes,
  range,
  reduce,
  reshape,
  shapeOf,
  slice,
  type TargetSize,
  transpose,
} from '../helpers/emission.ts'
import { allKnown, inputsRead, type KnownWindowAxis, reach, windowOf } from '../helpers/windows.ts'
import { fastWeightGradient } from './conv-weight-gradient.ts'
import {
  columnsPay,
  fillsBlocks,
  type ImageConvolution,
  imageConvolution,
  inputGradientByColumns,
} from './convolution-columns.ts'
import { inputGradientByTiles, tilesThatPay } from './minimal-filtering.ts'

export const convGradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const x = context.input(0)
  const w = context.input(1)
  const kernel =
    intsAttribute(context.node, 'kernel_shape') ??
    knownSizes(context, knownShape(context, w).slice(2), 'the sizes of its kernel')
  const group = intAttribute(context.node, 'group', 1)
  const window = windowOf(context.node, kernel, knownShape(context, x).slice(2))
  if (!allKnown(window))
    throw cannotDifferentiate(context, 'its automatic pads depend on a size that is not known')
  return [
    context.needs(0) ? inputGradient(context, dy, w, x, window, group) : undefined,
    context.needs(1) ? bestWeightGradient(context, dy, x, window, group) : undefined,
    context.has(2) && context.needs(2) ? biasGradient(context, dy, window.length) : undefined,
  ]
}

/** δ summed over batch and positions, which may have been pooled to a smaller image with the same sum. */
const biasGradient = (emitter: Emitter, dy: string, spatialAxes: number): string =>
  reduce(emitter, 'Sum', emitter.hintOf(dy).sums ?? dy, [0, ...range(spatialAxes + 2, 2)], false)

/** The form that the target computes fastest. */
export const bestWeightGradient: typeof weightGradient = (emitter, dy, x, window, group) =>
  // WebGPU computes convolutions wrongly for some numbers of channels, and that of this one is the batch's size.
  (emitter.target === 'standard' ? undefined : fastWeightGradient(emitter, dy, x, window, group)) ??
  weightGradient(emitter, dy, x, window, group)

/** ∂L/∂x, by the cheapest form that holds. */
export function inputGradient(
  emitter: Emitter,
  dy: string,
  weight: string,
  x: string,
  window: readonly KnownWindowAxis[],
  group: number,
): string {
  const images = isCpu(emitter.target) ? imageConvolution(emitter, x, dy, window, group) : undefined
  if (images && emitter.target === 'onnxruntime-wasm') {
    const tiling = tilesThatPay(images)
    if (tiling) return inputGradientByTiles(emitter, dy, weight, images, tiling)
  } else if (images && columnsPay(images))
    return inputGradientByColumns(emitter, dy, weight, images)
  const convolves =
    (group === 1 || emitter.target !== 'standard') &&
    !(images && emitter.target === 'onnxruntime-cpu' && addsFewer(images)) &&
    window.every(
      (axis) =>
        axis.stride === 1 && axis.pads.begin <= reach(axis) - 1 && axis.pads.end <= reach(axis) - 1,
    )
  return convolves
    ? turnedConvolution(emitter, dy, weight, window, group)
    : spreadWindows(emitter, dy, weight, x, window, group)
}

/**
 * Does a transposed convolution, which adds C·K·L columns of the outputs' size, move much less than a convolution, which lays out M·K·L columns of the
 * inputs' size? To add one takes twice as long as to lay it out.
 */
const addsFewer = ({ channels, filters, groups, rows, columns }: ImageConvolution): boolean =>
  groups === 1 &&
  rows.kernel * columns.kernel > 1 &&
  !fillsBlocks(channels) &&
  4 * channels * rows.output * columns.output < filters * rows.input * columns.input

/** Stride 1: Conv with the kernel turned round. */
function turnedConvolution(
  emitter: Emitter,
  dy: string,
  weight: string,
  window: readonly KnownWindowAxis[],
  group: number,
): string {
  const spatial = range(window.length + 2, 2)
  const long = spatial.filter((_, i) => window[i]!.kernel > 1)
  const exchanged =
    group === 1 ? turnRound(emitter, weight, long) : turnGroupsRound(emitter, weight, group)
  return emitter.op('Conv', [dy, exchanged], {
    kernel_shape: window.map((axis) => axis.kernel),
    dilations: window.map((axis) => axis.dilation),
    pads: [
      ...window.map((axis) => reach(axis) - 1 - axis.pads.begin),
      ...window.map((axis) => reach(axis) - 1 - axis.pads.end),
    ],
    ...(group === 1 ? {} : { group }),
  })
}

/** The weight [g·M, C, K, L] as [g·C, M, K, L], read backwards along its spatial axes. */
function turnGroupsRound(emitter: Emitter, weight: string, group: number): string {
  const [filters, channels, ...kernel] = emitter.info(weight).shape as readonly number[]
  const field = kernel.reduce((a, b) => a * b, 1)
  const rows = reshape(emitter, weight, [-1, field])
  const taps = reshape(emitter, field === 1 ? rows : backwards(emitter, rows, field), [
    group,
    filters! / group,
    channels!,
    field,
  ])
  const exchanged = filters === group ? taps : transpose(emitter, taps, [0, 2, 1, 3])
  return reshape(emitter, exchanged, [group * channels!, filters! / group, ...kernel])
}

/**
 * Rows of so many numbers, read backwards. ONNX Runtime's CPU moves single numbers so slowly that a product with zeros and ones is done in a
 * third to a twelfth of that time (docs/lab/steps-of-any-network.md).
 */
function backwards(emitter: Emitter, rows: string, length: number): string {
  const order = range(length).reverse()
  if (!isCpu(emitter.target)) return emitter.op('Gather', [rows, ints(emitter, order)], { axis: 1 })
  const exchange = new Float32Array(length ** 2)
  for (const [row, column] of order.entries()) exchange[row * length + column] = 1
  return emitter.op('MatMul', [rows, emitter.constant(float32([length, length], exchange))])
}

/**
 * The weight [M, C, K, L] as [C, M, K, L], read backwards along its spatial axes `long`. Moving whole
 * rows of filters, as ONNX Runtime's CPU does it best; elsewhere by a backward slice.
 */
function turnRound(emitter: Emitter, weight: string, long: readonly number[]): string {
  const dims = emitter.info(weight).shape ?? []
  const spatial = range(dims.length, 2)
  if (!isCpu(emitter.target) || !dims.every((dim) => typeof dim === 'number')) {
    const turned =
      long.length === 0
        ? weight
        : slice(
            emitter,
            weight,
            long,
            long.map(() => -1),
            long.map(() => -(2 ** 31)),
            long.map(() => -1),
          )
    return transpose(emitter, turned, [1, 0, ...spatial])
  }
  const [filters, channels, ...kernel] = dims as readonly number[] as [number, number, ...number[]]
  const field = kernel.reduce((a, b) => a * b, 1)
  const rows = transpose(emitter, reshape(emitter, weight, [filters, channels * field]), [1, 0])
  if (field === 1) return reshape(emitter, rows, [channels, filters, ...kernel])
  const taps = reshape(emitter, rows, [channels, field, filters])
  const turned = emitter.op('Gather', [taps, ints(emitter, range(field).reverse())], { axis: 1 })
  return reshape(emitter, transpose(emitter, turned, [0, 2, 1]), [channels, filters, ...kernel])
}

/**
 * Any window: ConvTranspose, cut or padded to the size of x. Where sizes are not known, it is
 * computed in full, with room for what the strides skipped, and cut when the graph runs.
 */
export function spreadWindows(
  emitter: Emitter,
  dy: string,
  weight: string,
  x: string,
  window: readonly KnownWindowAxis[],
  group: number,
): string {
  const shared = {
    kernel_shape: window.map((axis) => axis.kernel),
    strides: window.map((axis) => axis.stride),
    dilations: window.map((axis) => axis.dilation),
    group,
  }
  const outputs = emitter.info(dy).shape?.slice(2)
  // Behind the input's end: cut off (positive), or never read by a window (negative).
  const surplus = window.map((axis, i) => {
    const output = outputs?.[i]
    return typeof axis.input === 'number' && typeof output === 'number'
      ? inputsRead(axis, output) - axis.input
      : axis.stride === 1
        ? axis.pads.end
        : undefined
  })
  // Runtimes want the output padding below the stride.
  const inOneStep = surplus.every((s, i) => s !== undefined && -s < window[i]!.stride)
  if (inOneStep) {
    const known = surplus as number[]
    return emitter.op('ConvTranspose', [dy, weight], {
      ...shared,
      pads: [...window.map((axis) => axis.pads.begin), ...known.map((s) => Math.max(0, s))],
      output_padding: known.map((s) => Math.max(0, -s)),
    })
  }
  const spatial = range(window.length + 2, 2)
  const full = emitter.op('ConvTranspose', [dy, weight], shared)
  const skipped = window.map((axis, i) =>
    surplus[i] === undefined ? axis.stride - 1 : Math.max(0, -surplus[i]!),
  )
  const roomy = emitter.op('Pad', [
    full,
    ints(emitter, [0, 0, ...spatial.map(() => 0), 0, 0, ...skipped]),
  ])
  const begin = ints(
    emitter,
    window.map((axis) => axis.pads.begin),
  )
  const end = emitter.op('Add', [shapeOf(emitter, x, 2), begin])
  return emitter.op('Slice', [roomy, begin, end, ints(emitter, spatial)])
}

/** ∂L/∂w as a convolution with batch and channels, strides and dilations exchanged. */
export function weightGradient(
  emitter: Emitter,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
  group: number,
): string {
  const spatial = range(window.length + 2, 2)
  const exchange = [1, 0, ...spatial]
  const input = group === 1 ? transpose(emitter, x, exchange) : groupsIntoBatch(emitter, x, group)
  const taps = transpose(emitter, dy, exchange)
  const correlation = emitter.op('Conv', [input, taps], {
    strides: window.map((axis) => axis.dilation),
    dilations: window.map((axis) => axis.stride),
    pads: [...window.map((axis) => axis.pads.begin), ...window.map((axis) => axis.pads.end)],
    group,
  })
  // Inputs at the end that no window reads give taps beyond the kernel: cut those.
  const counts = emitter.info(dy).shape?.slice(2)
  const beyond = window.flatMap((axis, i) => (mayExceed(axis, counts?.[i] ?? null) ? [i] : []))
  const cut =
    beyond.length === 0
      ? correlation
      : slice(
          emitter,
          correlation,
          beyond.map((i) => i + 2),
          beyond.map(() => 0),
          beyond.map((i) => window[i]!.kernel),
        )
  return transpose(emitter, cut, exchange)
}

/** Do inputs behind the last of `count` windows make taps beyond the kernel appear? */
function mayExceed(axis: KnownWindowAxis, count: Dim): boolean {
  if (typeof axis.input !== 'number' || typeof count !== 'number') return axis.stride > 1
  const last = (count - 1) * axis.stride + reach(axis)
  return axis.input + axis.pads.begin + axis.pads.end - last >= axis.dilation
}

/** [N, g·k, …] as [k, g·N, …]: what a grouped convolution reads as k samples. */
function groupsIntoBatch(emitter: Emitter, x: string, group: number): string {
  const rank = emitter.info(x).shape!.length
  const channels = emitter.info(x).shape![1] as number
  const spatial: TargetSize[] = range(rank, 2).map((axis) => ({ of: x, axis }))
  const split = reshape(emitter, x, [{ of: x, axis: 0 }, group, channels / group, ...spatial])
  const moved = transpose(emitter, split, [2, 1, 0, ...range(rank + 1, 3)])
  return reshape(emitter, moved, [channels / group, -1, ...spatial])
}
