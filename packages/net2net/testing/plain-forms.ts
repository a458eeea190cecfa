/** Small models and their plain forms. For tests only. */
import { expect } from 'vitest'
import { type AttributeLike, attributes } from '../src/model/attributes.ts'
import type { Model, Node, Shape } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { plainly } from '../src/passes/plainly.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, type Tensor } from '../src/tensor/tensor.ts'

/** A node by its operator, called as its first output. */
export const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  given: Record<string, AttributeLike> = {},
): Node => ({
  name: outputs[0]!,
  opType,
  domain: '',
  inputs,
  outputs,
  attributes: attributes(given),
})

/** A model of an input x, of which nodes and constants are given. */
export function modelWith(
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>>,
  { shape = [2, 12, 3], outputs = ['y'], opset = 18 } = {} as {
    shape?: Shape
    outputs?: readonly string[]
    opset?: number
  },
): Model {
  const float = (name: string, dims: Shape | undefined) =>
    ({ name, type: { kind: 'tensor', dtype: 'float32', shape: dims } }) as const
  return {
    irVersion: 8,
    opsets: new Map([['', opset]]),
    metadata: new Map(),
    graph: {
      name: 'g',
      nodes,
      inputs: [float('x', shape)],
      outputs: outputs.map((name) => float(name, undefined)),
      values: [],
      initializers: new Map(Object.entries(constants).map(([name, tensor]) => [name, { tensor }])),
    },
  }
}

export const draw = randomStream(7, 'plain')
/** What a model gives for random numbers, which its plain form must give to the bit. */
export async function run(model: Model, dims: readonly number[]): Promise<readonly number[][]> {
  const session = await nodeRuntime.createSession(encodeModel(model))
  const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => draw.normal())
  const results = await session.run({ x: float32(dims, values) })
  await session.release()
  const again = await nodeRuntime.createSession(encodeModel(plainly(model)))
  const plain = await again.run({ x: float32(dims, values) })
  await again.release()
  const numbers = (tensors: typeof results) =>
    Object.values(tensors).map(({ dims, data }) => [...dims, ...Array.from(data as Float32Array)])
  expect(numbers(plain)).toEqual(numbers(results))
  return numbers(results)
}
export const operators = (model: Model) => plainly(model).graph.nodes.map(({ opType }) => opType)

/** As `run`, up to rounding. */
export async function expectClose(model: Model, dims: readonly number[]): Promise<void> {
  const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => draw.normal())
  const [before, after] = await Promise.all(
    [model, plainly(model)].map(async (each) => {
      const session = await nodeRuntime.createSession(encodeModel(each))
      const results = await session.run({ x: float32(dims, values) })
      await session.release()
      return results
    }),
  )
  for (const [name, { data }] of Object.entries(before!)) {
    const found = after![name]!.data
    Array.from(data, Number).forEach((value, i) => {
      expect(Math.abs(Number(found[i]) - value), `${name}[${i}]`).toBeLessThan(1e-5)
    })
  }
}
