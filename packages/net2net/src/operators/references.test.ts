/** Operators whose definitions leave much open: ONNX Runtime computes what our references say, which gradients are judged by. */
import { expect, test } from 'vitest'
import { allCases, nodeCases, operatorAt } from '../../testing/all-cases.ts'
import { Evaluator64 } from '../../testing/evaluate64.ts'
import { oneNode } from '../../testing/gradient-check.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'

test.each(['LSTM', 'GRU', 'RNN', 'com.microsoft.MultiHeadAttention', 'com.microsoft.Attention'])(
  '%s',
  async (key) => {
    const [{ draw }] = nodeCases(allCases.get(key)!) as [ReturnType<typeof nodeCases>[number]]
    for (let index = 0; index < 60; index++) {
      const { observed: _, ...node } = draw(randomStream(3, key, index), index)
      const { model, inputs } = oneNode({ ...operatorAt(key), ...node })
      const expected = await new Evaluator64(model).run(inputs)
      const session = await nodeRuntime.createSession(encodeModel(model))
      const found = await session.run(inputs)
      await session.release()
      for (const [name, { data, dims }] of Object.entries(expected)) {
        expect(found[name]!.dims).toEqual(dims)
        const numbers = Array.from(data, Number)
        const size = Math.max(1, ...numbers.map(Math.abs))
        const errors = numbers.map(
          (value, i) => Math.abs(value - Number(found[name]!.data[i])) / size,
        )
        expect(Math.max(...errors), `draw ${index}, ${name}`).toBeLessThan(1e-5)
      }
    }
  },
)
