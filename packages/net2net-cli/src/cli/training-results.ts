/** What a training leaves besides its model: results.json, an evaluation, and lines of text. */
import { countParameters, type Model, Net2NetError } from 'net2net'
import type { SampleSet } from 'net2net/data'
import type { GrowingEvent, GrowingTraining, GrowthDecision } from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import { elementCount } from 'net2net/tensor'
import { type EpochResult, type Evaluation, evaluate, type TrainingState } from 'net2net/training'
import type { ForgettingRecord } from '../runs/run-record.ts'
import type { Io } from './command.ts'
import type { TrainOptions } from './commands/train-options.ts'
import { heldBack, lossAlong } from './model-data.ts'
import { measuredText, progress } from './progress.ts'

/** Whether the model of the best epoch is kept. */
export const keepsBest = ({ metric, earlyStopping }: TrainOptions): boolean =>
  metric !== undefined || earlyStopping !== undefined

const hasStopped = ({ earlyStopping }: TrainOptions, { waited }: TrainingState): boolean =>
  earlyStopping !== undefined && waited >= earlyStopping

/** In the form of a run with one arm. */
export function resultsOf(
  io: Io,
  file: string,
  options: TrainOptions,
  training: GrowingTraining,
  {
    directory,
    evaluation,
    forgetting,
  }: {
    readonly directory: string
    readonly evaluation?: Evaluation | undefined
    readonly forgetting?: ForgettingRecord | undefined
  },
) {
  const { history, step } = training.state
  const { epochs, seed: value } = options
  return {
    seed: value,
    settings: { model: file, validation: heldBack, ...options },
    finished:
      !io.signal.aborted && (history.length >= epochs || hasStopped(options, training.state)),
    steps: step,
    seconds: history.reduce((sum, epoch) => sum + epoch.seconds, 0),
    arms: [
      {
        name: 'model',
        parameters: countParameters(training.model),
        learningRate: history.at(-1)?.learningRate ?? null,
        epochs: history,
        ...(history.length > 0 ? { model: 'model.onnx' } : {}),
        ...(history.length > 0 && keepsBest(options) ? { best: 'best.onnx' } : {}),
        ...(history.length > 0 && options.ema !== undefined ? { averaged: 'averaged.onnx' } : {}),
        ...(evaluation ? { evaluation } : {}),
        ...(forgetting ? { forgetting } : {}),
        ...(training.decisions.length > 0 ? { decisions: training.decisions } : {}),
      },
    ],
    directory,
  }
}

/** Of more predictions than these nothing is measured unasked, and of more than the second number nothing is resampled for intervals. */
const mostPredictions = 100_000
const mostResampled = 1000

/** The trained model on the validation data: metrics, those that a formula gives with intervals, and each class. */
export async function evaluated(
  io: Io,
  { loss, classAxis, device, threads, seed }: TrainOptions,
  model: Model,
  data: SampleSet,
): Promise<Evaluation | undefined> {
  let predictions = data.length
  for await (const { target } of data.batches(1, [0])) predictions *= elementCount(target.dims)
  if (predictions > mostPredictions) return undefined
  const view = progress(io)
  const task = view.task('evaluating', data.length, { unit: 'samples' })
  try {
    return await evaluate(model, data, {
      loss: lossAlong(loss, classAxis),
      metrics: 'usual',
      intervals: predictions <= mostResampled || 'formula',
      runtime: nodeRuntime,
      session: { device, threads },
      seed,
      signal: io.signal,
      onProgress: (done, soFar) => task.update(done, measuredText(soFar.loss, soFar.accuracy)),
    })
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw error
    // The training is done, and its model is written.
    if (error.kind !== 'interrupted') view.line(`The model is not evaluated: ${error.message}`)
    else
      throw new Net2NetError(
        'interrupted',
        `${io.signal.reason.message} The training had ended and is saved; what is missing is the evaluation in its report.`,
        { where: io.signal.reason.where },
      )
    return undefined
  } finally {
    view.stop()
  }
}

/** The same without intervals, however many there are: what is compared before and after a training. */
export const plainlyEvaluated = (
  io: Io,
  { loss, classAxis, device, threads }: TrainOptions,
  model: Model,
  data: SampleSet,
): Promise<Evaluation> =>
  evaluate(model, data, {
    loss: lossAlong(loss, classAxis),
    metrics: 'usual',
    intervals: false,
    runtime: nodeRuntime,
    session: { device, threads },
    signal: io.signal,
  })

export const stoppedText = ({ epoch, waited }: TrainingState): string =>
  `Stopped after epoch ${epoch}: epoch ${epoch - waited} was the best.`

export const decisionText = ({ epoch, grow, reason }: GrowthDecision): string =>
  `${epoch === 0 ? 'before the first epoch' : `after epoch ${epoch}`}: ${grow ? 'it grows' : 'it does not grow'}: ${reason}`

export const growthText = ({ step, plans }: Extract<GrowingEvent, { kind: 'growth' }>): string => {
  const what = plans.flatMap(({ units, inserted, repeated, kernels, removed, adapters }) => [
    ...units.map(({ members, from, to }) => `${members.join(', ')} from ${from} to ${to}`),
    ...inserted.map(({ name, after }) => `${name} after ${after}`),
    ...(repeated ?? []).map(({ blocks }) => `${blocks.join(', ')} once more`),
    ...(kernels ?? []).map(
      ({ layers }) => `kernel of ${layers.map(({ name }) => name).join(', ')}`,
    ),
    ...(removed ?? []).map(({ name }) => `${name} removed`),
    ...(adapters ?? []).map(({ layers, rank }) => `adapter of ${layers.join(', ')}, rank ${rank}`),
  ])
  return `grown after step ${step}: ${what.join('; ')}`
}

export function epochText(result: EpochResult, epochs: number): string {
  const { epoch, loss, accuracy, valLoss, valAccuracy, metrics = {} } = result
  const share = (name: string, value: number | undefined) =>
    value === undefined ? [] : [`${name} ${(100 * value).toFixed(2)}%`]
  return [
    `epoch ${epoch}/${epochs}:`,
    `loss ${loss.toFixed(4)}`,
    ...share('accuracy', accuracy),
    ...(valLoss === undefined ? [] : [`val_loss ${valLoss.toFixed(4)}`]),
    ...share('val_accuracy', valAccuracy),
    ...Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`),
  ].join('  ')
}
