/**
 * Linear operators that treat every line along an axis alike, as products: line·M with a matrix of [entries before, entries after]. Its rows are what the
 * operator makes of the unit vectors, so the operator itself gives it.
 */
import type { Emitter } from '../contract/gradient.ts'
import { ints, range, shapeOf, transpose } from './emission.ts'

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

/** The size of axis k, [1]: a constant where it is known. */
export function sizeOf(emitter: Emitter, value: string, k: number): string {
  const size = emitter.info(value).shape?.[k]
  return typeof size === 'number' ? ints(emitter, [size]) : shapeOf(emitter, value, k, k + 1)
}

/** The unit vectors of axis k, as the lines of a matrix of float32. Where its size is known, ONNX Runtime computes them when it creates a session. */
export function unitVectors(emitter: Emitter, value: string, k: number): string {
  const size = sizeOf(emitter, value, k)
  const square = emitter.op('Concat', [size, size], { axis: 0 })
  return emitter.op('EyeLike', [emitter.op('ConstantOfShape', [square])], { dtype: 1 })
}
