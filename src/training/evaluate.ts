/** Measures a model on data, with its weights built in (the fastest form for inference). */
import { Net2NetError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import type { Runtime, SessionOptions } from '../runtime/runtime.ts'
import { float32, type Tensor } from '../tensor/tensor.ts'
import { type Batch, isSampleSet, type TrainingData } from './data.ts'
import { feedAdapter } from './feeds.ts'
import type { Loss, LossName } from './losses/index.ts'
import { buildEvaluation } from './step-graph.ts'

export interface EvaluateOptions {
  readonly loss: Loss | LossName
  readonly runtime: Runtime
  /** Samples per run; default 100: more take more memory and, for convolutions, more time. */
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
  const { loss, output, runtime, batchSize = 100, signal } = options
  const graph = buildEvaluation(model, { loss, ...(output === undefined ? {} : { output }) })
  const session = await runtime.createSession(encodeModel(graph.model), options.session)
  try {
    const adapt = feedAdapter(graph)
    const feeds: Record<string, Tensor> = {}
    const results: Record<string, Tensor> = { loss: float32([], [0]) }
    if (graph.counts) results.correct = float32([], [0])
    let [total, correct, predictions] = [0, 0, 0]
    for await (const batch of batchesOf(data, batchSize)) {
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
