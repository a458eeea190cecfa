import { describe, expect, test } from 'vitest'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { float32 } from '../../tensor/tensor.ts'

describe('equal maxima: the first one takes the gradient', () => {
  const cases = [
    ['windows side by side', { kernel_shape: [2, 2], strides: [2, 2] }, [1, 0, 1, 0, 0, 0, 0, 0]],
    ['overlapping windows', { kernel_shape: [2, 2] }, [1, 1, 1, 0, 0, 0, 0, 0]],
  ] as const
  for (const target of ['standard', 'onnxruntime-cpu', 'onnxruntime-webgpu'] as const)
    for (const [name, attributes, expected] of cases)
      test(`${name} (${target})`, async () => {
        const builder = new GraphBuilder()
        const shape = [1, 1, 2, 4]
        builder.input('x', 'float32', shape)
        const emitter = new GraphEmitter(
          builder,
          new Map([['x', { dtype: 'float32', shape }]]),
          18,
          target,
        )
        const y = emitter.op('MaxPool', ['x'], attributes)
        const pooled = emitter.info(y).shape as number[]
        builder.input('dy', 'float32', pooled)
        emitter.declare('dy', { dtype: 'float32', shape: pooled })
        const seeds = new Map([[y, 'dy']])
        const dx = backward(emitter, builder.graph().nodes, seeds, ['x']).get('x')!
        builder.output(dx, 'float32', shape)
        const model = modelOf(builder.graph())
        const domains = [...emitter.domains].map((domain) => [domain, 1] as const)
        const opsets = new Map([...model.opsets, ...domains])
        const session = await nodeRuntime.createSession(encodeModel({ ...model, opsets }))
        const feeds = {
          x: float32(shape, new Float32Array(8).fill(0.5)),
          dy: float32(pooled, new Float32Array(pooled[3]!).fill(1)),
        }
        const result = (await session.run(feeds))[dx]!
        await session.release()
        expect([...(result.data as Float32Array)]).toEqual(expected)
      })
})
