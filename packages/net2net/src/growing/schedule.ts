/** When a network grows while it trains, and how, as plain data. */
import { usageError } from '../errors.ts'
import type { GrowthStep } from '../growth/index.ts'
import type { Optimizer } from '../training/compile/optimizers/index.ts'
import type { TrainingState } from '../training/run/state.ts'
import { scaled } from '../training/schedules.ts'

/** When to grow: after an epoch, after a step, or when the watched loss has stopped improving. */
export type GrowthMoment =
  | { readonly epoch: number }
  | { readonly step: number }
  /** Epochs without a better validation loss (or loss, without validation). */
  | { readonly plateau: number }

/** One growth in the middle of training. */
export interface GrowthStage {
  readonly when: GrowthMoment
  /** What to widen and to deepen, and how, in this order. */
  readonly steps: readonly GrowthStep[]
  /** Of the steps that have none of their own, each with its position added. Default 0. */
  readonly seed?: number
  /** What the learning rate is multiplied by from then on, and velocity with it. Default 0.1. */
  readonly learningRateFactor?: number
}

/** A student starts where its teacher has come to: a tenth of the rate does not throw it back. */
const defaultFactor = 0.1

export const rateFactor = ({ learningRateFactor = defaultFactor }: GrowthStage): number =>
  learningRateFactor

/** @throws usage for a stage that never comes, grows nothing, or after which nothing could be learned */
export function mustBeStages(stages: readonly GrowthStage[]): void {
  for (const [i, stage] of stages.entries()) {
    const [[kind, value] = [], ...others] = Object.entries<number>(stage.when)
    const isOne = others.length === 0 && ['epoch', 'step', 'plateau'].includes(kind ?? '')
    const least = kind === 'plateau' ? 1 : 0
    if (!isOne || !Number.isInteger(value) || value! < least)
      throw usageError(
        `stages[${i}].when must be one of epoch, step and plateau, with a whole number from ${least} on.`,
      )
    if (stage.steps.length === 0) throw usageError(`stages[${i}].steps must have a step.`)
    const factor = rateFactor(stage)
    if (!(factor > 0 && Number.isFinite(factor)))
      throw usageError(`stages[${i}].learningRateFactor must be a number above 0, not ${factor}.`)
  }
}

/** Whether a training stands where a stage is due. */
export function isDue(when: GrowthMoment, state: TrainingState): boolean {
  if ('epoch' in when) return state.epoch >= when.epoch
  if ('step' in when) return state.step >= when.step
  return state.history.length > 0 && state.batch === 0 && state.waited >= when.plateau
}

/** The optimizer with the learning rate after these stages. */
export const slowed = (optimizer: Optimizer, done: readonly GrowthStage[]): Optimizer => ({
  ...optimizer,
  learningRate: scaled(
    optimizer.learningRate,
    done.reduce((factor, stage) => factor * rateFactor(stage), 1),
  ),
})
