/** Gradient clipping by the global norm (Pascanu, Mikolov and Bengio 2013). */
import type { Emitter } from '../../../operators/contract/gradient.ts'
import { float32 } from '../../../tensor/tensor.ts'
import { sumOf } from '../losses/counts.ts'
import { arithmetic } from './optimizer.ts'

/**
 * Scales all gradients by min(1, limit / (norm + 1e-6)), where norm is the Euclidean norm of all
 * of them together.
 */
export function clipByNorm(
  emitter: Emitter,
  gradients: ReadonlyMap<string, string>,
  limit: number,
): ReadonlyMap<string, string> {
  const { add, mul, div, sqrt } = arithmetic(emitter)
  const squares = [...gradients.values()].map((gradient) => sumOf(emitter, mul(gradient, gradient)))
  const norm = sqrt(squares.length === 1 ? squares[0]! : emitter.op('Sum', squares))
  const one = emitter.constant(float32([], [1]))
  const factor = emitter.op('Min', [one, div(limit, add(norm, 1e-6))])
  return new Map([...gradients].map(([name, gradient]) => [name, mul(gradient, factor)]))
}
