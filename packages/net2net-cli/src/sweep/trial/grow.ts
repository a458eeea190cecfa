/** How a trial's network starts: growth of a network, or of its architecture alone. */

import { applyPlan, type GrowthPlan, type Model, planDeepen, planWiden } from 'net2net'
import type { SampleSet } from 'net2net/data'
import { measureStatistics } from 'net2net/growing'
import type { Runtime } from 'net2net/runtime'
import { elementCount, fillTensor, glorotUniform, isFloat } from 'net2net/tensor'
import { withParameters } from 'net2net/training'
import type { Growth } from './trial.ts'

export interface GrowOptions {
  readonly seed: number
  /** Without samples, inserted normalizations take mean 0 and variance 1. */
  readonly samples?: SampleSet
  readonly runtime?: Runtime
  readonly threads?: number
}

/** The plans of a growth, each with the network that it yields. */
export async function growNetwork(
  model: Model,
  growth: Growth,
  options: GrowOptions,
): Promise<{ readonly model: Model; readonly plans: readonly GrowthPlan[] }> {
  const { seed, samples, runtime, threads } = options
  const plans: GrowthPlan[] = []
  let grown = model
  if (growth.widen) {
    const { widenInit: init, noise, noiseSize } = growth
    const plan = planWiden(grown, growth.widen, {
      seed,
      ...(init === undefined ? {} : { init }),
      ...(noise === undefined ? {} : { noise }),
      ...(noiseSize === undefined ? {} : { noiseSize }),
    })
    grown = applyPlan(grown, plan)
    plans.push(plan)
  }
  if (growth.deepen) {
    const { deepenInit: init, block } = growth
    const statistics =
      samples && runtime
        ? await measureStatistics(grown, growth.deepen, {
            samples,
            runtime,
            ...(threads === undefined ? {} : { session: { threads } }),
          })
        : {}
    const plan = planDeepen(grown, growth.deepen, {
      seed,
      statistics,
      ...(init === undefined ? {} : { init }),
      ...(block === undefined ? {} : { block }),
    })
    grown = applyPlan(grown, plan)
    plans.push(plan)
  }
  return { model: grown, plans }
}

/**
 * The same architecture with fresh parameters: kernels Glorot-uniform as in new networks, vectors
 * as they are in a network that was never trained.
 *
 * @param model grown from a network that was never trained
 */
export function withFreshKernels(model: Model, seed: number): Model {
  const kernels = [...model.graph.initializers].flatMap(([name, { tensor }]) => {
    const { dims, dtype } = tensor
    if (!isFloat(dtype) || dims.length < 2) return []
    const window = elementCount(dims.slice(2))
    const fill = glorotUniform(dims[1]! * window, dims[0]! * window)
    return [[name, fillTensor(fill, 'float32', dims, seed, 'fresh', name)] as const]
  })
  return withParameters(model, new Map(kernels))
}
