import type { Emitter } from '../../../operators/contract/gradient.ts'
import { float32 } from '../../../tensor/tensor.ts'

export const number = (emitter: Emitter, value: number): string =>
  emitter.constant(float32([], [value]))

/** The number of elements of a value, as a float scalar. */
export function countOf(emitter: Emitter, value: string): string {
  const { shape } = emitter.info(value)
  if (shape?.every((dim) => typeof dim === 'number'))
    return number(
      emitter,
      shape.reduce<number>((count, dim) => count * (dim as number), 1),
    )
  return emitter.op('Cast', [emitter.op('Size', [value])], { to: 1 })
}

/** The mean over all elements: a scalar. */
export const meanOf = (emitter: Emitter, value: string): string =>
  emitter.op('ReduceMean', [value], { keepdims: 0 })

/** The sum over all elements: a scalar. */
export const sumOf = (emitter: Emitter, value: string): string =>
  emitter.op('ReduceSum', [value], { keepdims: 0 })

/** 1 where two values are equal, 0 elsewhere, summed: a float scalar. */
export const countEqual = (emitter: Emitter, a: string, b: string): string =>
  sumOf(emitter, emitter.op('Cast', [emitter.op('Equal', [a, b])], { to: 1 }))
