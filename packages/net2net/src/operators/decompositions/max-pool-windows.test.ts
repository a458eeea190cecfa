import { expect, test } from 'vitest'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import type { Target } from '../contract/gradient.ts'

const random = randomStream(11, 'windows')

/** Many ties, windows of 1 to 4, and images that do not divide by them. */
test('max-pooling by windows has the gradient of the form with positions', async () => {
  for (let draw = 0; draw < 20; draw++) {
    const size = 1 + random.below(4)
    const dims = [
      1 + random.below(3),
      1 + random.below(4),
      size + random.below(7),
      size + random.below(7),
    ]
    const pooled = [...dims.slice(0, 2), ...dims.slice(2).map((dim) => Math.floor(dim / size))]
    const feeds = {
      x: float32(
        dims,
        Float32Array.from({ length: elementCount(dims) }, () => random.below(4) - 2),
      ),
      seed: float32(
        pooled,
        Float32Array.from({ length: elementCount(pooled) }, () => random.normal()),
      ),
    }
    const gradient = async (target: Target) => {
      const builder = new GraphBuilder()
      const emitter = new GraphEmitter(builder, new Map(), 18, target)
      for (const [name, tensor] of Object.entries(feeds)) {
        // The batch's size is known only when the graph runs.
        const shape = ['n', ...tensor.dims.slice(1)]
        builder.input(name, 'float32', shape)
        emitter.declare(name, { dtype: 'float32', shape })
      }
      const y = emitter.op('MaxPool', ['x'], { kernel_shape: [size, size], strides: [size, size] })
      const dx = backward(emitter, builder.graph().nodes, new Map([[y, 'seed']]), ['x']).get('x')!
      builder.output(dx, 'float32', ['n', ...dims.slice(1)])
      const { nodes } = builder.graph()
      const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph())))
      const outputs = await session.run(feeds)
      await session.release()
      const positions = nodes.some(({ opType, outputs: of }) =>
        opType === 'MaxPool' ? of.length > 1 : opType === 'MaxUnpool',
      )
      return { positions, data: [...outputs[dx]!.data].map((v) => Number(v) + 0) }
    }
    const standard = await gradient('standard')
    const windows = await gradient('onnxruntime-webgpu')
    expect(standard.positions).toBe(true)
    expect(windows.positions).toBe(false)
    expect(windows.data, `draw ${draw}: ${dims}, windows of ${size}`).toEqual(standard.data)
  }
})
