/** Networks to try growth on without a file of one's own. The build lays their files beside the page, where commands find them, too. */

import type { Model } from 'net2net'
import {
  add,
  batchNorm,
  concatenate,
  conv2d,
  dense,
  flatten,
  globalAveragePool2d,
  type Layer,
  maxPool2d,
  relu,
  residual,
  sequential,
  softmax,
} from 'net2net/layers'

export interface Sample {
  readonly id: string
  readonly title: string
  readonly about: string
  /** Builds it, for the file beside the page; undefined: the build trains it. */
  readonly make?: () => Model
}

const block = (name: string, filters: number, size: number): readonly Layer[] => [
  conv2d(filters, size, { name, padding: 'same' }),
  batchNorm({ name: `${name}_bn` }),
]

const resnet = () =>
  sequential(
    [
      ...block('stem', 16, 3),
      relu({ name: 'stem_relu' }),
      residual([...block('a1', 16, 3), relu({ name: 'a1_relu' }), ...block('a2', 16, 3)], [], {
        name: 'a_sum',
      }),
      relu({ name: 'a_relu' }),
      add(
        [
          [
            conv2d(32, 3, { name: 'b1', padding: 'same', strides: 2 }),
            batchNorm({ name: 'b1_bn' }),
            relu({ name: 'b1_relu' }),
            ...block('b2', 32, 3),
          ],
          [conv2d(32, 1, { name: 'b_shortcut', strides: 2 }), batchNorm({ name: 'b_shortcut_bn' })],
        ],
        { name: 'b_sum' },
      ),
      relu({ name: 'b_relu' }),
      globalAveragePool2d({ name: 'pool' }),
      flatten({ name: 'flatten' }),
      dense(10, { name: 'classes' }),
      softmax({ name: 'softmax' }),
    ],
    { input: [3, 32, 32], seed: 1, name: 'resnet' },
  )

const branch = (name: string, filters: number, size: number): readonly Layer[] => [
  conv2d(filters, size, { name, padding: 'same' }),
  relu({ name: `${name}_relu` }),
]

const inception = () =>
  sequential(
    [
      ...branch('stem', 24, 3),
      maxPool2d(2, { name: 'stem_pool' }),
      concatenate(
        [
          branch('one', 16, 1),
          [...branch('three_reduce', 16, 1), ...branch('three', 24, 3)],
          [...branch('five_reduce', 8, 1), ...branch('five', 12, 5)],
        ],
        { name: 'mixed' },
      ),
      globalAveragePool2d({ name: 'pool' }),
      flatten({ name: 'flatten' }),
      dense(10, { name: 'classes' }),
      softmax({ name: 'softmax' }),
    ],
    { input: [3, 32, 32], seed: 1, name: 'inception' },
  )

const perceptron = () =>
  sequential(
    [
      dense(64, { name: 'hidden1', activation: 'relu' }),
      dense(32, { name: 'hidden2', activation: 'relu' }),
      dense(4, { name: 'answer' }),
    ],
    { input: [16], seed: 1, name: 'perceptron' },
  )

export const samples: readonly Sample[] = [
  {
    id: 'teacher',
    title: 'MNIST teacher',
    about: 'The convolutional network of the experiments, trained on 6,000 digits',
  },
  {
    id: 'resnet',
    title: 'Residual network',
    about: 'Batch normalization and two residual sums; untrained',
    make: resnet,
  },
  {
    id: 'inception',
    title: 'Inception block',
    about: 'Three branches, concatenated; untrained',
    make: inception,
  },
  {
    id: 'perceptron',
    title: 'Perceptron',
    about: 'Three dense layers; untrained',
    make: perceptron,
  },
]
