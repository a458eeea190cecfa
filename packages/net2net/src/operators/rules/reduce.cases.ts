/** Test cases of reductions. */
import { type Bench, type GrowthCase, grows, refuses } from '../../../testing/bench.ts'
import { type Cases, type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, awayFromZero, distinctTensor } from '../../../testing/draws.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import type { RandomStream } from '../../tensor/random.ts'
import { elementCount, float32, int64, type Tensor } from '../../tensor/tensor.ts'

type Fill = (random: RandomStream, dims: readonly number[]) => Tensor

/** Some elements are exactly zero: one or several of them in a product. */
const withZeros: Fill = (random, dims) =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () =>
      random.below(4) === 0 ? 0 : random.normal() + 0.1,
    ),
  )

const fills: Readonly<Record<string, Fill>> = {
  ReduceSum: normalTensor,
  ReduceMean: normalTensor,
  ReduceMax: distinctTensor,
  ReduceMin: distinctTensor,
  ReduceProd: withZeros,
  ReduceL1: awayFromZero,
  ReduceL2: awayFromZero,
  ReduceLogSum: (random, dims) => uniformTensor(random, dims, 0.3, 2),
  ReduceLogSumExp: normalTensor,
  ReduceSumSquare: normalTensor,
}

/** Axes as input or attribute, all of them, none of them; kept or dropped. */
const reduction =
  (op: string): Draw =>
  (random) => {
    const dims = anyShape(random)
    const keepdims = random.below(2)
    const chosen = dims
      .map((_, k) => (random.below(2) === 0 ? k : k - dims.length))
      .filter(() => random.below(2) === 0)
    const x = fills[op]!(random, dims)
    if (random.below(3) === 0)
      return {
        opset: op === 'ReduceSum' ? 12 : 17,
        attributes: { keepdims, axes: chosen.length > 0 ? chosen : undefined },
        inputs: [x],
      }
    return {
      attributes: { keepdims, noop_with_empty_axes: random.below(2) },
      inputs: chosen.length > 0 ? [x, int64(chosen)] : [x],
      // Now and then only the run knows the axes.
      constants: keepdims === 1 && random.below(3) === 0 ? [] : [1],
    }
  }

const overImage = (name: string, keepdims: number): GrowthCase =>
  grows('over the image', (b) => {
    const x = name === 'ReduceLogSum' ? b.op('Exp', [b.conv()]) : b.conv()
    return b.read(b.op(name, [x, b.ints(2, 3)], { keepdims }), 1)
  })

const overUnits = (name: string, refused: RegExp): GrowthCase =>
  refuses('over the units', refused, (b) => b.op(name, [b.dense(), b.ints(1)]))

/** A maximum over the units does not change where units are copied. */
const attained = (name: string): GrowthCase =>
  grows('over the units', (b) => {
    const h = b.dense()
    return b.read(b.op('Sub', [h, b.op(name, [h, b.ints(1)])]), 1)
  })

const sumOfUnits = grows('over the units', (b) => b.op('ReduceSum', [b.dense(), b.ints(1)]))

const meanOfUnits = (b: Bench) => {
  const h = b.dense()
  return b.read(b.op('Sub', [h, b.op('ReduceMean', [h, b.ints(1)])]), 1)
}

const growth: Readonly<Record<string, readonly GrowthCase[]>> = {
  ReduceSum: [sumOfUnits, overImage('ReduceSum', 1)],
  ReduceMean: [
    grows('over the units, all copied equally often, or with units that are added', meanOfUnits, {
      widths: [8, 12, 7],
    }),
    grows(
      'over the image, axes in an attribute',
      (b) => b.read(b.op('ReduceMean', [b.conv()], { axes: [2, 3], keepdims: 0 }), 1),
      { opset: 13 },
    ),
  ],
  ReduceMax: [attained('ReduceMax'), overImage('ReduceMax', 0)],
  ReduceMin: [attained('ReduceMin'), overImage('ReduceMin', 0)],
  ReduceProd: [
    overImage('ReduceProd', 1),
    overUnits('ReduceProd', /multiplies/),
    // As TensorFlow's converter flattens the batch of a matrix product.
    ...[1, 0].map((keepdims) =>
      grows(`over sizes, which it multiplies (keepdims ${keepdims})`, (b) => {
        const h = b.conv()
        const shape = b.op('Shape', [h])
        const sizes = (...positions: number[]) =>
          b.op('Gather', [shape, b.constant(int64(positions))])
        const units = b.op('Max', [sizes(0, 1), sizes(0, 1)])
        const rows = b.op('ReduceProd', [units], { keepdims })
        const row = keepdims ? rows : b.op('Reshape', [rows, b.constant(int64([1]))])
        const flat = b.op('Reshape', [
          h,
          b.op('Concat', [row, b.constant(int64([-1]))], { axis: 0 }),
        ])
        const back = b.op('Concat', [units, sizes(2, 3)], { axis: 0 })
        return b.read(b.op('Reshape', [b.op('Relu', [flat]), back]), 1)
      }),
    ),
  ],
  ...Object.fromEntries(
    ['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare'].map((name) => [
      name,
      [overImage(name, 1), overUnits(name, /sums over/)],
    ]),
  ),
}

export const cases: OperatorCases = Object.fromEntries(
  Object.keys(fills).map((name): [string, Cases] => [
    name,
    { gradient: vaguely(reduction(name)), growth: growth[name]! },
  ]),
)
