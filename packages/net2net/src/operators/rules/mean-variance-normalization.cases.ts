/** Test cases of MeanVarianceNormalization. */
import { grows } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const images: Draw = (random) => ({
  opset: 13,
  attributes: { axes: random.below(2) === 0 ? undefined : [1, -1] },
  // Two different numbers at least, over any of the axes.
  inputs: [
    normalTensor(
      random,
      [1, 2, 2, 2].map((least) => between(random, least, 3)),
    ),
  ],
})

export const cases: OperatorCases = {
  MeanVarianceNormalization: {
    gradient: vaguely(images),
    growth: [
      grows('of the channels', (b) => b.read(b.op('MeanVarianceNormalization', [b.conv()]), 1)),
      grows(
        'over the channels',
        (b) => b.read(b.op('MeanVarianceNormalization', [b.conv()], { axes: [1, 2, 3] }), 1),
        { widths: [8, 12] },
      ),
    ],
  },
}
