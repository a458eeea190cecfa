import { expect, test } from 'vitest'
import type { SampleSet } from '../data/samples.ts'
import { batchNorm, conv2d, flatten, relu, sequential } from '../layers/index.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64, materialize } from '../tensor/tensor.ts'
import { measureStatistics } from './channel-statistics.ts'

/** One pixel per image, 1200 images: more than are measured. */
const pixels = Array.from({ length: 1200 }, (_, i) => 3 * randomStream(i, 'pixel').normal() + 1)
const samples: SampleSet = {
  length: pixels.length,
  *batches(size, order = pixels.map((_, i) => i)) {
    for (let start = 0; start < order.length; start += size) {
      const rows = Array.from(order).slice(start, start + size)
      const images = float32(
        [rows.length, 1, 1, 1],
        rows.map((row) => pixels[row]!),
      ) // prettier-ignore
      // Not the model's name for its only input.
      yield { inputs: { image: images }, target: int64(rows) }
    }
  },
}

test('are mean and variance of what passes, over the first thousand samples', async () => {
  const network = sequential(
    [
      conv2d(2, 1, { name: 'conv', padding: 'same' }),
      batchNorm({ name: 'norm', epsilon: 0 }),
      relu({ name: 'relu' }),
      flatten({ name: 'flatten' }),
    ],
    { input: [1, 1, 1], seed: 1 },
  )
  const measured = await measureStatistics(network, ['conv'], { samples, runtime: nodeRuntime })
  expect(Object.keys(measured)).toEqual(['conv'])
  // The new layer goes behind the activation: what passes there is max(0, w·x).
  const kernels = materialize(network.graph.initializers.get('conv.weight')!.tensor).data
  expect(kernels).toHaveLength(2)
  ;[...kernels].forEach((w, channel) => {
    const seen = pixels.slice(0, 1000).map((pixel) => Math.max(0, Number(w) * pixel))
    const mean = seen.reduce((sum, value) => sum + value, 0) / seen.length
    const variance = seen.reduce((sum, value) => sum + (value - mean) ** 2, 0) / seen.length
    expect(measured.conv!.mean[channel]).toBeCloseTo(mean, 4)
    expect(measured.conv!.variance[channel]).toBeCloseTo(variance, 4)
  })
})

test('are not measured where no normalization is inserted', async () => {
  const network = sequential(
    [conv2d(2, 1, { name: 'conv', activation: 'relu' }), flatten({ name: 'flatten' })],
    { input: [1, 1, 1], seed: 1 },
  )
  expect(await measureStatistics(network, ['conv'], { samples, runtime: nodeRuntime })).toEqual({})
})
