import { tensorDeclaration } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'

/** The model with the shapes of all values that were known before it was rewritten: behind forms of their own nobody could infer them. */
export function withShapes(model: Model, infos: ReadonlyMap<string, ValueInfo>): Model {
  const names = model.graph.nodes.flatMap((node) => node.outputs)
  const values = names.flatMap((name) => {
    const { dtype, shape } = infos.get(name) ?? {}
    return shape ? [tensorDeclaration(name, dtype, shape)] : []
  })
  return { ...model, graph: { ...model.graph, values } }
}
