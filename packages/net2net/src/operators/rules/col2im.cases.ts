/** Test cases of Col2Im. */
import { grows } from '../../../testing/bench.ts'
import type { Draw, OperatorCases } from '../../../testing/cases.ts'
import { between, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'

/** Blocks of any shape, strides, dilations and pads, over two axes. */
const col2Im: Draw = (random) => {
  const [batch, channels] = randomShape(random, 2, 3) as [number, number]
  const block = randomShape(random, 2, 3)
  const dilations = randomShape(random, 2, 2)
  const strides = randomShape(random, 2, 2)
  const pads = [0, 0, 0, 0].map(() => between(random, 0, 1))
  const reach = block.map((size, k) => (size - 1) * dilations[k]! + 1)
  const image = reach.map((size, k) => size + Math.max(0, between(random, 0, 3) - pads[k]!))
  const places = image.map((size, k) =>
    Math.floor((size + pads[k]! + pads[k + 2]! - reach[k]!) / strides[k]! + 1),
  )
  return {
    attributes: { strides, dilations, pads },
    inputs: [
      normalTensor(random, [batch, channels * elementCount(block), elementCount(places)]),
      int64(image),
      int64(block),
    ],
    constants: [1, 2],
    shapes: random.below(2)
      ? { 0: ['n', channels * elementCount(block), elementCount(places)] }
      : {},
  }
}

export const cases: OperatorCases = {
  Col2Im: {
    gradient: [{ draw: col2Im, linear: true }],
    growth: [
      grows(
        'of channels with all their taps',
        (b) => {
          const taps = b.op('Reshape', [b.conv('grown', 16), b.ints(0, 16, 20)])
          const y = b.op('Col2Im', [taps, b.ints(6, 5), b.ints(2, 2)])
          return b.read(y, 1)
        },
        { widths: [20, 32] },
      ),
    ],
  },
}
