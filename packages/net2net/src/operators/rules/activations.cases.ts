/** Test cases of the activations. */
import { type GrowthCase, grows } from '../../../testing/bench.ts'
import { type Cases, type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape, awayFromZero } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

const normal: Draw = (random) => ({
  inputs: [normalTensor(random, anyShape(random, 1, 3), { scale: 2 })],
})
const bent: Draw = (random) => ({ inputs: [awayFromZero(random, anyShape(random, 1, 3), 0.01)] })

/** Draws with a random value of a float attribute; every third node uses the default. */
const withAttribute =
  (name: string, from: number, to: number, draw: Draw = bent): Draw =>
  (random, index) => ({
    ...draw(random, index),
    attributes:
      random.below(3) === 0 ? {} : { [name]: float(from + (to - from) * random.uniform()) },
  })

const gelu: Draw = (random, index) => ({
  ...normal(random, index),
  opset: 20,
  attributes: anyOf(random, [{}, { approximate: 'tanh' }, { approximate: 'none' }]),
})

const draws = {
  Relu: bent,
  LeakyRelu: withAttribute('alpha', -0.5, 0.5),
  ThresholdedRelu: withAttribute('alpha', -0.5, 1.5),
  Elu: withAttribute('alpha', 0.3, 2),
  Selu: (random, index) => ({
    ...bent(random, index),
    attributes:
      random.below(2) === 0 ? {} : { alpha: float(1 + random.uniform()), gamma: float(1.3) },
  }),
  Celu: withAttribute('alpha', 0.3, 2),
  Sigmoid: normal,
  HardSigmoid: (random, index) => ({
    ...normal(random, index),
    attributes:
      random.below(2) === 0 ? {} : { alpha: float(0.4 * random.uniform()), beta: float(0.4) },
  }),
  HardSwish: (random) => ({ inputs: [normalTensor(random, anyShape(random, 1, 3), { scale: 3 })] }),
  Swish: (random, index) => ({
    ...withAttribute('alpha', 0.3, 2, normal)(random, index),
    opset: 24,
  }),
  Tanh: normal,
  Softplus: normal,
  Softsign: normal,
  Mish: normal,
  Gelu: gelu,
  Shrink: withAttribute('lambd', 0.2, 1, normal),
} satisfies Record<string, Draw>

const ofUnits = (name: string, domain = ''): GrowthCase =>
  grows('of the units', (b) => b.read(b.op(name, [b.dense()], {}, { domain }), 1), { opset: 24 })

export const cases: OperatorCases = {
  ...Object.fromEntries(
    Object.entries<Draw>(draws).map(([name, draw]): [string, Cases] => [
      name,
      { gradient: vaguely(draw), growth: [ofUnits(name)] },
    ]),
  ),
  'com.microsoft.Gelu': { gradient: vaguely(normal), growth: [ofUnits('Gelu', 'com.microsoft')] },
}
