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

/** A gradient that can be multiplied by a scalar. */
export const scalable = (gradient: (scale?: string) => string) => ({
  gradient: () => gradient(),
  scaledGradient: (scale: string) => gradient(scale),
})

/** value · scale / count, where count and scale are scalars; without a scale, value / count. */
export const shareOf = (emitter: Emitter, value: string, count: string, scale?: string): string =>
  scale === undefined
    ? emitter.op('Div', [value, count])
    : emitter.op('Mul', [value, emitter.op('Div', [scale, count])])

/**
 * The mean over all elements: a scalar. With weights of the same shape: Σ w v / Σ w, and 0 where nothing counts.
 */
export function meanOf(emitter: Emitter, value: string, weights?: string): string {
  if (weights === undefined) return emitter.op('ReduceMean', [value], { keepdims: 0 })
  const total = sumOf(emitter, emitter.op('Mul', [value, weights]))
  return emitter.op('Div', [total, atLeastTiny(emitter, sumOf(emitter, weights))])
}

/** What may be 0, so that it can be divided by. */
export const atLeastTiny = (emitter: Emitter, value: string): string =>
  emitter.op('Max', [value, number(emitter, 1e-12)])

/** The sum over all elements: a scalar. */
export const sumOf = (emitter: Emitter, value: string): string =>
  emitter.op('ReduceSum', [value], { keepdims: 0 })

/** 1 (or the weight there) where two values are equal, 0 elsewhere, summed: a float scalar. */
export function countEqual(emitter: Emitter, a: string, b: string, weights?: string): string {
  const equal = emitter.op('Cast', [emitter.op('Equal', [a, b])], { to: 1 })
  return sumOf(emitter, weights === undefined ? equal : emitter.op('Mul', [equal, weights]))
}
