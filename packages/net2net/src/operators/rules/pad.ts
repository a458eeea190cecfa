/**
 * Pad: elements added before and after the entries of some axes.
 * https://onnx.ai/onnx/operators/onnx__Pad.html
 *
 * Growth: with a constant the axis becomes fixed + axis + fixed: units grow between entries that
 * stay (the zero channels of a parameter-free shortcut). An axis that is mirrored, repeated at
 * its edge, or cropped is fixed.
 *
 * Gradient: with a constant, g without its borders (padding by the negative amounts); otherwise g times the matrix of
 * what becomes of the unit vectors, or added back at the positions that were read, where only the run knows the amounts. The padding value has none.
 */
import { floatAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { float32, int64, toNumbers } from '../../tensor/tensor.ts'
import type { AxesContext } from '../contract/axes.ts'

import { type Axis, sum } from '../contract/axis.ts'
import type { GradientContext } from '../contract/gradient.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { productBack, unitVectors } from '../helpers/axis-products.ts'
import { blockedFilling } from '../helpers/blocked.ts'
import { numbers } from '../helpers/elements.ts'
import { ints } from '../helpers/emission.ts'
import { gradientOf, inferView } from '../helpers/formula.ts'
import { scatterBack } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const modeOf = (context: Pick<InferContext, 'node'>) =>
  stringAttribute(context.node, 'mode', 'constant')

/** How much each axis gets before and after; undefined where only the run knows. */
function padsOf(context: InferContext, rank: number): readonly (readonly [Dim, Dim])[] | undefined {
  const pads =
    context.opset < 11
      ? (intsAttribute(context.node, 'pads') ?? intsAttribute(context.node, 'paddings'))
      : context.elements(1)
  if (!pads) return undefined
  const given = context.opset >= 18 && context.has(3) ? numbers(context, 3) : undefined
  if (context.opset >= 18 && context.has(3) && !given) return undefined
  const axes =
    given?.map((axis) => axisPosition(axis, rank)) ?? pads.slice(0, rank).map((_, k) => k)
  if (pads.length !== 2 * axes.length) return undefined
  const result = Array.from({ length: rank }, (): readonly [Dim, Dim] => [0, 0])
  axes.forEach((axis, k) => {
    result[axis] = [pads[k]!, pads[k + axes.length]!]
  })
  return result
}

/** How many zeros each axis gets before and after; undefined where the node adds or takes away something else. */
export function zerosAround(
  context: InferContext,
  rank: number,
): readonly (readonly [number, number])[] | undefined {
  const value = context.has(2) ? context.constant(2) : undefined
  const isZero = !context.has(2) || (value !== undefined && toNumbers(value)[0] === 0)
  const pads = modeOf(context) === 'constant' && isZero ? padsOf(context, rank) : undefined
  const isKnown = pads?.flat().every((count) => typeof count === 'number' && count >= 0)
  return isKnown ? (pads as readonly (readonly [number, number])[]) : undefined
}

function padAxis(context: AxesContext, axis: Axis, pads: readonly [Dim, Dim], size: Dim): Axis {
  const [before, after] = pads
  if (before === 0 && after === 0) return axis
  const grows =
    modeOf(context) === 'constant' &&
    typeof before === 'number' &&
    typeof after === 'number' &&
    before >= 0 &&
    after >= 0
  if (!grows) {
    const reason =
      modeOf(context) === 'constant' ? 'crops it' : `pads it by mode "${modeOf(context)}"`
    context.fix(axis, reason)
    return context.fixed(size, reason)
  }
  const border = (count: number) => (count > 0 ? [context.fixed(count, 'adds it as padding')] : [])
  return sum([...border(before), axis, ...border(after)])
}

/** δ times what becomes of the unit vectors of axis k, so that every element gets what its copies have. */
function unpadded(
  context: GradientContext,
  value: string,
  x: string,
  k: number,
  ends: readonly [number, number],
): string {
  const units = context.op(
    'Pad',
    [unitVectors(context, x, k), ints(context, [0, ends[0], 0, ends[1]])],
    { mode: modeOf(context) },
  )
  return productBack(context, value, k, units)
}

export const pads: readonly Operator[] = [
  {
    name: 'Pad',
    execution: { blocked: blockedFilling },
    infer: (context) => {
      const shape = context.shape(0)
      const dtype = context.dtype(0)
      if (!shape) return [{ dtype }]
      const found = padsOf(context, shape.length)
      return [
        {
          dtype,
          shape: shape.map((dim, k) => {
            const [before, after] = found?.[k] ?? [null, null]
            if (before === 0 && after === 0) return dim
            const known =
              typeof dim === 'number' && typeof before === 'number' && typeof after === 'number'
            return known ? dim + before + after : null
          }),
        },
      ]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const found = padsOf(context, axes.length)
      if (context.opset >= 11) fixSizes(context, context.axisElements(1))
      const sizes = context.output(0).shape
      return [
        {
          axes: axes.map((axis, k) =>
            padAxis(context, axis, found?.[k] ?? [null, null], sizes?.[k] ?? null),
          ),
        },
      ]
    },
    gradient: gradientOf((context) => {
      const { g, node } = context
      const x = context.input(0)
      const pads = padsOf(inferView(context), context.info(x).shape?.length ?? 0)
      const isKnown = pads?.flat().every((pad) => typeof pad === 'number')
      const ends = isKnown ? (pads as readonly (readonly [number, number])[]) : undefined
      if (modeOf(context) !== 'constant')
        return ends
          ? ends.reduce(
              (value, counts, k) =>
                counts.some(Boolean) ? unpadded(context, value, x, k, counts) : value,
              g,
            )
          : scatterBack(context, x, g, (positions) =>
              context.op(
                'Pad',
                // The padding value, which these modes ignore, is not of the positions' type.
                [positions, ...node.inputs.slice(1).map((name, i) => (i === 1 ? '' : name))],
                Object.fromEntries(node.attributes),
              ),
            )
      if (ends) {
        const negative = [0, 1].flatMap((end) => ends.map((counts) => -counts[end]!))
        return context.op('Pad', [g, ints(context, negative)])
      }
      const reverse = context.op('Neg', [context.input(1)])
      return context.op('Pad', [g, reverse, ...(context.has(3) ? ['', context.input(3)] : [])])
    }),
    scaling: 'none',
    sign: 'unknown',
    reads: { numbers: [1, 2, 3] },
    training: {
      upgrade: ({ node, from, constant }) => {
        if (from >= 11) return node
        const amounts = intsAttribute(node, 'pads') ?? []
        const value = floatAttribute(node, 'value', 0)
        const mode = node.attributes.get('mode')
        return {
          ...node,
          inputs: [
            node.inputs[0]!,
            constant(int64(amounts)),
            ...(value === 0 ? [] : [constant(float32([], [value]))]),
          ],
          attributes: new Map(mode ? [['mode', mode]] : []),
        }
      },
    },
  },
]
