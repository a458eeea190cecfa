/** Whether a network that trains should grow: the rule of `auto`, and what rules are told. */
import type { EpochResult } from '../training/run/state.ts'

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
 * The rule of `auto`. Validation has stopped improving when it was not better for `patience` epochs. Then one of two things is
 * true. The training loss falls on, or is far below the validation loss: the network fits the samples better than what they stand
 * for, and more capacity would make that worse. Or the training loss, too, has stopped: the network is too small for its data.
 */
export const capacityRule =
  (patience: number): CapacityRule =>
  ({ epochs, waited }) => {
    const now = epochs.at(-1)
    const best = epochs.at(-1 - waited)
    if (waited < patience || !now || !best) return undefined
    const since = `for ${waited === 1 ? 'an epoch' : `${waited} epochs`}`
    const fell = (best.loss - now.loss) / Math.abs(best.loss)
    if (now.valLoss === undefined)
      return {
        grow: true,
        reason: `the training loss (${figure(now.loss)}) has not improved ${since}`,
      }
    const stopped = `the validation loss has not improved on ${figure(best.valLoss)} ${since}`
    if (fell > stillFalls * waited)
      return {
        grow: false,
        reason: `it overfits: ${stopped}, while the training loss fell from ${figure(best.loss)} to ${figure(now.loss)}`,
      }
    if (now.valLoss - now.loss > farBelow * Math.abs(now.valLoss))
      return {
        grow: false,
        reason: `it overfits: ${stopped}, and the training loss (${figure(now.loss)}) is far below it`,
      }
    return {
      grow: true,
      reason: `capacity is short: ${stopped}, and the training loss (${figure(now.loss)}) has stopped falling, too`,
    }
  }

/** Where more capacity is worth more than more data, the gap between the losses is a smaller share of the loss than this. */
const smallGap = 0.25

/**
 * The rule of `auto` for new data. The loss of samples that a network has not seen is its training loss and a gap. More samples
 * narrow the gap, about in inverse proportion to their number, and leave the training loss where it is, which only more capacity
 * lowers. So the end of the last training tells which of them was missing, and whether so many more samples change that.
 *
 * @param last epoch of the training on the data before; it has a validation loss
 * @param more how many times as many samples there are now; at least 1
 */
export function judgeArrival(
  { loss, valLoss = loss }: EpochResult,
  more: number,
): CapacityJudgement {
  const gap = Math.max(0, valLoss - loss) / more
  const ended = `the training before ended at ${figure(loss)}, and at ${figure(valLoss)} in validation`
  const now = more > 1 ? `, and there are ${more.toPrecision(2)} times as many samples now` : ''
  return gap < smallGap * Math.abs(loss + gap)
    ? { grow: true, reason: `capacity is short for the new data: ${ended}${now}` }
    : { grow: false, reason: `data were missing more than capacity: ${ended}${now}` }
}

const figure = (value: number | undefined): string => value?.toPrecision(4) ?? 'nothing'
