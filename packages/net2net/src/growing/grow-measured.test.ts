import { expect, test } from 'vitest'
import type { SampleSet } from '../data/samples.ts'
import { grow } from '../growth/index.ts'
import { batchNorm, conv2d, dense, flatten, relu, sequential } from '../layers/index.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { float32, int64, toNumbers } from '../tensor/tensor.ts'
import { growMeasured } from './grow-measured.ts'

const network = sequential(
  [
    conv2d(2, 1, { name: 'conv' }),
    batchNorm({ name: 'norm', epsilon: 0 }),
    relu({ name: 'relu' }),
    flatten({ name: 'flatten' }),
    dense(1, { name: 'last' }),
  ],
  { input: [1, 1, 1], seed: 1 },
)
const pixels = [1, 3, 5, 7]
const samples: SampleSet = {
  length: pixels.length,
  *batches(_, order = pixels.map((_, i) => i)) {
    const rows = Array.from(order)
    const images = float32(
      [rows.length, 1, 1, 1],
      rows.map((row) => pixels[row]!),
    ) // prettier-ignore
    yield { inputs: { input: images }, target: int64(rows) }
  },
}
const steps = [{ widen: { conv: 3 }, noise: 'none' }, { deepen: 'conv' }] as const

/** Mean and variance that the inserted normalization holds. */
function inserted(model: Model): readonly (readonly number[])[] {
  const norms = model.graph.nodes.filter(({ opType }) => opType === 'BatchNormalization')
  return norms[1]!.inputs
    .slice(3)
    .map((name) => toNumbers(model.graph.initializers.get(name)!.tensor))
}

test('an inserted normalization holds what passes in the model as it is then', async () => {
  const grown = await growMeasured(network, steps, { samples, runtime: nodeRuntime, seed: 4 })
  const kernel = toNumbers(grown.model.graph.initializers.get('conv.weight')!.tensor)
  const seen = kernel.map((w) => pixels.map((pixel) => Math.max(0, w * pixel)))
  const mean = seen.map((values) => values.reduce((sum, value) => sum + value, 0) / 4)
  const variance = seen.map(
    (values, k) => values.reduce((sum, value) => sum + (value - mean[k]!) ** 2, 0) / 4,
  )
  const [measuredMean, measuredVariance] = inserted(grown.model)
  for (const [k, value] of mean.entries()) expect(measuredMean![k]).toBeCloseTo(value, 4)
  for (const [k, value] of variance.entries()) expect(measuredVariance![k]).toBeCloseTo(value, 3)
  expect(grown.plans).toHaveLength(2)
  expect(grown.steps.map(({ seed }) => seed)).toEqual([4, 5])
  expect(grown.parameters).toEqual(grow(network, steps).parameters)
})

test('without samples it grows as grow does', async () => {
  const grown = await growMeasured(network, steps, { runtime: nodeRuntime, seed: 4 })
  expect(grown.plans).toEqual(grow(network, steps, { seed: 4 }).plans)
  expect(inserted(grown.model)).toEqual([
    [0, 0, 0],
    [1, 1, 1],
  ])
})
