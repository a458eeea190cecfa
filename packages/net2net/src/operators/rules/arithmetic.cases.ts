/** Test cases of arithmetic with broadcasting. */
import { type Bench, type GrowthCase, grows, WIDTH } from '../../../testing/bench.ts'
import {
  type Cases,
  type Draw,
  type DrawnNode,
  type OperatorCases,
  vaguely,
} from '../../../testing/cases.ts'
import {
  anyOf,
  awayFromZero,
  between,
  broadcastable,
  distinctTensor,
  randomShape,
} from '../../../testing/draws.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import type { RandomStream } from '../../tensor/random.ts'
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'

type Fill = (random: RandomStream, dims: readonly number[]) => Tensor

const shape = (random: RandomStream) => randomShape(random, between(random, 0, 4), 3)

/** Two operands, one of them (or both, on different axes) repeated. */
const operands =
  (a: Fill, b: Fill, attributes: DrawnNode['attributes'] = {}): Draw =>
  (random) => {
    const full = shape(random)
    const shapes = [full, broadcastable(random, full)]
    if (random.below(2) === 0) shapes.reverse()
    if (random.below(3) === 0) shapes[0] = broadcastable(random, full)
    return { inputs: [a(random, shapes[0]!), b(random, shapes[1]!)], attributes }
  }

/** One to four operands that broadcast together, all numbers different. */
const several: Draw = (random) => {
  const full = shape(random)
  const shapes = Array.from({ length: between(random, 1, 4) }, (_, i) =>
    i === 0 ? full : broadcastable(random, full),
  )
  const all = distinctTensor(random, [shapes.reduce((sum, dims) => sum + elementCount(dims), 0)])
  let start = 0
  return {
    inputs: shapes.map((dims) => {
      const count = elementCount(dims)
      const values = Array.from(all.data.subarray(start, start + count) as Float32Array)
      start += count
      return float32(dims, values)
    }),
  }
}

/** aᵇ with a positive base and any exponent, or with an exponent that is a constant number. */
const powers: Draw = (random, index) => {
  if (random.below(2) === 0)
    return operands(
      (r, dims) => uniformTensor(r, dims, 0.4, 2),
      (r, dims) => normalTensor(r, dims),
    )(random, index)
  return {
    inputs: [awayFromZero(random, shape(random)), float32([], [anyOf(random, [0, 1, 2, 3, -1])])],
    constants: [1],
  }
}

const draws = {
  Add: operands(normalTensor, normalTensor),
  Sub: operands(normalTensor, normalTensor),
  Mul: operands(normalTensor, normalTensor),
  Div: operands(normalTensor, (random, dims) => awayFromZero(random, dims, 0.5)),
  // Quotients stay away from the integers, where Mod jumps.
  Mod: operands(
    (random, dims) => uniformTensor(random, dims, 2.2, 2.8),
    (random, dims) => uniformTensor(random, dims, 0.95, 1.05),
    { fmod: 1 },
  ),
  Pow: powers,
  Max: several,
  Min: several,
  Sum: several,
  Mean: several,
} satisfies Record<string, Draw>

const growthOf = (name: string): readonly GrowthCase[] => {
  const attributes = name === 'Mod' ? { fmod: 1 } : {}
  // A power needs a positive base; an extremum is attained by either operand.
  const signed = name === 'Max' || name === 'Min'
  const withOther = (what: string, other: (b: Bench) => string) =>
    grows(what, (b) =>
      b.read(b.op(name, [signed ? b.dense() : b.bounded(), other(b)], attributes), 1),
    )
  return [
    withOther('of a constant per unit', (b) => b.weight(WIDTH)),
    withOther('of a constant [1, n]', (b) => b.weight(1, WIDTH)),
    withOther('of a number', (b) => b.number(signed ? 0.1 : 1.5)),
    withOther('of a constant [1]', (b) => b.weight(1)),
    withOther('of two layers', (b) => b.op('Exp', [b.dense('other')])),
  ]
}

export const cases: OperatorCases = Object.fromEntries(
  Object.entries<Draw>(draws).map(([name, draw]): [string, Cases] => [
    name,
    { gradient: vaguely(draw), growth: growthOf(name) },
  ]),
)
