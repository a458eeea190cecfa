/** One of two models that are compared, with what is known of its values. */
import { Net2NetError } from '../errors.ts'
import { tensorDeclaration } from '../model/builder.ts'
import type { Model, Node } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { inferModel } from '../operators/inference.ts'
import type { Feeds } from '../runtime/runtime.ts'

/** One of the two models, with what is known of its values for given inputs. */
export interface Side {
  readonly model: Model
  readonly values: ReadonlyMap<string, ValueInfo>
  readonly producers: ReadonlyMap<string, Node>
}

/** A model whose inputs have the sizes of these feeds. */
export function sideOf(model: Model, feeds: Feeds): Side {
  const { graph } = model
  const inputs = graph.inputs.map((input) => {
    const tensor = feeds[input.name]
    return tensor ? tensorDeclaration(input.name, tensor.dtype, tensor.dims) : input
  })
  // Declared shapes may be symbolic, where the sizes of the feeds tell the numbers.
  const outputs = graph.outputs.map(({ name }) => tensorDeclaration(name, undefined, undefined))
  const producers = new Map(
    graph.nodes.flatMap((node) =>
      node.outputs.filter((name) => name !== '').map((name) => [name, node] as const),
    ),
  )
  return {
    model,
    values: valuesOf({ ...model, graph: { ...graph, inputs, outputs, values: [] } }),
    producers,
  }
}

/** What is known of the values of a model; nothing where shape inference refuses it. */
export function valuesOf(model: Model): ReadonlyMap<string, ValueInfo> {
  try {
    return inferModel(model)
  } catch (cause) {
    // A runtime may compute what our rules refuse: then sizes are found by running it.
    if (!(cause instanceof Net2NetError)) throw cause
    const { inputs, initializers } = model.graph
    return new Map<string, ValueInfo>([
      ...inputs.map(({ name }) => [name, {}] as const),
      ...[...initializers].map(
        ([name, { tensor }]) =>
          [name, { dtype: tensor.dtype, shape: tensor.dims, constant: tensor }] as const,
      ),
    ])
  }
}
