/** Gradient clipping by the global norm (Pascanu, Mikolov and Bengio 2013). */
import type { Emitter } from '../../../operators/contract/gradient.ts'
import { float32 } from '../../../tensor/tensor.ts'
import { sumOf } from '../losses/counts.ts'
import { arithmetic } from './optimizer.ts'

/**
 * The Euclidean norm of all gradients together, and min(1, limit / (norm + 1e-6)): what each is to be multiplied by.
 */
export function clippingOf(
  emitter: Emitter,
  gradients: readonly string[],
  limit: number,
): { readonly norm: string; readonly factor: string } {
  const { add, mul, div, sqrt } = arithmetic(emitter)
  const squares = gradients.map((gradient) => sumOf(emitter, mul(gradient, gradient)))
  const norm = sqrt(squares.length === 1 ? squares[0]! : emitter.op('Sum', squares))
  const one = emitter.constant(float32([], [1]))
  return { norm, factor: emitter.op('Min', [one, div(limit, add(norm, 1e-6))]) }
}
