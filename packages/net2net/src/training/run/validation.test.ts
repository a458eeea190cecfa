import { describe, expect, test } from 'vitest'
import { ArrayDataset } from '../../data/dataset.ts'
import { batchNorm, dense, relu, sequential } from '../../layers/index.ts'
import type { Model } from '../../model/model.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { sgd } from '../compile/optimizers/index.ts'
import { evaluate } from './evaluate.ts'
import { Training } from './trainer.ts'

const model = sequential(
  [dense(6, { name: 'a' }), batchNorm({ name: 'n' }), relu(), dense(1, { name: 'b' })],
  { input: [3], seed: 1 },
)

function samples(length: number, shift: number): ArrayDataset {
  const values = (width: number) =>
    Float32Array.from({ length: width * length }, (_, i) => Math.sin(i * 1.7 + shift))
  return new ArrayDataset(
    { x: { dtype: 'float32', dims: [3], data: values(3) } },
    { dtype: 'float32', dims: [1], data: values(1) },
  )
}

/** A runtime like WebAssembly's, which tells of its sessions whether they train, and which are still there. */
function watched() {
  const made: ('step' | 'validation')[] = []
  let open = 0
  const runtime: Runtime = {
    ...nodeRuntime,
    webAssembly: true,
    async createSession(bytes, options) {
      const session = await nodeRuntime.createSession(bytes, options)
      const trains = session.inputs.some(({ name }) => name === 'learning_rate')
      made.push(trains ? 'step' : 'validation')
      open++
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        run: (feeds, outputs) => session.run(feeds, outputs),
        async release() {
          open--
          await session.release()
        },
      }
    },
  }
  return { runtime, made, openSessions: () => open }
}

describe('validation after epochs, in WebAssembly', () => {
  const validation = samples(130, 0.5)
  const epochsOf = async (of: Model, given: ReturnType<typeof watched>, untilEpoch = 4) => {
    const options = { loss: 'mse', optimizer: sgd({ learningRate: 0.1 }), batchSize: 16 } as const
    const training = new Training(of, samples(48, 0), {
      ...options,
      epochs: 4,
      runtime: given.runtime,
      validation,
    })
    const losses: (readonly [kept: number, anew: number])[] = []
    for await (const { epoch, valLoss } of training) {
      const { loss } = await evaluate(training.model, validation, {
        loss: 'mse',
        runtime: nodeRuntime,
      })
      losses.push([valLoss!, loss])
      if (epoch === untilEpoch) break
    }
    return losses
  }

  test('uses one session, with the weights of each epoch, and frees it', async () => {
    const given = watched()
    const losses = await epochsOf(model, given)
    expect(losses).toHaveLength(4)
    for (const [kept, anew] of losses) expect(kept).toBeCloseTo(anew, 5)
    expect(new Set(losses.map(([kept]) => kept)).size).toBe(4)
    expect(given.made).toEqual(['step', 'validation'])
    expect(given.openSessions()).toBe(0)
  })

  test('frees it where somebody stops on the way', async () => {
    const given = watched()
    expect(await epochsOf(model, given, 2)).toHaveLength(2)
    expect(given.openSessions()).toBe(0)
  })
})
