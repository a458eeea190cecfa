/** A small training with everything that has a state. For tests only. */

import type { Batch, SampleSet } from '../src/data/samples.ts'
import { float } from '../src/model/attributes.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { type Fill, fillTensor, heNormal, ones, zeros } from '../src/tensor/fill.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, int64, type Tensor } from '../src/tensor/tensor.ts'
import { adamw, averaged } from '../src/training/compile/optimizers/index.ts'
import type { TrainOptions } from '../src/training/run/trainer.ts'
import { reduceOnPlateau, warmUp } from '../src/training/schedules.ts'

/** Conv, BatchNormalization, Relu, Dropout, Gemm on 1 × 4 × 4 images of three classes. */
export function smallNetwork(): Model {
  const builder = new GraphBuilder()
  builder.input('image', 'float32', ['batch', 1, 4, 4])
  const parameter = (name: string, dims: readonly number[], fill: Fill) =>
    builder.initializer(name, fillTensor(fill, 'float32', dims, 5, name))
  const convolved = builder.node(
    'Conv',
    ['image', parameter('conv.weight', [4, 1, 3, 3], heNormal(9))],
    { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    { name: 'conv' },
  )
  const normal = builder.node(
    'BatchNormalization',
    [
      convolved,
      parameter('norm.scale', [4], ones),
      parameter('norm.shift', [4], zeros),
      parameter('norm.mean', [4], zeros),
      parameter('norm.variance', [4], ones),
    ],
    { epsilon: float(1e-3) },
    { name: 'norm' },
  )
  const active = builder.node('Relu', [normal], {}, { name: 'relu' })
  const rate = builder.initializer('rate', float32([], [0.25]))
  const dropped = builder.node('Dropout', [active, rate], {}, { name: 'dropout' })
  const flat = builder.node('Flatten', [dropped], {}, { name: 'flatten' })
  builder.nodeOutputs(
    'Gemm',
    [flat, parameter('fc.weight', [64, 3], heNormal(64)), parameter('fc.bias', [3], zeros)],
    {},
    { name: 'fc', outputs: ['logits'] },
  )
  builder.output('logits', 'float32', ['batch', 3])
  return builder.model('small')
}

/** Random images; the class is where most of the light is. */
export function smallData(length = 45): SampleSet {
  const random = randomStream(9, 'small data')
  const images = Float32Array.from({ length: length * 16 }, () => random.normal())
  const labels = Array.from({ length }, (_, i) => {
    const part = (k: number) => images[i * 16 + k]! + images[i * 16 + k + 1]!
    const parts = [part(0), part(6), part(13)]
    return parts.indexOf(Math.max(...parts))
  })
  return {
    length,
    *batches(size, order): Generator<Batch> {
      const count = order?.length ?? length
      for (let start = 0; start < count; start += size) {
        const rows = Array.from({ length: Math.min(size, count - start) }, (_, i) =>
          order ? order[start + i]! : start + i,
        )
        const data = rows.flatMap((row) => [...images.subarray(row * 16, (row + 1) * 16)])
        const image: Tensor = float32([rows.length, 1, 4, 4], data)
        yield { inputs: { image }, target: int64(rows.map((row) => labels[row]!)) }
      }
    },
  }
}

export const smallOptions = (): Omit<TrainOptions, 'runtime'> => ({
  loss: 'softmax-cross-entropy',
  optimizer: averaged(
    adamw({ learningRate: warmUp(4, reduceOnPlateau(0.02, { patience: 0 })) }),
    0.9,
  ),
  epochs: 4,
  batchSize: 8,
  seed: 7,
  validation: smallData(20),
  session: { threads: 1 },
})
