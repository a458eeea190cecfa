/** The size of a model: parameters and multiply-adds. */
import { type Model, opsetOf } from '../model/model.ts'
import { isFloat } from '../tensor/dtype.ts'
import { elementCount } from '../tensor/tensor.ts'
import { inferContext, inferModel } from './inference.ts'
import { operatorOf } from './table.ts'

/** Number of floating-point elements in initializers and Constant nodes, scalars left out. */
export function countParameters(model: Model): number {
  const { graph } = model
  let count = 0
  const add = (tensor: { dtype: Parameters<typeof isFloat>[0]; dims: readonly number[] }) => {
    if (isFloat(tensor.dtype) && tensor.dims.length > 0) count += elementCount(tensor.dims)
  }
  for (const { tensor } of graph.initializers.values()) add(tensor)
  for (const node of graph.nodes)
    if (node.inputs.length === 0)
      for (const attribute of node.attributes.values())
        if (attribute.type === 'tensor') add(attribute.value)
  return count
}

/**
 * Multiply-adds of each node in one evaluation, in the order of the graph; null where the model leaves a size open (batch size:
 * one), 0 for nodes that multiply nothing.
 */
export function multiplyAddsByNode(model: Model): readonly (number | null)[] {
  const single = withBatchOfOne(model)
  const values = inferModel(single)
  return single.graph.nodes.map((node) => {
    const rule = operatorOf(node)?.execution?.multiplyAdds
    if (!rule) return 0
    const context = inferContext(node, opsetOf(model, node.domain), (name) => values.get(name))
    return rule(
      context,
      node.outputs.map((name) => values.get(name) ?? {}),
    )
  })
}

/** Multiply-adds of one evaluation; null where the model leaves a size open (batch size: one). */
export const countMultiplyAdds = (model: Model): number | null =>
  multiplyAddsByNode(model).reduce<number | null>(
    (total, count) => (total === null || count === null ? null : total + count),
    0,
  )

/** Symbolic or unknown leading dimensions of the inputs become 1. */
function withBatchOfOne(model: Model): Model {
  const inputs = model.graph.inputs.map((input) =>
    input.type.kind === 'tensor' && input.type.shape && typeof input.type.shape[0] !== 'number'
      ? { ...input, type: { ...input.type, shape: [1, ...input.type.shape.slice(1)] } }
      : input,
  )
  return { ...model, graph: { ...model.graph, inputs, values: [] } }
}
