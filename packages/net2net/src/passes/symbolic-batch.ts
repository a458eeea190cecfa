/** Models that were exported for one batch size, for any. */
import { type Model, requiredInputs, type ValueDeclaration } from '../model/model.ts'
import { inferModel } from '../operators/inference.ts'

const batch = 'batch'

/**
 * The model with a symbolic first dimension, if all its inputs fix the same number there and
 * inference finds that it passes through to every output; otherwise the model as it is.
 */
export function withSymbolicBatch(model: Model): Model {
  const { graph } = model
  const inputs = new Set(requiredInputs(graph).map(({ name }) => name))
  const sizes = new Set(graph.inputs.filter(({ name }) => inputs.has(name)).map(firstDim))
  const [size] = sizes
  if (sizes.size !== 1 || typeof size !== 'number') return model
  const loosened = graph.inputs.map((input) => (inputs.has(input.name) ? loosen(input) : input))
  const candidate: Model = {
    ...model,
    graph: {
      ...graph,
      inputs: loosened,
      // What the file declares would hide what inference finds.
      outputs: graph.outputs.map(({ name }) => ({ name, type: { kind: 'opaque' } })),
      values: [],
    },
  }
  const infos = inferModel(candidate)
  const passes = graph.outputs.every(({ name }) => infos.get(name)?.shape?.[0] === batch)
  if (!passes) return model
  const outputs = graph.outputs.map(loosen)
  return { ...candidate, graph: { ...candidate.graph, outputs } }
}

const firstDim = ({ type }: ValueDeclaration) =>
  type.kind === 'tensor' ? type.shape?.[0] : undefined

function loosen(declaration: ValueDeclaration): ValueDeclaration {
  const { type } = declaration
  if (type.kind !== 'tensor' || !type.shape || type.shape.length === 0) return declaration
  return { ...declaration, type: { ...type, shape: [batch, ...type.shape.slice(1)] } }
}
