/** What the searches of the study are tried on: small networks to begin with, and their data in three parts. */
import type { Model } from 'net2net'
import { ArrayDataset, loadFashionMnist, loadMnist, type SampleSet } from 'net2net/data'
import {
  averagePool2d,
  conv2d,
  dense,
  flatten,
  type Layer,
  maxPool2d,
  sequential,
} from 'net2net/layers'
import { randomStream } from 'net2net/tensor'

export interface Task {
  readonly name: string
  readonly title: string
  readonly loss: 'softmax-cross-entropy' | 'mse'
  /** What each arm may spend on training, in 10^9 multiply-adds. */
  readonly compute: number
  /** The search sees the first two parts; what is reported is of the third. */
  data(seed: number): Promise<{
    readonly train: SampleSet
    readonly validation: SampleSet
    readonly test: SampleSet
  }>
  start(seed: number): Model
}

/** 14 × 14: the first layer takes means of two by two. */
const convolutional = (): readonly Layer[] => [
  averagePool2d(2),
  conv2d(4, 3, { name: 'conv1', activation: 'relu' }),
  maxPool2d(2),
  conv2d(6, 3, { name: 'conv2', activation: 'relu' }),
  maxPool2d(2),
  flatten(),
  dense(12, { name: 'fc1', activation: 'relu' }),
  dense(10, { name: 'fc2' }),
]

const images = (name: string, title: string, load: typeof loadMnist, compute: number): Task => ({
  name,
  title: `${title}, 14 × 14; conv 4 – pool – conv 6 – pool – dense 12 – dense 10`,
  loss: 'softmax-cross-entropy',
  compute,
  async data() {
    const { train, test } = await load()
    const { length } = train
    return {
      train: train.slice(0, length - validationSamples),
      validation: train.slice(length - validationSamples, length),
      test,
    }
  },
  start: (seed) => sequential([...convolutional()], { input: [1, 28, 28], seed }),
})

const validationSamples = 2000

/** @param scale of what each arm may spend */
export const tasksOf = (scale: number): readonly Task[] => [
  images('mnist', 'MNIST', loadMnist, 60 * scale),
  images('fashion', 'Fashion-MNIST', loadFashionMnist, 60 * scale),
  {
    name: 'table',
    title: 'Table, 4,000 rows of 6 numbers, regression; dense 8 – dense 8 – dense 1',
    loss: 'mse',
    compute: scale,
    data: async (seed) => ({
      train: regressionTable(4000, seed, 'train'),
      validation: regressionTable(1000, seed, 'validation'),
      test: regressionTable(4000, seed, 'test'),
    }),
    start: (seed) =>
      sequential(
        [
          dense(8, { name: 'fc1', activation: 'relu' }),
          dense(8, { name: 'fc2', activation: 'relu' }),
          dense(1, { name: 'fc3' }),
        ],
        { input: [6], seed },
      ),
  },
]

function regressionTable(rows: number, seed: number, part: string): ArrayDataset {
  const random = randomStream(seed, 'table', part)
  const x = Float32Array.from({ length: rows * 6 }, () => random.normal())
  const y = Float32Array.from({ length: rows }, (_, i) => {
    const [a, b, c, d, e, f] = x.subarray(6 * i, 6 * i + 6)
    return Math.sin(2 * a!) + b! * c! + Math.tanh(d! - e!) * f! + 0.1 * random.normal()
  })
  return new ArrayDataset(
    { x: { dtype: 'float32', dims: [6], data: x } },
    { dtype: 'float32', dims: [1], data: y },
  )
}
