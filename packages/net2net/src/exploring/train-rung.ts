/** One job of an exploration: a network grows, if it is new, is trained to the end of a rung, and is measured. */
import type { SampleSet } from '../data/samples.ts'
import { Net2NetError } from '../errors.ts'
import { carryInto, type TrainingMoment } from '../growing/carry-state.ts'
import { growMeasured } from '../growing/grow-measured.ts'
import { rememberGrowth } from '../growing/remember-growth.ts'
import type { GrowthStep } from '../growth/index.ts'
import { beyond, costsOf } from '../measuring/limits.ts'
import { measureLatency } from '../measuring/measure-latency.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { separateConstants } from '../operators/shared-constants.ts'
import { hashKey, randomStream } from '../tensor/random.ts'
import { buildStep } from '../training/compile/step-graph.ts'
import { evaluate } from '../training/run/evaluate.ts'
import type { TrainingState } from '../training/run/state.ts'
import { stepOptionsOf, Training } from '../training/run/trainer.ts'
import type { StepEvent, TrainOptions } from '../training/train-options.ts'
import { byGain, rankedOnce } from './by-gain.ts'
import {
  atRandom,
  type CandidateOptions,
  growthCandidates,
  growthOperations,
} from './candidates.ts'
import type { NetworkStore, TrainedNetwork } from './networks.ts'
import { isTimed, type Objectives } from './objectives.ts'
import type { GrowthDraw, RungJob, RungOutcome } from './records.ts'

export interface RungOptions
  extends Omit<
    TrainOptions,
    | 'checkpoint'
    | 'earlyStopping'
    | 'epochs'
    | 'metrics'
    | 'onStep'
    | 'resume'
    | 'untilStep'
    | 'validation'
  > {
  readonly validation: SampleSet
  readonly objectives?: Objectives | undefined
  readonly growth?: CandidateOptions | undefined
  readonly store: NetworkStore
  /** Steps between two saves in the middle of a rung, where the store keeps such. Default 500. */
  readonly saveEvery?: number | undefined
  readonly onStep?: ((event: StepEvent & { readonly until: number }) => void) | undefined
}

/** Turns of the search for directions of new units: more would take longer than the first rungs. */
const turns = 1

/** More than any training has. */
const endless = Number.MAX_SAFE_INTEGER

/**
 * Does a job. What it is given decides every bit of what it makes, but for measured times.
 *
 * @param first the network that the exploration begins with
 * @throws interrupted where the signal said so; as training and growth, where it is not the network's fault
 */
export async function trainRung(
  job: RungJob,
  first: Model,
  data: SampleSet,
  options: RungOptions,
): Promise<RungOutcome> {
  const { store, objectives = {}, runtime, session } = options
  const unfinished = await store.readUnfinished?.(job)
  const start = unfinished ?? (await startOf(job, first, data, options))
  if (!start) return { kind: 'exhausted' }
  const grown = job.growth && grownBy(start)
  const latency = isTimed(objectives)
    ? (job.latency ?? (await measureLatency(start.model, options.validation, { runtime, session })))
    : undefined
  const costs = { ...costsOf(start.model), ...(latency === undefined ? {} : { latency }) }
  const isNew = job.rung === 0 && !unfinished
  const limit = isNew ? beyond(costs, objectives.limits) : undefined
  if (limit !== undefined)
    return { kind: 'beyond', limit, value: costs[limit] ?? Number.NaN, ...(grown ? { grown } : {}) }
  try {
    const begun = performance.now()
    const network = await trained(job, start, data, options)
    const seconds = (performance.now() - begun) / 1000
    const file = encodeModel(network.model)
    const measured = await evaluate(network.model, options.validation, {
      ...(objectives.metric === undefined
        ? {}
        : { metrics: [objectives.metric], intervals: false }),
      loss: options.loss,
      output: options.output,
      batchSize: options.evaluationBatchSize,
      signal: options.signal,
      runtime,
      session,
    })
    const { loss, metrics = {} } = measured
    const unmeasured = unmeasuredOf(loss, metrics)
    if (unmeasured !== undefined)
      return {
        kind: 'failed',
        message: `The ${unmeasured} on the validation data is not a finite number.`,
        ...(grown ? { grown } : {}),
      }
    await store.write(job, network)
    return {
      kind: 'trained',
      loss,
      ...(objectives.metric === undefined
        ? {}
        : {
            metrics: Object.fromEntries(
              Object.entries(metrics).map(([name, { value }]) => [name, value]),
            ),
          }),
      ...costs,
      size: file.byteLength,
      trainLoss: trainLossOf(network.state),
      step: network.state.step,
      ...(grown ? { grown } : {}),
      digest: await sha256(file),
      seconds,
    }
  } catch (error) {
    // A number that is no longer finite: the network diverged, and others may not.
    if (!(error instanceof Net2NetError) || error.kind !== 'internal') throw error
    return { kind: 'failed', message: error.message, ...(grown ? { grown } : {}) }
  }
}

/** What of the loss and the metrics is no number by which networks could be compared. */
const unmeasuredOf = (
  loss: number,
  metrics: Readonly<Record<string, { readonly value: number }>>,
): string | undefined =>
  Number.isFinite(loss)
    ? Object.keys(metrics).find((name) => !Number.isFinite(metrics[name]!.value))
    : 'loss'

/** The step that a network grew by last, as it was chosen. */
function grownBy({ stages }: TrainedNetwork): GrowthStep | undefined {
  const [step] = stages.at(-1)?.steps ?? []
  if (!step) return undefined
  const { plan: _, ...chosen } = step
  return chosen
}

/** The network before the first step of the rung; undefined where no candidate is left. */
async function startOf(
  job: RungJob,
  first: Model,
  data: SampleSet,
  options: RungOptions,
): Promise<TrainedNetwork | undefined> {
  const { network, rung, growth } = job
  if (rung > 0) return options.store.read({ network, rung: rung - 1 })
  // Training takes parameters apart that an exporter merged: sizes are the same before and behind it.
  if (!growth) return { model: separateConstants(first), state: undefined, stages: [] }
  const parent = await options.store.read(growth.parent)
  const seed = childSeed(options.seed ?? 0, network)
  const tried = new Set(growth.tried.map(stepKey))
  let place = 0
  for (const step of await candidatesOf(parent, growth, data, options)) {
    if (tried.has(stepKey(step))) continue
    const child = await grownChild(parent, { ...step, seed }, data, options)
    if (child && place++ === growth.place) return child
  }
  return undefined
}

/** What a step grows, whatever its other options. */
const stepKey = (step: GrowthStep): string =>
  JSON.stringify(
    Object.entries(step).filter(([name]) => growthOperations.some((known) => known === name)),
  )

/** Of the growth of a network: children of one parent draw different maps. */
const childSeed = (seed: number, network: number): number =>
  hashKey([seed, 'growth', network]) >>> 1

/** Candidates in the order in which children take them. */
function candidatesOf(
  { model }: TrainedNetwork,
  { parent, by }: GrowthDraw,
  data: SampleSet,
  options: RungOptions,
): Promise<readonly GrowthStep[]> {
  const { growth = {}, objectives = {}, seed = 0, store } = options
  const { loss, output, runtime, session, signal } = options
  const random = randomStream(seed, 'candidates', parent.network)
  if (by === 'random')
    return Promise.resolve([...atRandom(growthCandidates(model, growth), random)])
  const measuring = { loss, output, runtime, session, signal, turns }
  return rankedOnce(parent, store, () =>
    byGain(model, data, { ...measuring, growth, objectives, seed, random }),
  )
}

/** The parent after growth, its optimizer's state carried; undefined where it cannot grow so, or beyond a limit. */
async function grownChild(
  parent: TrainedNetwork,
  step: GrowthStep,
  data: SampleSet,
  options: RungOptions,
): Promise<TrainedNetwork | undefined> {
  const { loss, output, signal, runtime, session, objectives = {} } = options
  const { state } = parent
  try {
    const grown = await growMeasured(parent.model, [step], {
      samples: data,
      loss,
      output,
      signal,
      runtime,
      session,
      turns,
    })
    const { plans, steps } = grown
    const model = rememberGrowth(grown, state?.step ?? 0)
    if (beyond(costsOf(model), objectives.limits) !== undefined) return undefined
    const stage = { when: { step: state?.step ?? 0 }, steps, learningRateFactor: 1 }
    const stages = [...parent.stages, stage]
    if (!state) return { model, state, stages }
    const compile = stepOptionsOf(trainOptionsOf(options), data)
    const before: TrainingMoment = {
      model: parent.model,
      step: buildStep(parent.model, compile),
      state,
    }
    return { model, state: carryInto(model, before, plans, compile).state, stages }
  } catch (error) {
    if (error instanceof Net2NetError && ['refused', 'usage'].includes(error.kind)) return undefined
    throw error
  }
}

/** What of the options is the training's. */
function trainOptionsOf(options: RungOptions): TrainOptions {
  const { objectives: _, growth: __, store: ___, saveEvery: ____, onStep: _____, ...rest } = options
  return { ...rest, validation: undefined, epochs: endless }
}

async function trained(
  job: RungJob,
  start: TrainedNetwork,
  data: SampleSet,
  options: RungOptions,
): Promise<TrainedNetwork & { readonly state: TrainingState }> {
  const { store, onStep, saveEvery = 500 } = options
  const { stages } = start
  const when = stages.at(-1)?.when
  const born = when && 'step' in when ? when.step : 0
  const until = born + job.until
  const training: Training = new Training(start.model, data, {
    ...trainOptionsOf(options),
    untilStep: until,
    resume: start.state,
    onStep: onStep && ((event) => onStep({ ...event, until })),
    ...(store.writeUnfinished && {
      checkpoint: {
        everySteps: saveEvery,
        save: async (state) => {
          if (state.step < until)
            await store.writeUnfinished?.(job, { model: training.model, state, stages })
        },
      },
    }),
  })
  try {
    for await (const _epoch of training);
  } catch (error) {
    if (error instanceof Net2NetError && error.kind === 'interrupted')
      await store.writeUnfinished?.(job, { model: training.model, state: training.state, stages })
    throw error
  }
  return { model: training.model, state: training.state, stages }
}

/** Mean over the running epoch so far, or over the last one. */
const trainLossOf = ({ batch, totals, history }: TrainingState): number =>
  batch > 0 ? totals.loss / totals.predictions : (history.at(-1)?.loss ?? Number.NaN)

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
