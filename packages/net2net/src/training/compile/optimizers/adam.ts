/**
 * Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019). With gradient g, step count t,
 * moments m, v (slots `m`, `v`, `step`):
 *
 *   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
 *   w ← w − η · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
 *
 * Adam adds weight decay λ to the gradient (λ w); AdamW shrinks the weight by 1 − η λ instead.
 * Keras adds ε to √v before the correction, so that its ε is this one's times √(1 − β₂ᵗ).
 * Every parameter counts its own steps, so that one that joins later is corrected as if fresh.
 */
import { usageError } from '../../../errors.ts'
import { float32 } from '../../../tensor/tensor.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { arithmetic, type Optimizer, ruleScaledBy, type Slot, scaledGradient } from './optimizer.ts'

export interface AdamOptions {
  readonly learningRate?: LearningRate | undefined
  /** Default 0.9. */
  readonly beta1?: number | undefined
  /** Default 0.999. */
  readonly beta2?: number | undefined
  /** Default 1e-8. */
  readonly epsilon?: number | undefined
  /** Default 0 for Adam, 0.01 for AdamW. */
  readonly weightDecay?: number | undefined
  /** Divide the moments by 1 − βᵗ. Default true. */
  readonly biasCorrection?: boolean | undefined
}

const slots: readonly Slot[] = [
  { name: 'm', shape: 'parameter', initial: 'zero', grows: 1, shows: true },
  { name: 'v', shape: 'parameter', initial: 'zero', grows: 2 },
  { name: 'step', shape: 'scalar', initial: 'zero', grows: 'not' },
]

/** Default learning rate 0.001. */
export const adam = (options: AdamOptions = {}): Optimizer =>
  adaptive('adam', { ...options, weightDecay: options.weightDecay ?? 0 }, false)

/** Default learning rate 0.001. */
export const adamw = (options: AdamOptions = {}): Optimizer =>
  adaptive('adamw', { ...options, weightDecay: options.weightDecay ?? 0.01 }, true)

function adaptive(
  name: string,
  options: AdamOptions & { readonly weightDecay: number },
  decoupled: boolean,
): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay, biasCorrection = true } = options
  for (const [key, beta] of Object.entries({ beta1, beta2 }))
    if (!(beta >= 0 && beta < 1)) throw usageError(`${key} must be in [0, 1), not ${beta}.`)
  /**
   * With c₁ and c₂ for the corrections, η·(m/c₁) / (√(v/c₂) + ε) is η·(√c₂/c₁) · m / (√v + ε·√c₂): one pass less over v.
   */
  const scalarsOf: NonNullable<Optimizer['scalars']> = (emitter, slot) => {
    const { add, mul, div, sqrt } = arithmetic(emitter)
    const step = add(slot('step'), 1)
    if (!biasCorrection) return { step }
    // 1 − βᵗ = 1 − e⁻ᵘ = 2T / (1 + T) with T = tanh(u / 2), u = −t ln β: in float32 the plain
    // difference would lose four of seven digits.
    const corrected = (beta: number) => {
      if (beta === 0) return emitter.constant(float32([], [1]))
      const t = emitter.op('Tanh', [mul(step, -Math.log(beta) / 2)])
      return div(mul(t, 2), add(t, 1))
    }
    const root = sqrt(corrected(beta2))
    return { step, correction: div(root, corrected(beta1)), floor: mul(root, epsilon) }
  }
  return {
    name,
    learningRate: scheduleOf(options.learningRate ?? 0.001),
    settings: { beta1, beta2, epsilon, weightDecay, biasCorrection },
    slots,
    scalars: scalarsOf,
    update: ruleScaledBy(1 - beta1, (context) => {
      const { emitter, parameter, learningRate } = context
      const { add, sub, mul, div, sqrt } = arithmetic(emitter)
      const scaled = scaledGradient(context, 1 - beta1, decoupled ? 0 : weightDecay)
      const { step, correction, floor } = context.scalars ?? scalarsOf(emitter, context.slot)
      const m = add(mul(context.slot('m'), beta1), scaled)
      const share = (1 - beta2) / (1 - beta1) ** 2
      const v = add(mul(context.slot('v'), beta2), mul(mul(scaled, scaled), share))
      const rate = correction === undefined ? learningRate : mul(learningRate, correction)
      const decayed =
        decoupled && weightDecay !== 0 && context.decays !== false
          ? mul(parameter, sub(1, mul(learningRate, weightDecay)))
          : parameter
      return {
        parameter: sub(decayed, mul(div(m, add(sqrt(v), floor ?? epsilon)), rate)),
        slots: { m, v, step: step! },
      }
    }),
  }
}
