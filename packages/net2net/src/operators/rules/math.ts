/**
 * Element-wise mathematics of one input: y = φ(x) for the function that the operator is named after.
 * https://onnx.ai/onnx/operators/onnx__Exp.html and the page of each name
 *
 * Growth. An element of y depends on one element of x, so copies of a unit stay copies of it
 * (helpers/unary.ts).
 *
 * Gradients. Each entry is g times the textbook derivative φ′(x). Functions that are constant between their
 * jumps (Sign, Floor, Ceil, Round) pass no gradient.
 */

import type { Dim } from '../../model/model.ts'
import { none } from '../contract/answers.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { linearIn, positivelyHomogeneous } from '../helpers/scaling.ts'
import { unary } from '../helpers/unary.ts'

/** A function that size computations use (Floor of a scaled size): elements follow it too. */
const withElements = (
  operator: Operator,
  of: (value: number) => number,
  /** Rounding leaves sizes as they are. */
  rounds = false,
): Operator => ({
  ...operator,
  infer: (context) => {
    const elements = context
      .elements(0)
      ?.map((e): Dim => (typeof e === 'number' ? of(e) : rounds ? e : null))
    return [{ dtype: context.dtype(0), shape: context.shape(0), ...(elements && { elements }) }]
  },
  axes: (context) => {
    const found = context.axisElements(0)
    if (!rounds) fixSizes(context, found)
    const elements = found?.map((element) => {
      if (element.kind === 'size' && rounds) return element
      return element.kind === 'value'
        ? ({ kind: 'value', value: of(element.value) } as const)
        : ({ kind: 'unknown' } as const)
    })
    return [elements ? { axes: context.axes(0), elements } : { axes: context.axes(0) }]
  },
})

/** WebGPU's sine is right to 2⁻¹¹ within [−π, π], and to nothing beyond: https://www.w3.org/TR/WGSL/#floating-point-accuracy */
const wrongOnWebGpu = () => true

export const mathematics: readonly Operator[] = [
  unary('Exp', { sign: 'non-negative', gradient: ({ f, g, y }) => f.mul(g, y) }),
  unary('Log', { gradient: ({ f, g, x }) => f.div(g, x) }),
  unary('Sqrt', { sign: 'non-negative', gradient: ({ f, g, y }) => f.div(g, f.mul(2, y)) }),
  unary('Reciprocal', {
    sign: 'inherited',
    gradient: ({ f, g, y }) => f.neg(f.mul(g, f.square(y))),
  }),
  withElements(
    unary('Neg', { gradient: ({ f, g }) => f.neg(g), scaling: linearIn([0]) }),
    (value) => -value,
  ),
  unary('Abs', {
    idempotent: true,
    sign: 'non-negative',
    scaling: positivelyHomogeneous,
    gradient: ({ f, g, x }) => f.mul(g, f.sign(x)),
  }),
  unary('Erf', {
    idempotent: false,
    sign: 'inherited',
    gradient: ({ f, g, x }) => f.mul(g, f.mul(2 / Math.sqrt(Math.PI), f.exp(f.neg(f.square(x))))),
  }),
  unary('Sign', { sign: 'inherited', gradient: none }),
  withElements(unary('Floor', { sign: 'inherited', gradient: none }), Math.floor, true),
  withElements(unary('Ceil', { sign: 'inherited', gradient: none }), Math.ceil, true),
  unary('Round', { sign: 'inherited', gradient: none }),
  unary('Sin', { wrongOnWebGpu, gradient: (c) => c.f.mul(c.g, c.op('Cos', [c.x])) }),
  unary('Cos', { wrongOnWebGpu, gradient: (c) => c.f.neg(c.f.mul(c.g, c.op('Sin', [c.x]))) }),
  unary('Tan', { wrongOnWebGpu, gradient: ({ f, g, y }) => f.mul(g, f.add(1, f.square(y))) }),
  unary('Asin', { gradient: ({ f, g, x }) => f.div(g, f.sqrt(f.sub(1, f.square(x)))) }),
  unary('Acos', { gradient: ({ f, g, x }) => f.neg(f.div(g, f.sqrt(f.sub(1, f.square(x))))) }),
  unary('Atan', { gradient: ({ f, g, x }) => f.div(g, f.add(1, f.square(x))) }),
  unary('Sinh', { gradient: (c) => c.f.mul(c.g, c.op('Cosh', [c.x])) }),
  unary('Cosh', { sign: 'non-negative', gradient: (c) => c.f.mul(c.g, c.op('Sinh', [c.x])) }),
  unary('Asinh', { gradient: ({ f, g, x }) => f.div(g, f.sqrt(f.add(1, f.square(x)))) }),
  // √(x−1)·√(x+1): x² − 1 loses digits near 1
  unary('Acosh', {
    sign: 'non-negative',
    gradient: ({ f, g, x }) => f.div(g, f.sqrt(f.mul(f.sub(x, 1), f.add(x, 1)))),
  }),
  unary('Atanh', { gradient: ({ f, g, x }) => f.div(g, f.sub(1, f.square(x))) }),
  unary('IsNaN', { dtype: 'bool', gradient: none }),
  unary('IsInf', { dtype: 'bool', gradient: none }),
  unary('Not', { dtype: 'bool', gradient: none }),
  unary('BitwiseNot', { gradient: none }),
]
