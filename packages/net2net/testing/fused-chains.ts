/** Chains of nodes that ONNX Runtime's optimizers make one node of, in one model. For tests only. */
import { float } from '../src/model/attributes.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import { fillTensor, ones } from '../src/tensor/fill.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { float32, int64 } from '../src/tensor/tensor.ts'
import { type GradientCase, normalTensor } from './gradient-check.ts'

export function fusedChains(random: RandomStream): GradientCase {
  const builder = new GraphBuilder()
  const image = builder.input('image', 'float32', ['n', 6, 8, 8])
  const rows = builder.input('rows', 'float32', ['n', 5, 16])
  const weight = (...dims: number[]) => builder.constant(normalTensor(random, dims, { scale: 0.3 }))
  const number = (value: number) => builder.constant(float32([], [value]))
  const op = (name: string, inputs: readonly string[], attributes = {}) =>
    builder.node(name, inputs, attributes)
  const end = (value: string) => builder.output(builder.node('Identity', [value]))
  // Channels of all kinds: some of these convolutions WebGPU must not compute.
  const conv = (filters: number, x = image, channels = 6) =>
    op('Conv', [x, weight(filters, channels, 3, 3), weight(filters)], { pads: [1, 1, 1, 1] })

  for (const filters of [5, 8]) {
    const activations = ['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid', 'HardSwish', 'Elu']
    for (const name of activations.slice(filters === 5 ? -1 : 0)) end(op(name, [conv(filters)]))
    end(op('Clip', [conv(filters), number(-0.5), number(1)]))
    end(op('Relu', [op('Add', [conv(filters), conv(filters)])]))
    end(op('Add', [op('Mul', [conv(filters), weight(1, filters, 1, 1)]), weight(1, filters, 1, 1)]))
    const statistics = [weight(filters), weight(filters), weight(filters)]
    const variance = builder.constant(fillTensor(ones, 'float32', [filters], 0))
    end(op('Relu', [op('BatchNormalization', [conv(filters), ...statistics, variance])]))
    const pads = builder.constant(int64([0, 0, 1, 2, 0, 0, 2, 1]))
    end(op('Conv', [op('Pad', [image, pads]), weight(filters, 6, 3, 3)]))
    end(op('MaxPool', [op('Relu', [conv(filters)])], { kernel_shape: [3, 3], strides: [2, 2] }))
  }

  const dense = (x: string) => op('Add', [op('MatMul', [x, weight(16, 16)]), weight(16)])
  for (const name of ['Relu', 'Tanh', 'Sigmoid']) end(op(name, [dense(rows)]))
  const hidden = dense(rows)
  const erf = op('Erf', [op('Mul', [hidden, number(Math.SQRT1_2)])])
  end(op('Mul', [op('Mul', [hidden, op('Add', [erf, number(1)])]), number(0.5)]))
  end(op('Mul', [hidden, op('Sigmoid', [hidden])]))
  const over = builder.constant(int64([-1]))
  const centred = op('Sub', [rows, op('ReduceMean', [rows, over])])
  const spread = op('ReduceMean', [op('Pow', [centred, number(2)]), over])
  const deviation = op('Sqrt', [op('Add', [spread, number(1e-5)])])
  end(op('Add', [op('Mul', [op('Div', [centred, deviation]), weight(16)]), weight(16)]))
  end(
    op('LayerNormalization', [op('Add', [rows, dense(rows)]), weight(16), weight(16)], {
      epsilon: float(1e-5),
    }),
  )
  const keys = op('Transpose', [dense(rows)], { perm: [0, 2, 1] })
  const scores = op('Div', [op('MatMul', [dense(rows), keys]), number(4)])
  end(op('MatMul', [op('Softmax', [scores]), dense(rows)]))
  end(op('Transpose', [op('Transpose', [image], { perm: [0, 2, 3, 1] })], { perm: [0, 2, 1, 3] }))
  end(op('Softmax', [op('Transpose', [image], { perm: [0, 2, 3, 1] })], { axis: 1 }))
  return {
    model: builder.model(),
    inputs: { image: normalTensor(random, [2, 6, 8, 8]), rows: normalTensor(random, [2, 5, 16]) },
  }
}
