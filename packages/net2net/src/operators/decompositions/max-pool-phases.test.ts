import { describe, expect, test } from 'vitest'
import { checkGradients, oneNode } from '../../../testing/gradient-check.ts'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { permutation, randomStream } from '../../tensor/random.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'

const pooling = { kernel_shape: [2, 2], strides: [2, 2] }

describe('the gradient of 2 × 2 max-pooling by phases', () => {
  test('is the derivative', () =>
    checkGradients({
      draws: 6,
      targets: ['standard', 'onnxruntime-cpu', 'onnxruntime-wasm'],
      draw(random) {
        const dims = [1 + random.below(3), 16, 2 * (1 + random.below(3)), 2 * (1 + random.below(3))]
        const order = permutation(elementCount(dims), random)
        return oneNode({
          op: 'MaxPool',
          attributes: pooling,
          inputs: [
            float32(
              dims,
              Float32Array.from(order, (v) => v / 8 - 3),
            ),
          ],
          shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
        })
      },
    }))

  test('gives a tie to its first element, as the form with positions does', async () => {
    const random = randomStream(7, 'ties')
    const dims = [2, 16, 4, 6]
    const x = float32(
      dims,
      Float32Array.from({ length: elementCount(dims) }, () => random.below(3) - 1),
    )
    const seed = float32(
      [2, 16, 2, 3],
      Float32Array.from({ length: 192 }, () => random.normal()),
    )
    const results = await Promise.all(
      (['standard', 'onnxruntime-cpu', 'onnxruntime-wasm'] as const).map(async (target) => {
        const builder = new GraphBuilder()
        const emitter = new GraphEmitter(builder, new Map(), 18, target)
        for (const [name, tensor] of Object.entries({ x, seed })) {
          builder.input(name, 'float32', tensor.dims)
          emitter.declare(name, { dtype: 'float32', shape: tensor.dims })
        }
        const y = emitter.op('MaxPool', ['x'], pooling)
        const { nodes } = builder.graph()
        const dx = backward(emitter, nodes, new Map([[y, 'seed']]), ['x']).get('x')!
        builder.output(dx, 'float32', dims)
        expect(builder.graph().nodes.some((node) => node.opType === 'MaxUnpool')).toBe(
          target === 'standard',
        )
        const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph())))
        const outputs = await session.run({ x, seed })
        await session.release()
        return [...outputs[dx]!.data]
      }),
    )
    // δ − δ·0 and δ·1 are exact, so the forms agree to the bit (zeros may differ in sign).
    const [standard, ...others] = results.map((values) => values.map((v) => Number(v) + 0))
    for (const other of others) expect(other).toEqual(standard)
  })
})
