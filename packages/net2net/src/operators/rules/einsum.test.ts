import { expect, test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import { inferModel } from '../inference.ts'

/**
 * Equations with the operands' sizes: what Einsum allows beyond plain products. (Ellipses of two ranks
 * are allowed too, but ONNX Runtime does not run them.)
 */
const others: [equation: string, ...sizes: number[][]][] = [
  ['bij,bjk->bik', [4, 3, 2], [1, 2, 5]],
  ['bij,bjk->bik', [1, 3, 2], [4, 2, 5]],
  ['bij,bkj->bik', [2, 3, 4], [2, 5, 1]],
  ['bij,bkj', [2, 1, 1], [1, 5, 3]],
  ['...ij,jk->...ik', [2, 3, 2, 4], [4, 5]],
  ['...i,...i->...', [2, 3, 4], [2, 3, 4]],
  ['...i,...i->...', [2, 1, 4], [1, 3, 4]],
  ['...ij,...jk', [2, 3, 4], [2, 4, 2]],
  ['a...,b...->ab...', [2, 3], [4, 3]],
  ['...->...', [2, 3]],
  ['bii,ij->bj', [2, 3, 3], [3, 4]],
  ['ii->i', [4, 4]],
  ['ii', [4, 4]],
  ['iij,i->j', [3, 3, 2], [3]],
  ['bij,k->bi', [2, 3, 4], [5]],
  ['bi,ijk->bj', [2, 3], [3, 4, 5]],
  ['ij->', [2, 3]],
  ['ij,jk->', [2, 3], [3, 4]],
  ['i,j,k->', [2], [3], [4]],
  ['ij,ij,ij->ij', [2, 3], [1, 3], [2, 1]],
]

test.each(others)('the gradient of Einsum %s of %j and %j', async (equation, ...sizes) => {
  await checkGradients({
    draws: 1,
    draw: (random) =>
      oneNode({
        op: 'Einsum',
        attributes: { equation },
        inputs: sizes.map((dims) => normalTensor(random, dims)),
      }),
  })
})

test('shapes follow ellipses, and wrong equations are refused', () => {
  const shapeOf = (equation: string, ...sizes: (readonly number[])[]) => {
    const inputs = sizes.map((dims) => float32(dims, new Float32Array(elementCount(dims))))
    const { model } = oneNode({ op: 'Einsum', attributes: { equation }, inputs })
    return inferModel(model).get('y0')?.shape
  }
  expect(shapeOf('...ij,...jk', [2, 3, 4], [5, 1, 4, 2])).toEqual([5, 2, 3, 2])
  expect(shapeOf('ba...->a...b', [2, 3, 4, 5])).toEqual([3, 4, 5, 2])
  expect(() => shapeOf('ij,jk->ik', [2, 3])).toThrow(/operands/)
  expect(() => shapeOf('i..j->ij', [2, 3])).toThrow(/not one of Einsum/)
  expect(() => shapeOf('abc...->a', [2, 3])).toThrow(/rank 2/)
})
