/**
 * Sliding windows: what convolutions and poolings share. Along one spatial axis, output o reads
 * the inputs o·stride + k·dilation − begin for the taps k = 0 … kernel − 1.
 *
 * Source: https://onnx.ai/onnx/operators/onnx__Conv.html, …/onnx__MaxPool.html
 */
import { inputError } from '../../errors.ts'
import { intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { AxesContext } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { InferContext } from '../contract/infer.ts'

/** The window along one spatial axis. */
export interface WindowAxis {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  /** Zeros before and after; undefined where `auto_pad` depends on a size that is not known. */
  readonly pads: { readonly begin: number; readonly end: number } | undefined
  readonly input: Dim
}

/** Elements from a window's first tap to its last. */
export const reach = (axis: Pick<WindowAxis, 'kernel' | 'dilation'>): number =>
  (axis.kernel - 1) * axis.dilation + 1

/** Reads strides, dilations, pads and `auto_pad` for inputs of the given spatial sizes. */
export function windowOf(
  node: Node,
  kernel: readonly number[],
  spatial: readonly Dim[],
): readonly WindowAxis[] {
  const rank = spatial.length
  const list = (name: string, length: number, fallback: number) =>
    attributeList(node, name, length, fallback)
  if (kernel.length !== rank)
    throw inputError(
      `The kernel has ${kernel.length} axes, but the input has ${rank} spatial axes.`,
    )
  const strides = list('strides', rank, 1)
  const dilations = list('dilations', rank, 1)
  const explicit = list('pads', 2 * rank, 0)
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET')
  return kernel.map((taps, i) => {
    const axis = { kernel: taps, stride: strides[i]!, dilation: dilations[i]!, input: spatial[i]! }
    if (axis.kernel < 1 || axis.stride < 1 || axis.dilation < 1)
      throw inputError('A kernel size, stride or dilation is below 1.')
    if (mode === 'VALID') return { ...axis, pads: { begin: 0, end: 0 } }
    if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER')
      return { ...axis, pads: samePads(axis, mode === 'SAME_LOWER') }
    return { ...axis, pads: { begin: explicit[i]!, end: explicit[rank + i]! } }
  })
}

/** A list attribute with one entry per spatial axis (or two, for pads). */
export function attributeList(
  node: Node,
  name: string,
  length: number,
  fallback: number,
): readonly number[] {
  const value = intsAttribute(node, name)
  if (value === undefined || value.length === 0) return Array(length).fill(fallback)
  if (value.length !== length)
    throw inputError(`Attribute "${name}" has ${value.length} entries instead of ${length}.`)
  return value
}

/** Output size ⌈input / stride⌉; an odd zero goes to the end, or to the begin (SAME_LOWER). */
function samePads(axis: Omit<WindowAxis, 'pads'>, lower: boolean): WindowAxis['pads'] {
  let total: number
  if (axis.stride === 1) total = reach(axis) - 1
  else if (typeof axis.input === 'number')
    total = (Math.ceil(axis.input / axis.stride) - 1) * axis.stride + reach(axis) - axis.input
  else return undefined
  total = Math.max(0, total)
  const begin = lower ? Math.ceil(total / 2) : Math.floor(total / 2)
  return { begin, end: total - begin }
}

/** Number of windows along the axis; null where it cannot be known. */
export function outputSize(axis: WindowAxis, node: Node, ceil = false): Dim {
  if (keepsSize(axis)) return axis.input
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET')
  if (typeof axis.input !== 'number') return null
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') return Math.ceil(axis.input / axis.stride)
  const { begin, end } = axis.pads!
  const room = axis.input + begin + end - reach(axis)
  if (room < 0)
    throw inputError(
      `A window of ${reach(axis)} elements does not fit into ${axis.input + begin + end}, pads included.`,
    )
  let size = (ceil ? Math.ceil(room / axis.stride) : Math.floor(room / axis.stride)) + 1
  // A window that would start behind the input and its leading zeros is dropped.
  if (ceil && (size - 1) * axis.stride >= axis.input + begin) size--
  return size
}

/** Does the axis keep its size, whatever that is? */
const keepsSize = (axis: WindowAxis): boolean =>
  axis.stride === 1 &&
  axis.pads !== undefined &&
  axis.pads.begin + axis.pads.end === reach(axis) - 1

/** Do the windows lie side by side from the input's begin on, so that each of its elements is in one at most? */
export const liesSideBySide = (axis: WindowAxis): boolean =>
  axis.kernel === axis.stride &&
  axis.dilation === 1 &&
  axis.pads?.begin === 0 &&
  axis.pads.end === 0

/** Does each output read just the input at its own position? */
export const isPointwise = (axis: WindowAxis): boolean =>
  axis.kernel === 1 && axis.stride === 1 && axis.pads?.begin === 0 && axis.pads.end === 0

/** `kernel_shape`, or the spatial dimensions of the weight. */
export function kernelShape(
  node: Node,
  weightSpatial: readonly Dim[] | undefined,
): readonly number[] | undefined {
  const attribute = intsAttribute(node, 'kernel_shape')
  if (attribute !== undefined && attribute.length > 0) return attribute
  return weightSpatial?.every((dim) => typeof dim === 'number')
    ? (weightSpatial as readonly number[])
    : undefined
}

/** A window without unknowns: what gradients are built from. */
export interface KnownWindowAxis extends WindowAxis {
  readonly pads: { readonly begin: number; readonly end: number }
}

/** A window of one element. */
export const singleTap = { kernel: 1, stride: 1, dilation: 1, pads: { begin: 0, end: 0 } } as const

/** How many elements so many windows read, from the input's first one on: more than it has where they read the zeros behind. */
export const inputsRead = (axis: Omit<KnownWindowAxis, 'input'>, outputs: number): number =>
  (outputs - 1) * axis.stride + reach(axis) - axis.pads.begin

export const allKnown = (axes: readonly WindowAxis[]): axes is readonly KnownWindowAxis[] =>
  axes.every((axis) => axis.pads !== undefined)

export const ceilMode = (node: Node): boolean => intAttribute(node, 'ceil_mode', 0) === 1

/** The output's spatial axes: pointwise ones stay what they are, the others never grow. */
export function spatialAxes(
  context: AxesContext,
  x: readonly Axis[],
  kernel: readonly number[] | undefined,
): readonly Axis[] {
  const reason = 'slides its window along it'
  const window =
    kernel && context.shape(0) ? windowOf(context.node, kernel, context.shape(0)!.slice(2)) : []
  const sizes = context.output(0).shape
  return x.slice(2).map((axis, i) => {
    const along = window[i]
    if (along && isPointwise(along)) return axis
    context.fix(axis, reason)
    return context.fixed(sizes?.[i + 2] ?? null, reason)
  })
}

/** Batch and channels pass; the spatial axes are new. */
export const poolingAxes = (context: AxesContext) => {
  const x = context.axes(0)
  return [x[0]!, x[1]!, ...spatialAxes(context, x, poolKernel(context.node))]
}

/** Output shape of a pooling with the attribute `kernel_shape`. */
export function pooledShape(context: InferContext): readonly Dim[] | undefined {
  const x = context.shape(0)
  if (!x) return undefined
  const kernel = poolKernel(context.node)
  return [
    ...x.slice(0, 2),
    ...windowOf(context.node, kernel, x.slice(2)).map((axis) =>
      outputSize(axis, context.node, ceilMode(context.node)),
    ),
  ]
}

export function poolKernel(node: Node): readonly number[] {
  const kernel = intsAttribute(node, 'kernel_shape')
  if (!kernel) throw inputError('A pooling needs the attribute "kernel_shape".')
  return kernel
}
