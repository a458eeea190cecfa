/** Labelled samples with what a teacher says of them. */
import type { Batch, SampleSet } from '../../data/samples.ts'
import { inputError, usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { mainOutput } from '../../model/tensor-outputs.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'
import { predict } from './predict.ts'
import { around, floats, outputKind } from './probabilities.ts'

export interface DistillOptions {
  readonly runtime: Runtime
  readonly session?: SessionOptions | undefined
  /** Which of the teacher's outputs is learned from. Default: the first of floating-point numbers. */
  readonly output?: string | undefined
  /** The axis of the classes in the teacher's output. Default: as `predict` finds it. */
  readonly axis?: number | undefined
}

/**
 * The samples with targets for the loss `distillation`: the labels, one-hot, and the teacher's logits, which are computed for each batch
 * when it is taken. Of a teacher that ends in a softmax, the logarithms of its probabilities are logits.
 *
 * @throws while iterating: input where the teacher does not take the samples, or does not know a label
 */
export function distilled(samples: SampleSet, teacher: Model, options: DistillOptions): SampleSet {
  const output = options.output ?? mainOutput(teacher)
  if (output === undefined) throw usageError('The teacher has no output to learn from.')
  const { length, classes, columns, preparation, weights } = samples
  async function* batches(
    size: number,
    order?: ArrayLike<number>,
    epoch?: number,
  ): AsyncGenerator<Batch> {
    const queue: Batch[] = []
    // The teacher is given each batch as it is taken, and answers with as many samples.
    async function* inputs() {
      for await (const batch of samples.batches(size, order, epoch)) {
        queue.push(batch)
        yield batch
      }
    }
    const { runtime, session } = options
    const asked = { runtime, session, outputs: [output!], activation: 'none' } as const
    for await (const { outputs } of predict(teacher, inputs(), asked)) {
      const batch = queue.shift()!
      yield { ...batch, target: targetOf(outputs[output!]!.values, batch.target) }
    }
  }
  const { isApplied, axis: known } = outputKind(teacher, output)
  function targetOf(values: Tensor, labels: Tensor): Tensor {
    const { dims } = values
    const asked = options.axis ?? known ?? (dims.length === 3 ? 2 : 1)
    const axis = asked < 0 ? asked + dims.length : asked
    const { outer, size, inner } = around(dims, axis)
    if (labels.data.length !== outer * inner)
      throw inputError(
        `The teacher gives ${outer * inner} predictions [${dims.join(', ')}] for ${labels.data.length} labels.`,
      )
    const scores = floats(values)
    const target = new Float32Array(2 * elementCount(dims))
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        const label = Number(labels.data[o * inner + i])
        if (!(Number.isInteger(label) && label >= 0 && label < size))
          throw inputError(
            `The data's targets hold the class ${label}, but the teacher has the classes 0 to ${size - 1}.`,
          )
        const start = 2 * o * size * inner + i
        target[start + label * inner] = 1
        for (let c = 0; c < size; c++) {
          const score = scores[(o * size + c) * inner + i]!
          target[start + (size + c) * inner] = isApplied ? Math.log(Math.max(score, 1e-30)) : score
        }
      }
    return float32(
      dims.map((dim, a) => (a === axis ? 2 * dim : dim)),
      target,
    )
  }
  return { length, batches, ...(classes ? { classes } : {}), columns, preparation, weights }
}
