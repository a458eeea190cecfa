/** Whether a training that is gone on with is the one that is asked for; if not, which option says otherwise. */
import { createHash } from 'node:crypto'
import { encodeModel, type Model, Net2NetError } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import type { GrowthStage } from 'net2net/growing'
import { usageError } from '../errors.ts'
import type { TrainOptions } from './commands/train-options.ts'
import { asJson, differences, type SaidOptions } from './earlier-options.ts'
import { optimizerOf } from './optimizer-options.ts'
import { newestCheckpoint } from './training-start.ts'

/** What a training was begun with: checkpoints keep it, so that a difference has a name. */
export interface BegunWith {
  readonly options: SaidOptions
  /** SHA-256 of the model's file. */
  readonly model: string
  /** Samples that it is trained and validated on. */
  readonly samples: readonly [train: number, validation: number]
  /** SHA-256 of what the recipe says. */
  readonly recipe: string
}

export const begunWith = (
  options: TrainOptions,
  {
    spec,
    model,
    samples,
    stages,
  }: {
    readonly spec: string
    readonly model: Model
    readonly samples: BegunWith['samples']
    readonly stages: readonly GrowthStage[]
  },
): BegunWith => ({
  options: asJson(decisive(options, spec)),
  model: digest(encodeModel(model)),
  samples,
  recipe: digest(JSON.stringify(stages)),
})

export const digest = (content: Uint8Array | string): string =>
  createHash('sha256').update(content).digest('hex')

/** The options that decide what comes of a training. */
function decisive(options: TrainOptions, spec: string): SaidOptions {
  const { resume: _, force: __, output: ___, json: ____, log: _____, ...others } = options
  const { tensorboard: ______, checkpointEvery: _______, threads, device, epochs, ...rest } = others
  const rateOver = (length: number) =>
    JSON.stringify(optimizerOf({ ...options, epochs: length }).learningRate)
  // A constant rate is the same however long a training is.
  const isTimed = rateOver(epochs) !== rateOver(epochs + 1)
  return { ...rest, data: spec, ...(isTimed ? { epochs } : {}) }
}

/**
 * What differs from what the training in a folder was begun with, in words; nothing where that is not known.
 *
 * @param now all of it, or the options alone
 */
export async function differencesFrom(
  folder: string,
  now: BegunWith | Pick<BegunWith, 'options'>,
): Promise<readonly string[]> {
  const before = await begunIn(folder)
  if (!before) return []
  const options = differences(before.options, now.options)
  if (options.length > 0 || !('model' in now)) return options
  return [
    ...(before.model === now.model ? [] : ['from another model']),
    ...(String(before.samples) === String(now.samples)
      ? []
      : [`on ${counts(before.samples)} (now ${counts(now.samples)})`]),
    ...(before.recipe === now.recipe ? [] : ['with a recipe that said something else']),
  ]
}

const counts = ([train, validation]: BegunWith['samples']) =>
  validation > 0 ? `${train} and ${validation} held-out samples` : `${train} samples`

/** @throws usage for a training that is finished, and was begun with other options */
export async function mustBeOf(folder: string, options: TrainOptions, spec: string): Promise<void> {
  const different = await differencesFrom(folder, { options: decisive(options, spec) })
  if (different.length > 0) throw otherTraining(folder, different)
}

export const otherTraining = (folder: string, different: readonly string[]) =>
  usageError(`The training in ${folder} was begun ${different.join(', ')}.`, {
    where: folder,
    hint: 'To go on with it, give all options as they were; for another training, give another folder with -o.',
  })

async function begunIn(folder: string): Promise<BegunWith | undefined> {
  const newest = await newestCheckpoint(folder)
  if (newest === undefined) return undefined
  try {
    const { extra } = await readCheckpoint(newest)
    return (extra as { readonly begun?: BegunWith } | undefined)?.begun
  } catch (error) {
    if (error instanceof Net2NetError) return undefined
    throw error
  }
}
