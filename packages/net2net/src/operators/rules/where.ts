/**
 * Where: y = condition ? a : b, element by element, with broadcasting of all three.
 * https://onnx.ai/onnx/operators/onnx__Where.html
 *
 * Growth: as for arithmetic. Copies of a unit choose alike because the condition's axes are the
 * same axes. Gradients: g where the condition holds (for a), where it does not (for b).
 */

import type { Dim } from '../../model/model.ts'
import type { AxisElement } from '../contract/axes.ts'
import type { SameAsRule } from '../contract/facets.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { broadcastAxes, broadcastShape, sumToInput } from '../helpers/broadcast.ts'
import { elementsOf } from '../helpers/elements.ts'
import { gradientOf } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'

/** Element k of an operand that is a scalar or as long as the result. */
const at = <T>(elements: readonly T[], k: number): T => elements[elements.length === 1 ? 0 : k]!

const isVector = (shape: readonly Dim[] | undefined) => shape !== undefined && shape.length <= 1

/** Chooses per element; undefined unless all operands are known vectors of one length. */
function choose<T>(
  condition: readonly (boolean | undefined)[] | undefined,
  a: readonly T[] | undefined,
  b: readonly T[] | undefined,
  select: (condition: boolean | undefined, a: T, b: T) => T,
): readonly T[] | undefined {
  if (!condition || !a || !b) return undefined
  const length = Math.max(condition.length, a.length, b.length)
  if ([condition, a, b].some((list) => list.length !== 1 && list.length !== length))
    return undefined
  return Array.from({ length }, (_, k) => select(at(condition, k), at(a, k), at(b, k)))
}

/** From here on ln(1 + eˣ) is x in float32, and in all that is less precise. */
const linearFrom = 17

/**
 * (u > t) ? x : ln(1 + eᵘ)/β with u = β·x, as PyTorch's exporter writes softplus (t = 20): the same as ln(1 + eᵘ)/β.
 * https://docs.pytorch.org/docs/stable/generated/torch.nn.Softplus.html
 */
const softplus: SameAsRule = ({ node, info, given }) => {
  const [condition = '', x = '', curve = ''] = node.inputs
  const numberOf = (name: string) => {
    const [number, ...others] = elementsOf(info(name)) ?? []
    return typeof number === 'number' && others.length === 0 ? number : undefined
  }
  const [u = '', threshold = ''] = given(condition, 'Greater')?.inputs ?? []
  const [whole = curve, divisor = ''] = given(curve, 'Div')?.inputs ?? []
  const [scaled = u, factor = ''] = given(u, 'Mul')?.inputs ?? []
  const isScaled =
    scaled === x && numberOf(factor) === numberOf(divisor) && (numberOf(factor) ?? 0) > 0
  const isSoftplus =
    given(whole, 'Softplus')?.inputs[0] === u &&
    (whole === curve ? u === x : isScaled) &&
    (numberOf(threshold) ?? 0) >= linearFrom &&
    info(x).dtype !== 'float64'
  return isSoftplus ? curve : undefined
}

const truth = (value: Dim): boolean | undefined =>
  typeof value === 'number' ? value !== 0 : undefined

export const selections: readonly Operator[] = [
  {
    name: 'Where',
    infer: (context) => {
      const shapes = [0, 1, 2].map((i) => context.shape(i))
      const elements = shapes.every(isVector)
        ? choose(
            context.elements(0)?.map(truth),
            context.elements(1),
            context.elements(2),
            (condition, a, b): Dim =>
              a === b || condition === true ? a : condition === false ? b : null,
          )
        : undefined
      return [
        {
          dtype: context.dtype(1) ?? context.dtype(2),
          shape: broadcastShape(shapes),
          ...(elements && { elements }),
        },
      ]
    },
    axes: (context) => {
      const axes = broadcastAxes(context, [0, 1, 2])
      const [conditions, a, b] = [0, 1, 2].map((i) => context.axisElements(i))
      fixSizes(context, conditions)
      const elements = [0, 1, 2].every((i) => isVector(context.shape(i)))
        ? choose<AxisElement>(
            conditions?.map((element) =>
              element.kind === 'value' ? element.value !== 0 : undefined,
            ),
            a,
            b,
            (condition, yes, no) => {
              if (condition !== undefined) return condition ? yes : no
              fixSizes(context, [yes, no])
              return { kind: 'unknown' }
            },
          )
        : undefined
      if (elements === undefined) {
        fixSizes(context, a)
        fixSizes(context, b)
      }
      return [elements ? { axes, elements } : { axes }]
    },
    gradient: gradientOf(
      undefined,
      (context) => {
        const { f, g } = context
        return sumToInput(context, 1, f.where(context.input(0), g, 0))
      },
      (context) => {
        const { f, g } = context
        return sumToInput(context, 2, f.where(context.input(0), 0, g))
      },
    ),
    scaling: linearIn([1, 2]),
    sign: 'inherited',
    execution: { broadcasts: true, sameAs: softplus },
  },
]
