/** Test cases of Gather. */
import { grows, refuses, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, randomAxis, randomIndices, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const gather: Draw = (random) => {
  const dims = anyShape(random, 1, 3)
  const axis = randomAxis(random, dims.length)
  const indices = randomIndices(random, randomShape(random, random.below(3), 3), dims.at(axis)!)
  return {
    inputs: [normalTensor(random, dims), indices],
    attributes: { axis },
    constants: random.below(2) === 0 ? [1] : [],
  }
}

export const cases: OperatorCases = {
  Gather: {
    gradient: vaguely(gather),
    growth: [
      grows('on another axis', (b) =>
        b.read(b.op('Gather', [b.conv(), b.ints(2, 0)], { axis: 2 }), 1),
      ),
      grows('of some units, beside a reader of all', (b) => {
        const h = b.dense()
        return [b.read(b.op('Gather', [h, b.ints(3, 1, 3)], { axis: 1 }), 1), b.read(h, 1)]
      }),
      grows('of the last unit, and Slice of the others', (b) => {
        const h = b.dense()
        const last = b.op('Gather', [h, b.index(-1)], { axis: 1 })
        return [last, b.read(b.op('Slice', [h, b.ints(0), b.ints(-1), b.ints(1)]), 1)]
      }),
      refuses('of the first unit, counted from the end', /from the end/, (b) => {
        const h = b.dense()
        return [b.op('Gather', [h, b.index(-WIDTH)], { axis: 1 }), b.read(h, 1)]
      }),
      refuses('of all units', /by index/, (b) =>
        b.read(b.op('Gather', [b.dense(), b.ints(1, 2, 0, 3)], { axis: 1 }), 1),
      ),
      refuses('of units that the run knows', /by index/, (b) => {
        const index = b.op('ArgMax', ['x'], { axis: 1 })
        return b.op('Gather', [b.dense(), index], { axis: 1 })
      }),
      grows('as an embedding', (b) => {
        const ids = b.op('Cast', [b.op('Greater', ['x', b.number(0)])], { to: 7 })
        const rows = b.builder.node('Gather', [b.weight(5, WIDTH), ids], {}, { name: 'grown' })
        return b.read(rows, 2)
      }),
    ],
  },
}
