/** The gradients of a model's nodes as the forms of a target write them. For tests only. */
import { backward } from '../src/autodiff/backward.ts'
import { GraphEmitter } from '../src/autodiff/emitter.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import { type Model, opsetOf } from '../src/model/model.ts'
import type { Target } from '../src/operators/contract/gradient.ts'
import { inferModel } from '../src/operators/inference.ts'
import { upgrade } from '../src/passes/upgrade-opset.ts'
import type { Tensor } from '../src/tensor/tensor.ts'

export interface WithGradients {
  /** Has the outputs `x.gradient` for inputs x, and no others. */
  readonly model: Model
  /** Values of its inputs. */
  readonly feeds: Readonly<Record<string, Tensor>>
  /** The inputs that have a gradient. */
  readonly names: readonly string[]
}

/**
 * A model of the gradients of Σ output · seed; undefined where there are none.
 *
 * @param inputs values of the model's inputs
 * @param wrt the inputs to differentiate by
 * @param seeds float32, by the name of the output
 */
export function withGradients(
  original: Model,
  inputs: Readonly<Record<string, Tensor>>,
  wrt: readonly string[],
  seeds: ReadonlyMap<string, Tensor>,
  target: Target,
): WithGradients | undefined {
  const model = upgrade(original)
  const builder = new GraphBuilder({ ...model.graph, outputs: [] })
  const infos = inferModel(model)
  const emitter = new GraphEmitter(builder, infos, opsetOf(model), target)
  const feeds: Record<string, Tensor> = { ...inputs }
  const seedNames = new Map<string, string>()
  for (const [name, tensor] of seeds) {
    const seed = builder.names.fresh(`${name}.seed`)
    const shape = infos.get(name)?.shape ?? tensor.dims
    builder.input(seed, 'float32', shape)
    emitter.declare(seed, { dtype: 'float32', shape })
    feeds[seed] = tensor
    seedNames.set(name, seed)
  }
  const found = backward(emitter, model.graph.nodes, seedNames, wrt)
  if (found.size === 0) return undefined
  for (const [name, gradient] of found) {
    const { dtype, shape } = emitter.info(gradient)
    const outputs = [`${name}.gradient`]
    // A copy, since one value may be the gradient of several inputs, or a graph input itself.
    builder.nodeOutputs('Identity', [gradient], {}, { outputs })
    builder.output(outputs[0]!, dtype ?? 'float32', shape)
  }
  const opsets = new Map(model.opsets)
  for (const domain of emitter.domains) if (!opsets.has(domain)) opsets.set(domain, 1)
  return { model: { ...model, opsets, graph: builder.graph() }, feeds, names: [...found.keys()] }
}
