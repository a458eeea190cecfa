/**
 * Element-wise operators of one input, y = φ(x), as a family.
 *
 * Growth: φ sees one element at a time, so copies of a unit stay copies of it and every axis of y
 * is the same axis of x.
 */
import type { DType } from '../../tensor/dtype.ts'
import { type InferRule, none, type Operator, type UpgradeRule } from '../contract/operator.ts'
import { sameAxes } from './axes-rules.ts'
import { blockedElementwise } from './blocked.ts'
import { type Backward, gradientOf } from './formula.ts'

export const inferUnary: InferRule = (context) => [
  { dtype: context.dtype(0), shape: context.shape(0) },
]

/** ∂L/∂x from x, y and the gradient g of y. */
export type UnaryGradient = (context: Backward & { x: string; y: string }) => string

export interface UnaryOptions {
  readonly gradient: UnaryGradient | typeof none
  /** φ(φ(x)) = φ(x): for every node, or as this node's attributes decide. */
  readonly idempotent?: NonNullable<Operator['activation']>['idempotent'] | boolean
  readonly sign?: Operator['sign']
  /** Output type, where it is not the input's. */
  readonly dtype?: DType
  readonly upgrade?: UpgradeRule
  readonly link?: Operator['link']
  readonly poolsFirst?: Operator['poolsFirst']
  readonly homogeneous?: Operator['homogeneous']
}

/** An element-wise operator: `unary('Relu', { gradient, idempotent: true })`. */
export function unary(name: string, options: UnaryOptions): Operator {
  const { gradient, idempotent, sign, dtype, upgrade, link, poolsFirst, homogeneous } = options
  return {
    name,
    infer: dtype === undefined ? inferUnary : (context) => [{ dtype, shape: context.shape(0) }],
    axes: sameAxes,
    blocked: blockedElementwise,
    gradient: gradient === none ? none : unaryGradient(gradient),
    ...(idempotent === undefined
      ? {}
      : {
          activation: {
            idempotent: typeof idempotent === 'function' ? idempotent : () => idempotent,
          },
        }),
    ...(sign === undefined ? {} : { sign }),
    ...(upgrade === undefined ? {} : { upgrade }),
    ...(link === undefined ? {} : { link }),
    ...(poolsFirst === undefined ? {} : { poolsFirst }),
    ...(homogeneous === undefined ? {} : { homogeneous }),
  }
}

export const unaryGradient = (rule: UnaryGradient) =>
  gradientOf((context) => rule({ ...context, x: context.input(0), y: context.output(0) }))
