/** Recurrent layers that are written otherwise compute the same when they are written plainly. */
import { expect, test } from 'vitest'
import { widened } from '../../testing/evaluate64.ts'
import { normalTensor, oneNode } from '../../testing/gradient-check.ts'
import { kernels } from '../../testing/reference/index.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, type Tensor } from '../tensor/tensor.ts'
import { plainly } from './plainly.ts'

const random = randomStream(2, 'plain recurrences')
const normal = (...dims: readonly number[]) => normalTensor(random, dims)

async function run(model: Model, inputs: Readonly<Record<string, Tensor>>) {
  const session = await nodeRuntime.createSession(encodeModel(model))
  const results = await session.run(inputs)
  await session.release()
  return results
}

/** A tensor with its axes in another order: axis k is axis `order[k]` of it. */
function turned(tensor: Tensor, order: readonly number[]): Tensor {
  const { dims } = tensor
  const strides = dims.map((_, k) => dims.slice(k + 1).reduce((a, b) => a * b, 1))
  const size = order.map((axis) => dims[axis]!)
  const numbers = Array.from({ length: tensor.data.length }, (_, i) => {
    let [rest, at] = [i, 0]
    for (let k = order.length - 1; k >= 0; k--) {
      at += (rest % size[k]!) * strides[order[k]!]!
      rest = Math.floor(rest / size[k]!)
    }
    return Number(tensor.data[at])
  })
  return float32(size, numbers)
}

test.each([
  ['LSTM', 4],
  ['GRU', 3],
  ['RNN', 1],
] as const)('%s with the batch first', async (op, gates) => {
  const [time, batch, features, hidden] = [4, 3, 2, 2]
  const weights = [normal(2, gates * hidden, features), normal(2, gates * hidden, hidden)]
  const [x, state] = [normal(batch, time, features), normal(batch, 2, hidden)]
  const outputs = op === 'LSTM' ? 3 : 2
  const { model, inputs } = oneNode({
    op,
    opset: 14,
    attributes: { hidden_size: hidden, direction: 'bidirectional', layout: 1 },
    inputs: [x, ...weights, undefined, undefined, state],
    outputs,
  })
  const found = await run(plainly(model), inputs)
  const [node] = model.graph.nodes
  const given = [turned(x, [1, 0, 2]), ...weights, undefined, undefined, turned(state, [1, 0, 2])]
  const expected = kernels.get(op)!(
    node!,
    given.map((tensor) => tensor && widened(tensor)),
  )
  for (const [k, tensor] of expected.slice(0, outputs).entries()) {
    const wanted = turned(tensor, k === 0 ? [2, 0, 1, 3] : [1, 0, 2])
    expect(found[`y${k}`]!.dims).toEqual(wanted.dims)
    Array.from(wanted.data, Number).forEach((value, i) => {
      expect(Math.abs(Number(found[`y${k}`]!.data[i]) - value)).toBeLessThan(1e-5)
    })
  }
})

test('initial states that are zero for one batch size are left out, and others stay', async () => {
  const zeros = float32([1, 3, 2], new Float32Array(6))
  const weights = [normal(1, 8, 2), normal(1, 8, 2)]
  const modelWith = (state: Tensor) =>
    oneNode({
      op: 'LSTM',
      attributes: { hidden_size: 2 },
      inputs: [normal(4, 3, 2), ...weights, undefined, undefined, state, zeros],
      constants: [5, 6],
      outputs: 3,
    })
  const { model, inputs } = modelWith(zeros)
  const plain = plainly(model)
  expect(plain.graph.nodes[0]!.inputs).toEqual(['x0', 'x1', 'x2'])
  expect(await run(plain, inputs)).toEqual(await run(model, inputs))
  const others = plainly(modelWith(normal(1, 3, 2)).model)
  expect(others.graph.nodes[0]!.inputs).toEqual(['x0', 'x1', 'x2', '', '', 'x5'])
})
