/** Compiles model + loss into one ONNX model that measures a batch, or into two where batches are small. */
import type { Model } from '../../model/model.ts'
import type { OutputMeaning } from '../../model/output-meaning.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { withSymbolicBatch } from '../../passes/symbolic-batch.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import { elementCount } from '../../tensor/tensor.ts'
import { ForwardGraph } from './forward-graph.ts'
import type { TargetType } from './losses/index.ts'
import type { StepOptions } from './step-graph.ts'
import { forServing, withConstantsAsInitializers } from './trainable.ts'

export interface EvaluationGraph {
  readonly model: Model
  readonly inputs: readonly string[]
  readonly target: TargetType
  readonly counts: boolean
  /** What the numbers of the model's output mean to the loss. */
  readonly meaning: OutputMeaning
  /** The names of all outputs. */
  readonly outputs: readonly string[]
  /** The name of the output that `prediction` adds. */
  readonly prediction: string | undefined
}

export interface EvaluationGraphOptions
  extends Pick<StepOptions, 'loss' | 'output' | 'target' | 'targetShape' | 'weighted'> {
  /** Add an output with what the loss is computed from: the model's output, or the logits below it. */
  readonly prediction?: boolean
}

/** A model that only predicts, and its loss as another one. */
export interface ApartEvaluation extends EvaluationGraph {
  readonly prediction: string
  /** The shape of a prediction without the samples. */
  readonly width: readonly number[]
  /** What makes `loss` and `correct` of the inputs `prediction`, `target` and weights, of any number of samples. */
  readonly measure: Model
}

/** The model with outputs `loss` (mean of the batch) and `correct`, with its weights constant. */
export function buildEvaluation(model: Model, options: EvaluationGraphOptions): EvaluationGraph {
  return inOne(forwardOf(evaluable(model), options), options)
}

/** The model as it is evaluated: in float32, of the opset that we write, for batches of any size where that is exact. */
export function evaluable(model: Model): Model {
  const single = inFloat32(forServing(model)).model
  return withSymbolicBatch(upgrade(withConstantsAsInitializers(single)))
}

/** Runs of fewer samples take so little time that the twenty nodes of a loss show. */
const fewSamples = 64
/** Beyond so many numbers for each sample, handing predictions out shows. */
const fewNumbers = 1024

/**
 * The form of evaluation that suits runs of so many samples: where these are few, the loss is computed apart, for several runs
 * at once.
 *
 * @param source what `evaluable` makes of a model
 * @param changing initializers that become inputs with a default value, so that their values may change
 */
export function buildEvaluationFor(
  source: Model,
  samples: number,
  options: EvaluationGraphOptions,
  changing: readonly string[] = [],
): EvaluationGraph | ApartEvaluation {
  const forward = forwardOf(source, options, changing)
  return (samples < fewSamples ? inTwo(forward) : undefined) ?? inOne(forward, options)
}

function forwardOf(
  source: Model,
  options: EvaluationGraphOptions,
  changing: readonly string[] = [],
): ForwardGraph {
  const forward = new ForwardGraph(source, { ...options, variables: changing })
  for (const name of forward.variables) {
    const { dtype, dims } = source.graph.initializers.get(name)!.tensor
    forward.builder.input(name, dtype, dims)
  }
  return forward
}

function inOne(forward: ForwardGraph, options: EvaluationGraphOptions): EvaluationGraph {
  const { loss, correct } = forward.emitLoss()
  const right = correct?.()
  forward.output('loss', loss)
  if (right !== undefined) forward.output('correct', right)
  const prediction = options.prediction ? forward.builder.names.fresh('prediction') : undefined
  if (prediction !== undefined) forward.output(prediction, forward.prediction)
  return { ...evaluationOf(forward, correct !== undefined), prediction }
}

function inTwo(forward: ForwardGraph): ApartEvaluation | undefined {
  const apart = forward.emitLossApart()
  if (!apart || elementCount(apart.width) > fewNumbers) return undefined
  const { emitter, emitted, width } = apart
  const { builder } = emitter
  const right = emitted.correct?.()
  const results = { loss: emitted.loss, ...(right === undefined ? {} : { correct: right }) }
  for (const [name, value] of Object.entries(results))
    builder.output(builder.node('Identity', [value], {}, { outputs: [name] }), 'float32', [])
  const measure = builder.model('loss', emitter.opset)
  const opsets = new Map([...measure.opsets, ...[...emitter.domains].map((d) => [d, 1] as const)])
  const prediction = forward.builder.names.fresh('prediction')
  forward.output(prediction, forward.prediction)
  return {
    ...evaluationOf(forward, right !== undefined),
    prediction,
    width,
    measure: { ...measure, opsets },
  }
}

function evaluationOf(forward: ForwardGraph, counts: boolean): Omit<EvaluationGraph, 'prediction'> {
  const model = forward.model()
  return {
    model,
    inputs: forward.inputs,
    target: forward.target,
    counts,
    meaning: forward.meaning,
    outputs: model.graph.outputs.map(({ name }) => name),
  }
}
