/** What is known of the results of subgraphs is true, and what stands behind them grows. */
import { expect, test } from 'vitest'
import { oneNode } from '../../../testing/gradient-check.ts'
import { inspect } from '../../growth/index.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import { inferModel } from '../inference.ts'
import { choice, loop, scan } from './control-flow.cases.ts'

test.each([
  ['If', choice],
  ['Loop', loop],
  ['Scan', scan],
] as const)('shapes and types of %s', async (op, draw) => {
  let known = 0
  for (let index = 0; index < 30; index++) {
    const { model, inputs } = oneNode({ op, ...draw(randomStream(4, op, index)) })
    const infos = inferModel(model)
    const session = await nodeRuntime.createSession(encodeModel(model))
    const results = await session.run(inputs)
    await session.release()
    for (const [name, { dims, dtype }] of Object.entries(results)) {
      const { shape, dtype: inferred } = infos.get(name)!
      expect(inferred).toBe(dtype)
      expect(shape).toHaveLength(dims.length)
      shape!.forEach((dim, k) => {
        if (dim === null) return
        known++
        expect(dim, `draw ${index}, ${name}`).toBe(dims[k])
      })
    }
  }
  expect(known).toBeGreaterThan(20)
})

test('a layer behind a loop of unknown length is one, and grows', () => {
  const { model } = oneNode({ op: 'Loop', ...loop(randomStream(4, 'Loop', 1)) })
  const width = Number(inferModel(model).get('y0')!.shape![1])
  const builder = new GraphBuilder({ ...model.graph, outputs: [] })
  const half = (...dims: readonly number[]) =>
    builder.constant(float32(dims, new Float32Array(elementCount(dims)).fill(0.5)))
  const hidden = builder.node('MatMul', ['y0', half(width, 3)], {}, { name: 'head' })
  builder.output(builder.node('MatMul', [hidden, half(3, 2)], {}, { name: 'last' }))
  const { layers } = inspect(modelOf(builder.graph()))
  expect(layers.map(({ name, widen }) => [name, widen])).toEqual([
    ['head', true],
    ['last', expect.stringContaining('graph output')],
  ])
})
