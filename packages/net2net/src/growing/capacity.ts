/** Whether a network that trains should grow: the rule of `auto`, and what rules are told. */
import type { EpochResult, RecentEpoch } from '../training/run/state.ts'
import { chanceOfMajority, chanceOfRise, fewestValues, firstRise, level } from './trend.ts'

/** How a training has gone since the network last grew. */
export interface CapacityFacts {
  /** Since the network last grew, or from the beginning; at least one. */
  readonly epochs: readonly EpochResult[]
  /** Epochs without a better validation loss (or loss, without validation; or metric, where one is watched). */
  readonly waited: number
  readonly parameters: number
}

export interface CapacityJudgement {
  readonly grow: boolean
  /** A sentence without its full stop. */
  readonly reason: string
}

/** undefined: there is nothing to decide yet. */
export type CapacityRule = (facts: CapacityFacts) => CapacityJudgement | undefined

/** A training loss that falls by less than this share of itself each epoch has stopped falling. */
const stillFalls = 0.01
/** A training loss that is so much smaller than the validation loss, as a share of it, is not short of capacity. */
const farBelow = 0.5

/**
 * The rule of `auto`. It decides only when validation was not better for `patience` epochs. Noise alone may do that, so the rule also
 * needs evidence (trend.ts) of one of these:
 *
 * - The validation loss has risen since its best epoch, or the training loss is far below it: the network fits the samples better than what they
 *   stand for, and more capacity would make that worse. The best epoch itself was chosen for its loss, and does not count.
 * - The training loss falls by less than 1% an epoch: the network is too small for its data.
 */
export const capacityRule =
  (patience: number): CapacityRule =>
  ({ epochs, waited }) => {
    const best = epochs.at(-1 - waited)
    const recent = epochs.slice(-Math.max(waited + 1, fewestValues))
    if (waited < patience || !best || recent.length < fewestValues) return undefined
    const losses = recent.map(({ loss }) => loss)
    const trained = median(losses)
    const hasStopped = hasStoppedFalling(losses)
    const told = `for ${waited === 1 ? 'an epoch' : `${waited} epochs`}`
    const validated = validationOf(recent)
    if (!validated)
      return hasStopped
        ? {
            grow: true,
            reason: `the training loss (${figure(trained)}) has stopped falling: it has not improved on ${figure(best.loss)} ${told}`,
          }
        : undefined
    const stands = `the validation loss has not improved on ${figure(best.valLoss)} ${told}`
    const rise = firstRise(validated.slice(validated.length - waited))
    if (rise)
      return {
        grow: false,
        reason: `it overfits: ${stands}, and has risen since (as noise alone would do with a chance of ${rise.chance.toPrecision(1)})`,
      }
    if (median(validated) - trained > farBelow * Math.abs(median(validated)))
      return {
        grow: false,
        reason: `it overfits: ${stands}, and the training loss (${figure(trained)}) is far below it`,
      }
    return hasStopped
      ? {
          grow: true,
          reason: `capacity is short: ${stands}, and the training loss (${figure(trained)}) has stopped falling, too`,
        }
      : undefined
  }

/** Whether losses fall by less than a share of themselves each time: with that share added, they rise. */
function hasStoppedFalling(losses: readonly number[]): boolean {
  const step = stillFalls * Math.abs(median(losses))
  return chanceOfRise(losses.map((loss, i) => loss + i * step)) <= level
}

/** undefined where an epoch was not validated. */
function validationOf(epochs: readonly EpochResult[]): readonly number[] | undefined {
  const losses = epochs.flatMap(({ valLoss }) => valLoss ?? [])
  return losses.length === epochs.length ? losses : undefined
}

/** Of one value more than half of them, so that no single one decides. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Where more capacity is worth more than more data, the gap between the losses is a smaller share of the loss than this. */
const smallGap = 0.25

/**
 * The rule of `auto` for new data. The loss of samples that a network has not seen is its training loss and a gap. More samples
 * narrow the gap, about in inverse proportion to their number, and leave the training loss where it is, which only more capacity
 * lowers. So each of the last epochs tells which of them was missing, and whether so many more samples change that. Noise alone makes them
 * tell either, and it takes so many that tell the same that chance does so in one of twenty cases at most (the sign test).
 *
 * @param recent epochs since the network last grew, in trainings on earlier data; eight at most
 * @param steps of an epoch of the new data
 * @returns undefined where the last one was not validated
 */
export function judgeArrival(
  recent: readonly RecentEpoch[],
  steps: number,
): CapacityJudgement | undefined {
  const last = recent.at(-1)
  if (last?.valLoss === undefined) return undefined
  const validated = recent.filter(({ valLoss }) => Number.isFinite(valLoss))
  const short = validated.filter((epoch) => isShort(epoch, moreOf(epoch, steps))).length
  const { length } = validated
  const more = moreOf(last, steps)
  const now = more > 1 ? `, and there are ${more.toPrecision(2)} times as many samples now` : ''
  const says = (count: number, what: string) =>
    `${count} of the last ${length} epochs say ${what} (the last one ended at ${figure(last.loss)}, and at ${figure(last.valLoss)} in validation${now})`
  if (isShown(short, length))
    return { grow: true, reason: `capacity is short for the new data: ${says(short, 'so')}` }
  if (isShown(length - short, length))
    return {
      grow: false,
      reason: `data were missing more than capacity: ${says(length - short, 'so')}`,
    }
  return {
    grow: false,
    reason:
      length < fewestValues
        ? `it is not known whether capacity is short for the new data: the losses of ${length === 1 ? 'one epoch' : `${length} epochs`} may be noise, and it takes ${fewestValues} since the last growth`
        : `the losses do not show whether capacity is short for the new data: ${says(short, 'so')}`,
  }
}

const isShown = (votes: number, of: number): boolean =>
  of >= fewestValues && chanceOfMajority(votes, of) <= level

/** How many times as many samples there are as in an epoch; at least 1. */
const moreOf = (epoch: RecentEpoch, steps: number): number => Math.max(1, steps / epoch.steps)

/** Whether what is left of the gap with so many times the samples is a small share of the loss. */
function isShort({ loss, valLoss = loss }: RecentEpoch, more: number): boolean {
  const gap = Math.max(0, valLoss - loss) / more
  return gap < smallGap * Math.abs(loss + gap)
}

const figure = (value: number | undefined): string => value?.toPrecision(4) ?? 'nothing'
