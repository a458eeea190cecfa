/** A trial's words in those of the training room. */

import type { GrowthStage } from 'net2net/growing'
import type { RecipeStep } from 'net2net/recipe'
import { adam, adamw, type Optimizer, sgd } from 'net2net/training'
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

export const stageOf = (stage: TrialStage, seed: number): GrowthStage => {
  const { widen, deepen, widenInit, deepenInit, noise, noiseSize, block } = stage
  const steps: RecipeStep[] = []
  if (widen)
    steps.push({
      widen: { ...widen },
      ...(widenInit === undefined ? {} : { init: widenInit }),
      ...(noise === undefined ? {} : { noise }),
      ...(noiseSize === undefined ? {} : { noiseSize }),
    })
  if (deepen)
    steps.push({
      deepen: [...deepen],
      ...(deepenInit === undefined ? {} : { init: deepenInit }),
      ...(block === undefined ? {} : { block }),
    })
  return {
    when: { epoch: stage.afterEpoch },
    steps,
    // Growths of one trial draw different maps.
    seed: seed + 1000 * stage.afterEpoch,
    learningRateFactor: stage.learningRateFactor ?? 1,
  }
}
