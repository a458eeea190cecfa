/**
 * Do two models compute the same function? An independent comparison for tests: with inputs, a tolerance
 * and sessions of its own, and not with the product's `compare`, which would hide its own mistakes.
 */
import { expect } from 'vitest'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../src/tensor/random.ts'
import { elementCount, float32, int64, Tensor, toNumbers } from '../src/tensor/tensor.ts'

/** |Δ| ≤ TOLERANCE · max(1, |y|): some hundred roundings of float32. */
const TOLERANCE = 2e-5
/** Each model is run on so many random batches. */
const BATCHES = 3

type Feeds = Readonly<Record<string, Tensor>>

/** Random values for every input: normal numbers, small ids, booleans; symbolic sizes become 2. */
function feedsOf({ graph }: Model, random: RandomStream): Feeds {
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name))
  return Object.fromEntries(
    inputs.map(({ name, type }) => {
      if (type.kind !== 'tensor') throw new Error(`The input ${name} is no tensor.`)
      const dims = (type.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 2))
      const numbers = (next: () => number) => Array.from({ length: elementCount(dims) }, next)
      switch (type.dtype) {
        case 'float32':
          return [
            name,
            float32(
              dims,
              numbers(() => random.normal()),
            ),
          ]
        case 'int64':
          return [
            name,
            int64(
              numbers(() => random.below(3)),
              dims,
            ),
          ]
        case 'bool':
          return [name, new Tensor('bool', dims, Uint8Array.from(numbers(() => random.below(2))))]
        default:
          throw new Error(`No random ${type.dtype} for the input ${name}.`)
      }
    }),
  )
}

type Results = readonly Feeds[]

async function resultsOf(model: Model, batches: readonly Feeds[]): Promise<Results> {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    const results: Feeds[] = []
    for (const feeds of batches) results.push(await session.run(feeds))
    return results
  } finally {
    await session.release()
  }
}

/** The first difference beyond the tolerance, in words; undefined where there is none. */
function differenceOf(before: Results, after: Results): string | undefined {
  for (const [batch, outputs] of before.entries())
    for (const [name, wanted] of Object.entries(outputs)) {
      const found = after[batch]![name]
      if (!found) return `the output ${name} is missing`
      if (found.dtype !== wanted.dtype || `${found.dims}` !== `${wanted.dims}`)
        return `${name} is ${found.dtype} [${found.dims}] instead of ${wanted.dtype} [${wanted.dims}]`
      for (let i = 0; i < wanted.data.length; i++) {
        const [a, b] = [Number(wanted.data[i]), Number(found.data[i])]
        const isEqual = Object.is(a, b) || Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a))
        if (!isEqual) return `${name}[${i}] of batch ${batch} is ${b} instead of ${a}`
      }
    }
  return undefined
}

/** The float initializers that growth changed: other dimensions, other bytes, or new. */
function changedParameters(before: Model, after: Model): readonly string[] {
  return [...after.graph.initializers].flatMap(([name, { tensor }]) => {
    if (tensor.dtype !== 'float32') return []
    const old = before.graph.initializers.get(name)?.tensor
    const isSame =
      old !== undefined &&
      `${old.dims}` === `${tensor.dims}` &&
      Buffer.compare(old.read(0, old.byteLength), tensor.read(0, tensor.byteLength)) === 0
    return isSame ? [] : [name]
  })
}

/** The model with other numbers in one parameter. */
function perturbed(model: Model, name: string, random: RandomStream): Model {
  const initializers = new Map(model.graph.initializers)
  const initializer = initializers.get(name)!
  const { dims } = initializer.tensor
  const changed = toNumbers(initializer.tensor).map((value) => value + 2 * random.normal())
  initializers.set(name, { ...initializer, tensor: float32(dims, changed) })
  return { ...model, graph: { ...model.graph, initializers } }
}

const batchesFor = (model: Model, seed: number): readonly Feeds[] =>
  Array.from({ length: BATCHES }, (_, i) =>
    feedsOf(model, randomStream(seed, 'expect equal functions', i)),
  )

/**
 * Throws where the outputs of the two models differ on random inputs, or where the comparison could not
 * have seen a mistake: other numbers in any parameter that growth changed must change the outputs. `unread`
 * names parameters, or inputs of operators (`BatchNormalization 3`), for which that need not hold, because
 * nothing depends on them.
 */
export async function expectEqualFunctions(
  before: Model,
  after: Model,
  { seed = 0, unread = [] }: { readonly seed?: number; readonly unread?: readonly string[] } = {},
): Promise<void> {
  const batches = batchesFor(before, seed)
  const grown = await resultsOf(after, batches)
  const difference = differenceOf(await resultsOf(before, batches), grown)
  expect(difference, 'the grown model computes something else').toBeUndefined()
  const parameters = changedParameters(before, after)
  expect(parameters, 'growth changed no parameter').not.toEqual([])
  for (const name of parameters) {
    const uses = after.graph.nodes.flatMap((node) =>
      node.inputs.flatMap((input, i) => (input === name ? [`${node.opType} ${i}`] : [])),
    )
    if (unread.includes(name) || uses.every((use) => unread.includes(use))) continue
    const random = randomStream(seed, 'perturbed', name)
    const changed = await resultsOf(perturbed(after, name, random), batches)
    expect(
      differenceOf(grown, changed),
      `other numbers in ${name} (${uses.join(', ')}) change no output`,
    ).toBeDefined()
  }
}
