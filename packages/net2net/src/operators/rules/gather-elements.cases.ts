/** Test cases of GatherElements and GatherND. */
import { grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import {
  anyShape,
  between,
  randomAxis,
  randomIndices,
  randomShape,
} from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'

const gatherElements: Draw = (random) => {
  const dims = anyShape(random, 1, 3)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const picked = dims.map((size, k) =>
    k === at ? between(random, 1, 4) : between(random, 1, size),
  )
  return {
    inputs: [normalTensor(random, dims), randomIndices(random, picked, dims[at]!)],
    attributes: { axis },
  }
}

/** Indices of a given depth into the leading axes, perhaps after batch axes. */
const gatherND: Draw = (random) => {
  const dims = anyShape(random, 2, 3)
  const batch = random.below(2)
  const depth = between(random, 1, dims.length - batch)
  const outer = randomShape(random, between(random, 0, 2), 3)
  const count = elementCount([...dims.slice(0, batch), ...outer])
  const values = Array.from({ length: count }, () =>
    Array.from({ length: depth }, (_, k) => random.below(dims[batch + k]!)),
  ).flat()
  const indices = int64(values, [...dims.slice(0, batch), ...outer, depth])
  return { inputs: [normalTensor(random, dims), indices], attributes: { batch_dims: batch } }
}

export const cases: OperatorCases = {
  GatherElements: {
    gradient: vaguely(gatherElements),
    growth: [
      grows('on another axis', (b) =>
        b.read(
          b.op('GatherElements', [b.dense(), b.constant(int64([1, 0, 0, 1], [1, 4]))], {
            axis: 0,
          }),
          1,
        ),
      ),
      refuses('of units', /by index/, (b) =>
        b.read(
          b.op('GatherElements', [b.dense(), b.constant(int64([1, 0, 0, 1], [2, 2]))], {
            axis: 1,
          }),
          1,
        ),
      ),
    ],
  },
  GatherND: {
    gradient: vaguely(gatherND),
    growth: [
      grows('of rows', (b) =>
        b.read(b.op('GatherND', [b.dense(), b.constant(int64([1, 0, 1], [3, 1]))]), 1),
      ),
    ],
  },
}
