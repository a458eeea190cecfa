/** Compiles model + loss into one ONNX model that measures a batch. */
import type { Model } from '../../model/model.ts'
import type { OutputMeaning } from '../../model/output-meaning.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { withSymbolicBatch } from '../../passes/symbolic-batch.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
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

/** The model with outputs `loss` (mean of the batch) and `correct`, with its weights constant. */
export function buildEvaluation(model: Model, options: EvaluationGraphOptions): EvaluationGraph {
  const single = inFloat32(forServing(model)).model
  const source = withSymbolicBatch(upgrade(withConstantsAsInitializers(single)))
  const forward = new ForwardGraph(source, { ...options, variables: [] })
  const { loss, correct } = forward.emitLoss()
  const right = correct?.()
  forward.output('loss', loss)
  if (right !== undefined) forward.output('correct', right)
  const prediction = options.prediction ? forward.builder.names.fresh('prediction') : undefined
  if (prediction !== undefined) forward.output(prediction, forward.prediction)
  const evaluation = forward.model()
  return {
    model: evaluation,
    inputs: forward.inputs,
    target: forward.target,
    counts: correct !== undefined,
    meaning: forward.meaning,
    outputs: evaluation.graph.outputs.map(({ name }) => name),
    prediction,
  }
}
