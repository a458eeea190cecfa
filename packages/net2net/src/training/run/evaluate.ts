/** Measures a model on data, with its weights built in (the fastest form for inference). */

import {
  batchesOf,
  emptyData,
  isSampleSet,
  mustServe,
  type TrainingData,
} from '../../data/samples.ts'
import { Net2NetError, usageError } from '../../errors.ts'
import { mustHaveClassesOf } from '../../model/classes.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { inferModel } from '../../operators/inference.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { byteLengthOf } from '../../tensor/dtype.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import type { Loss, LossName } from '../compile/losses/index.ts'
import { buildEvaluation, type EvaluationGraph } from '../compile/step-graph.ts'
import { withByteInputs } from './byte-inputs.ts'
import { feedAdapter, mustFitSamples, targetShapeOf } from './feeds.ts'

export interface EvaluateOptions {
  readonly loss: Loss | LossName
  readonly runtime: Runtime
  /**
   * Samples per run at most; default 100. Fewer where they would take much memory, which costs more
   * time than it saves, and as many as the model takes where it takes one number only. The result
   * is the mean over all samples whatever the size.
   */
  readonly batchSize?: number | undefined
  readonly session?: SessionOptions | undefined
  readonly output?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Evaluation {
  readonly loss: number
  /** Share of right predictions, for losses of classes. */
  readonly accuracy?: number
  readonly predictions: number
}

/**
 * Mean loss and accuracy of a model over all of the data.
 *
 * @param what the data are called in messages, as the beginning of a sentence
 * @param again whether the data have been iterated before, and found to fit
 * @throws usage where the data are empty, or give no batches that fit; input where their inputs,
 *   labels or classes are not those of the model
 */
export async function evaluate(
  model: Model,
  data: TrainingData,
  options: EvaluateOptions,
  what = 'The data',
  again = false,
): Promise<Evaluation> {
  const { runtime, session: sessionOptions, signal } = options
  const { graph, fed, samples, size } = await prepared(model, data, options, what, again)
  const session = await runtime.createSession(encodeModel(fed.model), sessionOptions)
  try {
    const adapt = feedAdapter(fed)
    const feeds: Record<string, Tensor> = {}
    const results: Record<string, Tensor> = { loss: float32([], [0]) }
    if (graph.counts) results.correct = float32([], [0])
    let [total, correct, predictions] = [0, 0, 0]
    for await (const batch of batchesOf(samples, size)) {
      throwIfAborted(signal)
      const count = adapt(batch, feeds)
      await session.run(feeds, results)
      total += Number(results.loss!.data[0]) * count
      correct += Number(results.correct?.data[0] ?? 0)
      predictions += count
    }
    if (predictions === 0) throw emptyData(what, again)
    return {
      loss: total / predictions,
      ...(graph.counts ? { accuracy: correct / predictions } : {}),
      predictions,
    }
  } finally {
    await session.release()
  }
}

/**
 * Checks everything about the data that can be checked without running the model: also the first
 * batch, where taking it takes nothing away.
 *
 * @param times how often the data will be iterated
 * @throws as `evaluate`
 */
export async function mustBeFitForEvaluation(
  model: Model,
  data: TrainingData,
  options: EvaluateOptions,
  what: string,
  times: number,
): Promise<void> {
  mustServe(data, what, times)
  const { fed, samples, size } = await prepared(model, data, options, what)
  if (isSampleSet(samples) || times === 1) return
  for await (const batch of batchesOf(samples, size)) {
    feedAdapter(fed)(batch, {})
    return
  }
  throw emptyData(what)
}

/** The graph that measures a model, and the samples in the form and number in which it takes them. */
async function prepared(
  model: Model,
  data: TrainingData,
  options: EvaluateOptions,
  what: string,
  again = false,
) {
  const { loss, output, batchSize = 100, session } = options
  if (!(Number.isInteger(batchSize) && batchSize >= 1))
    throw usageError(`batchSize must be a whole number from 1 on, not ${batchSize}.`)
  mustServe(data, what, 1)
  const graph = buildEvaluation(model, {
    loss,
    ...targetShapeOf(data),
    output,
  })
  const size = samplesPerRun(graph, batchSize)
  if (isSampleSet(data) && graph.target.classes !== undefined)
    mustHaveClassesOf(model, data.classes, what)
  const cpu = (session?.device ?? 'cpu') === 'cpu'
  const bytes = cpu ? withByteInputs(graph.model, graph.inputs, data) : undefined
  const fed = { ...(bytes ?? graph), target: graph.target }
  const samples = bytes?.samples ?? data
  if (isSampleSet(samples) && !again) await mustFitSamples(fed, samples, size)
  return { graph, fed, samples, size }
}

/** Larger values than this leave the caches, and the first run waits for their memory. */
const largestValueBytes = 16 * 2 ** 20

/** How many samples a run takes: what the model fixes, or so few that no value is larger than that. */
function samplesPerRun({ model, target }: EvaluationGraph, most: number): number {
  const [fixed] = target.shape
  if (typeof fixed === 'number') return fixed
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
  return Math.min(most, Math.max(1, Math.floor(largestValueBytes / largest)))
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new Net2NetError('interrupted', 'Training was interrupted.', { cause: signal.reason })
}
