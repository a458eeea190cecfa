/** The gradients of a drawn node as the forms of a target write them. For tests only. */
import { backward } from '../src/autodiff/backward.ts'
import { GraphEmitter } from '../src/autodiff/emitter.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import { type Model, opsetOf } from '../src/model/model.ts'
import type { Target } from '../src/operators/contract/gradient.ts'
import { inferModel } from '../src/operators/inference.ts'
import { upgrade } from '../src/passes/upgrade-opset.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { type GradientCase, normalTensor } from './gradient-check.ts'

/**
 * A model of the node and of all its gradients, given random ones of its outputs; undefined where there are none.
 *
 * @param values the outputs of the node
 */
export function withGradients(
  { model: original, inputs, outputs: observed }: GradientCase,
  values: Readonly<Record<string, Tensor>>,
  random: RandomStream,
  target: Target,
): { readonly model: Model; readonly feeds: Readonly<Record<string, Tensor>> } | undefined {
  const model = upgrade(original)
  const builder = new GraphBuilder({ ...model.graph, outputs: [] })
  const infos = inferModel(model)
  const emitter = new GraphEmitter(builder, infos, opsetOf(model), target)
  const feeds: Record<string, Tensor> = { ...inputs }
  const seeds = new Map<string, string>()
  for (const [name, { dtype, dims }] of Object.entries(values)) {
    if (dtype !== 'float32' || observed?.includes(name) === false) continue
    const seed = builder.names.fresh(`${name}.seed`)
    const shape = infos.get(name)?.shape ?? dims
    builder.input(seed, 'float32', shape)
    emitter.declare(seed, { dtype: 'float32', shape })
    feeds[seed] = normalTensor(random, dims)
    seeds.set(name, seed)
  }
  const wrt = Object.keys(inputs).filter((name) => inputs[name]!.dtype === 'float32')
  const found = backward(emitter, model.graph.nodes, seeds, wrt)
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
  return { model: { ...model, opsets, graph: builder.graph() }, feeds }
}
