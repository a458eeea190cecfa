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
 * the model has half, else in plain kernels, then with its weights rounded otherwise as well, then with its sums in parts.
 * Each of these costs more than the one before. Whoever has seen enough need not ask for the next.
 *
 * @param measure how far another computation is from `computation`, by output
 * @yields the largest |Δ| of each output so far
 */
export async function* ownRoundings(
  runtime: Runtime,
  computation: Computation,
  model: Model,
  measure: (other: Computation) => Promise<readonly Difference[]>,
): AsyncGenerator<readonly number[]> {
  let largest: readonly number[] = computation.outputs.map(() => 0)
  const withOther = async (other: Computation) => {
    // Where a number at a threshold changes a size, nothing follows for how far numbers move.
    const found = (await measure(other)).map((difference) =>
      difference.problem === undefined ? difference.maxAbs : 0,
    )
    largest = largest.map((size, i) => Math.max(size, found[i]!))
    return largest
  }
  const single = inSinglePrecision(model)
  if (single) {
    const other = takingHalf(computation, outOfCoreSession(runtime, single, IN_PARTS))
    const inSingle = await withOther(other).catch((cause: unknown) => {
      // Some operators of a runtime's own exist in half precision alone.
      if (cause instanceof Net2NetError && cause.kind === 'input') return undefined
      throw cause
    })
    if (inSingle) return yield inSingle
  }
  yield await withOther(outOfCoreSession(runtime, model, PLAIN))
  const rounded = await withOtherRounding(model)
  if (rounded) yield await withOther(outOfCoreSession(runtime, rounded, PLAIN))
  yield await withOther(outOfCoreSession(runtime, model, IN_PARTS))
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

/** The order that plain kernels have for a model's sums. It may happen to move the outputs little. */
const PLAIN: OutOfCoreOptions = { optimization: 'basic', blockBytes: 2 ** 25 }

/** Another order, in parts where products are large. It may happen to move the outputs little, too. */
const IN_PARTS: OutOfCoreOptions = { optimization: 'basic', blockBytes: 2 ** 14, sumParts: 3 }

/** A computation in single precision in the place of one in half. */
const takingHalf = ({ inputs, outputs }: Computation, single: Computation): Computation => ({
  ...single,
  inputs,
  outputs,
  run: (samples, options) => single.run(samples.map(singleFeeds), options),
})
