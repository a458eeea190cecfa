/** Test cases of RMSNormalization and its older form. */
import { grows, WIDTH } from '../../../testing/bench.ts'
import type { Cases, Draw, OperatorCases } from '../../../testing/cases.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

const rmsNormalization =
  (opset: number): Draw =>
  (random) => {
    const dims = Array.from({ length: 1 + random.below(3) }, () => 2 + random.below(3))
    return {
      opset,
      attributes: { axis: -1, epsilon: float(1e-3) },
      inputs: [normalTensor(random, dims), normalTensor(random, dims.slice(-1))],
    }
  }

const casesOf = (name: string, opset: number): Cases => ({
  gradient: rmsNormalization(opset),
  growth: [
    grows(
      'over the units, all copied equally often, or with units that are added',
      (b) => {
        const inputs = [b.lastAxis(), b.weight(WIDTH)]
        return b.read(b.op(name, inputs, { axis: -1, epsilon: float(1e-3) }), 3)
      },
      { opset, widths: [8, 12, 7] },
    ),
  ],
})

export const cases: OperatorCases = {
  RMSNormalization: casesOf('RMSNormalization', 23),
  SimplifiedLayerNormalization: casesOf('SimplifiedLayerNormalization', 18),
}
