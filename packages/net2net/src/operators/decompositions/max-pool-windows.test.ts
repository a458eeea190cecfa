import { expect, test } from 'vitest'
import { maxPoolGradient, wholeNumbers } from '../../../testing/max-pool-gradient.ts'
import { randomStream } from '../../tensor/random.ts'
import type { Target } from '../contract/gradient.ts'

const random = randomStream(11, 'windows')

/** Many ties, windows of 1 to 4, and images that do not divide by them. */
test('max-pooling by windows has the gradient of the form with positions', async () => {
  for (let draw = 0; draw < 20; draw++) {
    const size = 1 + random.below(4)
    const dims = [
      1 + random.below(3),
      1 + random.below(4),
      size + random.below(7),
      size + random.below(7),
    ]
    const pooled = [...dims.slice(0, 2), ...dims.slice(2).map((dim) => Math.floor(dim / size))]
    const feeds = {
      x: wholeNumbers(random, dims, { from: -2, count: 4 }),
      seed: wholeNumbers(random, pooled, { from: -9, count: 19 }),
    }
    const attributes = { kernel_shape: [size, size], strides: [size, size] }
    const gradient = (target: Target) => maxPoolGradient(attributes, feeds, { target })
    const standard = await gradient('standard')
    const windows = await gradient('onnxruntime-webgpu')
    expect(standard.hasPositions).toBe(true)
    expect(windows.hasPositions).toBe(false)
    expect(windows.values, `draw ${draw}: ${dims}, windows of ${size}`).toEqual(standard.values)
  }
})
