/** Test cases of MatMul. */
import { type Bench, deepens, grows, refuses, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

/** Matrices, vectors, batches and broadcasting. */
const matMul: Draw = (random) => {
  const [m, k, n, b, c] = Array.from({ length: 5 }, () => 1 + random.below(4)) as number[]
  const lefts = [[k], [m, k], [b, m, k], [1, m, k], [c, b, m, k], [c, 1, m, k]]
  const rights = [[k], [k, n], [b, k, n], [1, k, n], [c, b, k, n], [1, b, k, n]]
  const left = lefts[random.below(lefts.length)]! as number[]
  const right = rights[random.below(rights.length)]! as number[]
  return {
    inputs: [normalTensor(random, left), normalTensor(random, right)],
    shapes: random.below(2) && left.length > 2 ? { 0: ['batch', ...left.slice(1)] } : {},
  }
}

/** [BATCH, WIDTH, 20]: the positions of the image in a row. */
const rows = (b: Bench, name = 'grown') =>
  b.op('Reshape', [b.op('Relu', [b.conv(name)]), b.ints(0, WIDTH, 20)])

export const cases: OperatorCases = {
  MatMul: {
    shapes(random) {
      const [m = 1, k = 1, n = 1, b = 1] = [0, 0, 0, 0].map(() => 1 + random.below(4))
      const left = anyOf(random, [[k], [m, k], [b, m, k], [1, m, k], [2, 1, m, k]])
      const right = anyOf(random, [[k], [k, n], [b, k, n], [1, k, n], [1, b, k, n]])
      return {
        inputs: [normalTensor(random, left), normalTensor(random, right)],
        shapes: someSymbols(random, left),
      }
    },
    gradient: [{ draw: matMul, draws: 60 }],
    growth: [
      deepens('per position', (b) => {
        const h = b.op('MatMul', [b.lastAxis('first'), b.weight(WIDTH, 5)], {}, { name: 'grown' })
        return b.op('Add', [h, b.weight(5)])
      }),
      deepens('with its weight on the left', (b) => {
        const h = b.op('MatMul', [b.weight(5, WIDTH), rows(b, 'first')], {}, { name: 'grown' })
        return b.op('Add', [h, b.weight(5, 1)])
      }),

      grows('with its weight on the left', (b) => {
        const mixed = b.op('MatMul', [b.weight(5, WIDTH), rows(b)])
        return b.read(b.op('Add', [mixed, b.weight(5, 1)]), 1)
      }),
      grows('per position', (b) => {
        const mixed = b.op('MatMul', [b.lastAxis(), b.weight(WIDTH, 5)])
        return b.read(b.op('Add', [mixed, b.weight(5)]), 3)
      }),
      grows('with a weight that is stored as an image', (b) => {
        const flat = b.op('Reshape', [b.op('Relu', [b.conv()]), b.ints(0, WIDTH * 20)])
        const matrix = b.op('Reshape', [b.weight(WIDTH, 5, 4, 3), b.ints(WIDTH * 20, 3)])
        return b.op('MatMul', [flat, matrix])
      }),
      grows('its own units', (b) => {
        const h = b.op('MatMul', ['x', b.weight(6, WIDTH)], {}, { name: 'grown' })
        return b.read(b.op('Relu', [h]), 1)
      }),
      refuses('of an activation with itself', /MatMul .*two/, (b) => {
        const flat = rows(b)
        return b.op('MatMul', [b.op('Transpose', [flat], { perm: [0, 2, 1] }), flat])
      }),
    ],
  },
}
