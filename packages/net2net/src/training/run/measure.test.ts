import { expect, test } from 'vitest'
import { dense, sequential } from '../../layers/index.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { float32, Tensor } from '../../tensor/tensor.ts'
import { sgd } from '../compile/optimizers/index.ts'
import { measureStep } from './measure.ts'

const model = sequential([dense(3)], { input: [4], seed: 1 })
const batch = {
  inputs: { input: float32([2, 4], new Float32Array(8).fill(0.5)) },
  target: new Tensor('int64', [2], BigInt64Array.of(0n, 2n)),
}

/** A runtime that counts what it runs and keeps open. */
function counting() {
  const counts = { runs: 0, open: 0 }
  const runtime: Runtime = {
    description: nodeRuntime.description,
    async createSession(bytes, options) {
      const session = await nodeRuntime.createSession(bytes, options)
      counts.open++
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        run(feeds, outputs) {
          counts.runs++
          return session.run(feeds, outputs)
        },
        release() {
          counts.open--
          return session.release()
        },
      }
    },
  }
  return { counts, runtime }
}
const step = { loss: 'softmax-cross-entropy', optimizer: sgd({ learningRate: 1 }) } as const

test('measures a few steps, leaves the model as it is and nothing open', async () => {
  const before = encodeModel(model)
  const { counts, runtime } = counting()
  const time = await measureStep(model, batch, { ...step, runtime })
  expect(time).toBeGreaterThan(0)
  expect(counts).toEqual({ runs: 8, open: 0 })
  expect(encodeModel(model)).toEqual(before)
})

test('ends where there is nothing more to learn, with the last step', async () => {
  const { counts, runtime } = counting()
  const seen: number[] = []
  const goOn = (time: number) => seen.push(time) < 2
  const time = await measureStep(model, batch, { ...step, runtime, goOn })
  expect(counts).toEqual({ runs: 2, open: 0 })
  expect(time).toBe(seen[1])
})
