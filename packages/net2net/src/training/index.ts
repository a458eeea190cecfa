/** Training: gradients, losses, optimizers, step graphs, the trainer. Its functions check what they are given. */
import { defaultRuntime } from '#runtime'
import * as kind from '../arguments.ts'
import { checked, flag, model, number, text } from '../arguments.ts'
import * as autodiff from '../autodiff/backward.ts'
import type { Batch, TrainingData } from '../data/samples.ts'
import type { Model } from '../model/model.ts'
import type { RuntimeOptional } from '../runtime/runtime.ts'
import * as losses from './compile/losses/index.ts'
import * as optimizers from './compile/optimizers/index.ts'
import * as steps from './compile/step-graph.ts'
import * as trainable from './compile/trainable.ts'
import { checkpoint, loss, measuring, optimizer, session, step, training } from './kinds.ts'
import { type EvaluateOptions, type Evaluation, evaluate as evaluateWith } from './run/evaluate.ts'
import { type MeasureOptions, measureStep as measureWith } from './run/measure.ts'
import * as states from './run/state.ts'
import { Training, type TrainOptions } from './run/trainer.ts'
import * as schedules from './schedules.ts'

export type { Batch, SampleSet, TrainingData } from '../data/samples.ts'
export {
  bceWithLogits,
  type EmittedLoss,
  type Loss,
  type LossContext,
  type LossName,
  lossNames,
  meanAbsoluteError,
  meanSquaredError,
  type SoftmaxCrossEntropyOptions,
  type TargetType,
} from './compile/losses/index.ts'
export type {
  AdagradOptions,
  AdamOptions,
  Optimizer,
  SgdOptions,
  Slot,
  Update,
  UpdateContext,
} from './compile/optimizers/index.ts'
export type { EvaluationGraph, SlotState, StepGraph, StepOptions } from './compile/step-graph.ts'
export type { EvaluateOptions, Evaluation } from './run/evaluate.ts'
export type { MeasureOptions } from './run/measure.ts'
export type { EpochResult, EpochTotals, TrainingState } from './run/state.ts'
export type {
  CheckpointHook,
  EarlyStopping,
  StepEvent,
  Training,
  TrainOptions,
} from './run/trainer.ts'
export type {
  LearningRate,
  Moment,
  PlateauState,
  Schedule,
} from './schedules.ts'

const learningRate = kind.either(
  'a number or a schedule',
  number,
  kind.object('a schedule', 'kind', 'string'),
)
const weightDecay = number
const data = kind.data
const targetShape = kind.object('a list of sizes', 'length', 'number')
const adaptive = kind.options<optimizers.AdamOptions>({
  learningRate,
  beta1: number,
  beta2: number,
  epsilon: number,
  weightDecay,
  biasCorrection: flag,
})

const tensors = kind.map('a Map of tensors by name')

/**
 * Emits the gradients of a scalar with respect to the values `wrt`: what only those need who compile steps of their own. See
 * autodiff/backward.ts.
 *
 * @throws Net2NetError (refused), naming the node, where a gradient is needed and has no rule
 */
export const backward = checked('backward', autodiff.backward, {
  emitter: kind.object('an emitter of a graph', 'node', 'function'),
  nodes: kind.listOf('a list of nodes', kind.object('a node', 'opType', 'string')),
  seeds: kind.map('a Map of gradients by value'),
  wrt: kind.iterable,
})

/** The model with other tensors in the place of its parameters, by their names; they take the parameters' types. */
export const withParameters = checked('withParameters', trainable.withParameters, {
  model,
  values: tensors,
})

/** The state of a training before its first step, with these parameters and slots. */
export const startingState = checked('startingState', states.startingState, { tensors })

/** The loss of a name, or the loss itself. @throws Net2NetError (usage) for an unknown name */
export const lossOf = checked('lossOf', losses.lossOf, { loss })

/** The mean cross-entropy of logits with classes. See losses/softmax-cross-entropy.ts. */
export const softmaxCrossEntropy = checked('softmaxCrossEntropy', losses.softmaxCrossEntropy, {
  options: kind.options<losses.SoftmaxCrossEntropyOptions>({
    target: text,
    labelSmoothing: number,
    axis: number,
  }),
})

const rate = number
export const constant = checked('constant', schedules.constant, { rate })
/** Multiplied by `factor` at every `every`-th epoch. */
export const stepDecay = checked('stepDecay', schedules.stepDecay, {
  rate,
  every: number,
  factor: kind.optional(number),
})
/** From `rate` to `end` over `epochs` along half a cosine (Loshchilov and Hutter 2017). */
export const cosine = checked('cosine', schedules.cosine, {
  rate,
  epochs: number,
  end: kind.optional(number),
})
/** Rises linearly from 0 over the first `steps` steps, then follows `next`. */
export const warmUp = checked('warmUp', schedules.warmUp, { steps: number, next: learningRate })
/** Multiplied by `factor` whenever the watched loss has not improved for `patience` epochs. */
export const reduceOnPlateau = checked('reduceOnPlateau', schedules.reduceOnPlateau, {
  rate,
  options: kind.options<NonNullable<Parameters<typeof schedules.reduceOnPlateau>[1]>>({
    factor: number,
    patience: number,
    minimum: number,
  }),
})

/** Stochastic gradient descent with momentum, by Keras's rule. See optimizers/sgd.ts. */
export const sgd = checked('sgd', optimizers.sgd, {
  options: kind.options<optimizers.SgdOptions>(
    { momentum: number, nesterov: flag, weightDecay },
    { learningRate },
  ),
})
/** Kingma and Ba 2015. Default learning rate 0.001. */
export const adam = checked('adam', optimizers.adam, { options: adaptive })
/** Loshchilov and Hutter 2019. Default learning rate 0.001. */
export const adamw = checked('adamw', optimizers.adamw, { options: adaptive })
/** Duchi, Hazan and Singer 2011. Default learning rate 0.01. */
export const adagrad = checked('adagrad', optimizers.adagrad, {
  options: kind.options<optimizers.AdagradOptions>({ learningRate, epsilon: number, weightDecay }),
})
/**
 * Adds the slot `ema`: a ← d a + (1 − d) w after each step, starting at w. The trained network
 * can be taken with the averages in place of the weights.
 */
export const averaged = checked('averaged', optimizers.averaged, { optimizer, decay: number })

/** A model, its loss and its optimizer as one ONNX graph: a training step. See step-graph.ts. */
export const buildStep = checked('buildStep', steps.buildStep, {
  model,
  options: kind.options<steps.StepOptions>(
    { ...step, targetShape, gradients: flag, watch: flag, output: text, target: text },
    { loss, optimizer },
  ),
})
/** A model and its loss as one ONNX graph. See step-graph.ts. */
export const buildEvaluation = checked('buildEvaluation', steps.buildEvaluation, {
  model,
  options: kind.options<Parameters<typeof steps.buildEvaluation>[1]>(
    { output: text, target: text, targetShape },
    { loss },
  ),
})

/**
 * Trains a model. Iterating yields one result per epoch; afterwards `model` of what it gives is the trained one.
 * See trainer.ts.
 */
export const train = checked(
  'train',
  (model: Model, data: TrainingData, options: RuntimeOptional<TrainOptions>): Training =>
    new Training(model, data, { runtime: defaultRuntime, ...options }),
  {
    model,
    data,
    options: kind.options<RuntimeOptional<TrainOptions>>(
      {
        ...training,
        checkpoint,
        resume: kind.object('the state of a training', 'tensors', 'object'),
        untilStep: number,
      },
      { loss, optimizer },
    ),
  },
)

/** Loss and accuracy of a model on data. See evaluate.ts. */
export const evaluate = kind.checkedAsync(
  'evaluate',
  (
    model: Model,
    data: TrainingData,
    options: RuntimeOptional<EvaluateOptions>,
  ): Promise<Evaluation> => evaluateWith(model, data, { runtime: defaultRuntime, ...options }),
  { model, data, options: kind.options<RuntimeOptional<EvaluateOptions>>(measuring, { loss }) },
)

/** How long a training step takes on a device: the median of a few, in milliseconds. See run/measure.ts. */
export const measureStep = kind.checkedAsync(
  'measureStep',
  (model: Model, batch: Batch, options: RuntimeOptional<MeasureOptions>): Promise<number> =>
    measureWith(model, batch, { runtime: defaultRuntime, ...options }),
  {
    model,
    batch: kind.object('a batch', 'inputs', 'object'),
    options: kind.options<RuntimeOptional<MeasureOptions>>(
      {
        ...step,
        targetShape,
        runtime: kind.runtime,
        session,
        output: text,
        gradients: flag,
        watch: flag,
        warmUp: number,
        timed: number,
        goOn: kind.callback,
      },
      { loss, optimizer },
    ),
  },
)
