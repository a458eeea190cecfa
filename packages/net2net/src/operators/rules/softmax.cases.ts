/** Test cases of Softmax, LogSoftmax and Hardmax. */
import { grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
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

const growth = (name: string, reason: string) => [
  grows('over positions', (b) => b.read(b.op(name, [b.conv()], { axis: 3 }), 1)),
  refuses('over the channels', new RegExp(`${name} .*${reason}`), (b) =>
    b.read(b.op(name, [b.conv()], { axis: 1 }), 1),
  ),
]

export const cases: OperatorCases = {
  Softmax: { shapes, gradient: softmax, growth: growth('Softmax', 'normalizes over it') },
  LogSoftmax: { shapes, gradient: softmax, growth: growth('LogSoftmax', 'normalizes over it') },
  Hardmax: { shapes, growth: growth('Hardmax', 'marks one entry along it') },
}
