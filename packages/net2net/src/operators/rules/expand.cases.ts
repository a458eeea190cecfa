/** Test cases of Expand and Tile. */
import { BATCH, grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, between, broadcastable } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64 } from '../../tensor/tensor.ts'

const expand: Draw = (random) => {
  const dims = anyShape(random)
  const x = normalTensor(random, broadcastable(random, dims))
  return { inputs: [x, int64(dims)], constants: random.below(3) === 0 ? [] : [1] }
}

const tile: Draw = (random) => {
  const dims = anyShape(random)
  const repeats = dims.map(() => between(random, 1, 3))
  return {
    inputs: [normalTensor(random, dims), int64(repeats)],
    constants: random.below(3) === 0 ? [] : [1],
  }
}

export const cases: OperatorCases = {
  Expand: {
    gradient: vaguely(expand),
    growth: [
      grows('of another axis', (b) => {
        const column = b.op('Unsqueeze', [b.dense(), b.ints(2)])
        return b.read(b.op('Expand', [column, b.ints(BATCH, WIDTH, 5)]), 1)
      }),
      grows('to sizes from Shape', (b) => {
        const h = b.conv()
        const pooled = b.op('GlobalAveragePool', [h])
        return b.read(b.op('Mul', [b.op('Expand', [pooled, b.op('Shape', [h])]), h]), 1)
      }),
      grows('as PyTorch writes -1', (b) => {
        const column = b.op('Unsqueeze', [b.dense(), b.ints(2)])
        const wanted = b.join(b.size(column, 0), b.ints(-1), b.ints(5))
        const ones = b.op('ConstantOfShape', [b.ints(3)], { value: int64([1]) })
        const minus = b.op('Mul', [ones, b.ints(-1)])
        const target = b.op('Where', [b.op('Equal', [wanted, minus]), ones, wanted])
        return b.read(b.op('Expand', [column, target]), 1)
      }),
    ],
  },
  Tile: {
    gradient: vaguely(tile),
    growth: [
      grows('of the units', (b) => b.read(b.op('Tile', [b.dense(), b.ints(1, 3)]), 1)),
      grows('of another axis', (b) => b.read(b.op('Tile', [b.dense(), b.ints(2, 1)]), 1)),
    ],
  },
}
