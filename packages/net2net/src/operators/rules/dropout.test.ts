import { expect, test } from 'vitest'
import { normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter, tensorInfo } from '../../autodiff/emitter.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, scalar, Tensor } from '../../tensor/tensor.ts'
import type { TrainingContext } from '../contract/facets.ts'
import { dropout } from './dropout.ts'

/** The training form with given uniforms in place of random ones, and its gradient. */
async function trained(ratio: number, opset: number) {
  const x = normalTensor(randomStream(1, 'x'), [3, 4])
  const uniforms = float32(
    [3, 4],
    Float32Array.from({ length: 12 }, (_, i) => i / 12),
  )
  const builder = new GraphBuilder()
  for (const name of ['x', 'u', 'dy']) builder.input(name, 'float32', [3, 4])
  const infos = new Map(
    ['x', 'u', 'dy'].map((name) => [name, { dtype: 'float32' as const, shape: [3, 4] }]),
  )
  const emitter = new GraphEmitter(builder, infos, 18)
  const attributes = opset < 12 ? { ratio: float(ratio) } : {}
  const { model } = oneNode({
    op: 'Dropout',
    opset,
    attributes,
    inputs: opset < 12 ? [x] : [x, scalar('float32', ratio)],
    constants: [1],
    outputs: 2,
  })
  const [node] = model.graph.nodes
  const inputs = ['x', ...(opset < 12 ? [] : ['ratio'])]
  if (opset >= 12) {
    builder.initializer('ratio', scalar('float32', ratio))
    emitter.declare('ratio', tensorInfo(scalar('float32', ratio)))
  }
  const context: TrainingContext = {
    node: { ...node!, inputs },
    opset,
    target: 'standard',
    has: (i) => i < inputs.length,
    input: (i) => inputs[i] ?? '',
    stored: () => undefined,
    emit: (...call) => emitter.emit(...call),
    op: (...call) => emitter.op(...call),
    constant: (tensor) => emitter.constant(tensor),
    info: (name) => emitter.info(name),
    hint: (...call) => emitter.hint(...call),
    hintOf: (name) => emitter.hintOf(name),
    fresh: (hint) => hint,
    uniformLike: () => 'u',
  }
  for (const replacement of dropout.training!.inTraining!(context)!.nodes)
    emitter.append(replacement)
  const gradient = backward(emitter, builder.graph().nodes, new Map([['y0', 'dy']]), ['x']).get(
    'x',
  )!
  for (const name of ['y0', 'y1', gradient]) builder.output(name)
  const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph())))
  const dy = float32([3, 4], new Float32Array(12).fill(1))
  const { y0, y1, ...rest } = await session.run({ x, u: uniforms, dy })
  await session.release()
  return { x, y: y0!, mask: y1!, dx: rest[gradient]! }
}

for (const opset of [10, 13])
  test(`Dropout of operator set ${opset} in training drops a share and scales the rest`, async () => {
    const { x, y, mask, dx } = await trained(0.25, opset)
    expect(mask).toEqual(
      new Tensor('bool', [3, 4], Uint8Array.from([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1])),
    )
    for (let i = 0; i < 12; i++) {
      const kept = i < 3 ? 0 : 1 / 0.75
      expect(Number(y.data[i])).toBeCloseTo(Number(x.data[i]) * kept, 6)
      expect(Number(dx.data[i])).toBeCloseTo(kept, 6)
    }
  })

test('Dropout with ratio 1 gives zeros, not NaN', async () => {
  const { y } = await trained(1, 13)
  expect([...(y.data as Float32Array)].every((value) => value === 0)).toBe(true)
})
