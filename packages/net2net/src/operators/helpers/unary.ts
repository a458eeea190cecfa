/**
 * Element-wise operators of one input, y = φ(x), as a family.
 *
 * Growth: φ sees one element at a time, so copies of a unit stay copies of it and every axis of y
 * is the same axis of x.
 */
import type { DType } from '../../tensor/dtype.ts'
import { none } from '../contract/answers.ts'
import type {
  ActivationFacet,
  BoundsRule,
  FastKernelsRule,
  LinkFacet,
  WrongOnWebGpu,
} from '../contract/facets.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
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
  readonly idempotent?: ActivationFacet['idempotent'] | boolean
  readonly sign?: Operator['sign']
  /** Output type, where it is not the input's. */
  readonly dtype?: DType
  readonly link?: LinkFacet
  readonly poolsFirst?: true
  readonly fastKernels?: FastKernelsRule
  readonly scaling?: Operator['scaling']
  readonly bounds?: BoundsRule
  readonly wrongOnWebGpu?: WrongOnWebGpu
}

/** An element-wise operator: `unary('Relu', { gradient, idempotent: true })`. */
export function unary(name: string, options: UnaryOptions): Operator {
  const { gradient, idempotent, dtype, link, poolsFirst, fastKernels, bounds } = options
  return {
    name,
    infer: dtype === undefined ? inferUnary : (context) => [{ dtype, shape: context.shape(0) }],
    axes: sameAxes,
    gradient: gradient === none ? none : unaryGradient(gradient),
    scaling: options.scaling ?? 'none',
    sign: options.sign ?? 'unknown',
    ...((idempotent !== undefined || bounds) && {
      growth: {
        ...(idempotent !== undefined && {
          activation: {
            idempotent: typeof idempotent === 'function' ? idempotent : () => idempotent,
          },
        }),
        ...(bounds && { bounds }),
      },
    }),
    ...(link && { training: { link } }),
    execution: {
      blocked: blockedElementwise,
      ...(poolsFirst && { poolsFirst }),
      ...(fastKernels && { fastKernels }),
      ...(options.wrongOnWebGpu && { wrongOnWebGpu: options.wrongOnWebGpu }),
    },
  }
}

export const unaryGradient = (rule: UnaryGradient) =>
  gradientOf((context) => rule({ ...context, x: context.input(0), y: context.output(0) }))
