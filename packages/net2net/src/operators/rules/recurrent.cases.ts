/** Test cases of LSTM, GRU and RNN. */
import {
  BATCH,
  type Bench,
  type GrowthCase,
  grows,
  refuses,
  WIDTH,
} from '../../../testing/bench.ts'
import type { Draw, OperatorCases } from '../../../testing/cases.ts'
import { anyOf, between, vagueShapes } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { floats } from '../../model/attributes.ts'
import type { Attribute } from '../../model/model.ts'
import { Tensor } from '../../tensor/tensor.ts'

const activations = [
  'Sigmoid',
  'Tanh',
  'Relu',
  'Affine',
  'LeakyRelu',
  'ThresholdedRelu',
  'ScaledTanh',
  'HardSigmoid',
  'Elu',
  'Softsign',
  'Softplus',
]

/** Layers with everything that the operator may have, each present or not. */
const anyLayer =
  (gates: number, functions: number): Draw =>
  (random, index) => {
    const is = () => random.below(2) === 0
    const [time, batch, features, hidden] = [5, 3, 3, 3].map((most) =>
      between(random, 1, most),
    ) as [number, number, number, number]
    const direction = anyOf(random, ['forward', 'reverse', 'bidirectional'])
    const directions = direction === 'bidirectional' ? 2 : 1
    const rows = gates * hidden
    const values = (...dims: readonly number[]) => normalTensor(random, dims, { scale: 0.7 })
    const x = values(time, batch, features)
    const lengths = Int32Array.from({ length: batch }, () => between(random, 0, time))
    const isLstm = gates === 4
    const inputs = [
      x,
      values(directions, rows, features),
      values(directions, rows, hidden),
      is() ? values(directions, 2 * rows) : undefined,
      is() ? new Tensor('int32', [batch], lengths) : undefined,
      is() ? values(directions, batch, hidden) : undefined,
      ...(isLstm
        ? [
            is() ? values(directions, batch, hidden) : undefined,
            is() ? values(directions, 3 * hidden) : undefined,
          ]
        : []),
    ]
    const named: Record<string, Attribute> = {}
    if (index % 2 === 1) {
      const names = Array.from({ length: functions * directions }, () => anyOf(random, activations))
      named.activations = { type: 'strings', value: names }
      named.activation_alpha = floats(names.map(() => 0.3 + 0.4 * random.uniform()))
      named.activation_beta = floats(names.map(() => 0.3 + 0.4 * random.uniform()))
    }
    const vague = inputs.map((tensor, i) => ([0, 5, 6].includes(i) ? tensor : undefined))
    const outputs = isLstm ? 3 : 2
    const read = Array.from({ length: outputs }, (_, k) => `y${k}`).filter(is)
    return {
      opset: anyOf(random, [14, 22]),
      inputs,
      outputs,
      attributes: {
        hidden_size: hidden,
        direction,
        ...named,
        ...(is() ? { clip: { type: 'float', value: 0.8 } } : {}),
        ...(gates === 3 ? { linear_before_reset: random.below(2) } : {}),
        ...(isLstm ? { input_forget: random.below(4) === 0 ? 1 : 0 } : {}),
      },
      shapes: vagueShapes(random, index, vague),
      ...(read.length > 0 && { observed: read }),
    }
  }

/** Plain layers that are wide enough for gates to be kept; the batch is open. */
const wideLstm: Draw = (random) => {
  const is = () => random.below(2) === 0
  const time = between(random, 1, 4)
  const batch = between(random, 1, 3)
  const [features, hidden] = [between(random, 16, 24), between(random, 60, 72)] as const
  const direction = anyOf(random, ['forward', 'reverse', 'bidirectional'])
  const directions = direction === 'bidirectional' ? 2 : 1
  const values = (...dims: readonly number[]) => normalTensor(random, dims, { scale: 0.2 })
  const state = () => (is() ? values(directions, batch, hidden) : undefined)
  const read = ['y0', 'y1', 'y2'].filter(is)
  return {
    inputs: [
      values(time, batch, features),
      values(directions, 4 * hidden, features),
      values(directions, 4 * hidden, hidden),
      is() ? values(directions, 8 * hidden) : undefined,
      undefined,
      state(),
      state(),
    ],
    outputs: 3,
    attributes: { hidden_size: hidden, direction },
    shapes: { 0: [is() ? time : 'time', 'batch', features] },
    ...(read.length > 0 && { observed: read }),
  }
}

/** [3, BATCH, WIDTH]: three rows of the image, with the layer's units as features. */
const sequenceOf = (b: Bench) =>
  b.op('Transpose', [b.op('ReduceMean', [b.conv()], { axes: [2], keepdims: 0 })], {
    perm: [2, 0, 1],
  })
const growthOf = (name: string, gates: number): readonly GrowthCase[] => [
  grows(
    'of its input',
    (b) =>
      b.op(name, [sequenceOf(b), b.weight(1, gates * 2, WIDTH), b.weight(1, gates * 2, 2)], {
        hidden_size: 2,
      }),
    { opset: 13 },
  ),
  grows(
    'of its hidden units, bidirectional',
    (b) => {
      const sequence = b.op('Unsqueeze', [b.dense('first'), b.ints(0)])
      const steps = b.op('Concat', [sequence, b.op('Neg', [sequence]), sequence], { axis: 0 })
      const weights = [
        b.weight(2, gates * 3, WIDTH),
        b.weight(2, gates * 3, 3),
        b.weight(2, gates * 6),
        '',
        b.weight(2, BATCH, 3),
      ]
      const more = name === 'LSTM' ? [b.weight(2, BATCH, 3), b.weight(2, 9)] : []
      const [all, last] = b.builder.nodeOutputs(
        name,
        [steps, ...weights, ...more],
        { hidden_size: 3, direction: 'bidirectional' },
        { outputs: 2, name: 'grown' },
      )
      // [3, 2, BATCH, hidden] → [3, BATCH, 2·hidden], as exporters have it
      const joined = b.op('Reshape', [
        b.op('Transpose', [all!], { perm: [0, 2, 1, 3] }),
        b.ints(0, 0, -1),
      ])
      return [b.op('MatMul', [joined, b.weight(6, 2)]), b.read(last!, 2)]
    },
    { opset: 13 },
  ),
]

export const cases: OperatorCases = {
  LSTM: {
    gradient: [
      { draw: anyLayer(4, 3) },
      { what: 'that keeps its gates', draw: wideLstm, draws: 4 },
    ],
    growth: [
      ...growthOf('LSTM', 4),
      refuses('with weights that are computed', /Softmax .*normalizes over it/, (b) => {
        const sequence = b.op('Unsqueeze', [b.dense(), b.ints(0)])
        const weight = b.op('Unsqueeze', [b.op('Softmax', [b.weight(8, WIDTH)]), b.ints(0)])
        return b.op('LSTM', [sequence, weight, b.weight(1, 8, 2)], { hidden_size: 2 })
      }),
    ],
  },
  GRU: { gradient: anyLayer(3, 2), growth: growthOf('GRU', 3) },
  RNN: { gradient: anyLayer(1, 1), growth: growthOf('RNN', 1) },
}
