/**
 * The gradient of a node that is linear in input 0, against the node itself: the Jacobian of a linear node
 * is what ONNX Runtime makes of the unit vectors. For tests only.
 */
import { expect } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { GraphEmitter } from '../src/autodiff/emitter.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import { opsetOf } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { inferModel } from '../src/operators/inference.ts'
import { upgrade } from '../src/passes/upgrade-opset.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { elementCount, float32 } from '../src/tensor/tensor.ts'
import { type GradientCase, normalTensor } from './gradient-check.ts'

/**
 * Σ δ·y must respond to a change of every element of `x0` by what the emitted gradient says, for random
 * δ. The node's constant part (there is none in a linear node) would show as an error.
 */
export async function checkAdjoint(drawn: GradientCase, random: RandomStream): Promise<void> {
  const model = upgrade(drawn.model)
  const x = drawn.inputs.x0!
  const infos = inferModel(model)
  const builder = new GraphBuilder(model.graph)
  const emitter = new GraphEmitter(builder, infos, opsetOf(model))
  const shape = infos.get('y0')!.shape!
  builder.input('seed', 'float32', shape)
  emitter.declare('seed', { dtype: 'float32', shape })
  const seeds = new Map([['y0', 'seed']])
  const gradient = backward(emitter, model.graph.nodes, seeds, ['x0']).get('x0')!
  builder.output(gradient)
  const before = await nodeRuntime.createSession(encodeModel(drawn.model))
  const session = await nodeRuntime.createSession(encodeModel({ ...model, graph: builder.graph() }))
  try {
    const { y0: y } = await before.run(drawn.inputs)
    const seed = normalTensor(random, y!.dims)
    const found = (await session.run({ ...drawn.inputs, seed }))[gradient]!
    expect(found.dims).toEqual(x.dims)
    for (let i = 0; i < elementCount(x.dims); i++) {
      const unit = new Float32Array(elementCount(x.dims))
      unit[i] = 1
      const response = (await before.run({ ...drawn.inputs, x0: float32(x.dims, unit) })).y0!
      let expected = 0
      for (let k = 0; k < response.data.length; k++)
        expected += Number(response.data[k]) * Number(seed.data[k])
      expect(Math.abs(Number(found.data[i]) - expected)).toBeLessThan(1e-4)
    }
  } finally {
    await before.release()
    await session.release()
  }
}
