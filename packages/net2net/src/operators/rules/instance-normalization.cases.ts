/** Test cases of InstanceNormalization and GroupNormalization. */
import { type GrowthCase, grows, WIDTH } from '../../../testing/bench.ts'
import type { Draw, NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

const instanceNormalization: Draw = (random) => {
  const space = Array.from({ length: 1 + random.below(3) }, () => 2 + random.below(3))
  const channels = 1 + random.below(3)
  return {
    attributes: { epsilon: float(1e-3) },
    inputs: [
      normalTensor(random, [2, channels, ...space]),
      normalTensor(random, [channels]),
      normalTensor(random, [channels]),
    ],
  }
}

/** Scale and shift are per group before operator set 21, and per channel from then on. */
const groupNormalization = (opset: 18 | 21): NodeCase => ({
  what: `in operator set ${opset}`,
  draw(random) {
    const space = Array.from({ length: 1 + random.below(2) }, () => 2 + random.below(3))
    const groups = 1 + random.below(3)
    const channels = groups * (1 + random.below(3))
    const vector = [opset < 21 ? groups : channels]
    return {
      opset,
      attributes: { num_groups: groups, epsilon: float(1e-3) },
      inputs: [
        normalTensor(random, [2, channels, ...space]),
        normalTensor(random, vector),
        normalTensor(random, vector),
      ],
    }
  },
})

const groupGrowth = (opset: 18 | 21): GrowthCase =>
  grows(
    `in operator set ${opset}, all channels copied equally often`,
    (b) => {
      const count = opset < 21 ? 2 : WIDTH
      const inputs = [b.conv(), b.weight(count), b.weight(count)]
      const attributes = { num_groups: 2, epsilon: float(1e-3) }
      return b.read(b.op('GroupNormalization', inputs, attributes), 1)
    },
    { opset, widths: [8, 12], others: /width 7 / },
  )

export const cases: OperatorCases = {
  InstanceNormalization: {
    gradient: instanceNormalization,
    growth: [
      grows('of the channels', (b) => {
        const inputs = [b.conv(), b.weight(WIDTH), b.weight(WIDTH)]
        return b.read(b.op('InstanceNormalization', inputs, { epsilon: float(1e-3) }), 1)
      }),
    ],
  },
  GroupNormalization: {
    gradient: [groupNormalization(18), groupNormalization(21)],
    growth: [groupGrowth(18), groupGrowth(21)],
  },
}
