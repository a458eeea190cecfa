/**
 * Gradients of operators that only pick and move elements: run the operator on the positions
 * 0, 1, 2, … instead of the values, and add every g at the position that it came from.
 *
 * One position may be read several times, so the additions must not overtake each other. ONNX
 * Runtime's ScatterND with reduction = add works on several threads without locks and loses
 * additions (docs/lab/scatternd-race.md); its ScatterElements works on one, in order, so that the
 * bits do not depend on the threads either.
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

export type Reduction = 'add' | 'mul' | 'min' | 'max'

/** Adds updates to `data` at indices along one axis, wherever indices repeat (or multiplies, or takes the smallest). */
export const addAt = (
  emitter: Emitter,
  data: string,
  indices: string,
  updates: string,
  axis: number,
  reduction: Reduction = 'add',
): string => emitter.op('ScatterElements', [data, indices, updates], { axis, reduction })

/** The row-major position of every element of a value, in the value's own shape. */
export function positionsOf(emitter: Emitter, value: string): string {
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
  return addAtPositions(emitter, zerosLike(emitter, input), move(positionsOf(emitter, input)), g)
}

/** `data` with updates added at these row-major positions of it. */
export function addAtPositions(
  emitter: Emitter,
  data: string,
  positions: string,
  updates: string,
  reduction: Reduction = 'add',
): string {
  const flatten = (value: string) => emitter.op('Reshape', [value, ints(emitter, [-1])])
  const sums = addAt(emitter, flatten(data), flatten(positions), flatten(updates), 0, reduction)
  return emitter.op('Reshape', [sums, shapeOf(emitter, data)])
}
