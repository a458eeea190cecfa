/** Pictures minus the mean of their channels, divided by its standard deviation. */
import { usageError } from '../errors.ts'
import type { PicturePreparation, Preparation } from '../model/preparation.ts'
import type { Normalization } from './dataset.ts'

/** The mean and the deviation of the data themselves, those of ImageNet, or given ones; of values from 0 to 1. */
export type Normalize = 'data' | 'imagenet' | Normalization

/** Of red, green and blue, as the models of torchvision and timm were trained with. */
const imagenet: Normalization = {
  mean: [0.485, 0.456, 0.406],
  deviation: [0.229, 0.224, 0.225],
}

/** @throws usage where it does not fit the channels */
export function normalizationOf(
  normalize: Exclude<Normalize, 'data'>,
  channels: number,
): Normalization {
  if (typeof normalize === 'string' && normalize !== 'imagenet')
    throw usageError(
      `normalize must be 'data', 'imagenet' or { mean, deviation }, not ${normalize}.`,
    )
  const given = normalize === 'imagenet' ? imagenet : normalize
  const each = (values: readonly number[], what: string) => {
    const all = values.length === 1 ? Array.from({ length: channels }, () => values[0]!) : values
    if (all.length === channels && all.every((value) => Number.isFinite(value))) return all
    throw usageError(
      `Pictures of ${channels} channel${channels === 1 ? '' : 's'} cannot be normalized by ${values.length} numbers (${what}): ${values.join(', ')}.`,
    )
  }
  const deviation = each(given.deviation, 'deviation')
  if (!deviation.every((value) => value > 0))
    throw usageError(`Standard deviations must be positive numbers: ${deviation.join(', ')}.`)
  return { mean: each(given.mean, 'mean'), deviation }
}

/** Sums over the bytes of pictures, channel by channel. */
export class ChannelSums {
  readonly #channels: number
  readonly #sums: Float64Array
  readonly #squares: Float64Array
  #count = 0

  constructor(channels: number) {
    this.#channels = channels
    this.#sums = new Float64Array(channels)
    this.#squares = new Float64Array(channels)
  }

  /** @param bytes whole pictures, channels first */
  add(bytes: ArrayLike<number>, area: number): void {
    for (let i = 0; i < bytes.length; i++) {
      const c = Math.floor(i / area) % this.#channels
      this.#sums[c]! += bytes[i]!
      this.#squares[c]! += bytes[i]! ** 2
    }
    this.#count += bytes.length / this.#channels
  }

  /** Of values from 0 to 1; a channel that is all the same is left as wide as it is. */
  get normalization(): Normalization {
    const mean = Array.from(this.#sums, (sum) => sum / this.#count / 255)
    const deviation = mean.map(
      (m, c) => Math.sqrt(Math.max(0, this.#squares[c]! / this.#count / 255 ** 2 - m * m)) || 1,
    )
    return { mean, deviation }
  }
}

/** What a model that was trained on pictures does with the channels; undefined where it leaves them as they are. */
export function knownNormalization(
  preparation: Preparation | undefined,
): Normalization | undefined {
  if (preparation?.kind !== 'pictures') return undefined
  const { mean, deviation } = preparation
  return mean && deviation ? { mean, deviation } : undefined
}

/** What is stored of it in a model. */
export const picturePreparation = (
  fit: PicturePreparation['fit'],
  normalization: Normalization | undefined,
): PicturePreparation => ({ kind: 'pictures', fit, ...normalization })
