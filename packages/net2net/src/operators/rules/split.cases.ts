/** Test cases of Split. */
import { grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type DrawnNode, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape, between, randomAxis } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64 } from '../../tensor/tensor.ts'

const split: Draw = (random) => {
  const dims = anyShape(random)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const outputs = between(random, 1, 3)
  const sizes = Array.from({ length: outputs }, () => between(random, 1, 3))
  const equal = random.below(2) === 0
  dims[at] = equal ? outputs * sizes[0]! : sizes.reduce((a, b) => a + b, 0)
  const x = normalTensor(random, dims)
  if (equal)
    return anyOf<DrawnNode>(random, [
      { inputs: [x], attributes: { axis, num_outputs: outputs }, outputs },
      { opset: 13, inputs: [x], attributes: { axis }, outputs },
      { opset: 11, inputs: [x], attributes: { axis }, outputs },
    ])
  return random.below(2) === 0
    ? { opset: 11, inputs: [x], attributes: { axis, split: sizes }, outputs }
    : { inputs: [x, int64(sizes)], attributes: { axis }, constants: [1], outputs }
}

export const cases: OperatorCases = {
  Split: {
    gradient: vaguely(split),
    growth: [
      grows('the rest of a half', (b) => {
        const h = b.dense()
        const half = b.op('Div', [b.size(h, 1), b.ints(2)])
        const rest = b.op('Sub', [b.size(h, 1), half])
        const sizes = b.join(half, rest)
        const [first, second] = b.outputs('Split', [h, sizes], { axis: 1 }, 2)
        return b.read(b.op('Add', [first!, b.op('Exp', [second!])]), 1)
      }),
      grows('readers whose weights are split from one', (b) => {
        const [h, weights] = [b.dense(), b.weight(WIDTH, 6)]
        const parts = b.outputs('Split', [weights, b.ints(2, 4)], { axis: 1 }, 2)
        return parts.map((part) => b.op('MatMul', [h, part]))
      }),
      grows('into written sizes', (b) => {
        const both = b.op('Concat', [b.dense(), b.dense('other', 3)], { axis: 1 })
        const [first, second] = b.outputs('Split', [both, b.ints(WIDTH, 3)], { axis: 1 }, 2)
        return [b.read(first!, 1), b.read(second!, 1)]
      }),
      grows(
        'into sizes in an attribute',
        (b) => {
          const both = b.op('Concat', [b.dense(), b.dense('other', 3)], { axis: 1 })
          const [first, second] = b.outputs('Split', [both], { axis: 1, split: [WIDTH, 3] }, 2)
          return [b.read(first!, 1), b.read(second!, 1)]
        },
        { opset: 11 },
      ),
      grows('into halves', (b) => {
        const [first, second] = b.outputs('Split', [b.dense()], { axis: 1, num_outputs: 2 }, 2)
        return b.read(b.op('Mul', [first!, b.op('Sigmoid', [second!])]), 1)
      }),
    ],
  },
}
