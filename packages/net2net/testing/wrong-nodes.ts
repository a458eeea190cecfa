/**
 * Nodes that ONNX Runtime's WebGPU provider computes wrongly: what operators answer to `execution.wrongOnWebGpu`, by an example
 * each. For tests only.
 */
import { floats } from '../src/model/attributes.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { int64 } from '../src/tensor/tensor.ts'
import { normalTensor, type OneNode } from './gradient-check.ts'

type Draw = (random: RandomStream) => OneNode

/** It gives other numbers, without an error. */
export const silentlyWrong: Readonly<Record<string, Draw>> = {
  'a convolution with six outputs in each of two groups': (random) => ({
    op: 'Conv',
    attributes: { group: 2 },
    inputs: [normalTensor(random, [1, 4, 5, 5]), normalTensor(random, [12, 2, 3, 3])],
  }),
  'a transposed convolution with one output in each of two groups': (random) => ({
    op: 'ConvTranspose',
    attributes: { group: 2, strides: [2, 2] },
    inputs: [normalTensor(random, [1, 8, 3, 3]), normalTensor(random, [8, 1, 2, 2])],
  }),
  'a slice backwards from the middle': (random) => ({
    op: 'Slice',
    inputs: [normalTensor(random, [2, 8]), int64([5]), int64([0]), int64([1]), int64([-2])],
    constants: [1, 2, 3, 4],
  }),
  'a reduction over no axes': (random) => ({
    op: 'ReduceL2',
    attributes: { noop_with_empty_axes: 1 },
    inputs: [normalTensor(random, [3, 4])],
  }),
}

/** It ends the run, and no session of the page works from then on. */
export const failing: Readonly<Record<string, Draw>> = {
  'a convolution of groups over three axes': (random) => ({
    op: 'Conv',
    attributes: { group: 2 },
    inputs: [normalTensor(random, [1, 4, 3, 3, 3]), normalTensor(random, [4, 2, 2, 2, 2])],
  }),
  'a convolution whose bias is left out by an empty name': (random) => ({
    op: 'Conv',
    inputs: [normalTensor(random, [1, 4, 5, 5]), normalTensor(random, [3, 4, 3, 3]), undefined],
  }),
  'a transposed convolution over three axes': (random) => ({
    op: 'ConvTranspose',
    inputs: [normalTensor(random, [1, 2, 3, 3, 3]), normalTensor(random, [2, 2, 2, 2, 2])],
  }),
  'a pooling that gives positions': (random) => ({
    op: 'MaxPool',
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    inputs: [normalTensor(random, [1, 2, 7, 7])],
    outputs: 2,
  }),
  'a normalization of the batch by its own statistics': (random) => ({
    op: 'BatchNormalization',
    attributes: { training_mode: 1 },
    inputs: [
      normalTensor(random, [4, 3, 2, 2]),
      ...Array.from({ length: 4 }, () => normalTensor(random, [3])),
    ],
    outputs: 3,
  }),
  'an LSTM with other activations': (random) => ({
    op: 'LSTM',
    attributes: {
      hidden_size: 2,
      activations: { type: 'strings', value: ['Sigmoid', 'LeakyRelu', 'Softplus'] },
      activation_alpha: floats([0.1]),
    },
    inputs: [
      normalTensor(random, [3, 2, 4]),
      normalTensor(random, [1, 8, 4]),
      normalTensor(random, [1, 8, 2]),
    ],
    outputs: 3,
  }),
  'a filter before a picture is made smaller': (random) => ({
    op: 'Resize',
    attributes: { mode: 'linear', antialias: 1 },
    inputs: [normalTensor(random, [1, 2, 6, 6]), undefined, undefined, int64([1, 2, 3, 3])],
    constants: [3],
  }),
}
