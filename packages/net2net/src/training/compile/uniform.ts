/**
 * Uniform random numbers as a pure function of a key, in standard ONNX. Every value is an
 * integer below 2²⁴ held in float32, and every operation on it is exact, so that any runtime on
 * any device draws the same numbers; the same key draws them again.
 *
 * The key is [seed, step], both below 2²⁴. Numbers are made of 12-bit halves (a, b) by rounds
 *
 *   (a, b) ← (b, (a + ⌊(b + k) · c / 2⁶⌋) mod 2¹²),   c odd and below 2¹²
 *
 * a Feistel network on 24 bits. Rows and columns of the tensor are hashed with the key (cheap:
 * vectors); their hashes are then joined per element by two products and a last round.
 */

import type { Emitter } from '../../operators/contract/gradient.ts'
import { range, reshape, shapeOf } from '../../operators/helpers/emission.ts'
import { float32, int64 } from '../../tensor/tensor.ts'

/** Name of the state that random masks are drawn from. */
export const RANDOM_KEY = 'random_key'

const half = 4096
/** Odd multipliers of 12 bits, without a pattern (from the digits of √2, √3, √5 and so on). */
const multipliers = [1697, 2999, 965, 2647, 1303, 3529, 1181, 2473] as const

/** float32 [2]: seed and step. */
export const randomKey = (seed: number, step = 0) =>
  float32([2], [Math.abs(Math.trunc(seed)) % 2 ** 24, step])

/** The key after a step. */
export const nextKey = (emitter: Emitter, key: string): string =>
  emitter.op('Add', [key, emitter.constant(float32([2], [0, 1]))])

/** A float32 tensor shaped like `value`, uniform on [0, 1) in steps of 2⁻²⁴. */
export function emitUniform(emitter: Emitter, key: string, value: string, stream: number): string {
  const { add, mul, floor, modulo, number } = integers(emitter)
  const shape = emitter.info(value).shape
  // The tensor as a matrix: its last axes (all but the first) are the columns.
  const rank = shape?.length
  const sizes = shapeOf(emitter, value)
  const product = (vector: string) =>
    emitter.op('ReduceProd', [vector, emitter.constant(int64([0]))], { keepdims: 1 })
  const slice = (from: number, to: number) =>
    emitter.op('Slice', [
      sizes,
      emitter.constant(int64([from])),
      emitter.constant(int64([to])),
      emitter.constant(int64([0])),
    ])
  const rows = rank === 0 ? emitter.constant(int64([1])) : slice(0, 1)
  const columns = rank === 0 ? emitter.constant(int64([1])) : product(slice(1, 2 ** 31))
  const counter = (count: string, shaped: readonly number[]) => {
    const scalar = (name: string) => emitter.op('Squeeze', [name, emitter.constant(int64([0]))])
    const zero = emitter.constant(int64([0], []))
    const one = emitter.constant(int64([1], []))
    const numbers = emitter.op('Range', [zero, scalar(count), one])
    const floats = emitter.op('Cast', [numbers], { to: 1 })
    return emitter.op('Reshape', [floats, emitter.constant(int64(shaped))])
  }

  type Pair = readonly [string, string]
  const split = (x: string): Pair => {
    const high = floor(mul(x, number(1 / half)))
    return [emitter.op('Sub', [x, mul(high, number(half))]), modulo(high)]
  }
  const mix = (a: string, b: string, c: number, added: string): Pair => {
    const keyed = modulo(add(b, added))
    return [b, modulo(add(a, floor(mul(mul(keyed, number(c)), number(1 / 64)))))]
  }
  const part = (i: number) =>
    emitter.op('Slice', [
      key,
      emitter.constant(int64([i])),
      emitter.constant(int64([i + 1])),
      emitter.constant(int64([0])),
    ])
  const [seedLow, seedHigh] = split(part(0))
  const [stepLow, stepHigh] = split(part(1))
  const streamKey = number((stream * 1021 + 577) % half)
  const keys = [seedLow, stepLow, streamKey, seedHigh, stepHigh, stepLow, seedLow, streamKey]
  const hash = (x: string, turn: number): Pair => {
    let [a, b] = split(x)
    for (const round of range(multipliers.length)) {
      const c = multipliers[(round + turn) % multipliers.length]!
      ;[a, b] = mix(a, b, c, keys[(round + turn) % keys.length]!)
    }
    return [a, b]
  }
  const [rowA, rowB] = hash(counter(rows, [-1, 1]), 0)
  const [columnA, columnB] = hash(counter(columns, [1, -1]), 3)
  const odd = (x: string) => add(mul(floor(mul(x, number(0.5))), number(2)), number(1))
  // Middle bits of the products carry the mixture of row and column.
  const first = modulo(add(floor(mul(mul(odd(rowA), columnA), number(1 / 64))), rowB))
  const second = modulo(add(floor(mul(mul(odd(columnB), first), number(1 / 64))), columnA))
  const [a, b] = mix(first, second, 2731, rowA)
  const matrix = mul(add(mul(b, number(half)), a), number(2 ** -24))
  return rank === undefined
    ? emitter.op('Reshape', [matrix, sizes])
    : reshape(
        emitter,
        matrix,
        shape!.map((_, axis) => ({ of: value, axis })),
      )
}

function integers(emitter: Emitter) {
  const number = (value: number) => emitter.constant(float32([], [value]))
  const binary = (op: string) => (a: string, b: string) => emitter.op(op, [a, b])
  const [add, sub, mul] = [binary('Add'), binary('Sub'), binary('Mul')]
  const floor = (x: string) => emitter.op('Floor', [x])
  /** x mod 2¹², exact because dividing by a power of two is. */
  const modulo = (x: string) => sub(x, mul(floor(mul(x, number(1 / half))), number(half)))
  return { number, add, mul, floor, modulo }
}
