import type { Attribute, Graph, Model } from '../src/model/model.ts'
import type { LazyTensor } from '../src/tensor/tensor.ts'

/** A model as nested plain data with all tensors read, for comparison. */
export function plain({ graph, opsets, metadata, ...others }: Model) {
  return { ...others, opsets: [...opsets], metadata: [...metadata], graph: plainGraph(graph) }
}

function plainGraph({ nodes, initializers, ...others }: Graph): object {
  return {
    ...others,
    nodes: nodes.map(({ attributes, ...node }) => ({
      ...node,
      attributes: [...attributes].map(([name, attribute]) => [name, plainAttribute(attribute)]),
    })),
    initializers: [...initializers].map(([name, { tensor, ...initializer }]) => ({
      name,
      ...initializer,
      tensor: plainTensor(tensor),
    })),
  }
}

function plainAttribute(attribute: Attribute): object {
  if (attribute.type === 'tensor') return { ...attribute, value: plainTensor(attribute.value) }
  if (attribute.type === 'graph') return { ...attribute, value: plainGraph(attribute.value) }
  if (attribute.type === 'graphs') return { ...attribute, value: attribute.value.map(plainGraph) }
  return attribute
}

export const plainTensor = (tensor: LazyTensor): object => ({
  dtype: tensor.dtype,
  dims: [...tensor.dims],
  byteLength: tensor.byteLength,
  strings: tensor.strings?.map((text) => Buffer.from(text).toString('hex')),
  data:
    tensor.byteLength === 0
      ? ''
      : Buffer.from(tensor.read(0, tensor.byteLength)).toString('base64'),
})
