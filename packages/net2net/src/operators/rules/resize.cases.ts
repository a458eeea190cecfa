/** Test cases of Resize and Upsample. */
import { BATCH, grows, WIDTH } from '../../../testing/bench.ts'
import {
  type Draw,
  type NodeCase,
  type OperatorCases,
  someSymbols,
} from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float32, int64 } from '../../tensor/tensor.ts'

const coordinates = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'] as const

/** `form`: with sizes that the run finds out, or with the weights of a filter that stretches where an axis shrinks. */
const inMode = (
  mode: string,
  space: number,
  form: 'known' | 'dynamic' | 'antialias' = 'known',
): NodeCase => ({
  what: `in mode ${mode} over ${space} axes${form === 'known' ? '' : `, ${form}`}`,
  linear: true,
  draw(random) {
    const dims = [1 + random.below(2), 1 + random.below(2)]
    const factors = [1, 1]
    for (let i = 0; i < space; i++) {
      dims.push(2 + random.below(3))
      factors.push(anyOf(random, [1, 2, 2, 3, 0.5, 1.5]))
    }
    const bySizes = random.below(2) === 1
    const sizes = dims.map((dim, i) => Math.floor(dim * factors[i]!))
    return {
      attributes: {
        mode,
        antialias: form === 'antialias' ? 1 : undefined,
        coordinate_transformation_mode: anyOf(random, coordinates),
        nearest_mode: anyOf(random, ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']),
        exclude_outside: mode === 'cubic' ? random.below(2) : undefined,
      },
      inputs: bySizes
        ? [normalTensor(random, dims), undefined, undefined, int64(sizes)]
        : [normalTensor(random, dims), undefined, float32([factors.length], factors)],
      constants: form === 'dynamic' && random.below(2) === 0 ? [] : [2, 3],
      ...(form === 'dynamic' && { shapes: { 0: dims.map((_, k) => `s${k}`) } }),
    }
  },
})

const repetition: NodeCase = {
  what: 'by repetition, with symbolic sizes',
  linear: true,
  draw(random) {
    const dims = [2, 2, 1 + random.below(4), 1 + random.below(4)]
    const [a, b] = [1 + random.below(3), 1 + random.below(3)]
    const [mode, rounding] = anyOf(random, [
      ['asymmetric', 'floor'],
      ['half_pixel', 'round_prefer_floor'],
    ] as const)
    return {
      attributes: {
        mode: 'nearest',
        coordinate_transformation_mode: mode,
        nearest_mode: rounding,
      },
      inputs: [normalTensor(random, dims), undefined, float32([4], [1, 1, a, b])],
      constants: [2],
      shapes: { 0: ['n', 2, 'h', 'w'] },
    }
  },
}

const upsample: Draw = (random) => {
  const dims = [1, 2, 1 + random.below(7), 1 + random.below(7)]
  const factors = [1, 1, anyOf(random, [1, 2, 2.6]), anyOf(random, [2, 1.7])]
  const opset = anyOf(random, [7, 9])
  return {
    opset,
    attributes: { scales: opset < 9 ? { type: 'floats', value: factors } : undefined },
    inputs: [normalTensor(random, dims), ...(opset < 9 ? [] : [float32([4], factors)])],
    constants: [1],
  }
}

export const cases: OperatorCases = {
  Resize: {
    shapes(random) {
      const dims = [1, 2, 1 + random.below(7), 1 + random.below(7)]
      const opset = anyOf(random, [10, 11, 13, 18, 19])
      const factors = [1, 1, 1, 1].map((one, i) =>
        i < 2 ? one : anyOf(random, [1, 2, 0.7, 1.3, 2.6]),
      )
      const x = normalTensor(random, dims)
      const scales = float32([4], factors)
      const roi = float32([0], [])
      const shapes = someSymbols(random, dims)
      if (opset === 10) return { opset, inputs: [x, scales], constants: [1], shapes }
      const [h = 1, w = 1] = [1 + random.below(9), 1 + random.below(9)]
      const form = random.below(opset >= 18 ? 4 : 2)
      return {
        opset,
        attributes: {
          mode: 'linear',
          axes: form >= 2 ? [2, 3] : undefined,
          keep_aspect_ratio_policy:
            form === 3 ? anyOf(random, ['not_larger', 'not_smaller']) : undefined,
        },
        inputs:
          form === 0
            ? [x, roi, scales]
            : [x, roi, opset < 13 ? roi : undefined, int64(form >= 2 ? [h, w] : [1, 2, h, w])],
        constants: [1, 2, 3],
        shapes,
      }
    },
    gradient: [
      inMode('nearest', 1),
      inMode('nearest', 2),
      inMode('linear', 1),
      inMode('linear', 2),
      inMode('linear', 3),
      inMode('cubic', 2),
      inMode('nearest', 2, 'dynamic'),
      inMode('linear', 2, 'dynamic'),
      inMode('linear', 1, 'dynamic'),
      inMode('cubic', 2, 'dynamic'),
      inMode('linear', 2, 'antialias'),
      inMode('cubic', 2, 'antialias'),
      repetition,
    ],
    growth: [
      grows('by scales', (b) => {
        const scales = b.constant(float32([4], [1, 1, 2, 1.5]))
        return b.read(b.op('Resize', [b.conv(), '', scales], { mode: 'linear' }), 1)
      }),
      grows('by sizes', (b) => {
        const sizes = b.ints(BATCH, WIDTH, 10, 8)
        return b.read(b.op('Resize', [b.conv(), '', '', sizes], { mode: 'nearest' }), 1)
      }),
    ],
  },
  Upsample: {
    shapes: (random, index) => {
      const node = upsample(random, index)
      return { ...node, shapes: someSymbols(random, node.inputs[0]!.dims) }
    },
    gradient: [{ draw: upsample, linear: true }],
    growth: [
      grows(
        'of the image',
        (b) => {
          const scales = b.constant(float32([4], [1, 1, 2, 3]))
          return b.read(b.op('Upsample', [b.conv(), scales], { mode: 'nearest' }), 1)
        },
        { opset: 9 },
      ),
    ],
  },
}
