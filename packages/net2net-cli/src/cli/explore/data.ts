/** The data of an exploration, and its settings as those of a training. */
import { createHash } from 'node:crypto'
import type { Model } from 'net2net'
import type { SampleSet } from 'net2net/data'
import { usageError } from '../../errors.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import type { TrainOptions } from '../commands/train-options.ts'
import { dataOptionsOf, trainingData } from '../model-data.ts'

/** The settings as the options of `net2net train`: the learning rate stays the same, since nobody knows how long a network trains. */
export const trainOptionsOf = ({
  training,
  seed,
}: Pick<ExplorationSettings, 'training' | 'seed'>): TrainOptions => ({
  ...training,
  seed,
  schedule: 'constant',
  warmUp: 0,
  epochs: 1,
  checkpointEvery: 1,
})

export interface ExplorationData {
  readonly train: SampleSet
  readonly validation: SampleSet
  /** SHA-256 of all samples. */
  readonly fingerprint: string
}

/** @throws usage where nothing is left to validate on; as loading */
export async function explorationData(
  model: Model,
  {
    data: { spec, options, validation: share },
    training: { loss },
    seed,
  }: {
    readonly data: Omit<ExplorationSettings['data'], 'fingerprint'>
    readonly training: Pick<ExplorationSettings['training'], 'loss'>
    readonly seed: number
  },
  signal: AbortSignal,
  onNote?: (note: string) => void,
): Promise<ExplorationData> {
  const { train, validation } = await trainingData(model, spec, {
    ...dataOptionsOf(options),
    loss,
    validation: share,
    seed,
    signal,
    ...(onNote ? { onNote } : {}),
  })
  if (!validation)
    throw usageError(
      share === 0
        ? '--validation 0 holds nothing back: an exploration needs samples to compare networks on.'
        : `${spec} has too few samples: an exploration needs some to compare networks on.`,
      {
        where: spec,
      },
    )
  return { train, validation, fingerprint: await fingerprintOf([train, validation]) }
}

/** Of what networks see of the data. */
async function fingerprintOf(sets: readonly SampleSet[]): Promise<string> {
  const hash = createHash('sha256')
  const batchSize = 1024
  for (const set of sets)
    for await (const { inputs, target } of set.batches(batchSize)) {
      for (const [name, tensor] of Object.entries(inputs))
        hash.update(name).update(tensor.read(0, tensor.byteLength))
      hash.update(target.read(0, target.byteLength))
    }
  return hash.digest('hex')
}
