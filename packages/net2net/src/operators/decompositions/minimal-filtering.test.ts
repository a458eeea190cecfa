import { describe, expect, test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import { runGraph } from '../../../testing/run-graph.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { randomStream } from '../../tensor/random.ts'
import type { Emitter } from '../contract/gradient.ts'
import { imageConvolution } from './convolution-columns.ts'
import { spreadWindows, weightGradient } from './convolution-gradient.ts'
import {
  convolveByTiles,
  inputGradientByTiles,
  tilingsOf,
  weightGradientByTiles,
} from './minimal-filtering.ts'

const target = 'onnxruntime-wasm'

test('tiles of every size give what a convolution gives, and its gradients', async () => {
  for (let draw = 0; draw < 12; draw++) {
    const random = randomStream(2, 'tiles', draw)
    const [samples, channels, filters] = [1, 1, 1].map((least) => least + random.below(3))
    const kernel = [2 + random.below(2), 2 + random.below(2)]
    const pads = Array.from({ length: 4 }, () => random.below(4))
    const image = [5 + random.below(6), 5 + random.below(6)]
    const outputs = image.map((size, i) => size + pads[i]! + pads[i + 2]! - kernel[i]! + 1)
    const window = kernel.map((size, i) => ({
      kernel: size,
      stride: 1,
      dilation: 1,
      pads: { begin: pads[i]!, end: pads[i + 2]! },
      input: image[i]!,
    }))
    const x = normalTensor(random, [samples!, channels!, ...image])
    const w = normalTensor(random, [filters!, channels!, ...kernel])
    const dy = normalTensor(random, [samples!, filters!, ...outputs])
    const expected = await runGraph({ x, w, dy }, (emitter) => ({
      y: emitter.op('Conv', ['x', 'w'], { kernel_shape: kernel, pads }),
      dx: spreadWindows(emitter, 'dy', 'w', 'x', window, 1),
      dw: weightGradient(emitter, 'dy', 'x', window, 1),
    }))
    let count = 0
    const found = await runGraph(
      { x, w, dy },
      (emitter) => {
        const convolution = imageConvolution(emitter, 'x', 'dy', window, 1)!
        const forms = tilingsOf(convolution).flatMap((tiling, i) => [
          [`y${i}`, convolveByTiles(emitter, 'x', 'w', convolution, tiling)] as const,
          [`dx${i}`, inputGradientByTiles(emitter, 'dy', 'w', convolution, tiling)] as const,
          [`dw${i}`, weightGradientByTiles(emitter, 'dy', 'x', convolution, tiling)] as const,
        ])
        count = forms.length
        return Object.fromEntries(forms)
      },
      target,
    )
    expect(count, 'two or three outputs a tile').toBe(3 * (4 - Math.max(...kernel)))
    for (const [name, tensor] of Object.entries(found)) {
      const wanted = expected[name.replace(/\d/, '') as keyof typeof expected]
      expect(tensor.dims).toEqual(wanted.dims)
      const { values } = sent({ values: wanted })
      const error = difference(sent({ values: tensor }).values, values!)
      expect(error, `draw ${draw}, ${name}`).toBeLessThan(2e-6)
    }
  }
})

/** The operators that the gradients of a convolution's inputs are made of. */
function operatorsFor(channels: number, size: number, attributes = {}): readonly string[] {
  const inputs = { x: [32, channels, size, size], w: [channels, channels, 3, 3] }
  const convolved = (emitter: Emitter) =>
    emitter.op('Conv', ['x', 'w'], { kernel_shape: [3, 3], ...attributes })
  return gradientOperators(target, inputs, convolved, ['x', 'w'])
}

describe('the gradients of Conv in WebAssembly', () => {
  test('is the derivative', () =>
    checkGradients({
      draws: 2,
      targets: [target],
      draw: (random, i) => {
        const [channels, filters] = [12 + random.below(2), 12 + random.below(2)]
        const x = [1, channels, 4, 5]
        const pads = [0, 1, 2, 1]
        return oneNode({
          op: 'Conv',
          attributes: { kernel_shape: [3, 3], pads },
          inputs: [
            normalTensor(random, x),
            normalTensor(random, [filters, channels, 3, 3], { scale: 0.2 }),
          ],
          shapes: i % 2 ? { 0: ['n', ...x.slice(1)] } : {},
        })
      },
    }))

  test('where arithmetic outweighs the transforms', () => {
    const byTiles = operatorsFor(64, 14)
    expect(byTiles).not.toContain('Conv')
    expect(byTiles).not.toContain('Gemm')
    // The tiles of δ are computed once for both gradients.
    expect(byTiles.filter((name) => name === 'MatMul')).toHaveLength(9)
    for (const others of [
      operatorsFor(64, 14, { strides: [2, 2] }),
      operatorsFor(64, 14, { dilations: [2, 2] }),
      operatorsFor(8, 64),
    ])
      expect(others.some((name) => name.startsWith('Conv'))).toBe(true)
  })
})
