/** Weights that are small, and hide what is multiplied by them or depends on them. */
import type { Model } from '../model/model.ts'
import { isFloat } from '../tensor/dtype.ts'
import { decode, gather } from '../tensor/lazy.ts'
import { elementCount, isNumeric, type LazyTensor } from '../tensor/tensor.ts'
import type { Cut } from './cut.ts'

/** Vectors without a larger number are nearly zero. */
const TINY = 2 ** -10
/** Bytes that tell how large the numbers of a tensor are. */
const FIRST = 2 ** 16

/**
 * Both regions with small weights of the first, that the second has under the same names, multiplied in both by one power of two:
 * matrices and kernels so that they give about as much as they get, and vectors that are nearly zero so that
 * their largest number is about one. Undefined where there are none.
 */
export async function amplified(cut: Cut): Promise<Cut | undefined> {
  const factors = new Map<string, number>()
  for (const [name, { tensor }] of cut.a.graph.initializers) {
    if (!cut.b.graph.initializers.has(name)) continue
    const factor = await factorFor(tensor)
    if (factor > 1) factors.set(name, factor)
  }
  if (factors.size === 0) return undefined
  return { ...cut, a: withFactors(cut.a, factors), b: withFactors(cut.b, factors) }
}

async function factorFor(tensor: LazyTensor): Promise<number> {
  const { dtype, dims, byteLength } = tensor
  if (!isNumeric(dtype) || !isFloat(dtype) || elementCount(dims) < 2) return 1
  const end = Math.min(byteLength, FIRST)
  await tensor.ready?.(0, end)
  const values = decode(dtype, tensor.read(0, end))
  const size = dims.length > 1 ? gain(values, dims) : largest(values)
  const isSmall = size > 0 && size < (dims.length > 1 ? 1 : TINY)
  return isSmall ? 2 ** -Math.round(Math.log2(size)) : 1
}

/** By how much a layer of these weights changes the size of independent numbers, whichever way a matrix lies. */
function gain(values: Float64Array, dims: readonly number[]): number {
  const count = elementCount(dims)
  const inputs = dims.length === 2 ? Math.sqrt(count) : count / dims[0]!
  return Math.sqrt((values.reduce((sum, value) => sum + value * value, 0) / values.length) * inputs)
}

const largest = (values: Float64Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

function withFactors(model: Model, factors: ReadonlyMap<string, number>): Model {
  const initializers = new Map(model.graph.initializers)
  for (const [name, factor] of factors) {
    const initializer = initializers.get(name)!
    const tensor = gather(initializer.tensor, [], (values) => {
      for (let i = 0; i < values.length; i++) values[i]! *= factor
    })
    initializers.set(name, { ...initializer, tensor })
  }
  return { ...model, graph: { ...model.graph, initializers } }
}
