/** Test cases of Slice. */
import { grows, refuses, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type NodeCase, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape, between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64 } from '../../tensor/tensor.ts'

const slice: Draw = (random) => {
  const dims = anyShape(random).map((size) => size + 2)
  const x = normalTensor(random, dims)
  const axes = dims
    .map((_, k) => (random.below(2) === 0 ? k : k - dims.length))
    .filter(() => random.below(2) === 0)
  const chosen = axes.length > 0 ? axes : [0]
  const ranges = chosen.map((axis) => {
    const size = dims.at(axis)!
    const start = between(random, 0, size - 1)
    const end = between(random, start + 1, size)
    return anyOf(random, [
      [start, end, 1],
      [start - size, end === size ? 2 ** 31 - 1 : end - size, 1],
      [0, 2 ** 31 - 1, 1],
      [start, end, 2],
      [end - 1, start === 0 ? -(2 ** 31) : start - 1, -1],
    ])
  })
  const column = (k: number) => ranges.map((range) => range[k]!)
  if (column(2).every((step) => step === 1) && random.below(2) === 0)
    return {
      opset: 9,
      inputs: [x],
      attributes: { axes: chosen, starts: column(0), ends: column(1) },
    }
  const inputs = [x, int64(column(0)), int64(column(1)), int64(chosen), int64(column(2))]
  return { inputs, constants: random.below(4) === 0 ? [] : [1, 2, 3, 4] }
}

const spaced: NodeCase = {
  what: 'with steps, over runs of several elements',
  draws: 15,
  draw(random) {
    const dims = [1 + random.below(2), 3 + random.below(5), 3 + random.below(5), 8]
    const chosen = anyOf(random, [[1], [2], [1, 2], [2, 3], [-3, -1]])
    const ranges = chosen.map((axis) => {
      const start = random.below(2)
      const end = between(random, start + 1, dims.at(axis)!)
      return [start, end, 1 + random.below(3)]
    })
    const column = (k: number) => int64(ranges.map((range) => range[k]!))
    return {
      inputs: [normalTensor(random, dims), column(0), column(1), int64(chosen), column(2)],
      constants: [1, 2, 3, 4],
      shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
    }
  },
}

export const cases: OperatorCases = {
  Slice: {
    gradient: [{ what: 'of any range', draw: vaguely(slice) }, spaced],
    growth: [
      grows('two chunks as PyTorch slices them', (b) => {
        const h = b.dense()
        const half = b.op('Div', [b.op('Add', [b.size(h, 1), b.ints(1)]), b.ints(2)])
        const first = b.op('Slice', [h, b.ints(0), half, b.ints(1)])
        const end = b.op('Mul', [half, b.ints(2)])
        const second = b.op('Slice', [h, half, end, b.ints(1)])
        return b.read(b.op('Mul', [first, b.op('Sigmoid', [second])]), 1)
      }),
      grows('a part of a size that does not divide', (b) => {
        const h = b.dense()
        const third = b.op('Div', [b.size(h, 1), b.ints(3)])
        return b.read(b.op('Slice', [h, b.ints(0), third, b.ints(1)]), 1)
      }),
      grows('readers whose weights are slices of one', (b) => {
        const [h, weights] = [b.dense(), b.weight(6, WIDTH)]
        const parts = [b.ints(0), b.ints(2), b.ints(6)]
        return [0, 1].map((k) => {
          const part = b.op('Slice', [weights, parts[k]!, parts[k + 1]!, b.ints(0)])
          return b.op('MatMul', [h, b.op('Transpose', [part])])
        })
      }),
      grows('a reader whose weight is a part of a constant', (b) => {
        const [h, weights] = [b.dense(), b.weight(WIDTH + 3, 3)]
        const part = b.op('Slice', [weights, b.ints(0), b.ints(WIDTH), b.ints(0)])
        return b.op('MatMul', [h, part])
      }),
      grows('of the first units', (b) => {
        const h = b.dense()
        const part = b.op('Slice', [h, b.ints(0), b.ints(3), b.ints(1)])
        return [b.read(part, 1), b.read(h, 1)]
      }),
      grows('of the last units', (b) => {
        const h = b.dense()
        const part = b.op('Slice', [h, b.ints(1), b.ints(2 ** 31), b.ints(1)])
        return [b.read(part, 1), b.read(h, 1)]
      }),
      grows('of the units at the end', (b) => {
        const h = b.dense()
        const part = b.op('Slice', [h, b.ints(-3), b.ints(-1), b.ints(1)])
        return [b.read(part, 1), b.read(h, 1)]
      }),
      grows(
        'with attributes',
        (b) => {
          const h = b.dense()
          const part = b.op('Slice', [h], { axes: [1], starts: [1], ends: [3] })
          return [b.read(part, 1), b.read(h, 1)]
        },
        { opset: 9 },
      ),
      grows('of another axis', (b) =>
        b.read(b.op('Slice', [b.conv(), b.ints(1), b.ints(4), b.ints(2), b.ints(2)]), 1),
      ),
      refuses('with a step', /does not follow/, (b) =>
        b.read(b.op('Slice', [b.dense(), b.ints(0), b.ints(4), b.ints(1), b.ints(2)]), 1),
      ),
      refuses('of the first units, counted from the end', /from the end/, (b) => {
        const h = b.dense()
        const part = b.op('Slice', [h, b.ints(-WIDTH), b.ints(2), b.ints(1)])
        return [b.read(part, 1), b.read(h, 1)]
      }),
      grows('of the first units, from before them', (b) => {
        const h = b.dense()
        const part = b.op('Slice', [h, b.ints(-(2 ** 31)), b.ints(2), b.ints(1)])
        return [b.read(part, 1), b.read(h, 1)]
      }),
    ],
  },
}
