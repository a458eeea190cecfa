/** Inferred shapes against those that ONNX Runtime computes. */
import { describe, expect, test } from 'vitest'
import { drawConvolution, drawTransposed, drawWindow, pick } from '../../testing/draw.ts'
import { normalTensor, oneNode } from '../../testing/gradient-check.ts'
import { float } from '../model/attributes.ts'
import { encodeModel } from '../onnx/index.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { inferModel } from './inference.ts'

type Drawn = ReturnType<typeof oneNode>
type Draw = (random: RandomStream) => Drawn

/** Declares a random subset of the axes of x0 as symbolic. */
const vague = (random: RandomStream, dims: readonly number[]) => ({
  0: dims.map((dim, k) => (random.below(3) === 0 ? `s${k}` : dim)),
})

const pooling =
  (op: string, opsets: readonly number[]): Draw =>
  (random) => {
    const opset = pick(random, opsets)
    const dilate = op === 'MaxPool' ? opset >= 10 : opset >= 19
    const { space, kernel, attributes } = drawWindow(random, 1 + random.below(3), {
      pooling: true,
      dilate,
    })
    const dims = [1 + random.below(2), 1 + random.below(3), ...space]
    return oneNode({
      op,
      opset,
      attributes: {
        ...attributes,
        kernel_shape: kernel,
        ceil_mode: opset >= 10 ? random.below(2) : undefined,
      },
      inputs: [normalTensor(random, dims)],
      shapes: vague(random, dims),
      outputs: op === 'MaxPool' ? 1 + random.below(2) : 1,
    })
  }

const globalPooling =
  (op: string): Draw =>
  (random) => {
    const dims = [2, 3, ...Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(4))]
    return oneNode({ op, inputs: [normalTensor(random, dims)], shapes: vague(random, dims) })
  }

const draws: Readonly<Record<string, Draw>> = {
  Conv(random) {
    const { x, w, attributes } = drawConvolution(random, 1 + random.below(3))
    return oneNode({
      op: 'Conv',
      opset: pick(random, [7, 11, 18, 21]),
      attributes,
      inputs: [normalTensor(random, x), normalTensor(random, w)],
      // Known channels, so that the weight can be checked against them.
      shapes: vague(random, x),
    })
  },
  ConvTranspose(random) {
    const { x, w, attributes } = drawTransposed(random, 1 + random.below(3))
    return oneNode({
      op: 'ConvTranspose',
      opset: pick(random, [7, 11, 18, 21]),
      attributes,
      inputs: [normalTensor(random, x), normalTensor(random, w)],
      shapes: vague(random, x),
    })
  },
  'ConvTranspose with strides beyond its kernel'(random) {
    const kernel = 1 + random.below(2)
    return oneNode({
      op: 'ConvTranspose',
      attributes: { auto_pad: pick(random, ['SAME_UPPER', 'SAME_LOWER']), strides: [3, 4] },
      inputs: [
        normalTensor(random, [1, 1, 1 + random.below(3), 2]),
        normalTensor(random, [1, 1, kernel, 1]),
      ],
    })
  },
  MaxPool: pooling('MaxPool', [8, 10, 11, 12, 18, 21]),
  AveragePool: pooling('AveragePool', [7, 10, 11, 18, 19, 21]),
  LpPool: pooling('LpPool', [18]),
  GlobalAveragePool: globalPooling('GlobalAveragePool'),
  GlobalMaxPool: globalPooling('GlobalMaxPool'),
  GlobalLpPool: globalPooling('GlobalLpPool'),
  Gemm(random) {
    const [m = 1, k = 1, n = 1] = [0, 0, 0].map(() => 1 + random.below(5))
    const [transA, transB] = [random.below(2), random.below(2)]
    const a = transA ? [k, m] : [m, k]
    return oneNode({
      op: 'Gemm',
      opset: pick(random, [7, 9, 11, 18]),
      attributes: { transA, transB },
      inputs: [
        normalTensor(random, a),
        normalTensor(random, transB ? [n, k] : [k, n]),
        normalTensor(random, pick(random, [[n], [1], [1, n], [m, 1]])),
      ],
      shapes: vague(random, a),
    })
  },
  MatMul(random) {
    const [m = 1, k = 1, n = 1, b = 1] = [0, 0, 0, 0].map(() => 1 + random.below(4))
    const left = pick(random, [[k], [m, k], [b, m, k], [1, m, k], [2, 1, m, k]])
    const right = pick(random, [[k], [k, n], [b, k, n], [1, k, n], [1, b, k, n]])
    return oneNode({
      op: 'MatMul',
      inputs: [normalTensor(random, left), normalTensor(random, right)],
      shapes: vague(random, left),
    })
  },
  Softmax(random) {
    const dims = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(4))
    return oneNode({
      op: 'Softmax',
      opset: pick(random, [7, 11, 13]),
      attributes: { axis: random.below(dims.length) },
      inputs: [normalTensor(random, dims)],
      shapes: vague(random, dims),
    })
  },
  BatchNormalization(random) {
    const space = Array.from({ length: random.below(4) }, () => 1 + random.below(3))
    const dims = [2, 3, ...space]
    const opset = pick(random, [7, 9, 14, 15])
    const training = opset >= 14 && random.below(2) === 1
    const vector = () => float32([3], [1, 2, 3])
    return oneNode({
      op: 'BatchNormalization',
      opset,
      attributes: { training_mode: training ? 1 : undefined },
      inputs: [normalTensor(random, dims), vector(), vector(), vector(), vector()],
      shapes: vague(random, dims),
      outputs: training ? 3 : 1,
    })
  },
  LayerNormalization(random) {
    const dims = Array.from({ length: 1 + random.below(4) }, () => 2 + random.below(3))
    const axis = random.below(dims.length)
    return oneNode({
      op: 'LayerNormalization',
      attributes: { axis },
      inputs: [normalTensor(random, dims), normalTensor(random, dims.slice(axis))],
      shapes: vague(random, dims),
      outputs: 1 + 2 * random.below(2),
    })
  },
  Dropout(random) {
    const dims = [2, 1 + random.below(4)]
    const opset = pick(random, [7, 10, 12, 13])
    return oneNode({
      op: 'Dropout',
      opset,
      inputs: [normalTensor(random, dims)],
      shapes: vague(random, dims),
      outputs: opset >= 10 ? 1 + random.below(2) : 1,
    })
  },
  Resize(random) {
    const dims = [1, 2, 1 + random.below(7), 1 + random.below(7)]
    const opset = pick(random, [10, 11, 13, 18, 19])
    const factors = [1, 1, 1, 1].map((one, i) =>
      i < 2 ? one : pick(random, [1, 2, 0.7, 1.3, 2.6]),
    )
    const x = normalTensor(random, dims)
    const scales = float32([4], factors)
    const roi = float32([0], [])
    if (opset === 10)
      return oneNode({
        op: 'Resize',
        opset,
        inputs: [x, scales],
        constants: [1],
        shapes: vague(random, dims),
      })
    const [h = 1, w = 1] = [1 + random.below(9), 1 + random.below(9)]
    const form = random.below(opset >= 18 ? 4 : 2)
    return oneNode({
      op: 'Resize',
      opset,
      attributes: {
        mode: 'linear',
        axes: form >= 2 ? [2, 3] : undefined,
        keep_aspect_ratio_policy:
          form === 3 ? pick(random, ['not_larger', 'not_smaller']) : undefined,
      },
      inputs:
        form === 0
          ? [x, roi, scales]
          : [x, roi, opset < 13 ? roi : undefined, int64(form >= 2 ? [h, w] : [1, 2, h, w])],
      constants: [1, 2, 3],
      shapes: vague(random, dims),
    })
  },
  Upsample(random) {
    const dims = [1, 2, 1 + random.below(7), 1 + random.below(7)]
    const factors = [1, 1, pick(random, [1, 2, 2.6]), pick(random, [2, 1.7])]
    const opset = pick(random, [7, 9])
    return oneNode({
      op: 'Upsample',
      opset,
      attributes: {
        scales: opset < 9 ? { type: 'floats', value: factors } : undefined,
      },
      inputs: [normalTensor(random, dims), ...(opset < 9 ? [] : [float32([4], factors)])],
      constants: [1],
      shapes: vague(random, dims),
    })
  },
  PRelu: (random) =>
    oneNode({
      op: 'PRelu',
      inputs: [normalTensor(random, [2, 3, 4]), normalTensor(random, [3, 1])],
      shapes: vague(random, [2, 3, 4]),
    }),
  LRN: (random) =>
    oneNode({
      op: 'LRN',
      attributes: { size: 3, alpha: float(1e-3) },
      inputs: [normalTensor(random, [2, 3, 4, 5])],
      shapes: vague(random, [2, 3, 4, 5]),
    }),
  Einsum(random) {
    const equation = pick(random, ['ij,jk->ik', 'ij,kj', 'ij,ij->', 'bi,bj->bij'])
    const [left, right] = equation.startsWith('ij,jk')
      ? [
          [2, 3],
          [3, 4],
        ]
      : [
          [2, 3],
          [2, 3],
        ]
    return oneNode({
      op: 'Einsum',
      attributes: { equation },
      inputs: [normalTensor(random, left!), normalTensor(random, right!)],
      shapes: vague(random, left!),
    })
  },
}

describe('inferred shapes are those that ONNX Runtime computes', () => {
  for (const [name, draw] of Object.entries(draws))
    test(name, async () => {
      for (let i = 0; i < 60; i++) {
        const { model, inputs } = draw(randomStream(11, name, i))
        const inferred = inferModel(model)
        const session = await nodeRuntime.createSession(encodeModel(model))
        const results = await session.run(inputs)
        await session.release()
        const symbols = new Map<string, number>()
        inferred.get('x0')!.shape!.forEach((dim, k) => {
          if (typeof dim === 'string') symbols.set(dim, inputs.x0!.dims[k]!)
        })
        for (const [output, { dims, dtype }] of Object.entries(results)) {
          const found = inferred.get(output)!
          const shape = found.shape?.map((dim, k) =>
            dim === null ? dims[k] : typeof dim === 'string' ? symbols.get(dim) : dim,
          )
          const what = `draw ${i}, ${output} of ${JSON.stringify(inferred.get('x0')!.shape)}`
          expect(found.dtype, what).toBe(dtype)
          expect(shape, what).toEqual(dims)
          // Nothing is left open where everything is known.
          if (symbols.size === 0) expect(found.shape, what).not.toContain(null)
        }
      }
    })
})
