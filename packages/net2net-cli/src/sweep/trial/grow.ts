/** How a trial's network starts: growth of a network, or of its architecture alone. */

import { applyPlan, type GrowthPlan, type GrowthStep, type Model, planStep } from 'net2net'
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

/** A growth in the library's words: widening first, then deepening. */
export function stepsOf(growth: Growth): readonly GrowthStep[] {
  const { widen, deepen, widenInit, deepenInit, noise, noiseSize, block } = growth
  const widening: GrowthStep[] = widen
    ? [
        {
          widen,
          ...(widenInit === undefined ? {} : { init: widenInit }),
          ...(noise === undefined ? {} : { noise }),
          ...(noiseSize === undefined ? {} : { noiseSize }),
        },
      ]
    : []
  const deepening: GrowthStep[] = deepen
    ? [
        {
          deepen,
          ...(deepenInit === undefined ? {} : { init: deepenInit }),
          ...(block === undefined ? {} : { block }),
        },
      ]
    : []
  return [...widening, ...deepening]
}

/** The plans of a growth, and the network that they yield. */
export async function growNetwork(
  model: Model,
  growth: Growth,
  { seed, samples, runtime, threads }: GrowOptions,
): Promise<{ readonly model: Model; readonly plans: readonly GrowthPlan[] }> {
  const plans: GrowthPlan[] = []
  let grown = model
  for (const step of stepsOf(growth)) {
    const statistics =
      'deepen' in step && samples && runtime
        ? await measureStatistics(grown, [step.deepen].flat(), {
            samples,
            runtime,
            ...(threads === undefined ? {} : { session: { threads } }),
          })
        : {}
    const plan = planStep(grown, step, { seed, statistics })
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
