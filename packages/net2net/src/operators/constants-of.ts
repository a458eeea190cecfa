/** Every stored tensor of a model, once. */
import type { Model } from '../model/model.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { constantValue } from './rules/constant.ts'

/** Every stored tensor of the main graph by the name of its value: initializers, and nodes that hold a tensor. */
export function constantsOf({ graph }: Model): ReadonlyMap<string, LazyTensor> {
  const constants = new Map<string, LazyTensor>()
  for (const [name, { tensor }] of graph.initializers) constants.set(name, tensor)
  for (const node of graph.nodes) {
    const [output] = node.outputs
    const tensor =
      node.inputs.length === 0 && node.outputs.length === 1 ? constantValue(node) : undefined
    if (tensor !== undefined && output !== undefined) constants.set(output, tensor)
  }
  return constants
}
