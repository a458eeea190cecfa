/** By how much a model's outputs move where the same function is rounded otherwise. */
import { Net2NetError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { trainableConstants } from '../operators/trainable.ts'
import { inSinglePrecision, singleFeeds } from '../passes/single-precision.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { materializeWhenReady } from '../tensor/tensor.ts'
import { changed } from './change.ts'
import type { Difference } from './difference.ts'
import type { Computation, OutOfCoreOptions } from './out-of-core/computation.ts'
import { outOfCoreSession } from './out-of-core/segmented-session.ts'

/**
 * How far the outputs move where the same function is rounded otherwise: in single precision where
 * the model has half, else with its sums in another order, and with its weights rounded otherwise.
 *
 * @param measure how far another computation is from `computation`, by output
 * @returns the largest |Δ| of each output
 */
export async function ownRounding(
  runtime: Runtime,
  computation: Computation,
  model: Model,
  measure: (other: Computation) => Promise<readonly Difference[]>,
): Promise<readonly number[]> {
  // Where a number at a threshold changes a size, nothing follows for how far numbers move.
  const sizes = async (other: Computation) =>
    (await measure(other)).map(({ maxAbs, problem }) => (problem === undefined ? maxAbs : 0))
  const single = inSinglePrecision(model)
  if (single)
    try {
      const other = outOfCoreSession(runtime, single, ORDERS[0])
      return await sizes(takingHalf(computation, other))
    } catch (cause) {
      // Some operators of a runtime's own exist in half precision alone.
      if (!(cause instanceof Net2NetError) || cause.kind !== 'input') throw cause
    }
  const found: (readonly number[])[] = []
  for (const order of ORDERS) found.push(await sizes(outOfCoreSession(runtime, model, order)))
  const rounded = await withOtherRounding(model)
  if (rounded) found.push(await sizes(outOfCoreSession(runtime, rounded, ORDERS[1])))
  return computation.outputs.map((_, i) => Math.max(...found.map((each) => each[i]!)))
}

/** Models with more bytes of weights have sums that are long enough to round otherwise in another order. */
const SMALL = 2 ** 25

/**
 * The model with its weights changed in their last bits, undefined where it is large. Sums of two or three
 * terms have no other order, and much of them is rounding where the terms nearly cancel.
 */
async function withOtherRounding(model: Model): Promise<Model | undefined> {
  const initializers = new Map(model.graph.initializers)
  let bytes = 0
  for (const name of trainableConstants(model).parameters) {
    const initializer = initializers.get(name)
    if (!initializer) continue
    bytes += initializer.tensor.byteLength
    if (bytes > SMALL) return undefined
    const weight = await materializeWhenReady(initializer.tensor)
    const tensor = changed(weight, 2 ** -23, `rounding-${name}`)
    initializers.set(name, { ...initializer, tensor })
  }
  return { ...model, graph: { ...model.graph, initializers } }
}

/**
 * Other orders of a model's sums: in parts where products are large, and as plain kernels have
 * them. Either may happen to move the outputs little.
 */
const ORDERS: readonly OutOfCoreOptions[] = [
  { optimization: 'basic', blockBytes: 2 ** 14, sumParts: 3 },
  { optimization: 'basic', blockBytes: 2 ** 25 },
]

/** A computation in single precision in the place of one in half. */
const takingHalf = ({ inputs, outputs }: Computation, single: Computation): Computation => ({
  ...single,
  inputs,
  outputs,
  run: (samples, options) => single.run(samples.map(singleFeeds), options),
})
