/** Test cases of operators that depend on the order of the entries. */
import { type GrowthCase, grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, between, distinctTensor, randomAxis } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64, scalar } from '../../tensor/tensor.ts'

const topK: Draw = (random) => {
  const dims = anyShape(random, 1, 3)
  const axis = randomAxis(random, dims.length)
  const k = between(random, 1, dims.at(axis)!)
  const x = distinctTensor(random, dims)
  const attributes = { axis, largest: random.below(2), sorted: 1 }
  return { inputs: [x, int64([k])], constants: [1], attributes, outputs: 2 }
}

const cumSum: Draw = (random) => {
  const dims = anyShape(random, 1, 3)
  return {
    inputs: [normalTensor(random, dims), scalar('int64', randomAxis(random, dims.length))],
    attributes: { exclusive: random.below(2), reverse: random.below(2) },
  }
}

const trilu: Draw = (random) => {
  const x = normalTensor(random, anyShape(random, 2, 3))
  return {
    inputs: random.below(2) === 0 ? [x] : [x, scalar('int64', between(random, -2, 2))],
    attributes: { upper: random.below(2) },
  }
}

/** The position of an extremum over the rows of an image, as numbers per unit. */
const overRows = (name: string): GrowthCase =>
  grows('over another axis', (b) => {
    const found = b.op(name, [b.conv()], { axis: 2, keepdims: 0 })
    return b.read(b.op('Cast', [found], { to: 1 }), 1)
  })

export const cases: OperatorCases = {
  ArgMax: {
    growth: [
      overRows('ArgMax'),
      refuses('over the units', /position/, (b) => b.op('ArgMax', [b.dense()], { axis: 1 })),
    ],
  },
  ArgMin: {
    growth: [
      overRows('ArgMin'),
      refuses('over the units', /position/, (b) => b.op('ArgMin', [b.dense()], { axis: 1 })),
    ],
  },
  TopK: {
    gradient: vaguely(topK),
    growth: [
      refuses('over the units', /largest/, (b) => {
        const [values] = b.outputs('TopK', [b.dense(), b.ints(2)], { axis: 1 }, 2)
        return b.read(values!, 1)
      }),
      grows('of another axis', (b) => {
        const [values] = b.outputs('TopK', [b.conv(), b.ints(2)], { axis: 2 }, 2)
        return b.read(values!, 1)
      }),
    ],
  },
  CumSum: {
    gradient: vaguely(cumSum),
    growth: [
      refuses('over the units', /sums along/, (b) =>
        b.read(b.op('CumSum', [b.dense(), b.index(1)]), 1),
      ),
      grows('of another axis', (b) => b.read(b.op('CumSum', [b.dense(), b.index(0)]), 1)),
    ],
  },
  Trilu: {
    gradient: vaguely(trilu),
    growth: [
      refuses('of the units', /triangle/, (b) => b.read(b.op('Trilu', [b.dense()]), 1)),
      grows('of the image', (b) => b.read(b.op('Trilu', [b.conv()]), 1)),
    ],
  },
  NonZero: {
    growth: [
      refuses('of the units', /positions/, (b) => {
        const h = b.dense()
        return [b.read(h, 1), b.op('Shape', [b.op('NonZero', [h])])]
      }),
    ],
  },
}
