/** A few training steps of any network, in Node and in browsers. For tests only. */
import type { Model } from '../src/model/model.ts'
import type { Runtime, SessionOptions } from '../src/runtime/runtime.ts'
import { float32, int64 } from '../src/tensor/tensor.ts'
import { adamw } from '../src/training/compile/optimizers/index.ts'
import { buildStep, type StepOptions } from '../src/training/compile/step-graph.ts'
import { createStepper } from '../src/training/run/create-stepper.ts'

/** Plain data, so that a page can be asked. */
export interface Lesson {
  readonly input: string
  readonly dims: readonly number[]
  readonly values: readonly number[]
  readonly classes: readonly number[]
  readonly steps: number
}

export interface Outcome {
  readonly losses: readonly number[]
  /** Of the state after the last step. */
  readonly state: readonly (readonly [string, readonly number[]])[]
}

export async function stepsOf(
  model: Model,
  { input, dims, values, classes, steps }: Lesson,
  runtime: Runtime,
  session: SessionOptions,
  forms: Pick<StepOptions, 'target' | 'joinVectors'>,
): Promise<Outcome> {
  const graph = buildStep(model, {
    loss: 'softmax-cross-entropy',
    // Epsilon keeps gradients that are zero but for rounding from deciding anything.
    optimizer: adamw({ learningRate: 0.01, epsilon: 1e-3 }),
    ...forms,
  })
  const stepper = await createStepper(graph, graph.state, runtime, session)
  try {
    const batch = { inputs: { [input]: float32(dims, values) }, target: int64(classes) }
    const losses: number[] = []
    for (let step = 0; step < steps; step++) losses.push((await stepper.step(batch, 0.01)).loss)
    const state = [...(await stepper.read())].map(
      ([name, { data }]) => [name, Array.from(data, Number)] as const,
    )
    return { losses, state }
  } finally {
    await stepper.release()
  }
}
