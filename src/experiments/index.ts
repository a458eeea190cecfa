/** The Net2Net experiments. */
export { type Arm, arms, defaultArms, selectArms } from './arms.ts'
export { growTraining } from './grow-training.ts'
export {
  type GrowingEvent,
  type GrowingOptions,
  GrowingTraining,
  type GrowthMoment,
  type GrowthPosition,
  type GrowthStage,
  trainGrowing,
} from './growth-schedule.ts'
export { mnistNetwork } from './networks.ts'
export type { ArmEpoch, ArmEvent, ArmResult, MetricsLine, RunResults } from './results.ts'
export { resultsTable } from './table.ts'
export { type ArmOptions, trainArm } from './train-arm.ts'
export { parseTrainingRecipe } from './training-recipe.ts'
