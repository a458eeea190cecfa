import { expect, test } from 'vitest'
import type { SampleSet } from '../data/samples.ts'
import { grow } from '../growth/index.ts'
import { conv2d, dense, flatten, globalAveragePool2d, sequential } from '../layers/index.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, toNumbers } from '../tensor/tensor.ts'
import { withParameters } from '../training/compile/trainable.ts'
import { evaluate } from '../training/run/evaluate.ts'
import { rank } from './rank.ts'

const options = { runtime: nodeRuntime, loss: 'mse', growths: ['kernel'] } as const
const random = randomStream(2, 'kernels')
const normal = (...dims: number[]) =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )

/** Images and what is to be predicted of them, one batch. */
function samples(image: readonly number[], outputs: number): SampleSet {
  const count = 12
  const [input, target] = [normal(count, ...image), normal(count, outputs)]
  return {
    length: count,
    *batches() {
      yield { inputs: { input }, target }
    },
  }
}

/** The squared norm of the gradient at the border of a kernel, from differences of the loss. */
async function gainByDifferences(
  model: Model,
  weight: string,
  before: readonly number[],
  data: SampleSet,
) {
  const { tensor } = model.graph.initializers.get(weight)!
  const values = toNumbers(tensor)
  const [height, width] = tensor.dims.slice(2) as [number, number]
  const [top, left] = [(height - before[0]!) / 2, (width - before[1]!) / 2]
  const small = 0.05
  const lossWith = async (at: number, change: number) => {
    const changed = values.map((value, i) => (i === at ? value + change : value))
    const other = withParameters(model, new Map([[weight, float32(tensor.dims, changed)]]))
    return (await evaluate(other, data, { loss: 'mse', runtime: nodeRuntime })).loss
  }
  let sum = 0
  for (const at of values.keys()) {
    const [row, column] = [Math.floor(at / width) % height, at % width]
    const isOld = row >= top && row < height - top && column >= left && column < width - left
    if (isOld) continue
    const slope = ((await lossWith(at, small)) - (await lossWith(at, -small))) / (2 * small)
    sum += slope * slope
  }
  return sum
}

test('the gain of a larger kernel is the squared gradient of its border', async () => {
  const model = sequential(
    [
      conv2d(2, [1, 3], { name: 'first' }),
      conv2d(2, 1, { name: 'second' }),
      globalAveragePool2d(),
      flatten(),
      dense(2, { name: 'last' }),
    ],
    { input: [1, 5, 6], seed: 4 },
  )
  const data = samples([1, 5, 6], 2)
  const ranked = await rank(model, data, options)
  expect(ranked).toHaveLength(2)
  for (const { step, layers, gain, addedParameters } of ranked) {
    const [name, before] = layers[0] === 'first' ? ['first', [1, 3]] : ['second', [1, 1]]
    expect(step).toEqual({ kernel: { [name!]: before!.map((taps) => taps + 2) } })
    const grown = grow(model, [step]).model
    const wanted = await gainByDifferences(grown, `${name}.weight`, before as number[], data)
    expect(gain! / wanted).toBeCloseTo(1, 2)
    expect(addedParameters).toBe(name === 'first' ? 2 * (15 - 3) : 4 * (9 - 1))
  }
})

test('layers that share a kernel are measured one by one, and what sees only padding gains nothing', async () => {
  const b = new GraphBuilder()
  b.input('input', 'float32', ['n', 1, 4, 4])
  const shared = b.initializer('w', normal(1, 1, 1, 1))
  const layer = (x: string, name: string) =>
    b.node('Conv', [x, shared], { pads: [0, 0, 0, 0] }, { name })
  const mean = b.node('GlobalAveragePool', [layer(layer('input', 'one'), 'two')], {})
  const last = b.initializer('v', normal(1, 1, 1, 1))
  const point = b.node('Conv', [mean, last], {}, { name: 'three' })
  b.output(b.node('Flatten', [point], {}), 'float32')
  const model = b.model()
  const data = samples([1, 4, 4], 1)
  const ranked = await rank(model, data, options)
  expect(ranked.map(({ layers }) => layers[0]).sort()).toEqual(['one', 'three', 'two'])
  for (const { step, layers, gain, reason } of ranked) {
    if (layers[0] === 'three') {
      expect(reason).toMatch(/no gradient/)
      continue
    }
    const grown = grow(model, [step]).model
    const node = grown.graph.nodes.find(({ name }) => name === layers[0])!
    expect(gain! / (await gainByDifferences(grown, node.inputs[1]!, [1, 1], data))).toBeCloseTo(
      1,
      2,
    )
  }
})
