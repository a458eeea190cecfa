/** Test cases of comparisons and logic. */
import { type Bench, grows, WIDTH } from '../../../testing/bench.ts'
import type { Cases, OperatorCases } from '../../../testing/cases.ts'

/** A condition as numbers that a layer can read. */
const asNumbers = (b: Bench, condition: string) => b.read(b.op('Cast', [condition], { to: 1 }), 1)

/** The units as whole numbers. */
const whole = (b: Bench, to: number) =>
  b.op('Cast', [b.op('Mul', [b.op('Abs', [b.dense()]), b.number(5)])], { to })

const compared = (name: string): Cases => ({
  growth: [
    grows('with a constant per unit', (b) =>
      asNumbers(b, b.op(name, [b.dense(), b.weight(WIDTH)])),
    ),
  ],
})

const logical = (name: string): Cases => ({
  growth: [
    grows('of two conditions', (b) => {
      const h = b.dense()
      const both = [
        b.op('Greater', [h, b.number(name === 'Or' ? 0.5 : -0.5)]),
        b.op('Less', [h, b.weight(WIDTH)]),
      ]
      return asNumbers(b, b.op(name, both))
    }),
  ],
})

/** int32 and int64 for bits; unsigned numbers for shifts. */
const bitwise = (name: string, type: number): Cases => ({
  growth: [
    grows('with a number', (b) => {
      const two = b.op('Cast', [b.number(2)], { to: type })
      return asNumbers(
        b,
        b.op(name, [whole(b, type), two], name === 'BitShift' ? { direction: 'LEFT' } : {}),
      )
    }),
  ],
})

export const cases: OperatorCases = {
  ...Object.fromEntries(
    ['Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual'].map((name) => [name, compared(name)]),
  ),
  Equal: {
    growth: [
      grows('of two layers as whole numbers', (b) => {
        const other = b.op('Cast', [b.dense('other')], { to: 6 })
        return asNumbers(b, b.op('Equal', [b.op('Cast', [b.dense()], { to: 6 }), other]))
      }),
    ],
  },
  ...Object.fromEntries(['And', 'Or', 'Xor'].map((name) => [name, logical(name)])),
  ...Object.fromEntries(
    ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'].map((name) => [name, bitwise(name, 6)]),
  ),
  BitShift: bitwise('BitShift', 12),
}
