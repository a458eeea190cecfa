/** Trains one trial in a sweep's folder, from its last checkpoint if there is one. */

import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { decodeModel, encodeModel, inspect, type Model, Net2NetError, save } from 'net2net'
import { CheckpointFolder, writeCheckpoint } from 'net2net/checkpoints'
import { type GrowthPosition, trainGrowing } from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import { evaluate, type TrainingState } from 'net2net/training'
import { internalError } from '../../errors.ts'
import { Stopwatch, type Times } from './stopwatch.ts'
import { loadTrialData } from './sweep-data.ts'
import type { SweepFolder } from './sweep-folder.ts'
import {
  type CurvePoint,
  stepsOf,
  type Trial,
  type TrialProgress,
  type TrialResult,
} from './trial.ts'
import { optimizerOf, startOf, trialLoss } from './trial-start.ts'

const evaluationBatchSize = 100

export interface RunTrialOptions {
  /** Folder with the data set's files, where it is not the usual one. */
  readonly dataFolder?: string | undefined
  /** Least time between two checkpoints. */
  readonly checkpointSeconds: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: TrialProgress) => void) | undefined
  /** Told when a checkpoint was written. */
  readonly onCheckpoint?: ((file: string) => void) | undefined
}

/** What a checkpoint says beside the training's state. */
interface Extra extends Times {
  readonly stage: number
  readonly curve: readonly CurvePoint[]
  readonly growths: TrialResult['outcome']['growths']
  readonly resumed: number
}

/**
 * Trains the trial and saves its network, state and, last, its result.
 *
 * @throws Net2NetError as the training; interrupted where the signal said so
 */
export async function runTrial(
  trial: Pick<Trial, 'id' | 'spec' | 'keepState'>,
  folder: SweepFolder,
  options: RunTrialOptions,
): Promise<TrialResult> {
  const { id, spec } = trial
  const { signal, onProgress } = options
  const data = await loadTrialData(spec.data, options.dataFolder)
  const session = { threads: spec.threads }
  const checkpoints = new CheckpointFolder(folder.checkpoints(id), { fingerprint: id, keep: 2 })
  const { checkpoint } = await checkpoints.latest()
  const extra = checkpoint?.extra as Extra | undefined
  const attached = checkpoint?.attachments?.get('model')
  const start = attached
    ? { model: decodeModel(attached), state: checkpoint?.state }
    : await startOf(spec, folder, data)

  const curve: CurvePoint[] = [...(extra?.curve ?? [])]
  const growths = [...(extra?.growths ?? [])]
  const clock = new Stopwatch(extra)
  const measure = async (model: Model, state: Pick<TrainingState, 'step' | 'epoch'>) => {
    if (curve.at(-1)?.step === state.step && curve.length > 0) return
    const { loss: valLoss, accuracy: valAccuracy = Number.NaN } = await evaluate(model, data.test, {
      loss: trialLoss,
      runtime: nodeRuntime,
      session,
      signal,
      batchSize: evaluationBatchSize,
    })
    curve.push({ step: state.step, epoch: state.epoch, valLoss, valAccuracy })
    clock.note()
  }
  if (curve.length === 0) await measure(start.model, { step: 0, epoch: 0 })

  const everySteps = spec.evaluateEvery
  const isMeasured = ({ step, batch }: TrainingState) =>
    batch === 0 || (everySteps !== undefined && step % everySteps === 0)
  // The training may have been stopped just before it was measured.
  if (start.state && start.state.step > 0 && isMeasured(start.state))
    await measure(start.model, start.state)
  let saved = Date.now()
  const takeState = async (state: TrainingState, position: GrowthPosition) => {
    clock.stop()
    if (isMeasured(state)) await measure(position.model, state)
    const due = Date.now() - saved >= options.checkpointSeconds * 1000
    if (due && state.epoch < spec.epochs) await keep(state, position)
    clock.start()
  }
  const keep = async (state: TrainingState, position: GrowthPosition) => {
    const file = await checkpoints.save(state, {
      extra: {
        stage: position.stage,
        curve,
        growths,
        ...clock.record(),
        resumed: (extra?.resumed ?? -1) + 1,
      } satisfies Extra,
      attachments: new Map([['model', encodeModel(position.model)]]),
    })
    saved = Date.now()
    options.onCheckpoint?.(file)
  }

  const steps = stepsOf(spec, data.train.length)
  let told = 0
  clock.start()
  let ended: { readonly model: Model; readonly state: TrainingState } | undefined
  const training = trainGrowing(start.model, data.train, {
    loss: trialLoss,
    optimizer: optimizerOf(spec),
    epochs: spec.epochs,
    batchSize: spec.batchSize,
    seed: spec.order,
    runtime: nodeRuntime,
    session,
    stages: spec.stages ?? [],
    signal,
    onStep: (event) => {
      if (Date.now() - told < 250) return
      told = Date.now()
      const { step, loss, accuracy } = event
      onProgress?.({ id, step, steps, loss, ...(accuracy === undefined ? {} : { accuracy }) })
    },
    checkpoint: { everySteps, save: takeState },
    ...(start.state
      ? {
          resume: {
            state: start.state,
            position: { model: start.model, stage: extra?.stage ?? 0 },
          },
        }
      : {}),
  })
  try {
    for await (const event of training) {
      if (event.kind === 'growth')
        growths.push({ step: event.step, parameters: inspect(training.model).parameters })
      else if (event.kind === 'end') ended = event
    }
  } catch (error) {
    clock.stop()
    const { state, position } = training
    if (error instanceof Net2NetError && error.kind === 'interrupted' && state.step > 0)
      await keep(state, position)
    throw error
  }
  if (!ended) throw internalError('A training ended without its end.')
  clock.stop()
  return finish(trial, folder, ended, {
    curve,
    growths,
    cost: {
      seconds: clock.seconds,
      processorSeconds: clock.processorSeconds,
      resumed: extra ? extra.resumed + 1 : 0,
    },
  })
}

async function finish(
  { id, spec, keepState }: Pick<Trial, 'id' | 'spec' | 'keepState'>,
  folder: SweepFolder,
  { model, state }: { readonly model: Model; readonly state: TrainingState },
  rest: Pick<TrialResult['outcome'], 'curve' | 'growths'> & {
    readonly cost: Pick<TrialResult['cost'], 'seconds' | 'processorSeconds' | 'resumed'>
  },
): Promise<TrialResult> {
  await mkdir(folder.trial(id), { recursive: true })
  const file = folder.file(id, 'model')
  await save(model, file, { force: true })
  if (keepState) await writeCheckpoint(folder.file(id, 'state'), { fingerprint: id, state })
  const result: TrialResult = {
    id,
    spec,
    outcome: {
      parameters: inspect(model).parameters,
      curve: rest.curve,
      epochs: state.history.map(({ epoch, loss: mean }) => ({ epoch, loss: mean })),
      growths: rest.growths,
      steps: state.step,
      model: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    },
    cost: {
      ...rest.cost,
      finished: new Date().toISOString(),
      environment: {
        node: process.version,
        runtime: nodeRuntime.description,
        platform: `${process.platform}-${process.arch}`,
        cores: availableParallelism(),
        processor: cpus()[0]?.model.trim() ?? 'unknown',
      },
    },
  }
  await folder.saveResult(result)
  await folder.removeCheckpoints(id)
  return result
}
