/** The checkpoints of a training in its folder: whose they are, what they hold, and which one it goes on from. */
import { join } from 'node:path'
import { decodeModel, encodeModel, type Model } from 'net2net'
import { type Checkpoint, CheckpointFolder, fingerprintOf } from 'net2net/checkpoints'
import type { GrowthPosition, GrowthStage } from 'net2net/growing'
import type { Optimizer, TrainingState } from 'net2net/training'
import { usageError } from '../errors.ts'
import type { Io } from './command.ts'
import type { TrainOptions } from './commands/train-options.ts'
import { dataOptionsOf } from './model-data.ts'
import { type BegunWith, differencesFrom, otherTraining } from './same-training.ts'
import { digestOf } from './training-start.ts'

/** What makes a training the same as another one, besides its options. */
interface Identity {
  readonly spec: string
  readonly begun: BegunWith
  readonly optimizer: Optimizer
  readonly stages: readonly GrowthStage[]
  /** The optimizer's state of an earlier training, where this one begins with it. */
  readonly carried: Pick<TrainingState, 'tensors'> | undefined
}

export class TrainingCheckpoints {
  /** What the training goes on from; undefined for a new one. */
  readonly latest: Checkpoint | undefined
  readonly #folder: CheckpointFolder
  readonly #begun: BegunWith
  #isCleared: boolean

  private constructor(folder: CheckpointFolder, begun: BegunWith, latest: Checkpoint | undefined) {
    this.#folder = folder
    this.#begun = begun
    this.latest = latest
    this.#isCleared = latest !== undefined
  }

  /**
   * Finds the checkpoint to go on from, where `--resume` asks for one. Those that cannot be read are told of.
   *
   * @throws usage where there is none, or where they are those of another training
   */
  static async open(
    io: Io,
    options: TrainOptions & { readonly output: string },
    identity: Identity,
  ): Promise<TrainingCheckpoints> {
    const { output, resume = false } = options
    const { begun } = identity
    const folder = new CheckpointFolder(join(output, 'checkpoints'), {
      fingerprint: fingerprint(options, identity),
    })
    if (!resume) return new TrainingCheckpoints(folder, begun, undefined)
    const found = await folder.latest()
    const checkpoint = found?.checkpoint
    if (found && !checkpoint) {
      const different = await differencesFrom(output, begun)
      if (different.length > 0) throw otherTraining(output, different)
    }
    for (const { reason } of found?.skipped ?? [])
      io.err(checkpoint ? `${reason} An older one is used.\n` : `${reason}\n`)
    if (!checkpoint)
      throw usageError(`There is no checkpoint of this training in ${output} to go on from.`, {
        where: output,
        ...(found?.skipped.length ? { hint: 'Give all options of that training again.' } : {}),
      })
    return new TrainingCheckpoints(folder, begun, checkpoint)
  }

  /** Saves a checkpoint; a new training does not go on from those of the one before. Resolves to its file. */
  async save(state: TrainingState, position: GrowthPosition): Promise<string> {
    if (!this.#isCleared) await this.#folder.clear()
    this.#isCleared = true
    return this.#folder.save(state, saved(position, this.#begun))
  }
}

function fingerprint(
  options: TrainOptions,
  { spec, begun, optimizer, stages, carried }: Identity,
): string {
  return fingerprintOf({
    model: begun.model,
    data: [spec, ...begun.samples],
    ...(carried ? { carried: digestOf(carried) } : {}),
    optimizer: [optimizer.name, optimizer.learningRate, optimizer.settings],
    rest: [
      options.loss,
      options.batchSize,
      options.freeze ?? [],
      options.seed,
      stages,
      // Fingerprints from before these options stay as they were.
      ...(options.trainOnly || options.classAxis !== undefined
        ? [options.trainOnly ?? [], options.classAxis ?? null]
        : []),
      ...laterOptions(options),
    ],
  })
}

/** Options that fingerprints have where they are given: those from before stay as they were. */
function laterOptions(options: TrainOptions): readonly unknown[] {
  const { clipNorm, labelSmoothing, decayOnly, rate, metric, earlyStopping } = options
  const { classWeights, ignoreLabel, distill, distillWeight, temperature } = options
  const { grow, limit, growPatience, replay } = options
  const later = {
    grow,
    limit,
    growPatience,
    replay,
    clipNorm,
    labelSmoothing,
    decayOnly,
    rate,
    metric,
    earlyStopping,
    classWeights,
    ignoreLabel,
    distill,
    distillWeight,
    temperature,
    ...dataOptionsOf(options),
    augment: options.augment,
  }
  const given = Object.entries(later).filter(([, value]) => value !== undefined)
  return given.length === 0 ? [] : [Object.fromEntries(given)]
}

/** A network that grew on the way goes into the checkpoint, and what was decided. */
const saved = ({ model, stage, stages, decisions }: GrowthPosition, begun: BegunWith) => ({
  extra: {
    begun,
    ...(stage === 0 && !decisions ? {} : { stage, stages, decisions }),
  } satisfies Extra,
  ...(stage === 0 ? {} : { attachments: new Map([['model.onnx', encodeModel(model)]]) }),
})

interface Extra {
  readonly begun?: BegunWith
  readonly stage?: number
  readonly stages?: GrowthPosition['stages']
  readonly decisions?: GrowthPosition['decisions']
}

/** Where in its growth a training was, whose model is this one before. */
export function positionOf({ extra, attachments }: Checkpoint, model: Model): GrowthPosition {
  const { stage = 0, stages, decisions } = (extra ?? {}) as Extra
  const grown = attachments?.get('model.onnx')
  return {
    stage,
    model: grown ? decodeModel(grown) : model,
    ...(stages ? { stages } : {}),
    ...(decisions ? { decisions } : {}),
  }
}
