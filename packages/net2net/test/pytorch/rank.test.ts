/** Gains of new units against the singular values that PyTorch finds of the gradient around their layer. */
import { expect, test } from 'vitest'
import type { SampleSet } from '../../src/data/samples.ts'
import { rank } from '../../src/growing/index.ts'
import { GraphBuilder } from '../../src/model/builder.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { elementCount, float32, int64, type Tensor, toNumbers } from '../../src/tensor/tensor.ts'
import { torchPython } from '../../testing/python.ts'
import { withTorch } from './torch.ts'

const normals = (name: string, dims: readonly number[]): Tensor => {
  const random = randomStream(5, name)
  return float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )
}
const numbers = {
  x: normals('x', [12, 2, 6, 5]),
  y: normals('y', [12, 1]),
  w1: normals('w1', [3, 2, 3, 3]),
  w2: normals('w2', [2, 3, 3, 3]),
  w3: normals('w3', [1, 3]),
}

/** A convolution that a second one reads, and a mean over positions. */
function network() {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 2, 6, 5])
  for (const name of ['w1', 'w2', 'w3'] as const) builder.initializer(name, numbers[name])
  const pads = [1, 1, 1, 1]
  const h = builder.node('Conv', ['x', 'w1'], { pads }, { name: 'first' })
  const a = builder.node('Conv', [h, 'w2'], { pads, strides: [2, 2] }, { name: 'second' })
  const axes = builder.constant(int64([1, 2, 3]))
  const sum = builder.node('Flatten', [builder.node('ReduceSum', [a, axes], { keepdims: 1 })])
  const mean = builder.node('Flatten', [builder.node('GlobalAveragePool', [h])])
  const last = builder.node('Gemm', [mean, 'w3'], { transB: 1 }, { name: 'last' })
  builder.nodeOutputs('Add', [sum, last], {}, { outputs: ['y'] })
  builder.output('y', 'float32', ['batch', 1])
  return builder.model()
}

test.skipIf(!torchPython)(
  'gains are squared singular values, through convolutions and two readers',
  async () => {
    const samples: SampleSet = {
      length: 12,
      *batches() {
        yield { inputs: { x: numbers.x }, target: numbers.y }
      },
    }
    const options = { loss: 'mse', factor: 2, turns: 60, growths: ['widen'] } as const
    const ranked = await rank(network(), samples, options)
    const gains = ranked.find(({ layers }) => layers.includes('first'))!.unitGains!
    expect(gains).toHaveLength(3)
    const squares = toNumbers(numbers.w1).reduce((sum, value) => sum + value ** 2, 0) / 3
    await withTorch(
      'rank.py',
      numbers,
      [],
      async ({ printed }) => {
        const expected = printed as readonly number[]
        for (const [k, gain] of gains.entries())
          expect(gain / (squares * expected[k]!)).toBeCloseTo(1, 2)
      },
      torchPython,
    )
  },
  60_000,
)
