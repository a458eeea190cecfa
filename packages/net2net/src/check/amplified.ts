/** Weights that are nearly zero, and hide what is multiplied by them. */
import type { Model } from '../model/model.ts'
import { isFloat } from '../tensor/dtype.ts'
import { decode } from '../tensor/lazy.ts'
import { elementCount, isNumeric, type LazyTensor, materializeWhenReady } from '../tensor/tensor.ts'
import { withFloats } from './change.ts'
import type { Cut } from './cut.ts'

/** Tensors without a larger number are nearly zero. */
const TINY = 2 ** -10
/** Bytes that mostly tell that a tensor is not. */
const FIRST = 2 ** 12

/**
 * Both regions with the weights that are nearly zero in the first and that the second has under the same names, multiplied in
 * both by one power of two, so that the largest number is about one. Undefined where there are none.
 */
export async function amplified(cut: Cut): Promise<Cut | undefined> {
  const factors = new Map<string, number>()
  for (const [name, { tensor }] of cut.a.graph.initializers) {
    if (!cut.b.graph.initializers.has(name)) continue
    const largest = await largestOf(tensor)
    if (largest > 0 && largest < TINY) factors.set(name, 2 ** -Math.round(Math.log2(largest)))
  }
  if (factors.size === 0) return undefined
  return { ...cut, a: await withFactors(cut.a, factors), b: await withFactors(cut.b, factors) }
}

/** The largest number, or one of the first that are too large anyway; 0 for a single number and where none is meant. */
async function largestOf(tensor: LazyTensor): Promise<number> {
  const { dtype, dims, byteLength } = tensor
  if (!isNumeric(dtype) || !isFloat(dtype) || elementCount(dims) < 2) return 0
  let largest = 0
  for (const end of [Math.min(byteLength, FIRST), byteLength]) {
    await tensor.ready?.(0, end)
    for (const value of decode(dtype, tensor.read(0, end)))
      largest = Math.max(largest, Math.abs(value))
    if (largest >= TINY) break
  }
  return largest
}

async function withFactors(model: Model, factors: ReadonlyMap<string, number>): Promise<Model> {
  const initializers = new Map(model.graph.initializers)
  for (const [name, factor] of factors) {
    const initializer = initializers.get(name)!
    const tensor = await materializeWhenReady(initializer.tensor)
    initializers.set(name, {
      ...initializer,
      tensor: withFloats(tensor, (value) => value * factor),
    })
  }
  return { ...model, graph: { ...model.graph, initializers } }
}
