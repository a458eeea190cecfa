/** Measures a model on data, with its weights built in (the fastest form for inference). */

import {
  batchesOf,
  emptyData,
  isSampleSet,
  mustServe,
  type TrainingData,
} from '../../data/samples.ts'
import { usageError } from '../../errors.ts'
import { classesOf, mustHaveClassesOf } from '../../model/classes.ts'
import type { Model } from '../../model/model.ts'
import { inferModel } from '../../operators/inference.ts'
import { aroundRuns } from '../../runtime/around-runs.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { byteLengthOf } from '../../tensor/dtype.ts'
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'
import { buildEvaluationFor, type EvaluationGraph, evaluable } from '../compile/evaluation-graph.ts'
import { WEIGHTS } from '../compile/forward-graph.ts'
import { type Loss, type LossName, lossNames } from '../compile/losses/index.ts'
import { withConstantsAsInitializers } from '../compile/trainable.ts'
import { type Metric, metricOf } from '../metrics/metrics.ts'
import { collectOutcomes } from '../metrics/outcomes.ts'
import { type MetricsReport, reportOf } from '../metrics/report.ts'
import { withByteInputs } from './byte-inputs.ts'
import { withoutDefaults } from './create-stepper.ts'
import { batchOptionsOf, feedAdapter, mustFitSamples } from './feeds.ts'
import { throwIfAborted } from './interrupted.ts'
import { type BatchMeasurer, createMeasurer } from './measured-batches.ts'
import { storedLoss } from './probabilities.ts'

export interface EvaluateOptions {
  /** Default: the one that the model was trained with, where it tells. */
  readonly loss?: Loss | LossName | undefined
  readonly runtime: Runtime
  /**
   * Samples per run at most; default 100. Fewer where their values would not fit into the processor's
   * caches, and as many as the model takes where it takes one number only. The result
   * is the mean over all samples whatever the size.
   */
  readonly batchSize?: number | undefined
  readonly session?: SessionOptions | undefined
  readonly output?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** What to measure besides the loss: names, metrics of your own, or what is usual. Default: nothing. */
  readonly metrics?: readonly (Metric | string)[] | 'usual' | undefined
  /** As for training. Loss and accuracy are means with the weights, and the metrics are of what has a weight at all. */
  readonly weighted?: boolean | undefined
  /**
   * With `metrics`: whether to compute their 95% intervals, or only those that a formula gives, since resamples of many
   * predictions take long. Default true.
   */
  readonly intervals?: boolean | 'formula' | undefined
  /** With `metrics`: of the resamples for the intervals. Default 0. */
  readonly seed?: number | undefined
  /** Told how many samples are done, and loss and accuracy over these. */
  readonly onProgress?:
    | ((done: number, soFar: Pick<Evaluation, 'loss' | 'accuracy'>) => void)
    | undefined
}

export interface Evaluation extends Partial<MetricsReport> {
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
  const evaluation = await openEvaluation(model, data, options, what, again)
  try {
    return await evaluation.measure()
  } finally {
    await evaluation.release()
  }
}

/** An evaluation whose session is made with the first measurement, and kept. */
export interface OpenEvaluation {
  /** How often the session runs for all of the data, as far as their number is known. */
  readonly runs: number | undefined
  /**
   * @param weights the present values of those that were to change
   * @throws as `evaluate`
   */
  measure(weights?: ReadonlyMap<string, Tensor>): Promise<Evaluation>
  release(): Promise<void>
}

/**
 * As `evaluate`, for several measurements.
 *
 * @param changing names of initializers that are inputs of the session, so that they may change in between
 * @throws as `evaluate`
 */
export async function openEvaluation(
  model: Model,
  data: TrainingData,
  options: EvaluateOptions,
  what: string,
  again: boolean,
  changing: readonly string[] = [],
): Promise<OpenEvaluation> {
  const { signal, metrics: asked } = options
  const metrics = asked === undefined || asked === 'usual' ? asked : asked.map(metricOf)
  const { graph, fed, samples, size, batchSize } = await prepared(
    model,
    data,
    options,
    what,
    again,
    changing,
  )
  const { activation, axis } = graph.meaning
  const scores = metrics === 'usual' ? isFewClasses(graph) : metrics?.some((one) => one.scores)
  let measurer: BatchMeasurer | undefined
  let fedWeights: ReadonlyMap<string, Tensor> = new Map()
  const runtime =
    changing.length > 0 ? fedAlways(options.runtime, () => fedWeights) : options.runtime
  const measure = async (weights: ReadonlyMap<string, Tensor>): Promise<Evaluation> => {
    fedWeights = weights
    measurer ??= await createMeasurer(graph, fed, size, { ...options, runtime })
    const collector =
      metrics &&
      collectOutcomes({ activation, axis, ignored: graph.target.ignored, scores: scores === true })
    const adapt = feedAdapter(fed)
    const feeds: Record<string, Tensor> = {}
    let [total, correct, predictions, done] = [0, 0, 0, 0]
    for await (const batch of batchesOf(samples, batchSize)) {
      throwIfAborted(signal)
      const count = adapt(batch, feeds)
      const found = await measurer.measure(feeds)
      if (found.prediction) collector?.add(found.prediction, feeds.target!, feeds[WEIGHTS]?.data)
      total += found.loss * count
      correct += found.correct
      predictions += count
      done += batch.target.dims[0] ?? 1
      options.onProgress?.(done, {
        loss: total / predictions,
        ...(graph.counts ? { accuracy: correct / predictions } : {}),
      })
    }
    if (predictions === 0) throw emptyData(what, again)
    const loss = total / predictions
    const report =
      collector &&
      metrics &&
      reportOf(collector.outcomes(), {
        metrics,
        intervals: options.intervals ?? true,
        seed: options.seed ?? 0,
        classNames: classesOf(model),
        loss,
      })
    return {
      loss,
      ...(graph.counts ? { accuracy: correct / predictions } : {}),
      predictions,
      ...report,
    }
  }
  return {
    runs: isSampleSet(data) ? Math.ceil(data.length / size) : undefined,
    measure: (weights = new Map()) => measure(weights),
    release: async () => measurer?.release(),
  }
}

/** A runtime whose sessions are fed, beside what they are given, those of these tensors that they take. */
const fedAlways = (runtime: Runtime, tensors: () => ReadonlyMap<string, Tensor>): Runtime =>
  aroundRuns(runtime, (session, feeds, outputs) => {
    const more = session.inputs.flatMap(({ name }) => {
      const tensor = tensors().get(name)
      return tensor ? [[name, tensor] as const] : []
    })
    return session.run({ ...feeds, ...Object.fromEntries(more) }, outputs)
  })

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
  const { fed, samples, batchSize } = await prepared(model, data, options, what)
  if (isSampleSet(samples) || times === 1) return
  for await (const batch of batchesOf(samples, batchSize)) {
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
  changing: readonly string[] = [],
) {
  const { output, batchSize: asked = 100, session } = options
  if (!(Number.isInteger(asked) && asked >= 1))
    throw usageError(`batchSize must be a whole number from 1 on, not ${asked}.`)
  mustServe(data, what, 1)
  const source = evaluable(model)
  const fitting = samplesPerRun(source, asked, options)
  const graph = buildEvaluationFor(
    source,
    isSampleSet(data) ? fitting : Number.POSITIVE_INFINITY,
    {
      loss: options.loss ?? lossFor(model, output),
      ...batchOptionsOf(data),
      ...(options.weighted === undefined ? {} : { weighted: options.weighted }),
      output,
      prediction: options.metrics !== undefined,
    },
    changing,
  )
  const [fixed] = graph.target.shape
  const size = typeof fixed === 'number' ? fixed : fitting
  if (isSampleSet(data) && graph.target.classes !== undefined)
    mustHaveClassesOf(model, data.classes, what)
  const fedEach = numbersFed(graph)
  const onCpu = (session?.device ?? 'cpu') === 'cpu'
  const inGraph = onCpu && fedEach * size > fewNumbers
  const bytes = inGraph ? withByteInputs(graph.model, graph.inputs, data) : undefined
  const { model: whole, inputs } = bytes ?? graph
  const fed = {
    model: changing.length > 0 ? withoutDefaults(whole) : whole,
    inputs,
    target: graph.target,
  }
  const samples = bytes?.samples ?? data
  // What is measured together is also read together.
  const together = Math.min(samplesMeasured / size, numbersRead / (fedEach * size))
  const batchSize = 'measure' in graph ? size * Math.max(1, Math.floor(together)) : size
  // As they are, under the names that the model has for its inputs.
  if (isSampleSet(data) && !again) await mustFitSamples(graph, data, batchSize)
  if (Array.isArray(options.metrics)) mustBeMeasurable(options.metrics, graph)
  return { graph, fed, samples, size, batchSize }
}

/** @throws usage where the model does not tell */
function lossFor(model: Model, output: string | undefined): LossName {
  const stored = storedLoss(model, output)
  if (stored) return stored
  throw usageError('The model does not tell which loss it was trained with: give one.', {
    hint: `Known by name: ${lossNames.join(', ')}.`,
  })
}

/** Refuses metrics that are not of the model's kind of predictions, before anything is computed. */
function mustBeMeasurable(
  metrics: readonly (Metric | string)[],
  { meaning: { activation }, target }: EvaluationGraph,
): void {
  const isSoftmax = activation === 'softmax'
  const sizes = target.shape.slice(1).filter((dim) => typeof dim === 'number')
  const width = isSoftmax ? (target.classes ?? 2) : sizes.reduce((a, b) => a * b, 1)
  const none = float32([1, width], new Float32Array(width))
  const collector = collectOutcomes({ activation, scores: true })
  collector.add(none, isSoftmax ? float32([1], [0]) : none)
  const outcomes = collector.outcomes()
  for (const metric of metrics) if (typeof metric === 'string') metricOf(metric).measure(outcomes)
}

/** With more classes, the probabilities of all of them are not kept unasked. */
const isFewClasses = ({ target }: EvaluationGraph) => (target.classes ?? 0) <= 100

/** Up to so many bytes, a value may still be in a cache when the next node reads it. */
const cachedValueBytes = 4 * 2 ** 20
/** Of larger values than this more in a run gains nothing, and the first run waits for their memory. */
const largestValueBytes = 16 * 2 ** 20

/** Up to so many bytes become numbers here in less time than a graph takes for the nodes that make them. */
const fewNumbers = 2 ** 17
/** Where runs are small, so many samples are measured at once, unless they are more numbers than that (4 MiB). */
const samplesMeasured = 256
const numbersRead = 2 ** 20

/** How many numbers a sample is; sizes that are not known count as one. */
function numbersFed({ model, inputs }: EvaluationGraph): number {
  const shapes = model.graph.inputs.map(({ name, type }) =>
    inputs.includes(name) && type.kind === 'tensor' ? type.shape : undefined,
  )
  const known = shapes.map((shape) => shape?.slice(1).map((dim) => Number(dim) || 1) ?? [])
  return known.reduce((sum, dims) => sum + elementCount(dims), 0)
}

/**
 * How many samples a run takes at most. On a processor so few that values stay in its caches from one node to the next; but weights are
 * read in each run, so values may be as large as all of them.
 */
export function samplesPerRun(
  model: Model,
  most: number,
  { runtime, session }: Pick<EvaluateOptions, 'runtime' | 'session'>,
): number {
  if (runtime.webAssembly || (session?.device ?? 'cpu') !== 'cpu') return samplesWithin(model, most)
  const { initializers } = withConstantsAsInitializers(model).graph
  const weights = [...initializers.values()].reduce((sum, { tensor }) => sum + tensor.byteLength, 0)
  const bytes = Math.min(Math.max(weights, cachedValueBytes), largestValueBytes)
  return samplesWithin(model, most, bytes)
}

/** So many samples, or so few that no value of the model takes more bytes than that. */
export function samplesWithin(model: Model, most: number, bytes = largestValueBytes): number {
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
  return Math.min(most, Math.max(1, Math.floor(bytes / largest)))
}
