import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { numbers, relativeError } from '../../../testing/compare-steps.ts'
import { drawnNetwork, networkOf } from '../../../testing/drawn-networks.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import type { Model } from '../../model/model.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'
import { sgd } from '../../training/compile/optimizers/index.ts'
import { buildStep, type StepOptions } from '../../training/compile/step-graph.ts'
import { createStepper } from '../../training/run/create-stepper.ts'
import { formsFor } from '../../training/run/targets.ts'

/** Losses of three steps, and the state behind them. */
async function train(model: Model, input: readonly number[], forms: Partial<StepOptions>) {
  const graph = buildStep(model, {
    loss: 'softmax-cross-entropy',
    optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
    ...forms,
  })
  const stepper = await createStepper(graph, graph.state, nodeRuntime, { threads: 2 })
  const random = randomStream(1, 'batches')
  try {
    const losses: number[] = []
    for (let step = 0; step < 3; step++) {
      const target = int64(Array.from({ length: input[0]! }, (_, i) => (step + i) % 5))
      const batch = { inputs: { input: normalTensor(random, input) }, target }
      losses.push((await stepper.step(batch, 0.01)).loss)
    }
    return { losses, state: await stepper.read() }
  } finally {
    await stepper.release()
  }
}

describe('networks drawn at random', () => {
  test('train alike in the forms of the standard and of this machine', async () => {
    await fc.assert(
      fc.asyncProperty(drawnNetwork, async (drawn) => {
        const model = networkOf(drawn)
        const input = [drawn.batch, drawn.channels, ...drawn.sizes]
        const standard = await train(model, input, { target: 'standard' })
        const own = await train(model, input, formsFor(nodeRuntime))
        for (const [step, loss] of standard.losses.entries())
          expect(Math.abs(loss - own.losses[step]!)).toBeLessThan(1e-3 * Math.max(1, loss))
        for (const [name, tensor] of standard.state)
          expect(relativeError(numbers(own.state.get(name)!), numbers(tensor)), name).toBeLessThan(
            2e-2,
          )
      }),
      { numRuns: 30 },
    )
  })
})
