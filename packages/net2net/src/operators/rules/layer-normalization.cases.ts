/** Test cases of LayerNormalization. */
import { type Bench, grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

const layerNormalization: Draw = (random) => {
  const dims = Array.from({ length: 1 + random.below(4) }, () => 2 + random.below(3))
  const axis = random.below(dims.length)
  const rest = dims.slice(axis)
  return {
    attributes: { axis: random.below(2) ? axis : axis - dims.length, epsilon: float(1e-3) },
    inputs: [
      normalTensor(random, dims),
      normalTensor(random, rest),
      ...(random.below(2) ? [normalTensor(random, rest)] : []),
    ],
  }
}

const ofUnits = (b: Bench) => {
  const inputs = [b.lastAxis(), b.weight(WIDTH), b.weight(WIDTH)]
  return b.read(b.op('LayerNormalization', inputs, { epsilon: float(1e-3) }), 3)
}

export const cases: OperatorCases = {
  LayerNormalization: {
    shapes(random) {
      const dims = Array.from({ length: 1 + random.below(4) }, () => 2 + random.below(3))
      const axis = random.below(dims.length)
      return {
        attributes: { axis },
        inputs: [normalTensor(random, dims), normalTensor(random, dims.slice(axis))],
        shapes: someSymbols(random, dims),
        outputs: 1 + 2 * random.below(2),
      }
    },
    gradient: layerNormalization,
    growth: [
      grows('over the units, all copied equally often, or with units that are added', ofUnits, {
        widths: [8, 12, 7],
      }),
      grows('over the image', (b) => {
        const inputs = [b.conv(), b.weight(5, 4)]
        return b.read(b.op('LayerNormalization', inputs, { axis: 2, epsilon: float(1e-3) }), 1)
      }),
    ],
  },
}
