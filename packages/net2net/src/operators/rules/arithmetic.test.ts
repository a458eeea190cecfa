import { describe, expect, it } from 'vitest'
import {
  anyOf,
  awayFromZero,
  between,
  bool,
  broadcastable,
  distinctTensor,
  randomShape,
  vagueShapes,
} from '../../../testing/draws.ts'
import {
  checkGradients,
  normalTensor,
  type OneNode,
  oneNode,
  uniformTensor,
} from '../../../testing/gradient-check.ts'
import type { RandomStream } from '../../tensor/random.ts'
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'
import { arithmetic } from './arithmetic.ts'
import { selections } from './where.ts'

type Draw = (random: RandomStream) => Omit<OneNode, 'op'>
type Fill = (random: RandomStream, dims: readonly number[]) => Tensor

const shape = (random: RandomStream) => randomShape(random, between(random, 0, 4), 3)

/** Two operands, one of them (or both, on different axes) repeated. */
const operands =
  (a: Fill, b: Fill, attributes = {}): Draw =>
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
const powers: Draw = (random) => {
  if (random.below(2) === 0)
    return operands(
      (r, dims) => uniformTensor(r, dims, 0.4, 2),
      (r, dims) => normalTensor(r, dims),
    )(random)
  return {
    inputs: [awayFromZero(random, shape(random)), float32([], [anyOf(random, [0, 1, 2, 3, -1])])],
    constants: [1],
  }
}

const choices: Draw = (random) => {
  const full = shape(random)
  const shapes = [full, broadcastable(random, full), broadcastable(random, full)]
  const turn = random.below(3)
  const [c, a, b] = [0, 1, 2].map((i) => shapes[(i + turn) % 3]!)
  return { inputs: [bool(random, c!), normalTensor(random, a!), normalTensor(random, b!)] }
}

const draws: Readonly<Record<string, Draw>> = {
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
  Where: choices,
}

describe('gradients of broadcasting operators against differences', () => {
  it.each(Object.entries(draws))('%s', async (op, draw) => {
    await checkGradients({
      draws: 30,
      draw: (random, index) => {
        const spec = draw(random)
        const given = spec.inputs.filter((_, i) => !spec.constants?.includes(i))
        return oneNode({ op, ...spec, shapes: vagueShapes(random, index, given) })
      },
    })
  })

  it('leaves no rule unchecked', () => {
    const rules = [...arithmetic, ...selections]
    expect(Object.keys(draws).sort()).toEqual(rules.map((operator) => operator.name).sort())
  })
})
