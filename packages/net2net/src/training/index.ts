/** Training: gradients, losses, optimizers, step graphs, the trainer. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { checked, flag, model, number, text } from '../arguments.ts'
import * as autodiff from '../autodiff/backward.ts'
import type { Batch, SampleSet, TrainingData } from '../data/samples.ts'
import type { Model } from '../model/model.ts'
import { withRuntime } from '../runtime/default-runtime.ts'
import type { RuntimeOptional } from '../runtime/runtime.ts'
import * as evaluations from './compile/evaluation-graph.ts'
import * as losses from './compile/losses/index.ts'
import * as optimizers from './compile/optimizers/index.ts'
import * as steps from './compile/step-graph.ts'
import * as trainable from './compile/trainable.ts'
import {
  checkpoint,
  loss,
  measuring,
  metrics,
  optimizer,
  session,
  step,
  training,
} from './kinds.ts'
import * as metric from './metrics/metrics.ts'
import { type DistillOptions, distilled as distilledBy } from './run/distill.ts'
import { type EvaluateOptions, type Evaluation, evaluate as evaluateWith } from './run/evaluate.ts'
import { type GenerateOptions, generate as generateWith } from './run/generate.ts'
import { type MeasureOptions, measureStep as measureWith } from './run/measure.ts'
import {
  type PredictData,
  type PredictionBatch,
  type PredictOptions,
  predict as predictWith,
} from './run/predict.ts'
import { storedLoss as storedLossOf } from './run/probabilities.ts'
import * as states from './run/state.ts'
import { Training, type TrainOptions } from './run/trainer.ts'
import * as schedules from './schedules.ts'

export type { Batch, SampleSet, TrainingData } from '../data/samples.ts'
export type { EvaluationGraph, EvaluationGraphOptions } from './compile/evaluation-graph.ts'
export type { JoinedState } from './compile/joined-vectors.ts'
export {
  bceWithLogits,
  type DiceOptions,
  type DistillationOptions,
  type EmittedLoss,
  type FocalOptions,
  type HuberOptions,
  type KlDivergenceOptions,
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
  AdafactorOptions,
  AdagradOptions,
  AdamOptions,
  Gathered,
  LionOptions,
  MuonOptions,
  Optimizer,
  ParameterKind,
  RmspropOptions,
  SgdOptions,
  Slot,
  Update,
  UpdateContext,
  UpdateRule,
} from './compile/optimizers/index.ts'
export type {
  SlotState,
  StepGraph,
  StepOptions,
} from './compile/step-graph.ts'
export {
  type Average,
  type ClassCounts,
  type Metric,
  metricNames,
  type Weights,
} from './metrics/metrics.ts'
export type {
  ClassOutcomes,
  LabelOutcomes,
  Outcomes,
  ValueOutcomes,
} from './metrics/outcomes.ts'
export type { ClassReport, Measured, MetricsReport } from './metrics/report.ts'
export type { DistillOptions } from './run/distill.ts'
export type { EvaluateOptions, Evaluation } from './run/evaluate.ts'
export type { GenerateOptions } from './run/generate.ts'
export type { MeasureOptions } from './run/measure.ts'
export type { PredictData, Prediction, PredictionBatch, PredictOptions } from './run/predict.ts'
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
    classWeights: kind.numbers,
    ignoredLabel: number,
  }),
})

/** (y − t)² / 2 near the target, a line far from it. See losses/regression.ts. */
export const huber = checked('huber', losses.huber, {
  options: kind.options<losses.HuberOptions>({ delta: number }),
})
/** Cross-entropy in which what is predicted well counts less. See losses/focal.ts. */
export const focal = checked('focal', losses.focal, {
  options: kind.options<losses.FocalOptions>({ gamma: number, axis: number }),
})
/** One minus the overlap of masks. See losses/distributions.ts. */
export const dice = checked('dice', losses.dice, {
  options: kind.options<losses.DiceOptions>({ smooth: number }),
})
/** The divergence of the prediction's softmax from a given distribution. See losses/distributions.ts. */
export const klDivergence = checked('klDivergence', losses.klDivergence, {
  options: kind.options<losses.KlDivergenceOptions>({ axis: number }),
})

/** Learning from labels and from a teacher at once, on the samples that `distilled` makes. See losses/distillation.ts. */
export const distillation = checked('distillation', losses.distillation, {
  options: kind.options<losses.DistillationOptions>({
    weight: number,
    temperature: number,
    axis: number,
  }),
})
/** Labelled samples with what a teacher says of them, for the loss `distillation`. See run/distill.ts. */
export const distilled = checked(
  'distilled',
  (samples: SampleSet, teacher: Model, options: RuntimeOptional<DistillOptions> = {}): SampleSet =>
    distilledBy(samples, teacher, withRuntime(options)),
  {
    samples: kind.object('a set of samples', 'batches', 'function'),
    teacher: model,
    options: kind.options<RuntimeOptional<DistillOptions>>({
      runtime: kind.runtime,
      session,
      output: text,
      axis: number,
    }),
  },
)

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
/** `rate`, and over the last part of `epochs` linearly down to `end`; behind `warmUp`: warm-up, stable, decay. */
export const warmupStableDecay = checked('warmupStableDecay', schedules.warmupStableDecay, {
  rate,
  epochs: number,
  options: kind.options<NonNullable<Parameters<typeof schedules.warmupStableDecay>[2]>>({
    decay: number,
    end: number,
  }),
})
/** Up to `rate` and far down again over `epochs`, along half cosines (Smith and Topin 2018). */
export const oneCycle = checked('oneCycle', schedules.oneCycle, {
  rate,
  epochs: number,
  options: kind.options<NonNullable<Parameters<typeof schedules.oneCycle>[2]>>({ rise: number }),
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

/** Stochastic gradient descent with momentum, by Keras's rule or PyTorch's. See optimizers/sgd.ts. */
export const sgd = checked('sgd', optimizers.sgd, {
  options: kind.options<optimizers.SgdOptions>(
    { momentum: number, nesterov: flag, weightDecay, rule: text },
    { learningRate },
  ),
})
/** Kingma and Ba 2015. Default learning rate 0.001. */
export const adam = checked('adam', optimizers.adam, { options: adaptive })
/** Loshchilov and Hutter 2019. Default learning rate 0.001. */
export const adamw = checked('adamw', optimizers.adamw, { options: adaptive })
/** Chen et al. 2023. Default learning rate 0.0001. See optimizers/lion.ts. */
export const lion = checked('lion', optimizers.lion, {
  options: kind.options<optimizers.LionOptions>({
    learningRate,
    beta1: number,
    beta2: number,
    weightDecay,
  }),
})
/** Tieleman and Hinton 2012, by PyTorch's rule. Default learning rate 0.01. See optimizers/rmsprop.ts. */
export const rmsprop = checked('rmsprop', optimizers.rmsprop, {
  options: kind.options<optimizers.RmspropOptions>({
    learningRate,
    rho: number,
    momentum: number,
    epsilon: number,
    weightDecay,
  }),
})
/** Duchi, Hazan and Singer 2011. Default learning rate 0.01. */
export const adagrad = checked('adagrad', optimizers.adagrad, {
  options: kind.options<optimizers.AdagradOptions>({ learningRate, epsilon: number, weightDecay }),
})
/** Shazeer and Stern 2018, by PyTorch's rule. Default learning rate 0.01. See optimizers/adafactor.ts. */
export const adafactor = checked('adafactor', optimizers.adafactor, {
  options: kind.options<optimizers.AdafactorOptions>({
    learningRate,
    beta2Decay: number,
    epsilon: number,
    clipping: number,
    weightDecay,
  }),
})
/** Jordan 2024; all but the matrices of hidden layers by AdamW. Default learning rate 0.001. See optimizers/muon.ts. */
export const muon = checked('muon', optimizers.muon, {
  options: kind.options<optimizers.MuonOptions>({ learningRate, momentum: number, weightDecay }),
})
/**
 * Adds the slot `ema`: a ← d a + (1 − d) w after each step, starting at w. The trained network
 * can be taken with the averages in place of the weights.
 */
export const averaged = checked('averaged', optimizers.averaged, { optimizer, decay: number })

const average = kind.optional(text)
/** The metric `accuracy`: the share of right predictions. See metrics/metrics.ts. */
export const accuracy = checked('accuracy', metric.accuracy, {})
/** The metric `top-K`: the share of predictions whose true class is among the K most probable ones. */
export const topK = checked('topK', metric.topK, { k: number })
/** The metric `precision`: TP / (TP + FP), in the mean over the classes. */
export const precision = checked('precision', metric.precision, { average })
/** The metric `recall`: TP / (TP + FN), in the mean over the classes. */
export const recall = checked('recall', metric.recall, { average })
/** The metric `f1`: the harmonic mean of precision and recall, in the mean over the classes. */
export const f1 = checked('f1', metric.f1, { average })
/** The metric `auc`: the area under the ROC curve. */
export const auc = checked('auc', metric.auc, {})
/** The metric `perplexity`: e to the mean of −log of the true class's probability. */
export const perplexity = checked('perplexity', metric.perplexity, {})
/** The metric `rmse`: the root of the mean of (y − t)². */
export const rootMeanSquare = checked('rootMeanSquare', metric.rootMeanSquare, {})
/** The metric `mae`: the mean of |y − t|. */
export const meanAbsolute = checked('meanAbsolute', metric.meanAbsolute, {})
/** The metric `r2`: 1 − Σ (y − t)² / Σ (t − mean t)². */
export const r2 = checked('r2', metric.r2, {})
/** A metric, or the one of this name: one of `metricNames`, or `top-1`, `top-2` and so on. */
export const metricOf = checked('metricOf', metric.metricOf, {
  metric: kind.either('a metric or the name of one', text, kind.object('', 'measure', 'function')),
})

/** Updates once in so many batches, by the mean of their gradients. See optimizers/accumulate.ts. */
export const accumulated = checked('accumulated', optimizers.accumulated, {
  optimizer,
  batches: number,
})

/** A model, its loss and its optimizer as one ONNX graph: a training step. See step-graph.ts. */
export const buildStep = checked('buildStep', steps.buildStep, {
  model,
  options: kind.options<steps.StepOptions>(
    {
      ...step,
      targetShape,
      gradients: flag,
      joinVectors: flag,
      watch: flag,
      output: text,
      target: text,
    },
    { loss, optimizer },
  ),
})
/** A model and its loss as one ONNX graph. See step-graph.ts. */
export const buildEvaluation = checked('buildEvaluation', evaluations.buildEvaluation, {
  model,
  options: kind.options<Parameters<typeof evaluations.buildEvaluation>[1]>(
    { output: text, target: text, targetShape, weighted: flag, prediction: flag },
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
    new Training(model, data, withRuntime(options)),
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

/**
 * The loss of a model on data, and its accuracy where there are classes; with `metrics` also these, with 95% intervals, the
 * confusion matrix and each class by itself. See run/evaluate.ts.
 */
export const evaluate = kind.checkedAsync(
  'evaluate',
  (
    model: Model,
    data: TrainingData,
    options: RuntimeOptional<EvaluateOptions> = {},
  ): Promise<Evaluation> => evaluateWith(model, data, withRuntime(options)),
  {
    model,
    data,
    options: kind.options<RuntimeOptional<EvaluateOptions>>({
      ...measuring,
      weighted: flag,
      metrics: kind.either("'usual', or a list of metrics and names of them", text, metrics),
      intervals: kind.either("true, false or 'formula'", flag, text),
      seed: number,
      onProgress: kind.callback,
      loss,
    }),
  },
)

/**
 * What a model predicts for samples, batch by batch: classes with their probabilities, or values. See
 * run/predict.ts.
 */
export const predict = checked(
  'predict',
  (
    model: Model,
    data: PredictData,
    options: RuntimeOptional<PredictOptions> = {},
  ): AsyncGenerator<PredictionBatch, void> => predictWith(model, data, withRuntime(options)),
  {
    model,
    data,
    options: kind.options<RuntimeOptional<PredictOptions>>({
      batchSize: number,
      outputs: kind.texts,
      activation: text,
      axis: number,
      runtime: kind.runtime,
      session,
      signal: kind.signal,
    }),
  },
)

/**
 * Continues a text with a model that was trained to predict what comes next: gives the bytes, characters or tokens one after the
 * other. See run/generate.ts.
 */
export const generate = checked(
  'generate',
  (model: Model, prompt: string, options: RuntimeOptional<GenerateOptions>) =>
    generateWith(model, prompt, withRuntime(options)),
  {
    model,
    prompt: text,
    options: kind.options<RuntimeOptional<GenerateOptions>>(
      { temperature: number, seed: number, runtime: kind.runtime, session, signal: kind.signal },
      { units: number },
    ),
  },
)

/**
 * The name of the loss that one of the model's outputs was trained with (default: the first of floating-point numbers), as far as the model tells.
 * See run/probabilities.ts.
 */
export const storedLoss = checked('storedLoss', storedLossOf, {
  model,
  output: kind.optional(text),
})

/** How long a training step takes on a device: the median of a few, in milliseconds. See run/measure.ts. */
export const measureStep = kind.checkedAsync(
  'measureStep',
  (model: Model, batch: Batch, options: RuntimeOptional<MeasureOptions>): Promise<number> =>
    measureWith(model, batch, withRuntime(options)),
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
