import { describe, expect, it } from 'vitest'
import { intAttribute, subgraphs, tensorAttribute } from '../model/attributes.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { fromFloat16, toFloat16 } from '../tensor/half.ts'
import { float32, materialize, scalar, Tensor, toNumbers } from '../tensor/tensor.ts'
import { inSinglePrecision, singleFeeds } from './single-precision.ts'

const halves = (dims: readonly number[], values: readonly number[]) =>
  new Tensor('float16', dims, Uint16Array.from(values, toFloat16))

/** y = (x as float16) · [1, 2, 3] + 0.1 with a constant node, a Cast, and an If of two constants. */
function network(): Model {
  const b = new GraphBuilder()
  b.input('x', 'float32', [2, 3])
  b.input('positive', 'bool', [])
  b.input('half', 'float16', [3])
  const low = b.node('Cast', ['x'], { to: 10 })
  const product = b.node('Mul', [low, b.constant(halves([3], [1, 2, 3]))])
  const tenth = b.node('Constant', [], { value: halves([], [0.1]) })
  const branch = (output: string, value: number) => {
    const inner = new GraphBuilder()
    const value16 = inner.node(
      'Constant',
      [],
      { value: halves([], [value]) },
      { outputs: [output] },
    )
    inner.output(value16, 'float16', [])
    return { type: 'graph' as const, value: inner.graph() }
  }
  const chosen = b.node('If', ['positive'], {
    then_branch: branch('plus', 1 / 3),
    else_branch: branch('minus', -1 / 3),
  })
  const sum = b.node('Add', [b.node('Add', [b.node('Add', [product, tenth]), 'half']), chosen])
  b.output(sum, 'float16', [2, 3])
  return b.model()
}

describe('a model in single precision', () => {
  const model = network()
  const single = inSinglePrecision(model)!

  it('has no half precision left, in subgraphs neither', () => {
    const { nodes, inputs, outputs, initializers } = single.graph
    const types = [...inputs, ...outputs].map(({ type }) => type.kind === 'tensor' && type.dtype)
    expect(types).toEqual(['float32', 'bool', 'float32', 'float32'])
    expect([...initializers.values()].map(({ tensor }) => tensor.dtype)).toEqual(['float32'])
    expect(intAttribute(nodes.find(({ opType }) => opType === 'Cast')!, 'to', undefined)).toBe(1)
    const constants = [nodes, ...nodes.flatMap(subgraphs).map((graph) => graph.nodes)]
      .flat()
      .flatMap((node) => tensorAttribute(node, 'value') ?? [])
    expect(constants.map(({ dtype }) => dtype)).toEqual(['float32', 'float32', 'float32'])
  })

  it('keeps the very values of the weights', () => {
    const [initializer] = single.graph.initializers.values()
    expect(toNumbers(initializer!.tensor)).toEqual([1, 2, 3])
    const weights = halves([4], [0.1, -(2 ** -24), 65504, 3])
    const b = new GraphBuilder()
    b.output(b.node('Identity', [b.initializer('w', weights)]), 'float16', [4])
    const { tensor } = inSinglePrecision(b.model())!.graph.initializers.get('w')!
    // A part of it alone, as streams read it.
    const part = new Float32Array(tensor.read(4, 8).slice().buffer)
    expect([...part]).toEqual([-(2 ** -24), 65504])
    expect(materialize(tensor).data[0]).toBe(0.0999755859375)
  })

  it('computes the function without rounding to half', async () => {
    const session = await nodeRuntime.createSession(encodeModel(single))
    try {
      const feeds = {
        x: float32([2, 3], [1e-5, 0.3, -7, 100.03, 5, 1]),
        positive: new Tensor('bool', [], Uint8Array.of(1)),
        half: halves([3], [0.5, 1, 2]),
      }
      const [result] = Object.values(await session.run(singleFeeds(feeds)))
      const [tenth, third] = [0.0999755859375, fromFloat16(toFloat16(1 / 3))]
      const expected = toNumbers(feeds.x).map(
        (x, i) => x * [1, 2, 3][i % 3]! + tenth + [0.5, 1, 2][i % 3]! + third,
      )
      toNumbers(result!).forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 4)
      })
    } finally {
      await session.release()
    }
  })

  it('is not made where nothing is in half precision', () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', [3])
    b.output(b.node('Mul', ['x', b.constant(scalar('float32', 2))]), 'float32', [3])
    expect(inSinglePrecision(b.model())).toBeUndefined()
  })
})
