/**
 * Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/): the matrices of hidden layers move by their momentum, made nearly
 * orthogonal by five iterations of Newton and Schulz. With gradient g, momentum μ and the mean b (slot `momentum`):
 *
 *   b ← μ b + (1 − μ) g,   x = (μ b + (1 − μ) g) / norm
 *   five times: A = x xᵀ,   x ← 3.4445 x + (2.0315 A² − 4.775 A) x
 *   w ← (1 − η λ) w − 0.2 √max(rows, columns) · η x
 *
 * The last factor gives updates the size of AdamW's (Liu et al. 2025, https://arxiv.org/abs/2502.16982), so that one learning rate serves
 * both: all else (biases, norms, kernels of convolutions, embeddings, the layer before the output) is
 * AdamW's, as its author has it.
 */
import { usageError } from '../../../errors.ts'
import { float } from '../../../model/attributes.ts'
import type { Emitter } from '../../../operators/contract/gradient.ts'
import { transpose } from '../../../operators/helpers/emission.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { number, sumOf } from '../losses/counts.ts'
import { adamw } from './adam.ts'
import { arithmetic, type Optimizer } from './optimizer.ts'

export interface MuonOptions {
  /** Of all parameters. Default 0.001. */
  readonly learningRate?: LearningRate | undefined
  /** μ, in [0, 1). Default 0.95. */
  readonly momentum?: number | undefined
  /** λ, decoupled, of all parameters. Default 0.1. */
  readonly weightDecay?: number | undefined
}

const iterations = 5
const coefficients = [3.4445, -4.775, 2.0315] as const

export function muon(options: MuonOptions = {}): Optimizer {
  const { learningRate = 0.001, momentum = 0.95, weightDecay = 0.1 } = options
  if (!(momentum >= 0 && momentum < 1))
    throw usageError(`The momentum must be in [0, 1), not ${momentum}.`)
  const others = adamw({ weightDecay })
  return {
    name: 'muon',
    learningRate: scheduleOf(learningRate),
    settings: { momentum, weightDecay },
    slots: [
      { name: 'momentum', shape: 'parameter', of: 'matrices', initial: 'zero', grows: 1 },
      ...others.slots.map((slot) => ({ ...slot, of: 'others' as const })),
    ],
    isMatrix: ({ dims, isHidden }) => dims.length === 2 && !dims.includes(1) && isHidden,
    update(context) {
      const { emitter, parameter, gradient, learningRate: rate, decays = true } = context
      if (!context.isMatrix) return others.update(context)
      const { add, sub, mul } = arithmetic(emitter)
      const towards = (old: string) => add(mul(old, momentum), mul(gradient, 1 - momentum))
      const mean = towards(context.slot('momentum'))
      const [rows, columns] = emitter.info(parameter).shape as readonly [number, number]
      const direction = orthogonal(emitter, towards(mean), rows > columns)
      const size = 0.2 * Math.sqrt(Math.max(rows, columns))
      const decayed =
        weightDecay !== 0 && decays ? mul(parameter, sub(1, mul(rate, weightDecay))) : parameter
      return {
        parameter: sub(decayed, mul(mul(direction, size), rate)),
        slots: { momentum: mean },
      }
    },
  }
}

/** The matrix with singular values near 1. `isTall`: it has more rows than columns. */
function orthogonal(emitter: Emitter, matrix: string, isTall: boolean): string {
  const { mul, div, sqrt } = arithmetic(emitter)
  const [a, b, c] = coefficients
  const turned = (value: string) => (isTall ? transpose(emitter, value, [1, 0]) : value)
  const norm = sqrt(sumOf(emitter, mul(matrix, matrix)))
  let x = div(turned(matrix), emitter.op('Max', [norm, number(emitter, 1e-7)]))
  for (let i = 0; i < iterations; i++) {
    const gram = emitter.op('Gemm', [x, x], { transB: 1 })
    const factor = emitter.op('Gemm', [gram, gram, gram], { alpha: float(c), beta: float(b) })
    x = emitter.op('Gemm', [factor, x, x], { beta: float(a) })
  }
  return turned(x)
}
