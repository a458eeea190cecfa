/** Gradients of the mean loss over samples, for one network with different numbers in some of its constants. */
import { batchesOf, isSampleSet, mustServe, type TrainingData } from '../data/samples.ts'
import { usageError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { lowerForCpu, lowerForWasm } from '../passes/cpu-layout/lower-for-cpu.ts'
import { channelBlock } from '../runtime/channel-block.ts'
import type { Runtime, Session, SessionOptions } from '../runtime/runtime.ts'
import { permutation, randomStream } from '../tensor/random.ts'
import { materialize, type Tensor } from '../tensor/tensor.ts'
import { buildGradients, type GradientGraph } from '../training/compile/gradient-graph.ts'
import { type Loss, type LossName, lossNames } from '../training/compile/losses/index.ts'
import { withoutDefaults } from '../training/run/create-stepper.ts'
import { samplesWithin } from '../training/run/evaluate.ts'
import { batchOptionsOf, feedAdapter, mustFitSamples } from '../training/run/feeds.ts'
import { throwIfAborted } from '../training/run/interrupted.ts'
import { storedLoss } from '../training/run/probabilities.ts'
import { targetOf } from '../training/run/targets.ts'

export interface SamplingOptions {
  /** Default: the one that the model was trained with, where it tells. */
  readonly loss?: Loss | LossName | undefined
  readonly runtime: Runtime
  readonly session?: SessionOptions | undefined
  /** Which of the model's outputs the loss is of. Default: the first of floating-point numbers. */
  readonly output?: string | undefined
  /** At most so many samples are looked at, drawn by the seed; default 1000. */
  readonly samples?: number | undefined
  /** Samples per run at most; default 100. Batch norms take the statistics of so many. */
  readonly batchSize?: number | undefined
  /** Decides which samples are drawn, and random directions to begin with. Default 0. */
  readonly seed?: number | undefined
  /**
   * Turns of the search for directions of new units; default 3. Each goes through the samples twice.
   */
  readonly turns?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told after each batch how many samples it had. */
  readonly onSamples?: ((count: number) => void) | undefined
}

/** The mean loss, and its gradients by the constants' names; a constant that the loss does not depend on has none. */
export interface MeanGradients {
  readonly loss: number
  readonly gradients: ReadonlyMap<string, Float64Array>
}

export interface GradientMeter {
  /** @param values Numbers that take the place of the model's, by the constants' names. */
  measure(values?: ReadonlyMap<string, Tensor>): Promise<MeanGradients>
  release(): Promise<void>
}

const defaultSamples = 1000
const defaultBatchSize = 100

/**
 * Compiles a model for gradients with respect to some of its constants. The same samples are taken in every measurement.
 *
 * @throws usage where there is no loss, or the data do not fit; input where they are not what the model takes; refused where
 *   a gradient does not exist
 */
export async function gradientMeter(
  model: Model,
  data: TrainingData,
  wrt: readonly string[],
  options: SamplingOptions,
): Promise<GradientMeter> {
  const { runtime, session: sessionOptions, output, signal } = options
  const { samples: most = defaultSamples, batchSize = defaultBatchSize, seed = 0 } = options
  for (const [name, value] of Object.entries({ samples: most, batchSize }))
    if (!(Number.isInteger(value) && value >= 1))
      throw usageError(`${name} must be a whole number from 1 on, not ${value}.`)
  mustServe(data, 'The data', 2)
  const device = sessionOptions?.device ?? 'cpu'
  const graph = buildGradients(model, {
    wrt,
    loss: options.loss ?? lossFor(model, output),
    output,
    ...batchOptionsOf(data),
    target: targetOf(runtime, device),
  })
  const [fixed] = graph.target.shape
  const isFixed = typeof fixed === 'number'
  const order = isSampleSet(data) ? drawn(data.length, most, isFixed ? fixed : 1, seed) : undefined
  const size = isFixed ? fixed : evenly(order?.length, samplesWithin(graph.model, batchSize))
  if (isSampleSet(data)) await mustFitSamples(graph, data, size)
  const session = await runtime.createSession(
    encodeModel(await forDevice(withoutDefaults(graph.model), runtime, device)),
    sessionOptions,
  )
  const start = new Map(
    wrt.flatMap((name) => {
      const known = graph.model.graph.initializers.get(name)
      return known ? [[name, materialize(known.tensor)] as const] : []
    }),
  )
  return {
    async measure(values = new Map()) {
      const feeds: Record<string, Tensor> = {}
      for (const [name, tensor] of start) feeds[name] = values.get(name) ?? tensor
      const sums = new GradientSums(graph, session)
      for await (const batch of batchesOf(data, size, order)) {
        throwIfAborted(signal)
        await sums.add(feedAdapter(graph)(batch, feeds), feeds)
        options.onSamples?.(batch.target.dims[0] ?? 1)
        if (!order && sums.samples >= most) break
      }
      return sums.means
    },
    release: () => session.release(),
  }
}

const forDevice = async (model: Model, runtime: Runtime, device: string): Promise<Model> => {
  if (device !== 'cpu') return model
  return runtime.webAssembly ? lowerForWasm(model) : lowerForCpu(model, await channelBlock(runtime))
}

class GradientSums {
  samples = 0
  readonly #graph: GradientGraph
  readonly #session: Session
  readonly #gradients = new Map<string, Float64Array>()
  #loss = 0
  #predictions = 0

  constructor(graph: GradientGraph, session: Session) {
    this.#graph = graph
    this.#session = session
  }

  async add(predictions: number, feeds: Readonly<Record<string, Tensor>>): Promise<void> {
    const { gradients } = this.#graph
    const results = await this.#session.run(feeds, ['loss', ...gradients.values()])
    for (const [name, output] of gradients) {
      const { data } = results[output]!
      const sum = this.#gradients.get(name) ?? new Float64Array(data.length)
      for (let i = 0; i < sum.length; i++) sum[i]! += Number(data[i]) * predictions
      this.#gradients.set(name, sum)
    }
    this.#loss += Number(results.loss!.data[0]) * predictions
    this.#predictions += predictions
    this.samples += feeds.target!.dims[0] ?? 1
  }

  get means(): MeanGradients {
    const count = this.#predictions
    if (count === 0) throw usageError('The data are empty.')
    for (const sum of this.#gradients.values())
      for (let i = 0; i < sum.length; i++) sum[i]! /= count
    return { loss: this.#loss / count, gradients: this.#gradients }
  }
}

/** About how many samples are looked at; of batches nobody knows, one at least. */
export const samplesIn = (data: TrainingData, most: number = defaultSamples): number =>
  isSampleSet(data) ? Math.min(data.length, most) : most

/** Some of the samples, a multiple of the size of a batch unless there are fewer. */
function drawn(length: number, most: number, size: number, seed: number): Uint32Array {
  const count = Math.min(length, most)
  const whole = count > size ? count - (count % size) : count
  return permutation(length, randomStream(seed, 'samples')).slice(0, whole)
}

/** The size of batches that are about equally large: batch norms take the statistics of each. */
const evenly = (count: number | undefined, size: number): number =>
  count === undefined || count <= size ? size : Math.ceil(count / Math.ceil(count / size))

function lossFor(model: Model, output: string | undefined): LossName {
  const stored = storedLoss(model, output)
  if (stored) return stored
  throw usageError('The model does not tell which loss it was trained with: give one.', {
    hint: `Known by name: ${lossNames.join(', ')}.`,
  })
}
