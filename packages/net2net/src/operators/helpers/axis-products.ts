/**
 * Linear operators that treat every line along an axis alike, as products: line·M with a matrix of [entries before, entries after]. Its rows are what the
 * operator makes of the unit vectors, so the operator itself gives it.
 */
import { dtypes } from '../../tensor/dtype.ts'
import type { Emitter } from '../contract/gradient.ts'
import { floatType, ints, range, shapeOf, transpose } from './emission.ts'

/** Every line along axis k times a matrix. */
export function productAlong(emitter: Emitter, value: string, k: number, matrix: string): string {
  const rank = emitter.info(value).shape!.length
  const order = [...range(rank).filter((axis) => axis !== k), k]
  const moved = emitter.op('MatMul', [transpose(emitter, value, order), matrix])
  return transpose(
    emitter,
    moved,
    range(rank).map((axis) => order.indexOf(axis)),
  )
}

/** … times the transpose of a matrix. */
export const productBack = (emitter: Emitter, value: string, k: number, matrix: string): string =>
  productAlong(emitter, value, k, transpose(emitter, matrix, [1, 0]))

/** The size of axis k, [1]: a constant where it is known. */
export function sizeOf(emitter: Emitter, value: string, k: number): string {
  const size = emitter.info(value).shape?.[k]
  return typeof size === 'number' ? ints(emitter, [size]) : shapeOf(emitter, value, k, k + 1)
}

/** The unit vectors of axis k, as the lines of a matrix of the value's type. Where its size is known, ONNX Runtime computes them when it creates a session. */
export function unitVectors(emitter: Emitter, value: string, k: number): string {
  const size = sizeOf(emitter, value, k)
  const square = emitter.op('Concat', [size, size], { axis: 0 })
  const { code } = dtypes[floatType(emitter, value)]
  return emitter.op('EyeLike', [emitter.op('ConstantOfShape', [square])], { dtype: code })
}
