/** The gradient of y = (Σ |x|^p)^(1/p): ∂L/∂x = δ·y^(1−p) · sign(x)·|x|^(p−1), in its two halves. */
import { intAttribute } from '../../model/attributes.ts'
import type { GradientContext } from '../contract/gradient.ts'
import { formula } from './formula.ts'

/** δ·y^(1−p); zero where the whole window is zero. */
export function lpOuter(context: GradientContext, dy: string): string {
  const p = intAttribute(context.node, 'p', 2)
  const { mul, pow, where, equal } = formula(context, dy)
  if (p === 1) return dy
  const y = context.output(0)
  const zero = equal(y, 0)
  return mul(dy, where(zero, 0, pow(where(zero, 1, y), 1 - p)))
}

/** Times sign(x)·|x|^(p−1). */
export function lpInner(context: GradientContext, spread: string): string {
  const p = intAttribute(context.node, 'p', 2)
  const { mul, pow, sign } = formula(context, spread)
  const x = context.input(0)
  if (p === 2) return mul(spread, x)
  const signed = mul(spread, sign(x))
  return p === 1 ? signed : mul(signed, pow(context.op('Abs', [x]), p - 1))
}
