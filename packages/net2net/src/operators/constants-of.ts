/** Every tensor that a model stores, in an initializer or a Constant node, by the name of its value. */
import { type Model, opsetOf } from '../model/model.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { inferNode } from './inference.ts'

export function constantsOf(model: Model): ReadonlyMap<string, LazyTensor> {
  const constants = new Map<string, LazyTensor>()
  for (const [name, { tensor }] of model.graph.initializers) constants.set(name, tensor)
  for (const node of model.graph.nodes) {
    const [name] = node.outputs
    if (node.inputs.length > 0 || !name || node.attributes.size === 0) continue
    const constant = inferNode(node, opsetOf(model, node.domain), () => undefined)[0]?.constant
    if (constant) constants.set(name, constant)
  }
  return constants
}
