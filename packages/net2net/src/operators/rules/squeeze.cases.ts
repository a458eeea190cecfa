/** Test cases of Squeeze and Unsqueeze. */
import { grows } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { permutation } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'

const squeeze: Draw = (random) => {
  const dims = anyShape(random, 0).flatMap((size) => [size, 1])
  const ones = dims
    .flatMap((size, k) => (size === 1 ? [random.below(2) === 0 ? k : k - dims.length] : []))
    .filter(() => random.below(2) === 0)
  const x = normalTensor(random, dims)
  if (ones.length === 0) return { inputs: [x] }
  return random.below(2) === 0
    ? { opset: 11, attributes: { axes: ones }, inputs: [x] }
    : { inputs: [x, int64(ones)], constants: [1] }
}

const unsqueeze: Draw = (random) => {
  const dims = anyShape(random, 0)
  const count = between(random, 1, 2)
  const rank = dims.length + count
  const axes = Array.from(permutation(rank, random).subarray(0, count), (k) =>
    random.below(2) === 0 ? k : k - rank,
  )
  const x = normalTensor(random, dims)
  return random.below(2) === 0
    ? { opset: 11, attributes: { axes }, inputs: [x] }
    : { inputs: [x, int64(axes)], constants: [1] }
}

export const cases: OperatorCases = {
  Squeeze: {
    gradient: vaguely(squeeze),
    growth: [
      grows('after Unsqueeze', (b) => {
        const more = b.op('Unsqueeze', [b.dense(), b.ints(1, -1)])
        return b.read(b.op('Squeeze', [more, b.ints(1, 3)]), 1)
      }),
    ],
  },
  Unsqueeze: {
    gradient: vaguely(unsqueeze),
    growth: [
      grows('in front and behind', (b) => b.read(b.op('Unsqueeze', [b.dense(), b.ints(0, -1)]), 2)),
    ],
  },
}
