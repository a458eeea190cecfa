/** What passes through the channels where normalizations are to be inserted (the paper's section 2.4). */

import type { Batch, SampleSet } from '../data/samples.ts'
import { type ChannelStatistics, measuredValues, modelOf, type Solution } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { inferModel } from '../operators/inference.ts'
import type { Runtime, SessionOptions } from '../runtime/runtime.ts'
import { elementCount, type Tensor } from '../tensor/tensor.ts'

/** So many samples are measured at most. */
const measuredSamples = 1000
const batchSize = 100

export interface MeasureOptions {
  readonly samples: SampleSet
  readonly runtime: Runtime
  readonly session?: SessionOptions | undefined
}

/**
 * Mean and variance per channel over the first samples, by layer: with them, an inserted
 * normalization changes (almost) nothing in training mode either. Nothing for layers that are
 * inserted without a normalization.
 *
 * @param from a model, or what has been solved of it
 * @param layers names, parts of names or patterns, as for growth
 */
export async function measureStatistics(
  from: Model | Solution,
  layers: readonly string[],
  { samples, runtime, session: options }: MeasureOptions,
): Promise<Readonly<Record<string, ChannelStatistics>>> {
  const values = measuredValues(from, layers)
  const found = await statisticsOf(modelOf(from), new Set(Object.values(values)), {
    samples,
    runtime,
    session: options,
  })
  return Object.fromEntries(
    Object.entries(values).map(([layer, value]) => [layer, found.get(value)!]),
  )
}

/** Mean and variance per channel of some of a model's values, [batch, channels, …], over the first samples. */
export async function statisticsOf(
  model: Model,
  values: ReadonlySet<string>,
  { samples, runtime, session: options }: MeasureOptions,
): Promise<ReadonlyMap<string, ChannelStatistics>> {
  const names = [...values]
  if (names.length === 0) return new Map()
  const known = inferModel(model)
  const outputs = names.map((name) => {
    const { dtype = 'float32', shape } = known.get(name) ?? {}
    return { name, type: { kind: 'tensor' as const, dtype, shape } }
  })
  const session = await runtime.createSession(
    encodeModel({ ...model, graph: { ...model.graph, outputs } }),
    options,
  )
  const sums = new Map(names.map((name) => [name, new ChannelSums()]))
  try {
    const order = Uint32Array.from(
      { length: Math.min(samples.length, measuredSamples) },
      (_, i) => i,
    )
    const feed = feedsOf(session.inputs.map(({ name }) => name))
    for await (const batch of samples.batches(batchSize, order))
      for (const [name, tensor] of Object.entries(await session.run(feed(batch), names)))
        sums.get(name)!.add(tensor)
  } finally {
    await session.release()
  }
  return new Map([...sums].map(([name, channels]) => [name, channels.statistics]))
}

/** The one input of a one-input model may have any name in a batch. */
export const feedsOf =
  (inputs: readonly string[]) =>
  ({ inputs: given }: Batch): Readonly<Record<string, Tensor>> => {
    const [only, ...others] = Object.values(given)
    return inputs.length === 1 && only && others.length === 0 ? { [inputs[0]!]: only } : given
  }

class ChannelSums {
  #count = 0
  #sums = new Float64Array()
  #squares = new Float64Array()

  /** @param tensor [batch, channels, ...] */
  add({ dims, data }: Tensor): void {
    const channels = dims[1]!
    const area = elementCount(dims.slice(2))
    if (this.#count === 0) {
      this.#sums = new Float64Array(channels)
      this.#squares = new Float64Array(channels)
    }
    this.#count += dims[0]! * area
    for (let i = 0; i < elementCount(dims); i++) {
      const channel = Math.floor(i / area) % channels
      const value = Number(data[i])
      this.#sums[channel]! += value
      this.#squares[channel]! += value * value
    }
  }

  get statistics(): ChannelStatistics {
    const mean = [...this.#sums].map((total) => total / this.#count)
    const variance = mean.map((m, k) => Math.max(0, this.#squares[k]! / this.#count - m * m))
    return { mean, variance }
  }
}
