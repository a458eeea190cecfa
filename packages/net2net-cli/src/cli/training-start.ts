/** What a training begins with: a model, and the optimizer's state where an earlier training is gone on from. */
import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type GrownModel, load, type Model } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import { carryState } from 'net2net/growing'
import type { Tensor } from 'net2net/tensor'
import { buildStep, type StepOptions, startingState, type TrainingState } from 'net2net/training'
import { inputError } from '../errors.ts'

export interface TrainingStart {
  readonly model: Model
  /** Parameters, statistics and slots at the end of an earlier training of this model. */
  readonly tensors?: ReadonlyMap<string, Tensor>
}

/** @param place an ONNX file, or the folder of a training @throws input where it is neither */
export async function startOf(place: string): Promise<TrainingStart> {
  if (!existsSync(place) || !statSync(place).isDirectory()) return { model: await load(place) }
  const file = join(place, 'model.onnx')
  if (!existsSync(file))
    throw inputError(`${place} is no folder of a training: it has no model.onnx.`, { where: place })
  const model = await load(file)
  const names = await readdir(join(place, 'checkpoints')).catch(() => [])
  const newest = names
    .filter((name) => /^checkpoint-\d+\.n2n$/.test(name))
    .sort()
    .at(-1)
  if (newest === undefined) return { model }
  const { state } = await readCheckpoint(join(place, 'checkpoints', newest))
  return { model, tensors: state.tensors }
}

/**
 * The state that a training begins with, grown along with its model; undefined where the optimizer keeps other slots
 * than before, or the model is not the one that the state is of.
 */
export function carriedState(
  { model, tensors }: TrainingStart,
  grown: GrownModel | undefined,
  options: StepOptions,
): TrainingState | undefined {
  if (!tensors) return undefined
  const step = buildStep(model, options)
  for (const [name, { dims }] of step.state)
    if (String(tensors.get(name)?.dims) !== String(dims)) return undefined
  const own = new Map([...step.state.keys()].map((name) => [name, tensors.get(name)!]))
  const state = startingState(own)
  return grown
    ? startingState(carryState({ model, step, state }, grown.plans, options).state.tensors)
    : state
}

/** Of what a state decides. */
export function digestOf({ tensors }: Pick<TrainingState, 'tensors'>): string {
  const hash = createHash('sha256')
  for (const [name, tensor] of tensors) hash.update(name).update(tensor.read(0, tensor.byteLength))
  return hash.digest('hex')
}
