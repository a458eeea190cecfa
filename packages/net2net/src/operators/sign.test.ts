/** What operators declare of the sign of their output holds in ONNX Runtime, for the nodes of all cases. */
import { describe, expect, it } from 'vitest'
import { allCases, caseKey, nodeCases, operatorAt } from '../../testing/all-cases.ts'
import { oneNode } from '../../testing/gradient-check.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, type Tensor } from '../tensor/tensor.ts'
import { operators } from './table.ts'

const withoutSign = (tensor: Tensor | undefined): Tensor | undefined =>
  tensor?.dtype === 'float32'
    ? float32(tensor.dims, Float32Array.from(tensor.data as Float32Array, Math.abs))
    : tensor

const declared = operators
  .filter(({ sign }) => sign !== 'unknown')
  .map((operator) => ({ key: caseKey(operator), sign: operator.sign }))
  .filter(({ key }) => nodeCases(allCases.get(key) ?? {}).length > 0)

describe('the sign of the output of', () => {
  it.each(declared)('$key is $sign', async ({ key, sign }) => {
    for (const { draw } of nodeCases(allCases.get(key)!))
      for (let i = 0; i < 10; i++) {
        const { observed: _, ...node } = draw(randomStream(5, 'sign', key, i), i)
        const given = sign === 'inherited' ? node.inputs.map(withoutSign) : node.inputs
        const { model, inputs } = oneNode({ ...operatorAt(key), ...node, inputs: given })
        const session = await nodeRuntime.createSession(encodeModel(model))
        const { y0 } = await session.run(inputs)
        await session.release()
        const numbers = Array.from(y0!.data, Number).filter((value) => !Number.isNaN(value))
        expect(Math.min(0, ...numbers), `draw ${i}`).toBe(0)
      }
  })
})
