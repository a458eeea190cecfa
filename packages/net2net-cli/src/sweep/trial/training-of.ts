/** What a trial says, as options of a training. */

import type { GrowthStage } from 'net2net/growing'
import { adam, adamw, type Optimizer, sgd } from 'net2net/training'
import { stepsOf } from './grow.ts'
import type { TrialOptimizer, TrialStage } from './trial.ts'

/** What all trials minimize. */
export const trialLoss = 'softmax-cross-entropy'

export function optimizerOf(
  { name, momentum, weightDecay }: TrialOptimizer,
  learningRate: number,
): Optimizer {
  const decay = weightDecay === undefined ? {} : { weightDecay }
  if (name === 'sgd') return sgd({ learningRate, momentum: momentum ?? 0, ...decay })
  return (name === 'adam' ? adam : adamw)({ learningRate, ...decay })
}

export const stageOf = (stage: TrialStage, seed: number): GrowthStage => ({
  when: { epoch: stage.afterEpoch },
  steps: stepsOf(stage),
  // Growths of one trial draw different maps.
  seed: seed + 1000 * stage.afterEpoch,
  learningRateFactor: stage.learningRateFactor ?? 1,
})
