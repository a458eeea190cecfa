import { describe, expect, it } from 'vitest'
import { normalTensor, type OneNode, oneNode } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { opsetOf } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64, scalar, type Tensor } from '../../tensor/tensor.ts'

const random = randomStream(0, 'upgrade')
const x = (...dims: readonly number[]): Tensor => normalTensor(random, dims)

const old: readonly (OneNode & { readonly what: string })[] = [
  { what: 'Squeeze of all', op: 'Squeeze', opset: 11, inputs: [x(2, 1, 3, 1)] },
  {
    what: 'Squeeze',
    op: 'Squeeze',
    opset: 11,
    attributes: { axes: [1, -1] },
    inputs: [x(2, 1, 3, 1)],
  },
  { what: 'Unsqueeze', op: 'Unsqueeze', opset: 9, attributes: { axes: [0, 2] }, inputs: [x(2, 3)] },
  {
    what: 'Slice',
    op: 'Slice',
    opset: 9,
    attributes: { starts: [1, 0], ends: [9, -1] },
    inputs: [x(3, 4)],
  },
  {
    what: 'Slice of axes',
    op: 'Slice',
    opset: 7,
    attributes: { axes: [1], starts: [-2], ends: [9] },
    inputs: [x(3, 4)],
  },
  {
    what: 'Clip',
    op: 'Clip',
    opset: 10,
    attributes: { min: float(-0.5), max: float(0.5) },
    inputs: [x(9)],
  },
  {
    what: 'Clip from above',
    op: 'Clip',
    opset: 7,
    attributes: { max: float(0.5) },
    inputs: [x(9)],
  },
  { what: 'Clip of nothing', op: 'Clip', opset: 10, inputs: [x(9)] },
  {
    what: 'Pad',
    op: 'Pad',
    opset: 10,
    attributes: { pads: [0, 1, 2, 0], value: float(3) },
    inputs: [x(2, 3)],
  },
  {
    what: 'Pad by reflection',
    op: 'Pad',
    opset: 7,
    attributes: { pads: [0, 1, 1, 0], mode: 'reflect' },
    inputs: [x(3, 3)],
  },
  {
    what: 'TopK',
    op: 'TopK',
    opset: 9,
    attributes: { k: 2, axis: 0 },
    inputs: [x(4, 2)],
    outputs: 2,
  },
  {
    what: 'Split into sizes',
    op: 'Split',
    opset: 11,
    attributes: { split: [1, 3], axis: 1 },
    inputs: [x(2, 4)],
    outputs: 2,
  },
  { what: 'Split', op: 'Split', opset: 9, attributes: { axis: 1 }, inputs: [x(2, 4)], outputs: 2 },
  {
    what: 'Split of 13',
    op: 'Split',
    opset: 13,
    attributes: { axis: 1 },
    inputs: [x(2, 4)],
    outputs: 2,
  },
  { what: 'Scatter', op: 'Scatter', opset: 9, inputs: [x(3, 2), int64([1, 0], [1, 2]), x(1, 2)] },
  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceL2', 'ReduceLogSumExp'].flatMap((op) => [
    { what: `${op} of all`, op, opset: 11, inputs: [x(2, 3)] },
    { what: op, op, opset: 11, attributes: { axes: [-1], keepdims: 0 }, inputs: [x(2, 3)] },
  ]),
  {
    what: 'ReduceMean of 17',
    op: 'ReduceMean',
    opset: 17,
    attributes: { axes: [0] },
    inputs: [x(2, 3)],
  },
  {
    what: 'CumSum, which did not change',
    op: 'CumSum',
    opset: 11,
    inputs: [x(4), scalar('int64', 0)],
  },
]

async function run(model: Parameters<typeof encodeModel>[0], inputs: Record<string, Tensor>) {
  const session = await nodeRuntime.createSession(encodeModel(model))
  try {
    return await session.run(inputs)
  } finally {
    await session.release()
  }
}

describe('old forms, rewritten for opset 18, compute the same', () => {
  it.each(old)('$what', async (spec) => {
    const { model, inputs } = oneNode(spec)
    const upgraded = upgrade(model)
    expect(opsetOf(upgraded)).toBe(18)
    const [before, after] = [await run(model, { ...inputs }), await run(upgraded, { ...inputs })]
    for (const [name, tensor] of Object.entries(before)) {
      expect(after[name]!.dims).toEqual(tensor.dims)
      expect(Array.from(after[name]!.data, Number)).toEqual(Array.from(tensor.data, Number))
    }
  })
})
