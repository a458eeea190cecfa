/**
 * Expand (broadcasting to a given shape) and Tile (repeating whole axes).
 * https://onnx.ai/onnx/operators/onnx__Expand.html, onnx__Tile.html
 *
 * Growth. Expand: an axis that keeps its size is the same axis; one that is repeated from size one
 * holds equal entries, of which there may be any number, so it is free and the size that is
 * written in the target follows; the size-one axis itself is fixed. Tile: r repetitions of an
 * axis are the product r · axis.
 *
 * Gradients: g summed over what was repeated.
 */

import type { Dim, Shape } from '../../model/model.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { AxesContext } from '../contract/axes.ts'
import { type Axis, product } from '../contract/axis.ts'
import type { InferContext, ValueInfo } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { outputShape } from '../helpers/axes-rules.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { broadcastShape, sumTo } from '../helpers/broadcast.ts'
import { productOf } from '../helpers/dims.ts'
import { isStatic, MAX_ELEMENTS, numbers, unknownShape } from '../helpers/elements.ts'
import {
  ints,
  knownShape,
  range,
  reduce,
  reshape,
  shapeOf,
  unsqueeze,
} from '../helpers/emission.ts'
import { type Backward, gradientOf, inferView } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'

const REPEATS = 'repeats it so many times'

function inferExpand(context: InferContext): ValueInfo {
  const dtype = context.dtype(0)
  const shape = context.shape(0)
  const target = context.elements(1)
  if (shape && target) return { dtype, shape: broadcastShape([shape, target]) }
  const length = context.shape(1)?.[0]
  if (!shape || typeof length !== 'number') return { dtype }
  const unknown = unknownShape(length)
  return unknown ? { dtype, shape: broadcastShape([shape, unknown]) } : { dtype }
}

/** A list of sizes that is repeated: every element as often as the shape says, the last axis fastest. */
function repeated<T>(
  elements: readonly T[] | undefined,
  context: InferContext,
  shape: Shape | undefined,
): readonly T[] | undefined {
  const [from, to] = [context.shape(0), shape]
  if (!elements || !from || from.length > 1 || !isStatic(to)) return undefined
  const count = elementCount(to)
  const isOne = elements.length === 1
  if (count > MAX_ELEMENTS || (!isOne && to.length !== 1)) return undefined
  return Array.from({ length: count }, (_, i) => elements[isOne ? 0 : i]!)
}

function expandedAxes(context: AxesContext): readonly Axis[] {
  const axes = context.axes(0)
  const shape = context.shape(0) ?? []
  const sizes = outputShape(context)
  const target = context.axisElements(1)
  if (!target) {
    for (const axis of axes) context.fix(axis, 'repeats it to a size that only the run knows')
    return sizes.map((size) => context.fixed(size, 'takes its size from the run'))
  }
  return sizes.map((size, k) => {
    const own = k - (sizes.length - axes.length)
    const entry = k - (sizes.length - target.length)
    const element = target[entry]
    if (own < 0 || (shape[own] === 1 && size !== 1)) {
      if (own >= 0) context.fix(axes[own]!, 'repeats this axis of size one')
      const repeated = context.unit(size, 'repeated entries')
      context.sizeElement(1, entry, repeated)
      return repeated
    }
    const isOne = element === undefined || (element.kind === 'value' && element.value === 1)
    if (!isOne) context.sizeElement(1, entry, axes[own]!)
    return axes[own]!
  })
}

/** The same for repetitions r that only the run knows: a reshaping to [r₀, d₀, r₁, d₁, …] that it finds out. */
function summedRepetitions(context: Backward): string {
  const rank = knownShape(context, context.input(0)).length
  const pairs = context.op(
    'Concat',
    [
      unsqueeze(context, context.input(1), [1]),
      unsqueeze(context, shapeOf(context, context.input(0)), [1]),
    ],
    { axis: 1 },
  )
  const sizes = context.op('Reshape', [pairs, ints(context, [-1])])
  const apart = context.op('Reshape', [context.g, sizes])
  return reduce(
    context,
    'Sum',
    apart,
    range(rank).map((k) => 2 * k),
    false,
  )
}

export const expansions: readonly Operator[] = [
  {
    name: 'Expand',
    infer: (context) => {
      const info = inferExpand(context)
      const elements = repeated<Dim>(context.elements(0), context, info.shape)
      return [elements ? { ...info, elements } : info]
    },
    axes: (context) => {
      const elements = repeated(context.axisElements(0), context, context.output(0).shape)
      const axes = expandedAxes(context)
      if (!elements) fixSizes(context, context.axisElements(0))
      return [elements ? { axes, elements } : { axes }]
    },
    gradient: gradientOf((context) =>
      sumTo(context, context.g, context.output(0), context.input(0)),
    ),
    scaling: linearIn([0]),
    sign: 'inherited',
    reads: { numbers: [1], sizes: { target: { input: 1, keeps: 'axes' } } },
  },
  {
    name: 'Tile',
    infer: (context) => {
      const repeats = context.elements(1)
      return [
        {
          dtype: context.dtype(0),
          shape: context.shape(0)?.map((dim, k) => {
            return productOf([dim, repeats?.[k] ?? null])
          }),
        },
      ]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const repeats = context.elements(1)
      fixSizes(context, context.axisElements(1))
      return [
        {
          axes: axes.map((axis, k) => {
            const times = repeats?.[k] ?? null
            if (times === 1) return axis
            if (times !== 0) return product([context.fixed(times, REPEATS), axis])
            context.fix(axis, REPEATS)
            return context.fixed(0, REPEATS)
          }),
        },
      ]
    },
    gradient: gradientOf((context) => {
      const x = context.input(0)
      const shape = knownShape(context, x)
      const repeats = numbers(inferView(context), 1)
      if (!repeats) return summedRepetitions(context)
      // [r₀, d₀, r₁, d₁, …], summed over the repetitions; axes that are not repeated stay whole.
      const repeated = shape.map((_, k) => repeats[k] !== 1)
      if (!repeated.includes(true)) return context.g
      const sizes = shape.flatMap((_, k) => [
        ...(repeated[k] ? [repeats[k]!] : []),
        { of: x, axis: k },
      ])
      const summed = sizes.flatMap((size, k) => (typeof size === 'number' ? [k] : []))
      return context.op('ReduceSum', [reshape(context, context.g, sizes), ints(context, summed)], {
        keepdims: 0,
      })
    }),
    scaling: linearIn([0]),
    sign: 'inherited',
    reads: { numbers: [1] },
  },
]
