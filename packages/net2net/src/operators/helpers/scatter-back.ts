/**
 * Gradients of operators that only pick and move elements: run the operator on the positions
 * 0, 1, 2, … instead of the values, and add every g at the position that it came from.
 */
import { elementCount, float32, int64, scalar, Tensor } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { isStatic } from './elements.ts'
import { floatType, ints, shapeOf } from './emission.ts'

/** Zeros of the shape and type of a value. */
export function zerosLike(emitter: Emitter, like: string): string {
  const { shape } = emitter.info(like)
  const zero =
    floatType(emitter, like) === 'float64'
      ? new Tensor('float64', [1], new Float64Array(1))
      : float32([1], [0])
  return emitter.op(
    'ConstantOfShape',
    [isStatic(shape) ? ints(emitter, shape) : shapeOf(emitter, like)],
    { value: zero },
  )
}

/** The row-major position of every element of a value, in the value's own shape. */
function positionsOf(emitter: Emitter, value: string): string {
  const { shape } = emitter.info(value)
  if (isStatic(shape)) {
    const count = elementCount(shape)
    if (count <= 65536)
      return emitter.constant(
        int64(
          Array.from({ length: count }, (_, i) => i),
          shape,
        ),
      )
  }
  const flat = emitter.op('Range', [
    emitter.constant(scalar('int64', 0)),
    emitter.op('Size', [value]),
    emitter.constant(scalar('int64', 1)),
  ])
  return emitter.op('Reshape', [flat, shapeOf(emitter, value)])
}

/** The gradient of `input`, where `move` is the operator applied to other data. */
export function scatterBack(
  emitter: Emitter,
  input: string,
  g: string,
  move: (positions: string) => string,
): string {
  const flatten = (value: string) => emitter.op('Reshape', [value, ints(emitter, [-1])])
  const positions = flatten(move(positionsOf(emitter, input)))
  const sums = emitter.op(
    'ScatterElements',
    [flatten(zerosLike(emitter, input)), positions, flatten(g)],
    { axis: 0, reduction: 'add' },
  )
  return emitter.op('Reshape', [sums, shapeOf(emitter, input)])
}
