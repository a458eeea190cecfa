import { describe, expect, it } from 'vitest'
import {
  awayFromZero,
  between,
  distinctTensor,
  randomShape,
  vagueShapes,
} from '../../../testing/draws.ts'
import {
  checkGradients,
  normalTensor,
  type OneNode,
  oneNode,
  uniformTensor,
} from '../../../testing/gradient-check.ts'
import type { RandomStream } from '../../tensor/random.ts'
import { elementCount, float32, int64, type Tensor } from '../../tensor/tensor.ts'
import { reductions } from './reduce.ts'

type Fill = (random: RandomStream, dims: readonly number[]) => Tensor

const positive: Fill = (random, dims) => uniformTensor(random, dims, 0.3, 2)

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
  ReduceLogSum: positive,
  ReduceLogSumExp: normalTensor,
  ReduceSumSquare: normalTensor,
}

/** Axes as input or attribute, all of them, none of them; kept or dropped. */
function draw(op: string, random: RandomStream, index: number): OneNode {
  const dims = randomShape(random, between(random, 1, 4))
  const keepdims = random.below(2)
  const chosen = dims
    .map((_, k) => (random.below(2) === 0 ? k : k - dims.length))
    .filter(() => random.below(2) === 0)
  const x = fills[op]!(random, dims)
  const shapes = vagueShapes(random, index, [x])
  const inputSince = op === 'ReduceSum' ? 13 : 18
  if (random.below(3) === 0)
    return {
      op,
      opset: inputSince - 1,
      attributes: { keepdims, axes: chosen.length > 0 ? chosen : undefined },
      inputs: [x],
      shapes,
    }
  const noop = random.below(2)
  return {
    op,
    attributes: { keepdims, noop_with_empty_axes: noop },
    inputs: chosen.length > 0 ? [x, int64(chosen)] : [x],
    // Now and then only the run knows the axes.
    constants: keepdims === 1 && random.below(3) === 0 ? [] : [1],
    shapes,
  }
}

describe('gradients of reductions against differences', () => {
  it.each(Object.keys(fills))('%s', async (op) => {
    await checkGradients({
      draws: 30,
      draw: (random, index) => oneNode(draw(op, random, index)),
    })
  })

  it('leaves no rule unchecked', () => {
    expect(Object.keys(fills)).toEqual(reductions.map((operator) => operator.name))
  })
})
