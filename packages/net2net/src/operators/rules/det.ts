/**
 * Det: the determinant of each matrix in the last two axes.
 * https://onnx.ai/onnx/operators/onnx__Det.html
 *
 * Growth. A matrix with a copied row has the determinant 0: its axes are fixed. The others pass.
 *
 * Gradient: ∂L/∂x = g·C with the cofactors C[i, j] = (−1)^(i+j)·det(x without row i and column j), which
 * exist where the inverse does not.
 */
import { inputError } from '../../errors.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { Operator } from '../contract/operator.ts'
import {
  knownShape,
  knownSizes,
  range,
  reshapeLike,
  tensorLike,
  transpose,
  unsqueeze,
} from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { inferredFrom } from '../helpers/shapes.ts'

export const det: Operator = {
  name: 'Det',
  infer: (context) => {
    const shape = context.shape(0)
    const [rows, columns] = shape?.slice(-2) ?? []
    if (typeof rows === 'number' && typeof columns === 'number' && rows !== columns)
      throw inputError(`A matrix of ${rows} × ${columns} has no determinant.`)
    return [inferredFrom(context, shape?.slice(0, -2))]
  },
  axes: (context) => {
    const x = context.axes(0)
    for (const axis of x.slice(-2)) context.fix(axis, 'takes the determinant over it')
    return [{ axes: x.slice(0, -2) }]
  },
  gradient: gradientOf((context) => {
    const { f, g } = context
    const x = context.input(0)
    const shape = knownShape(context, x)
    const rank = shape.length
    const [size] = knownSizes(context, shape.slice(-1), 'the sizes of its matrices') as [number]
    if (size === 1) return reshapeLike(context, g, x)
    // All rows but the i-th, in row i.
    const others = context.constant(
      int64(
        range(size).flatMap((i) => range(size).filter((k) => k !== i)),
        [size, size - 1],
      ),
    )
    // [.., i, rows, columns], then [.., i, rows, j, columns].
    const rows = context.op('Gather', [x, others], { axis: rank - 2 })
    const both = context.op('Gather', [rows, others], { axis: rank })
    const batch = range(rank - 2)
    const minors = transpose(context, both, [...batch, rank - 2, rank, rank - 1, rank + 1])
    const alternating = range(size).flatMap((i) =>
      range(size).map((j) => ((i + j) % 2 === 0 ? 1 : -1)),
    )
    const cofactors = f.mul(
      context.op('Det', [minors]),
      tensorLike(context, g, [size, size], alternating),
    )
    return f.mul(cofactors, unsqueeze(context, g, [rank - 2, rank - 1]))
  }),
  scaling: 'none',
  sign: 'unknown',
}
