/** Test cases of Softmax and LogSoftmax. */
import { grows, refuses } from '../../../testing/bench.ts'
import { type Cases, type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const softmax: Draw = (random) => {
  const dims = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(4))
  const axis = random.below(dims.length)
  return {
    attributes: { axis: random.below(2) ? axis : axis - dims.length },
    inputs: [normalTensor(random, dims)],
  }
}

const shapes: Draw = (random) => {
  const dims = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(4))
  return {
    opset: anyOf(random, [7, 11, 13]),
    attributes: { axis: random.below(dims.length) },
    inputs: [normalTensor(random, dims)],
    shapes: someSymbols(random, dims),
  }
}

export const cases: OperatorCases = Object.fromEntries(
  ['Softmax', 'LogSoftmax'].map((name): [string, Cases] => [
    name,
    {
      shapes,
      gradient: softmax,
      growth: [
        grows('over positions', (b) => b.read(b.op(name, [b.conv()], { axis: 3 }), 1)),
        refuses('over the channels', new RegExp(`${name} .*normalizes over it`), (b) =>
          b.read(b.op(name, [b.conv()], { axis: 1 }), 1),
        ),
      ],
    },
  ]),
)
