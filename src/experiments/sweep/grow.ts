/** How a trial's network starts: growth of a network, or of its architecture alone. */
import {
  applyPlan,
  type ChannelStatistics,
  type GrowthPlan,
  measuredValues,
  planDeepen,
  planWiden,
} from '../../growth/index.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { inferModel } from '../../operators/inference.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { fillTensor, glorotUniform } from '../../tensor/fill.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { SampleSet } from '../../training/data.ts'
import { withParameters } from '../../training/parameters.ts'
import type { Growth } from './trial.ts'

/** Samples that the statistics of inserted normalizations are measured on. */
const measuredSamples = 1000

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
  const { seed } = options
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
    const statistics = await measureStatistics(grown, growth.deepen, options)
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

/** Mean and variance per channel where normalizations are to be inserted (the paper's section 2.4). */
async function measureStatistics(
  model: Model,
  layers: readonly string[],
  { samples, runtime, threads }: GrowOptions,
): Promise<Readonly<Record<string, ChannelStatistics>>> {
  const values = measuredValues(model, layers)
  const names = [...new Set(Object.values(values))]
  if (names.length === 0 || !samples || !runtime) return {}
  const known = inferModel(model)
  const outputs = names.map((name) => {
    const { dtype = 'float32', shape } = known.get(name) ?? {}
    return { name, type: { kind: 'tensor' as const, dtype, shape } }
  })
  const session = await runtime.createSession(
    encodeModel({ ...model, graph: { ...model.graph, outputs } }),
    threads === undefined ? {} : { threads },
  )
  const sums = new Map<string, { count: number; sum: Float64Array; squares: Float64Array }>()
  try {
    const order = Uint32Array.from(
      { length: Math.min(samples.length, measuredSamples) },
      (_, i) => i,
    )
    for await (const { inputs } of samples.batches(100, order))
      for (const [name, { dims, data }] of Object.entries(await session.run(inputs, names))) {
        const channels = dims[1]!
        const area = elementCount(dims.slice(2))
        const total = sums.get(name) ?? {
          count: 0,
          sum: new Float64Array(channels),
          squares: new Float64Array(channels),
        }
        sums.set(name, total)
        total.count += dims[0]! * area
        for (let i = 0; i < elementCount(dims); i++) {
          const channel = Math.floor(i / area) % channels
          const value = Number(data[i])
          total.sum[channel]! += value
          total.squares[channel]! += value * value
        }
      }
  } finally {
    await session.release()
  }
  return Object.fromEntries(
    Object.entries(values).map(([layer, value]) => {
      const { count, sum, squares } = sums.get(value)!
      const mean = [...sum].map((total) => total / count)
      const variance = mean.map((m, k) => Math.max(0, squares[k]! / count - m * m))
      return [layer, { mean, variance }]
    }),
  )
}
