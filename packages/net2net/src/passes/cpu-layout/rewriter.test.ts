import { expect, test } from 'vitest'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Attribute, Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { fastKernels } from './fast-kernels.ts'
import { movedRows } from './moved-rows.ts'

const dims = [8, 64, 8, 16]

async function run(model: Model) {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  const { y } = await session.run({ x: normalTensor(randomStream(1, 'names'), dims) })
  await session.release()
  return [...y!.data].map(Number)
}

test.each([
  ['Transpose', { perm: [0, 2, 1, 3] }, movedRows],
  ['Softplus', {}, fastKernels],
] as const)(
  'a value that subgraphs read by its name keeps it when others take the place of its %s',
  async (opType, attributes, pass) => {
    const branch = (inner: string): Attribute => {
      const builder = new GraphBuilder()
      const output = builder.node(inner, ['given'], {}, { outputs: [`given_${inner}`] })
      builder.output(output, 'float32')
      return { type: 'graph', value: builder.graph(inner) }
    }
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', dims)
    const sum = builder.node('ReduceSum', [x], { keepdims: 0 })
    const condition = builder.node('Less', [sum, builder.constant(float32([], [0]))])
    builder.nodeOutputs(opType, [x], attributes, { outputs: ['given'] })
    const branches = { then_branch: branch('Neg'), else_branch: branch('Abs') }
    const chosen = builder.node('If', [condition], branches)
    // A second reader of the same value, in another subgraph.
    const again = builder.node('If', [condition], branches)
    builder.nodeOutputs('Add', [chosen, again], {}, { outputs: ['y'] })
    builder.output('y', 'float32')
    const model = builder.model()
    const changed = pass(model)
    expect(changed.graph.nodes.some((node) => node.opType === opType)).toBe(false)
    const expected = await run(model)
    for (const [i, value] of (await run(changed)).entries())
      expect(value).toBeCloseTo(expected[i]!, 5)
  },
)
