/**
 * Adafactor (Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235), with the learning rate and the weight decay of PyTorch's
 * version. The mean of squares of a matrix is kept as its means over rows and over columns (slots `rows` and `columns`), of which the
 * product is the estimate V; that of a vector is kept whole (slot `v`). With step t (slot `step`) and 1 − β = t^decay:
 *
 *   R ← β R + (1 − β) mean over columns of g²,   C ← β C + (1 − β) mean over rows of g²,   V = R C / mean(R)
 *   u = g / √V,   w ← (1 − η λ) w − max(ε₂, RMS(w)) · min(η, 1 / √t) · u / max(1, RMS(u) / d)
 *
 * Of tensors with more axes, the last two are the rows and columns of matrices.
 */
import { usageError } from '../../../errors.ts'
import { reduce } from '../../../operators/helpers/emission.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { number } from '../losses/counts.ts'
import { arithmetic, type Optimizer } from './optimizer.ts'

export interface AdafactorOptions {
  /** At most so much of the root mean square of a weight per step. Default 0.01. */
  readonly learningRate?: LearningRate | undefined
  /** The exponent of t in 1 − β, at most 0. Default −0.8. */
  readonly beta2Decay?: number | undefined
  /** ε₂: a weight of zeros moves as if its root mean square were this. Default 0.001. */
  readonly epsilon?: number | undefined
  /** d: updates of a larger root mean square are scaled down to it, from 1 on. Default 1. */
  readonly clipping?: number | undefined
  /** λ, decoupled. Default 0. */
  readonly weightDecay?: number | undefined
}

/** PyTorch's ε₁: what is 1 + ε₁ in float32 differs from 1. */
const least = 2 ** -23

export function adafactor(options: AdafactorOptions = {}): Optimizer {
  const { learningRate = 0.01, beta2Decay = -0.8, weightDecay = 0 } = options
  const { epsilon = 1e-3, clipping = 1 } = options
  if (!(beta2Decay <= 0)) throw usageError(`beta2Decay must be at most 0, not ${beta2Decay}.`)
  if (!(clipping >= 1)) throw usageError(`clipping must be at least 1, not ${clipping}.`)
  return {
    name: 'adafactor',
    learningRate: scheduleOf(learningRate),
    settings: { beta2Decay, epsilon, clipping, weightDecay },
    slots: [
      { name: 'rows', shape: 'rows', of: 'matrices', initial: 'zero', grows: 2 },
      { name: 'columns', shape: 'columns', of: 'matrices', initial: 'zero', grows: 2 },
      { name: 'v', shape: 'parameter', of: 'others', initial: 'zero', grows: 2 },
      { name: 'step', shape: 'scalar', initial: 'zero', grows: 'not' },
    ],
    isMatrix: ({ dims }) => dims.length >= 2,
    isWhole: true,
    update({ emitter, parameter, gradient, learningRate: rate, decays = true, isMatrix, slot }) {
      const { add, sub, mul, div, pow, sqrt } = arithmetic(emitter)
      const atLeast = (value: string, minimum: number) =>
        emitter.op('Max', [value, number(emitter, minimum)])
      const { shape } = emitter.info(parameter)
      const rank = shape!.length
      const meanOver = (value: string, axis: number) => reduce(emitter, 'Mean', value, [axis], true)
      const rms = (value: string) => {
        const every = Array.from({ length: rank }, (_, axis) => axis)
        return sqrt(reduce(emitter, 'Mean', mul(value, value), every, false))
      }
      const step = add(slot('step'), 1)
      const share = pow(step, beta2Decay)
      const squares = mul(gradient, gradient)
      const towards = (old: string, value: string) => add(old, mul(sub(value, old), share))
      const [v, slots] = isMatrix
        ? factored(
            towards(slot('rows'), meanOver(squares, rank - 1)),
            towards(slot('columns'), meanOver(squares, rank - 2)),
          )
        : whole(towards(slot('v'), squares))
      function factored(rows: string, columns: string) {
        const mean = atLeast(meanOver(rows, rank - 2), least)
        return [div(mul(rows, columns), mean), { rows, columns, step }] as const
      }
      function whole(square: string) {
        return [square, { v: square, step }] as const
      }
      const update = div(gradient, sqrt(atLeast(v, least ** 2)))
      const bound = emitter.op('Min', [rate, div(1, sqrt(step))])
      const size = div(
        mul(atLeast(rms(parameter), epsilon), bound),
        atLeast(div(rms(update), clipping), 1),
      )
      const decayed =
        weightDecay !== 0 && decays ? mul(parameter, sub(1, mul(rate, weightDecay))) : parameter
      return { parameter: sub(decayed, mul(update, size)), slots }
    },
  }
}
