/** Training: gradients, losses, optimizers, step graphs, the trainer. */
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/node.ts'
import type { TrainingData } from './data.ts'
import { type EvaluateOptions, type Evaluation, evaluate as evaluateWith } from './evaluate.ts'
import { Training, type TrainOptions } from './trainer.ts'

export { backward } from './backward.ts'
export type { Batch, SampleSet, TrainingData } from './data.ts'
export type { EvaluateOptions, Evaluation } from './evaluate.ts'
export * from './losses/index.ts'
export * from './optimizers/index.ts'
export { withParameters } from './parameters.ts'
export * from './schedules.ts'
export type { EpochResult, EpochTotals, TrainingState } from './state.ts'
export {
  buildEvaluation,
  buildStep,
  type EvaluationGraph,
  type SlotState,
  type StepGraph,
  type StepOptions,
} from './step-graph.ts'
export type { CheckpointHook, EarlyStopping, StepEvent, Training, TrainOptions } from './trainer.ts'
export { upgrade } from './upgrade.ts'

/** The runtime is ONNX Runtime in Node unless another one is given. */
export type InNode<T extends { readonly runtime: unknown }> = Omit<T, 'runtime'> & Partial<T>

/** See trainer.ts. */
export const train = (model: Model, data: TrainingData, options: InNode<TrainOptions>): Training =>
  new Training(model, data, { runtime: nodeRuntime, ...options })

/** See evaluate.ts. */
export const evaluate = (
  model: Model,
  data: TrainingData,
  options: InNode<EvaluateOptions>,
): Promise<Evaluation> => evaluateWith(model, data, { runtime: nodeRuntime, ...options })
