/**
 * Cross-entropy in which classes count differently, and some labels not at all, as PyTorch's CrossEntropyLoss with `weight`,
 * `ignore_index` and `label_smoothing`. With one-hot targets o (zeros for an ignored label) and weights w:
 *
 *   loss = −Σ ((1 − ε) w_c o_c + ε / C · w_c Σ_k o_k) log p_c / Σ w_c o_c
 *
 * over all samples and classes c, each sample times its own weight where there is one; 0 where all labels are ignored. The gradient is made by automatic differentiation.
 */
import type { Shape } from '../../../model/model.ts'
import type { Emitter } from '../../../operators/contract/gradient.ts'
import { float32, int64 } from '../../../tensor/tensor.ts'
import { atLeastTiny, number, sumOf } from './counts.ts'
import type { EmittedLoss } from './loss.ts'

export interface WeightedClasses {
  readonly emitter: Emitter
  readonly prediction: string
  /** int32 class indices. */
  readonly indices: string
  readonly shape: Shape
  readonly axis: number
  readonly classes: number
  readonly classWeights: readonly number[] | undefined
  /** A weight for each prediction, without the axis of the classes. */
  readonly weights: string | undefined
  readonly ignored: number | undefined
  readonly labelSmoothing: number
  /** int32 indices as float rows of zeros and one 1; of zeros alone for what is no class. */
  oneHot(indices: string): string
}

export function emitWeighted(of: WeightedClasses): EmittedLoss {
  const { emitter, prediction, shape, axis, classes, ignored, labelSmoothing } = of
  const mul = (a: string, b: string) => emitter.op('Mul', [a, b])
  /** A number for each class. */
  const alongClasses = (values: readonly number[]) =>
    emitter.constant(float32([classes, ...shape.slice(axis + 1).map(() => 1)], values))
  const all = Array.from({ length: classes }, (_, c) => c)
  const weights = alongClasses(of.classWeights ?? all.map(() => 1))
  const isClass = ignored !== undefined && ignored >= 0 && ignored < classes
  const rows = of.oneHot(of.indices)
  const counted = isClass ? mul(rows, alongClasses(all.map((c) => Number(c !== ignored)))) : rows
  const axes = emitter.constant(int64([axis]))
  const truth =
    of.weights === undefined ? counted : mul(counted, emitter.op('Unsqueeze', [of.weights, axes]))
  const given = mul(truth, weights)
  const isThere = () => emitter.op('ReduceSum', [truth, axes], { keepdims: 1 })
  const smooth =
    labelSmoothing === 0
      ? given
      : emitter.op('Add', [
          mul(given, number(emitter, 1 - labelSmoothing)),
          mul(mul(weights, number(emitter, labelSmoothing / classes)), isThere()),
        ])
  const logarithms = emitter.op('LogSoftmax', [prediction], { axis })
  const weight = sumOf(emitter, given)
  // Where nothing counts, nothing is lost, not even by smoothing.
  const isAny = emitter.op('Cast', [emitter.op('Greater', [weight, number(emitter, 0)])], { to: 1 })
  const count = atLeastTiny(emitter, weight)
  const total = mul(sumOf(emitter, mul(smooth, logarithms)), isAny)
  return {
    loss: emitter.op('Neg', [emitter.op('Div', [total, count])]),
    correct() {
      const best = emitter.op('ArgMax', [prediction], { axis, keepdims: 0 })
      const chosen = of.oneHot(emitter.op('Cast', [best], { to: 6 }))
      return sumOf(emitter, mul(truth, chosen))
    },
  }
}
