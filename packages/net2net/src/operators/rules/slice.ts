/**
 * Slice: y[k] = x[start + k·step] on some of the axes.
 * https://onnx.ai/onnx/operators/onnx__Slice.html
 *
 * Growth: with step 1 the slice is a part of its axis, and the bounds are the sizes of the parts
 * before and up to it; they follow when these grow. A bound that counts from the end fixes the
 * size of what lies behind it. Any other step fixes the axis. So does an end that only the run knows; where that is a size (a table of
 * positions, cut to the length of a sequence), entries behind the old ones change nothing.
 *
 * Gradient: g, with zeros where nothing was taken; with steps backwards, or sizes that only the
 * run knows, added back at the positions that were read.
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Dim, Shape } from '../../model/model.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'
import type { AxesContext } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { WrongOnWebGpu } from '../contract/facets.ts'
import { type Emitter, isCpu } from '../contract/gradient.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { blockedFirstChannels } from '../helpers/blocked.ts'
import { gridPositions, isStatic, moveElements, numbers } from '../helpers/elements.ts'
import { ints, reshape, slice, tensorLike, unsqueeze } from '../helpers/emission.ts'
import { type Backward, gradientOf, inferView } from '../helpers/formula.ts'
import { BEYOND, followPosition, type Range, resolveRange } from '../helpers/indexing.ts'
import { placeAlong, scatterBack } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

/** Rows of up to so many elements are spread by a product with a 0/1 matrix, which grows with the square of their length. */
const widestProduct = 256

/** Runs of fewer elements take longer to be padded one by one than to be added at their positions. */
const shortestRun = 8

/** One sliced axis as it is written; `entry` is its place in the lists of bounds. */
interface Bounds {
  readonly axis: number
  readonly entry: number
  readonly start: number | undefined
  readonly end: number | undefined
  readonly step: number | undefined
}

/** undefined where not even the axes are known. */
function boundsOf(context: InferContext, rank: number): readonly Bounds[] | undefined {
  const asAttributes = context.opset < 10
  const list = (i: number, name: string): readonly (Dim | undefined)[] | undefined =>
    asAttributes ? intsAttribute(context.node, name) : context.elements(i)
  const starts = list(1, 'starts')
  const ends = list(2, 'ends')
  const hasAxes = asAttributes ? context.node.attributes.has('axes') : context.has(3)
  const hasSteps = !asAttributes && context.has(4)
  const given = asAttributes ? intsAttribute(context.node, 'axes') : numbers(context, 3)
  if (hasAxes && given === undefined) return undefined
  const count = given?.length ?? starts?.length ?? ends?.length
  if (count === undefined) return undefined
  const axes = given ?? Array.from({ length: count }, (_, k) => k)
  const steps = hasSteps ? context.elements(4) : undefined
  const number = (value: Dim | undefined) => (typeof value === 'number' ? value : undefined)
  return axes.map((axis, entry) => ({
    axis: axisPosition(axis, rank),
    entry,
    start: number(starts?.[entry]),
    end: number(ends?.[entry]),
    step: hasSteps ? number(steps?.[entry]) : 1,
  }))
}

/** "Everything", whatever the size: from 0 to (beyond) any end. */
const isWhole = ({ start, end, step }: Bounds) =>
  start === 0 && end !== undefined && end >= BEYOND && step === 1

function slicedShape(context: InferContext): Shape | undefined {
  const shape = context.shape(0)
  if (!shape) return undefined
  const bounds = boundsOf(context, shape.length)
  if (!bounds) return shape.map(() => null)
  const result: Dim[] = [...shape]
  for (const each of bounds)
    if (!isWhole(each)) result[each.axis] = resolveRange(each, shape[each.axis]!)?.length ?? null
  return result
}

/** What is taken of each axis that is cut; undefined where only the run knows. */
export function rangesOf(context: InferContext): ReadonlyMap<number, Range> | undefined {
  const shape = context.shape(0)
  const ranges = new Map<number, Range>()
  for (const each of (shape && boundsOf(context, shape.length)) ?? []) {
    const range = resolveRange(each, shape![each.axis]!)
    if (!range) return undefined
    ranges.set(each.axis, range)
  }
  return ranges
}

/** Where the elements of a slice of a small tensor of known shape come from. */
function positions(context: InferContext): readonly number[] | undefined {
  const shape = context.shape(0)
  const bounds = isStatic(shape) ? boundsOf(context, shape.length) : undefined
  if (!isStatic(shape) || !bounds) return undefined
  const grid = shape.map((length, k) => ({
    start: 0,
    step: 1,
    length,
    stride: elementCount(shape.slice(k + 1)),
  }))
  for (const each of bounds) {
    const range = resolveRange(each, shape[each.axis]!)
    if (!range) return undefined
    grid[each.axis] = { ...grid[each.axis]!, ...range }
  }
  return gridPositions(grid)
}

function sliceAxis(context: AxesContext, axis: Axis, bounds: Bounds, dim: Dim, size: Dim): Axis {
  if (isWhole(bounds)) return axis
  const range = resolveRange(bounds, dim)
  const whole = range?.step === 1 && range.start === 0 && range.end === dim
  if (!whole) {
    const part =
      range?.step === 1 && range.length > 0
        ? context.slice(axis, range.start, range.end)
        : undefined
    if (part === undefined) {
      const reason = 'takes a part of it that does not follow when it grows'
      context.fix(axis, reason, endsAtSize(context, bounds) ? 'entries' : undefined)
      return context.fixed(size, reason)
    }
    follow(context, axis, bounds, range!, Number(dim))
    return part
  }
  // A bound that happens to be the size today must be the size tomorrow.
  follow(context, axis, bounds, range, Number(dim))
  return axis
}

/** Is the part counted from the beginning, up to a size that only the run knows? */
function endsAtSize(context: AxesContext, { entry, start, step }: Bounds): boolean {
  if (context.opset < 10 || step !== 1) return false
  const [first, end] = [1, 2].map((i) => context.elements(i)?.[entry])
  return (
    typeof end === 'string' && (typeof first === 'string' || (start !== undefined && start >= 0))
  )
}

/** Ties the written bounds to the sizes of the parts that they delimit. */
function follow(context: AxesContext, axis: Axis, bounds: Bounds, range: Range, dim: number): void {
  const tie = (i: number, name: string, written: number, at: number) => {
    if (written > dim) return
    followPosition(context, axis, { written, at, dim }, (before) => {
      if (context.opset < 10) context.sizeAttribute(name, before, bounds.entry)
      else context.sizeElement(i, bounds.entry, before)
    })
  }
  tie(1, 'starts', bounds.start!, range.start)
  tie(2, 'ends', bounds.end!, range.end)
}

function slicedAxes(context: AxesContext): readonly Axis[] {
  const axes = [...context.axes(0)]
  const bounds = boundsOf(context, axes.length)
  const sizes = context.output(0).shape
  // Bounds that are sizes of other axes are followed, or else fix these.
  const elements = [1, 2].map((i) => (context.opset < 10 ? undefined : context.axisElements(i)))
  if (!bounds) {
    for (const list of elements) fixSizes(context, list)
    return axes.map((axis, k) => {
      context.fix(axis, 'slices it in a way that only the run knows')
      return context.fixed(sizes?.[k] ?? null, 'slices it in a way that only the run knows')
    })
  }
  for (const each of bounds) {
    const dim = context.shape(0)?.[each.axis] ?? null
    const range = resolveRange(each, dim)
    if (range?.step !== 1)
      for (const list of elements) fixSizes(context, list?.slice(each.entry, each.entry + 1))
    axes[each.axis] = sliceAxis(context, axes[each.axis]!, each, dim, sizes?.[each.axis] ?? null)
  }
  return axes
}

/** Padding back needs every bound and the sizes of the sliced axes. */
function padBack(context: Backward): string | undefined {
  const shape = context.info(context.input(0)).shape
  if (!shape) return undefined
  const bounds = boundsOf(inferView(context), shape.length)
  if (!bounds) return undefined
  const before = shape.map(() => 0)
  const after = shape.map(() => 0)
  const apart: (readonly [axis: number, range: Range, size: number])[] = []
  for (const each of bounds) {
    if (isWhole(each)) continue
    const dim = shape[each.axis]!
    const range = resolveRange(each, dim)
    if (range === undefined || range.step < 1 || range.length === 0) return undefined
    if (range.step > 1) apart.push([each.axis, range, Number(dim)])
    else {
      before[each.axis] = range.start
      after[each.axis] = Number(dim) - range.end
    }
  }
  const value = apart.reduce<string | undefined>(
    (found, given) => found && spreadAlong(context, found, ...given),
    context.g,
  )
  if (value === undefined) return undefined
  const padded = shape.flatMap((_, axis) => (before[axis] || after[axis] ? [axis] : []))
  if (padded.length === 0) return value
  const [axis = 0] = padded
  if (padded.length > 1) return context.op('Pad', [value, ints(context, [...before, ...after])])
  const [start, size] = [before[axis]!, Number(shape[axis])]
  return placeAlong(context, { value, axis, start, end: size - after[axis]!, size })
}

/**
 * The value with zeros between its elements along an axis, before and behind them: element k is at start + k·step of `size`. Undefined
 * where that costs more than to add every element at its position.
 */
function spreadAlong(
  emitter: Emitter,
  value: string,
  axis: number,
  { start, step, length }: Range,
  size: number,
): string | undefined {
  const { shape } = emitter.info(value)
  const behind = shape!.slice(axis + 1)
  if (behind.length === 0 && size <= widestProduct && isCpu(emitter.target)) {
    const places = Array<number>(length * size).fill(0)
    for (let k = 0; k < length; k++) places[k * size + start + k * step] = 1
    return emitter.op('MatMul', [value, tensorLike(emitter, value, [length, size], places)])
  }
  if (!isStatic(behind) || elementCount(behind) < shortestRun) return undefined
  const pads = shape!.map((_, k) => (k === axis ? step - 1 : 0))
  const between = [...pads.slice(0, axis), 0, ...pads.slice(axis)]
  const cells = emitter.op('Pad', [
    unsqueeze(emitter, value, [axis + 1]),
    ints(emitter, [...between.map(() => 0), ...between]),
  ])
  const whole = reshape(
    emitter,
    cells,
    shape!.map((_, k) => (k === axis ? length * step : { of: value, axis: k })),
  )
  // Behind the last element there may be less room than a step.
  const end = Math.min(size, start + length * step)
  const cut =
    end - start < length * step ? slice(emitter, whole, [axis], [0], [end - start]) : whole
  return placeAlong(emitter, { value: cut, axis, start, end, size })
}

/** Backwards, WebGPU starts at the last entry, wherever the slice does. */
const wrongOnWebGpu: WrongOnWebGpu = (context) => {
  const steps = context.has(4) ? context.elements(4) : []
  if (steps?.every((step) => typeof step === 'number' && step > 0)) return false
  const starts = context.elements(1)
  const isFromEnd = (start: Dim | undefined, k: number) =>
    start === -1 || (typeof steps?.[k] === 'number' && steps[k] > 0)
  return !starts?.every(isFromEnd)
}

export const slices: readonly Operator[] = [
  {
    name: 'Slice',
    execution: { blocked: blockedFirstChannels, wrongOnWebGpu },
    infer: (context) => {
      const elements = context.elements(0)
      const moved = moveElements<Dim>(elements, () => positions(context))
      return [
        { dtype: context.dtype(0), shape: slicedShape(context), ...(moved && { elements: moved }) },
      ]
    },
    axes: (context) => {
      const elements = context.axisElements(0)
      const moved = moveElements(elements, () => positions(context))
      if (!moved) fixSizes(context, elements)
      const axes = slicedAxes(context)
      return [moved ? { axes, elements: moved } : { axes }]
    },
    gradient: gradientOf((context) => {
      const padded = padBack(context)
      if (padded !== undefined) return padded
      const { node } = context
      return scatterBack(
        context,
        context.input(0),
        context.g,
        (from) =>
          context.emit(
            node.opType,
            [from, ...node.inputs.slice(1)],
            Object.fromEntries(node.attributes),
          )[0]!,
      )
    }),
    sign: 'inherited',
    reads: { numbers: [1, 2, 3, 4], sizes: { ends: { input: 2, axes: 3 } } },
    scaling: 'view',
    training: {
      upgrade: ({ node, from, constant }) => {
        if (from >= 10) return node
        const inputs = ['starts', 'ends', 'axes'].map((name) => intsAttribute(node, name))
        return {
          ...node,
          inputs: [
            node.inputs[0]!,
            ...inputs.flatMap((list) => (list ? [constant(int64(list))] : [])),
          ],
          attributes: new Map(),
        }
      },
    },
  },
]
