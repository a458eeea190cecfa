/** Measures a model on data, with its weights built in (the fastest form for inference). */

import { type Batch, isSampleSet, type TrainingData } from '../../data/samples.ts'
import { Net2NetError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { inferModel } from '../../operators/inference.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { byteLengthOf } from '../../tensor/dtype.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import type { Loss, LossName } from '../compile/losses/index.ts'
import { buildEvaluation, type EvaluationGraph } from '../compile/step-graph.ts'
import { withByteInputs } from './byte-inputs.ts'
import { feedAdapter } from './feeds.ts'

export interface EvaluateOptions {
  readonly loss: Loss | LossName
  readonly runtime: Runtime
  /**
   * Samples per run at most; default 100. Fewer where they would take much memory, which costs more
   * time than it saves. The result is the mean over all samples whatever the size.
   */
  readonly batchSize?: number
  readonly session?: SessionOptions
  readonly output?: string
  readonly signal?: AbortSignal | undefined
}

export interface Evaluation {
  readonly loss: number
  /** Share of right predictions, for losses of classes. */
  readonly accuracy?: number
  readonly predictions: number
}

/** Mean loss and accuracy of a model over all of the data. */
export async function evaluate(
  model: Model,
  data: TrainingData,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { loss, output, runtime, batchSize = 100, session: sessionOptions, signal } = options
  const graph = buildEvaluation(model, { loss, ...(output === undefined ? {} : { output }) })
  const size = Math.min(batchSize, samplesPerRun(graph))
  const cpu = (sessionOptions?.device ?? 'cpu') === 'cpu'
  const bytes = cpu ? withByteInputs(graph.model, graph.inputs, data) : undefined
  const session = await runtime.createSession(encodeModel((bytes ?? graph).model), sessionOptions)
  try {
    const adapt = feedAdapter({ ...(bytes ?? graph), target: graph.target })
    const feeds: Record<string, Tensor> = {}
    const results: Record<string, Tensor> = { loss: float32([], [0]) }
    if (graph.counts) results.correct = float32([], [0])
    let [total, correct, predictions] = [0, 0, 0]
    for await (const batch of batchesOf(bytes?.samples ?? data, size)) {
      throwIfAborted(signal)
      const count = adapt(batch, feeds)
      await session.run(feeds, results)
      total += Number(results.loss!.data[0]) * count
      correct += Number(results.correct?.data[0] ?? 0)
      predictions += count
    }
    return {
      loss: total / predictions,
      ...(graph.counts ? { accuracy: correct / predictions } : {}),
      predictions,
    }
  } finally {
    await session.release()
  }
}

/** Larger values than this leave the caches, and the first run waits for their memory. */
const largestValueBytes = 16 * 2 ** 20

/** How many samples a run takes so that no value of the graph is larger than that. */
function samplesPerRun({ model, target }: EvaluationGraph): number {
  if (typeof target.shape[0] === 'number') return Number.POSITIVE_INFINITY
  let largest = 1
  for (const { dtype, shape } of inferModel(model).values()) {
    // Without a symbolic size it is not of samples.
    if (dtype === undefined || !shape?.some((dim) => typeof dim !== 'number')) continue
    const elements = shape.reduce<number>(
      (count, dim) => (typeof dim === 'number' ? count * dim : count),
      1,
    )
    largest = Math.max(largest, byteLengthOf(dtype, elements))
  }
  return Math.max(1, Math.floor(largestValueBytes / largest))
}

/** The data's batches, whatever it is. */
export const batchesOf = (
  data: TrainingData,
  size: number,
  order?: ArrayLike<number>,
): Iterable<Batch> | AsyncIterable<Batch> => (isSampleSet(data) ? data.batches(size, order) : data)

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new Net2NetError('interrupted', 'Training was interrupted.', { cause: signal.reason })
}
