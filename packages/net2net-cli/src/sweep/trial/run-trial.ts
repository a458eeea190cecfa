/** Trains one trial in a sweep's folder, from its last checkpoint if there is one. */

import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { decodeModel, inspect, type Model, save } from 'net2net'
import { CheckpointFolder, writeCheckpoint } from 'net2net/checkpoints'
import { nodeRuntime } from 'net2net/runtime'
import type { TrainingState } from 'net2net/training'
import { loadTrialData } from './sweep-data.ts'
import type { SweepFolder } from './sweep-folder.ts'
import type { Trial, TrialResult } from './trial.ts'
import { startOf } from './trial-start.ts'
import { type TrialRecord, TrialTraining, type TrialTrainingOptions } from './trial-training.ts'

export interface RunTrialOptions extends TrialTrainingOptions {
  /** Folder with the data set's files, where it is not the usual one. */
  readonly dataFolder?: string | undefined
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
  const data = await loadTrialData(spec.data, options.dataFolder)
  const checkpoints = new CheckpointFolder(folder.checkpoints(id), { fingerprint: id, keep: 2 })
  const { checkpoint } = await checkpoints.latest()
  const attached = checkpoint?.attachments?.get('model')
  const start = attached
    ? { model: decodeModel(attached), state: checkpoint?.state }
    : await startOf(spec, folder, data)
  const before = checkpoint?.extra as TrialRecord | undefined
  const training = new TrialTraining(trial, data, checkpoints, before, options)
  const ended = await training.run(start)
  return finish(trial, folder, ended, training.record)
}

async function finish(
  { id, spec, keepState }: Pick<Trial, 'id' | 'spec' | 'keepState'>,
  folder: SweepFolder,
  { model, state }: { readonly model: Model; readonly state: TrainingState },
  { curve, growths, cost }: TrialTraining['record'],
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
      curve,
      epochs: state.history.map(({ epoch, loss: mean }) => ({ epoch, loss: mean })),
      growths,
      steps: state.step,
      model: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    },
    cost: {
      ...cost,
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
