/**
 * Reductions: one number from all elements along some axes.
 * https://onnx.ai/onnx/operators/onnx__ReduceSum.html and neighbours
 *
 * Growth. The axes that stay are kept. Of those that are reduced: a maximum or minimum does not
 * change when units are repeated; a mean does not if every unit is repeated equally often; a sum
 * does not where its input is split, with coefficients that add up to 1; the others do change, so they
 * fix the axis.
 *
 * Gradients, g and y repeated along the reduced axes:
 *   sum: g   mean: g/n   L1: g·sign x   L2: g·x/y (0 where y = 0)   sum of squares: 2·g·x
 *   log-sum: g·e⁻ʸ   log-sum-exp: g·eˣ⁻ʸ
 *   max, min: g, shared evenly among the elements that attain it (PyTorch's amax)
 *   product: g·y/x; where one element is zero, only that one gets g times the product of the others
 */

import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Shape } from '../../model/model.ts'
import { elementCount, float32, int64, type LazyTensor } from '../../tensor/tensor.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { one } from '../contract/axis.ts'
import type { BlockedRule, FastKernelsRule, WrongOnWebGpu } from '../contract/facets.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes, productOfElements } from '../helpers/axis-elements.ts'
import { meansOfChannels, meansOfImages } from '../helpers/blocked.ts'
import { productOf } from '../helpers/dims.ts'
import { isStatic, numbers } from '../helpers/elements.ts'
import { ints, reshape, shapeOf, unsqueeze } from '../helpers/emission.ts'
import { type Backward, castLike, type Formula, gradientOf, inferView } from '../helpers/formula.ts'
import { linearIn, positivelyHomogeneous } from '../helpers/scaling.ts'
import { axisPosition } from '../helpers/shapes.ts'
import { overFirstAxes } from '../helpers/sums-over-rows.ts'

/** Since when `axes` is an input. */
const inputSince = (name: string) => (name === 'ReduceSum' ? 13 : 18)

const keepsDims = (context: Pick<InferContext, 'node'>) =>
  intAttribute(context.node, 'keepdims', 1) === 1

/** The reduced axes of an input of this rank; undefined where only the run knows them. */
function reducedAxes(context: InferContext, rank: number): ReadonlySet<number> | undefined {
  const { node } = context
  const fromInput = context.opset >= inputSince(node.opType)
  const given = fromInput ? numbers(context, 1) : intsAttribute(node, 'axes')
  if (given === undefined && fromInput && context.has(1)) return undefined
  const axes = given ?? []
  if (axes.length === 0)
    return new Set(
      fromInput && intAttribute(node, 'noop_with_empty_axes', 0) === 1
        ? []
        : Array.from({ length: rank }, (_, k) => k),
    )
  return new Set(axes.map((axis) => axisPosition(axis, rank)))
}

/** The entries that remain, with `filler` where a reduced axis is kept at size one. */
function remaining<T>(
  entries: readonly T[],
  reduced: ReadonlySet<number>,
  kept: boolean,
  filler: T,
) {
  return entries.flatMap((entry, k) => (!reduced.has(k) ? [entry] : kept ? [filler] : []))
}

function reducedShape(context: InferContext): Shape | undefined {
  const shape = context.shape(0)
  if (!shape) return undefined
  const reduced = reducedAxes(context, shape.length)
  if (!reduced) return keepsDims(context) ? shape.map(() => null) : undefined
  return remaining(shape, reduced, keepsDims(context), 1)
}

/** The product of all sizes in a vector: how exporters compute a flattened size. */
const isSizeProduct = (context: InferContext) =>
  context.node.opType === 'ReduceProd' &&
  context.shape(0)?.length === 1 &&
  reducedAxes(context, 1)?.size === 1

const infer: InferRule = (context) => {
  const elements = isSizeProduct(context) ? context.elements(0) : undefined
  return [
    {
      dtype: context.dtype(0),
      shape: reducedShape(context),
      ...(elements && { elements: [productOf(elements)] }),
    },
  ]
}

const axesRule =
  (treat: (context: AxesContext, k: number) => void): AxesRule =>
  (context) => {
    const sizes = context.axisElements(0)
    const axes = context.axes(0)
    if (sizes && isSizeProduct(context))
      return [
        {
          axes: remaining(axes, new Set([0]), keepsDims(context), one),
          elements: [productOfElements(context, sizes)],
        },
      ]
    fixSizes(context, sizes)
    const reduced =
      reducedAxes(context, axes.length) ?? context.refuse('reduces axes that only the run knows')
    for (const k of reduced) treat(context, k)
    return [{ axes: remaining(axes, reduced, keepsDims(context), one) }]
  }

const fixes = (does: string) => axesRule((context, k) => context.fix(context.axes(0)[k]!, does))

interface Reduced extends Backward {
  readonly f: Formula
  readonly x: string
  /** Output and its gradient with the reduced axes at size one, ready to be broadcast. */
  readonly y: string
  readonly gy: string
  /** How many elements went into one. */
  count(): string | number
  /** Repeats a value of the kept shape to the input's shape. */
  spread(value: string): string
}

/** Without axes and `noop_with_empty_axes` each entry is reduced by itself; WebGPU leaves it as it is. */
const wrongOnWebGpu: WrongOnWebGpu = (context) => {
  if (intAttribute(context.node, 'noop_with_empty_axes', 0) !== 1) return false
  const axes = context.has(1)
    ? context.shape(1)?.[0]
    : (intsAttribute(context.node, 'axes')?.length ?? 0)
  return typeof axes !== 'number' || axes === 0
}

const reduction = (
  name: string,
  axes: AxesRule,
  gradient: (context: Reduced) => string,
  {
    sign = 'unknown',
    scaling = 'none',
    growth,
    execution,
  }: Partial<Pick<Operator, 'sign' | 'scaling' | 'growth' | 'execution'>> = {},
): Operator => ({
  name,
  infer,
  axes,
  gradient: gradientOf((context) => gradient(reducedContext(context))),
  scaling,
  sign,
  ...(growth && { growth }),
  execution: { ...execution, wrongOnWebGpu },
  reads: { numbers: [1] },
  training: {
    upgrade: ({ node, from, constant }) => {
      const given = intsAttribute(node, 'axes')
      if (from >= inputSince(name) || given === undefined) return node
      return {
        ...node,
        inputs: [node.inputs[0]!, constant(int64(given))],
        attributes: new Map([...node.attributes].filter(([key]) => key !== 'axes')),
      }
    },
  },
})

function reducedContext(context: Backward): Reduced {
  const x = context.input(0)
  const shape = context.info(x).shape
  const reduced = shape && reducedAxes(inferView(context), shape.length)
  const kept = (value: string): string => {
    if (keepsDims(context)) return value
    if (reduced && shape)
      return reshape(
        context,
        value,
        shape.map((_, k) => (reduced.has(k) ? 1 : { of: x, axis: k })),
      )
    return context.op('Reshape', [value, runtimeKeptShape(context, x)])
  }
  return {
    ...context,
    x,
    y: kept(context.output(0)),
    gy: kept(context.g),
    spread: (value) => {
      const target = reduced && shape?.map((size, k) => (reduced.has(k) ? size : 1))
      const sizes = isStatic(target) ? ints(context, target) : shapeOf(context, x)
      return context.op('Expand', [value, sizes])
    },
    count: () => {
      const sizes = reduced && shape?.filter((_, k) => reduced.has(k))
      if (isStatic(sizes)) return elementCount(sizes)
      const ratio = context.op('Div', [
        context.op('Size', [x]),
        context.op('Size', [context.output(0)]),
      ])
      return castLike(context, ratio, context.g)
    },
  }
}

/** The input's shape with ones at axes that only the run knows. */
function runtimeKeptShape(context: Backward, x: string): string {
  const reducedOnce = context.op('ReduceSum', [x, ...(context.has(1) ? [context.input(1)] : [])], {
    keepdims: 1,
    noop_with_empty_axes: intAttribute(context.node, 'noop_with_empty_axes', 0),
  })
  return shapeOf(context, reducedOnce)
}

const attained = (context: Reduced): string => {
  const { f, x, y, gy } = context
  const mask = castLike(context, f.equal(x, y), context.g)
  const axes = (value: string) => sumLike(context, value)
  return f.mul(mask, f.div(gy, axes(mask)))
}

/** Sums over the axes that the node reduces, keeping them. */
function sumLike(context: Reduced, value: string): string {
  const shape = context.info(context.x).shape
  const reduced = shape && reducedAxes(inferView(context), shape.length)
  if (reduced)
    return reduced.size === 0
      ? value
      : context.op('ReduceSum', [value, ints(context, [...reduced])], { keepdims: 1 })
  return context.op('ReduceSum', [value, context.input(1)], {
    keepdims: 1,
    noop_with_empty_axes: intAttribute(context.node, 'noop_with_empty_axes', 0),
  })
}

function productGradient(context: Reduced): string {
  const { f, x, y, gy } = context
  const isZero = f.equal(x, 0)
  const zeros = sumLike(context, castLike(context, isZero, context.g))
  const others = productLike(context, f.where(isZero, 1, x))
  const atZero = f.where(f.equal(zeros, 1), others, 0)
  return f.mul(gy, f.where(isZero, atZero, f.div(y, f.where(isZero, 1, x))))
}

function productLike(context: Reduced, value: string): string {
  const shape = context.info(context.x).shape
  const reduced = shape && reducedAxes(inferView(context), shape.length)
  return context.op(
    'ReduceProd',
    [value, reduced ? ints(context, [...reduced]) : context.input(1)],
    { keepdims: 1, noop_with_empty_axes: reduced?.size === 0 ? 1 : 0 },
  )
}

/** Sums and means over the positions of images in blocks, and maybe over the batch. */
const blocked: BlockedRule = (context) => {
  const shape = context.shape(0)
  if (!context.isBlocked(0) || shape?.length !== 4) return undefined
  const [, channels, height, width] = shape
  const reduced = [...(reducedAxes(context, 4) ?? [])].sort().join()
  if (typeof channels !== 'number' || typeof height !== 'number' || typeof width !== 'number')
    return undefined
  if (reduced !== '0,2,3' && reduced !== '2,3') return undefined
  const { opType } = context.node
  const constant = (tensor: LazyTensor) => context.constantOf(tensor)
  const op = (name: string, inputs: readonly string[], entries = {}) =>
    context.emit(name, inputs, entries)[0]!
  const blocks = context.blocks(0)
  const positions = opType === 'ReduceSum' ? height * width : undefined
  const kept = keepsDims(context)
  const shaped = (value: string, dims: readonly number[]) =>
    op('Reshape', [value, constant(int64(dims))])
  if (reduced === '0,2,3') {
    const vector = meansOfChannels(context, blocks, channels, positions)
    return [kept ? shaped(vector, [1, channels, 1, 1]) : vector]
  }
  const means = meansOfImages(context, blocks)
  const value = kept ? means : shaped(means, [-1, channels])
  if (positions === undefined) return [value]
  // Of equal rank, as in `equal-ranks.ts`.
  const count = float32(kept ? [1, 1, 1, 1] : [1, 1], [positions])
  return [op('Mul', [value, constant(count)])]
}

/** Over axes of size one, where there is nothing to add, and over the first axes, which is a product. */
const fastKernels: FastKernelsRule = (context) => {
  const view = inferView(context)
  const shape = view.shape(0)
  const reduced = shape && reducedAxes(view, shape.length)
  if (!reduced) return undefined
  if (reduced.size > 0 && [...reduced].every((axis) => shape[axis] === 1)) {
    const value = context.input(0)
    return keepsDims(context) ? value : context.op('Squeeze', [value, ints(context, [...reduced])])
  }
  if ([...reduced].some((axis) => axis >= reduced.size)) return undefined
  const kind = context.node.opType === 'ReduceSum' ? 'Sum' : 'Mean'
  const found = overFirstAxes(context, kind, context.input(0), reduced.size)
  return found !== undefined && keepsDims(context) ? unsqueeze(context, found, [...reduced]) : found
}

const fixesSum = fixes('sums over it')
const sum = axesRule((context, k) => context.contract([{ input: 0, axis: k }], 'sums over it'))
const invariant = axesRule(() => {})
const linear = { scaling: linearIn([0]) } as const
const positive = { scaling: positivelyHomogeneous } as const

export const reductions: readonly Operator[] = [
  reduction('ReduceSum', sum, ({ spread, gy }) => spread(gy), {
    sign: 'inherited',
    ...linear,
    execution: { blocked, fastKernels },
  }),
  reduction(
    'ReduceMean',
    axesRule((context, k) => context.balanced(context.axes(0)[k]!, 'takes the mean over it')),
    ({ f, spread, gy, count }) => spread(f.div(gy, count())),
    {
      sign: 'inherited',
      ...linear,
      growth: { statistics: { kind: 'mean' } },
      execution: { blocked, fastKernels },
    },
  ),
  reduction('ReduceMax', invariant, attained, { sign: 'inherited', ...positive }),
  reduction('ReduceMin', invariant, attained, { sign: 'inherited', ...positive }),
  reduction('ReduceProd', fixes('multiplies over it'), productGradient, { sign: 'inherited' }),
  reduction('ReduceL1', fixesSum, ({ f, gy, x }) => f.mul(gy, f.sign(x)), {
    sign: 'non-negative',
    ...positive,
  }),
  reduction(
    'ReduceL2',
    fixesSum,
    ({ f, gy, x, y }) => f.mul(x, f.where(f.equal(y, 0), 0, f.div(gy, y))),
    { sign: 'non-negative', ...positive },
  ),
  reduction('ReduceLogSum', fixesSum, ({ f, gy, y, spread }) => spread(f.mul(gy, f.exp(f.neg(y))))),
  reduction('ReduceLogSumExp', fixesSum, ({ f, gy, x, y }) => f.mul(gy, f.exp(f.sub(x, y)))),
  reduction('ReduceSumSquare', fixesSum, ({ f, gy, x }) => f.mul(f.mul(2, gy), x), {
    sign: 'non-negative',
  }),
]
