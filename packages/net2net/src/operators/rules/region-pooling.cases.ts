/** Test cases of RoiAlign and MaxRoiPool. */
import { grows } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'
import { float32, int64 } from '../../tensor/tensor.ts'

export const cases: OperatorCases = {
  RoiAlign: {
    growth: [
      grows('of the channels', (b) => {
        const regions = b.constant(float32([3, 4], [0, 0, 3, 3, 1, 0, 3, 2, 0, 1, 2, 4]))
        const attributes = { output_height: 2, output_width: 3, sampling_ratio: 2 }
        const inputs = [b.conv(), regions, b.constant(int64([0, 1, 1]))]
        return b.read(b.op('RoiAlign', inputs, attributes), 1)
      }),
    ],
  },
  MaxRoiPool: {
    growth: [
      grows('of the channels', (b) => {
        const regions = b.constant(float32([2, 5], [0, 0, 0, 3, 3, 1, 1, 0, 3, 2]))
        return b.read(b.op('MaxRoiPool', [b.conv(), regions], { pooled_shape: [2, 2] }), 1)
      }),
    ],
  },
}
