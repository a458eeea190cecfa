/** Test cases of the mathematics of one input. */
import { type Bench, type GrowthCase, grows } from '../../../testing/bench.ts'
import { type Cases, type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, awayFromZero } from '../../../testing/draws.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import type { RandomStream } from '../../tensor/random.ts'

const shape = (random: RandomStream) => anyShape(random, 1, 3)
const normal: Draw = (random) => ({ inputs: [normalTensor(random, shape(random), { scale: 2 })] })
const uniform =
  (from: number, to: number): Draw =>
  (random) => ({ inputs: [uniformTensor(random, shape(random), from, to)] })

const draws = {
  Exp: normal,
  Log: uniform(0.3, 3),
  Sqrt: uniform(0.3, 3),
  Reciprocal: (random) => ({ inputs: [awayFromZero(random, shape(random), 0.5)] }),
  Neg: normal,
  Abs: (random) => ({ inputs: [awayFromZero(random, shape(random), 0.01)] }),
  Erf: normal,
  Sin: normal,
  Cos: normal,
  Tan: uniform(-1.2, 1.2),
  Asin: uniform(-0.9, 0.9),
  Acos: uniform(-0.9, 0.9),
  Atan: normal,
  Sinh: normal,
  Cosh: normal,
  Asinh: normal,
  Acosh: uniform(1.2, 3),
  Atanh: uniform(-0.9, 0.9),
} satisfies Record<string, Draw>

/** Steps, which have no gradient. */
const steps = ['Sign', 'Floor', 'Ceil', 'Round']

const ofUnits = (name: string): GrowthCase =>
  grows('of the units', (b) => {
    // Steps differ only where the values lie on several of them.
    const x = steps.includes(name)
      ? b.op('Mul', [b.dense(), b.number(3)])
      : b.bounded(name === 'Acosh' ? 1.1 : 0.1)
    return b.read(b.op(name, [x]), 1)
  })

/** A condition as numbers that a layer can read. */
const asNumbers = (b: Bench, condition: string) => b.read(b.op('Cast', [condition], { to: 1 }), 1)

export const cases: OperatorCases = {
  ...Object.fromEntries(
    Object.entries<Draw>(draws).map(([name, draw]): [string, Cases] => [
      name,
      { gradient: vaguely(draw), growth: [ofUnits(name)] },
    ]),
  ),
  ...Object.fromEntries(steps.map((name): [string, Cases] => [name, { growth: [ofUnits(name)] }])),
  IsNaN: {
    growth: [grows('of the units', (b) => asNumbers(b, b.op('IsNaN', [b.op('Log', [b.dense()])])))],
  },
  IsInf: {
    growth: [
      grows('of the units', (b) => {
        const large = b.op('Exp', [b.op('Mul', [b.dense(), b.number(300)])])
        return asNumbers(b, b.op('IsInf', [large]))
      }),
    ],
  },
  Not: {
    growth: [
      grows('of the units', (b) =>
        asNumbers(b, b.op('Not', [b.op('Greater', [b.dense(), b.number(0)])])),
      ),
    ],
  },
  BitwiseNot: {
    growth: [
      grows('of the units', (b) => {
        const whole = b.op('Cast', [b.op('Mul', [b.dense(), b.number(5)])], { to: 6 })
        return asNumbers(b, b.op('BitwiseNot', [whole]))
      }),
    ],
  },
}
