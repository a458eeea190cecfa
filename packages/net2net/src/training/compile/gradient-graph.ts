/** A model, a loss, and the gradients of some of its constants: what a training step computes, without an update. */
import { backward } from '../../autodiff/backward.ts'
import type { Model } from '../../model/model.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { withSymbolicBatch } from '../../passes/symbolic-batch.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import type { EvaluationGraphOptions } from './evaluation-graph.ts'
import { ForwardGraph } from './forward-graph.ts'
import type { TargetType } from './losses/index.ts'
import { withConstantsAsInitializers } from './trainable.ts'

export interface GradientOptions
  extends Pick<EvaluationGraphOptions, 'loss' | 'output' | 'target' | 'targetShape'> {
  /** The constants whose gradients are wanted: inputs of the graph. */
  readonly wrt: readonly string[]
}

export interface GradientGraph {
  readonly model: Model
  /** Names of the inputs that data is fed to. */
  readonly inputs: readonly string[]
  readonly target: TargetType
  /** Those constants that the loss depends on, with the names of the outputs that are their gradients. */
  readonly gradients: ReadonlyMap<string, string>
}

/**
 * Outputs `loss`, the mean of the batch, and the gradients. Norms take the statistics of the batch, as in training; no random
 * masks are drawn, so that the gradients are those of the network and not of a draw.
 *
 * @throws refused where a gradient is needed that does not exist
 */
export function buildGradients(model: Model, { wrt, ...options }: GradientOptions): GradientGraph {
  const constant = withConstantsAsInitializers(inFloat32(model).model)
  const source = withSymbolicBatch(upgrade(constant))
  const forward = new ForwardGraph(source, {
    ...options,
    training: { seed: 0, frozen: new Set(), masks: false },
    variables: wrt,
  })
  const { builder, emitter } = forward
  const emitted = forward.emitLoss()
  const seeds = forward.seeds(emitted)
  const reached = backward(emitter, forward.nodes(), seeds, forward.variables)
  for (const name of forward.variables) {
    const { dtype, dims } = source.graph.initializers.get(name)!.tensor
    builder.input(name, dtype, dims)
  }
  forward.output('loss', emitted.loss)
  const gradients = new Map([...reached.keys()].map((name) => [name, `${name}.gradient`] as const))
  for (const [name, output] of gradients) forward.output(output, reached.get(name)!)
  return {
    model: forward.model(),
    inputs: forward.inputs,
    target: forward.target,
    gradients,
  }
}
