/** The Net2Net experiments. */

export { growTraining } from 'net2net/internal/growing/carry-state'
export {
  type GrowingEvent,
  type GrowingOptions,
  GrowingTraining,
  type GrowthMoment,
  type GrowthPosition,
  type GrowthStage,
  trainGrowing,
} from 'net2net/internal/growing/schedule'
export { parseTrainingRecipe } from 'net2net/internal/recipe/training-recipe'
export type { ArmEpoch, ArmEvent, ArmResult, MetricsLine, RunResults } from '../runs/results.ts'
export { type Arm, arms, defaultArms, selectArms } from './arms.ts'
export { mnistNetwork } from './networks.ts'
export { resultsTable } from './results-table.ts'
export { type ArmOptions, trainArm } from './train-arm.ts'
