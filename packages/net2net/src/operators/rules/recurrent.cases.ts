/** Test cases of LSTM, GRU and RNN. */
import {
  BATCH,
  type Bench,
  type GrowthCase,
  grows,
  refuses,
  WIDTH,
} from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'

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
    growth: [
      ...growthOf('LSTM', 4),
      refuses('with weights that are computed', /Softmax .*normalizes over it/, (b) => {
        const sequence = b.op('Unsqueeze', [b.dense(), b.ints(0)])
        const weight = b.op('Unsqueeze', [b.op('Softmax', [b.weight(8, WIDTH)]), b.ints(0)])
        return b.op('LSTM', [sequence, weight, b.weight(1, 8, 2)], { hidden_size: 2 })
      }),
    ],
  },
  GRU: { growth: growthOf('GRU', 3) },
  RNN: { growth: growthOf('RNN', 1) },
}
