import { describe, expect, test } from 'vitest'
import { pick } from '../../../testing/draw.ts'
import { normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/index.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { elementCount, float32, int64 } from '../../tensor/tensor.ts'
import { inferModel } from '../inference.ts'

type Drawn = ReturnType<typeof oneNode>

/**
 * Resize is linear, so its Jacobian is what ONNX Runtime makes of the unit vectors: the emitted
 * gradient of Σ δ·y must be, for every input element, the response to its unit vector times δ.
 */
async function checkAdjoint({ model, inputs }: Drawn, random: RandomStream): Promise<void> {
  const infos = inferModel(model)
  const builder = new GraphBuilder(model.graph)
  const emitter = new GraphEmitter(builder, infos, 18)
  const { dims } = inputs.x0!
  const session0 = await nodeRuntime.createSession(encodeModel(model))
  const y = (await session0.run(inputs)).y0!
  expect(
    infos.get('y0')!.shape!.map((dim, k) => (typeof dim === 'number' ? dim : y.dims[k])),
  ).toEqual(y.dims)
  await session0.release()
  const shape = infos.get('y0')!.shape!
  builder.input('seed', 'float32', shape)
  emitter.declare('seed', { dtype: 'float32', shape })
  const gradient = backward(emitter, model.graph.nodes, new Map([['y0', 'seed']]), ['x0']).get(
    'x0',
  )!
  builder.output(gradient)
  const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph(), 18)))
  try {
    const seed = normalTensor(random, y.dims)
    const found = (await session.run({ x0: inputs.x0!, seed }))[gradient]!
    expect(found.dims).toEqual(dims)
    for (let i = 0; i < elementCount(dims); i++) {
      const unit = new Float32Array(elementCount(dims))
      unit[i] = 1
      const response = (await session.run({ x0: float32(dims, unit), seed })).y0!
      let expected = 0
      for (let k = 0; k < response.data.length; k++)
        expected += Number(response.data[k]) * Number(seed.data[k])
      expect(Math.abs(Number(found.data[i]) - expected)).toBeLessThan(1e-4)
    }
  } finally {
    await session.release()
  }
}

async function checkDraws(draws: number, seed: number, draw: (random: RandomStream) => Drawn) {
  for (let i = 0; i < draws; i++) {
    const random = randomStream(seed, 'resize', i)
    const drawn = draw(random)
    try {
      await checkAdjoint(drawn, random)
    } catch (cause) {
      const node = drawn.model.graph.nodes[0]!
      const attributes = [...node.attributes].map(
        ([name, a]) => `${name}=${'value' in a && a.value}`,
      )
      throw new Error(
        `Draw ${i}: ${attributes.join(' ')}, input [${drawn.inputs.x0!.dims}], inputs ${node.inputs}: ${String(cause)}`,
        { cause },
      )
    }
  }
}

const coordinates = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'] as const

function draw(random: RandomStream, mode: string, space: number): Drawn {
  const dims = [1 + random.below(2), 1 + random.below(2)]
  const factors = [1, 1]
  for (let i = 0; i < space; i++) {
    dims.push(2 + random.below(3))
    factors.push(pick(random, [1, 2, 2, 3, 0.5, 1.5]))
  }
  const bySizes = random.below(2) === 1
  const sizes = dims.map((dim, i) => Math.floor(dim * factors[i]!))
  return oneNode({
    op: 'Resize',
    attributes: {
      mode,
      coordinate_transformation_mode: pick(random, coordinates),
      nearest_mode: pick(random, ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']),
      exclude_outside: mode === 'cubic' ? random.below(2) : undefined,
    },
    inputs: bySizes
      ? [normalTensor(random, dims), undefined, undefined, int64(sizes)]
      : [normalTensor(random, dims), undefined, float32([factors.length], factors)],
    constants: [2, 3],
  })
}

describe('the gradient of Resize', () => {
  for (const [mode, space] of [
    ['nearest', 1],
    ['nearest', 2],
    ['linear', 1],
    ['linear', 2],
    ['linear', 3],
    ['cubic', 2],
  ] as const)
    test(`in mode ${mode} over ${space} axes`, () =>
      checkDraws(25, space, (random) => draw(random, mode, space)))

  test('of repetition needs no sizes', () =>
    checkDraws(20, 0, (random) => {
      const dims = [2, 2, 1 + random.below(4), 1 + random.below(4)]
      const [a, b] = [1 + random.below(3), 1 + random.below(3)]
      const [mode, rounding] = pick(random, [
        ['asymmetric', 'floor'],
        ['half_pixel', 'round_prefer_floor'],
      ] as const)
      return oneNode({
        op: 'Resize',
        attributes: {
          mode: 'nearest',
          coordinate_transformation_mode: mode,
          nearest_mode: rounding,
        },
        inputs: [normalTensor(random, dims), undefined, float32([4], [1, 1, a, b])],
        constants: [2],
        shapes: { 0: ['n', 2, 'h', 'w'] },
      })
    }))
})

test('scales that are put together from constants are followed', () => {
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', 2, 3, 4])
  const parts = [float32([2], [1, 1]), float32([2], [2, 3])].map((value) =>
    b.node('Constant', [], { value }),
  )
  const y = b.node('Resize', ['x', '', b.node('Concat', parts, { axis: 0 })])
  expect(inferModel(modelOf(b.graph())).get(y)!.shape).toEqual(['n', 2, 6, 12])
})

test('modes without a gradient rule are named', async () => {
  const check = checkDraws(1, 0, (random) =>
    oneNode({
      op: 'Resize',
      attributes: { mode: 'linear', antialias: 1 },
      inputs: [normalTensor(random, [1, 1, 4, 4]), undefined, float32([4], [1, 1, 0.5, 0.5])],
      constants: [2],
    }),
  )
  await expect(check).rejects.toThrow(/antialias/)
})
