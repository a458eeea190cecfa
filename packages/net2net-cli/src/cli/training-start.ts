/** What a training begins with: a model, and the optimizer's state where an earlier training is gone on from. */
import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { load, type Model } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import type { TrainingState } from 'net2net/training'
import { inputError } from '../errors.ts'

export interface TrainingStart {
  readonly model: Model
  /** At the end of an earlier training of this model. */
  readonly state?: TrainingState
}

/** @param place an ONNX file, or the folder of a training @throws input where it is neither */
export async function startOf(place: string): Promise<TrainingStart> {
  if (!existsSync(place) || !statSync(place).isDirectory()) return { model: await load(place) }
  const file = join(place, 'model.onnx')
  if (!existsSync(file))
    throw inputError(`${place} is no folder of a training: it has no model.onnx.`, { where: place })
  const model = await load(file)
  const newest = await newestCheckpoint(await lastStageOf(place))
  if (newest === undefined) return { model }
  const { state } = await readCheckpoint(newest)
  return { model, state }
}

/** Where the training of stages ended, whose model is that of the whole; the folder itself where there are none. */
async function lastStageOf(place: string): Promise<string> {
  const stages = (await readdir(place))
    .filter((name) => /^stage-\d+$/.test(name))
    .sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)))
  return join(place, stages.at(-1) ?? '.')
}

/** The last checkpoint in the folder of a training; undefined where it has none. */
export async function newestCheckpoint(place: string): Promise<string | undefined> {
  const names = await readdir(join(place, 'checkpoints')).catch(() => [])
  const newest = names
    .filter((name) => /^checkpoint-\d+\.n2n$/.test(name))
    .sort()
    .at(-1)
  return newest && join(place, 'checkpoints', newest)
}

/** Of what a state decides. */
export function digestOf({ tensors }: Pick<TrainingState, 'tensors'>): string {
  const hash = createHash('sha256')
  for (const [name, tensor] of tensors) hash.update(name).update(tensor.read(0, tensor.byteLength))
  return hash.digest('hex')
}
