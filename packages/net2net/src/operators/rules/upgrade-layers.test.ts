/** Layers, poolings and normalizations of older operator sets compute the same after their upgrade. */
import { describe, expect, test } from 'vitest'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor, oneNode, uniformTensor } from '../../../testing/gradient-check.ts'
import { type AttributeLike, float } from '../../model/attributes.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { opsetOf } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { float32, int64, type Tensor } from '../../tensor/tensor.ts'

type Drawn = ReturnType<typeof oneNode>

async function run({ model, inputs }: Drawn): Promise<Record<string, Tensor>> {
  const session = await nodeRuntime.createSession(encodeModel(model))
  try {
    return await session.run(inputs)
  } finally {
    await session.release()
  }
}

const flattening =
  (op: string) =>
  (random: RandomStream): Drawn => {
    const dims = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(4))
    const opset = anyOf(random, [7, 9, 11, 12])
    const axis = random.below(dims.length)
    return oneNode({
      op,
      opset,
      attributes: { axis: opset === 11 && random.below(2) ? axis - dims.length : axis },
      inputs: [normalTensor(random, dims)],
      shapes: random.below(2) ? { 0: dims.map((_, k) => `s${k}`) } : {},
    })
  }

const draws: Readonly<Record<string, (random: RandomStream) => Drawn>> = {
  Softmax: flattening('Softmax'),
  LogSoftmax: flattening('LogSoftmax'),
  BatchNormalization(random) {
    const dims = [2, 3, 1 + random.below(4), 2]
    const opset = anyOf(random, [7, 8, 9, 13])
    const vector = () => normalTensor(random, [3])
    return oneNode({
      op: 'BatchNormalization',
      opset,
      attributes: {
        epsilon: float(1e-3),
        spatial: opset < 9 && random.below(2) ? 1 : undefined,
      },
      inputs: [
        normalTensor(random, dims),
        vector(),
        vector(),
        vector(),
        uniformTensor(random, [3], 0.5, 2),
      ],
    })
  },
  Dropout: (random) =>
    oneNode({
      op: 'Dropout',
      opset: anyOf(random, [7, 10, 11]),
      attributes: { ratio: float(0.3) },
      inputs: [normalTensor(random, [3, 4])],
    }),
  Upsample(random) {
    const opset = anyOf(random, [7, 9])
    const factors = [1, 1, anyOf(random, [1, 2, 3, 1.5]), anyOf(random, [1, 2, 2.5])]
    return oneNode({
      op: 'Upsample',
      opset,
      attributes: {
        mode: anyOf(random, ['nearest', 'linear']),
        scales: opset < 9 ? { type: 'floats', value: factors } : undefined,
      },
      inputs: [
        normalTensor(random, [1, 2, 1 + random.below(4), 1 + random.below(4)]),
        ...(opset < 9 ? [] : [float32([4], factors)]),
      ],
      constants: [1],
    })
  },
  'Resize 10': (random) => {
    const factors = [1, 1, anyOf(random, [1, 2, 3, 1.5, 0.5]), anyOf(random, [1, 2, 0.6])]
    // Axes that get longer are rounded down, shorter ones up: not both in one node.
    if (factors.some((f) => f < 1)) for (const k of [2, 3]) factors[k] = Math.min(1, factors[k]!)
    return oneNode({
      op: 'Resize',
      opset: 10,
      attributes: { mode: anyOf(random, ['nearest', 'linear']) },
      inputs: [
        normalTensor(random, [1, 2, 2 + random.below(4), 2 + random.below(4)]),
        float32([4], factors),
      ],
      constants: [1],
    })
  },
  'Resize 11': (random) => {
    const attributes: Record<string, AttributeLike> = {
      mode: anyOf(random, ['nearest', 'linear']),
      coordinate_transformation_mode: anyOf(random, ['half_pixel', 'asymmetric', 'align_corners']),
    }
    const x = normalTensor(random, [1, 2, 3, 4])
    const none = float32([0], [])
    return oneNode({
      op: 'Resize',
      opset: anyOf(random, [11, 12]),
      attributes,
      inputs: random.below(2)
        ? [x, none, float32([4], [1, 1, 2, 1.5])]
        : [x, none, none, int64([1, 2, 5, 7])],
      constants: [1, 2, 3],
    })
  },
  'Resize 11 as TensorFlow exports it': (random) =>
    oneNode({
      op: 'Resize',
      opset: 11,
      attributes: {
        mode: 'nearest',
        coordinate_transformation_mode: 'tf_half_pixel_for_nn',
        nearest_mode: 'floor',
      },
      inputs: [
        normalTensor(random, [1, 2, 3, 4]),
        float32([0], []),
        float32([4], [1, 1, anyOf(random, [2, 3, 1.5]), anyOf(random, [2, 0.5])]),
      ],
      constants: [1, 2],
    }),
  'AveragePool 7': (random) =>
    oneNode({
      op: 'AveragePool',
      opset: 7,
      attributes: { kernel_shape: [2, 3], pads: [1, 0, 0, 1], count_include_pad: random.below(2) },
      inputs: [normalTensor(random, [1, 2, 4, 4])],
    }),
  'MaxPool 8': (random) =>
    oneNode({
      op: 'MaxPool',
      opset: 8,
      attributes: { kernel_shape: [2, 3], strides: [2, 1] },
      inputs: [normalTensor(random, [1, 2, 4, 4])],
    }),
  'Gemm 7': (random) =>
    oneNode({
      op: 'Gemm',
      opset: anyOf(random, [7, 9]),
      attributes: { transA: 1, alpha: float(0.5) },
      inputs: [
        normalTensor(random, [3, 2]),
        normalTensor(random, [3, 4]),
        normalTensor(random, anyOf(random, [[4], [1], [2, 1]])),
      ],
    }),
}

describe('the upgrade to the emitted operator set keeps the function of', () => {
  for (const [name, draw] of Object.entries(draws))
    test(name, async () => {
      for (let i = 0; i < 25; i++) {
        const drawn = draw(randomStream(3, name, i))
        const upgraded = upgrade(drawn.model)
        expect(opsetOf(upgraded)).toBe(18)
        const what = `draw ${i} ${[...drawn.model.graph.nodes[0]!.attributes].map(([k, a]) => `${k}=${'value' in a && a.value}`)} [${drawn.inputs.x0!.dims}]`
        const before = await run(drawn)
        const after = await run({ ...drawn, model: upgraded })
        expect(after.y0!.dims, what).toEqual(before.y0!.dims)
        const differences = Array.from(before.y0!.data as Float32Array, (value, k) =>
          Math.abs(value - Number(after.y0!.data[k])),
        )
        expect(Math.max(0, ...differences), what).toBeLessThan(1e-5)
      }
    })
})

test('BatchNormalization with outputs for its statistics stays in training mode', async () => {
  const builder = new GraphBuilder()
  const random = randomStream(5, 'statistics')
  const x = normalTensor(random, [4, 3, 5])
  builder.input('x', 'float32', [4, 3, 5])
  const vectors = ['scale', 'shift', 'mean', 'variance'].map((name) =>
    builder.initializer(name, uniformTensor(random, [3], 0.5, 2)),
  )
  const outputs = ['y', 'mean_next', 'variance_next', 'saved_mean', 'saved_variance']
  builder.nodeOutputs('BatchNormalization', ['x', ...vectors], {}, { outputs })
  builder.output('y', 'float32')
  const model = modelOf(builder.graph(), 9)
  const [before, after] = await Promise.all(
    [model, upgrade(model)].map((each) => run({ model: each, inputs: { x } })),
  )
  for (const [i, value] of (before!.y!.data as Float32Array).entries())
    expect(Number(after!.y!.data[i])).toBeCloseTo(value, 5)
})

describe('what newer operator sets cannot express is refused', () => {
  test('rounding up along one axis and down along another', () => {
    const { model } = oneNode({
      op: 'Resize',
      opset: 10,
      inputs: [float32([1, 1, 2, 2], [1, 2, 3, 4]), float32([4], [1, 1, 2, 0.5])],
      constants: [1],
    })
    expect(() => upgrade(model)).toThrow(/lengthens one axis and shortens another/)
  })
  test('statistics per position', () => {
    const vector = () => float32([2, 3], [1, 1, 1, 1, 1, 1])
    const { model } = oneNode({
      op: 'BatchNormalization',
      opset: 7,
      attributes: { spatial: 0 },
      inputs: [float32([1, 2, 3], [1, 2, 3, 4, 5, 6]), vector(), vector(), vector(), vector()],
    })
    expect(() => upgrade(model)).toThrow(/spatial = 0/)
  })
})
