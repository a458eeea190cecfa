/** What a model gives, as tensors: maps of classes and lists of tensors are what they are made of. */
import { type DType, isFloat } from '../tensor/dtype.ts'
import { tensorDeclaration } from './builder.ts'
import type { Graph, Model, Node, ValueDeclaration } from './model.ts'

/** Operators whose outputs are no tensors but hold those that they take, in full; and the type of these, where it is known. */
const collecting: ReadonlyMap<string, DType | undefined> = new Map([
  ['ai.onnx.ml:ZipMap', 'float32'],
  [':SequenceConstruct', undefined],
  [':SplitToSequence', undefined],
])

const kindOf = ({ domain, opType }: Node): string => `${domain}:${opType}`

const isTensor = ({ type }: ValueDeclaration): boolean => type.kind === 'tensor'

/** The node that makes an output which is no tensor; undefined where it is one, or is made in another way. */
function collectorOf({ nodes }: Graph, output: ValueDeclaration): Node | undefined {
  if (isTensor(output)) return undefined
  const node = nodes.find(({ outputs }) => outputs.includes(output.name))
  return node && collecting.has(kindOf(node)) ? node : undefined
}

/**
 * The model with the tensors that its outputs are made of in the place of outputs that are no tensors (the map of probabilities of
 * scikit-learn's classifiers), which runtimes of JavaScript cannot give; the model itself where there are none.
 */
export function withTensorOutputs(model: Model): Model {
  const { graph } = model
  if (graph.outputs.every((output) => collectorOf(graph, output) === undefined)) return model
  const outputs = new Map<string, ValueDeclaration>()
  for (const output of graph.outputs) {
    const node = collectorOf(graph, output)
    if (!node) outputs.set(output.name, output)
    for (const name of node?.inputs ?? [])
      if (!graph.initializers.has(name) && !outputs.has(name))
        outputs.set(name, declarationOf(graph, name, node!))
  }
  return { ...model, graph: { ...graph, outputs: [...outputs.values()] } }
}

/** What holds the tensors of such outputs, for each: two models give the same only where this is the same, too. */
export const collections = ({ graph }: Model): readonly string[] =>
  graph.outputs.flatMap((output) => {
    const node = collectorOf(graph, output)
    if (!node) return []
    const parts = [output.name, node.opType, node.inputs, [...node.attributes]]
    return [JSON.stringify(parts, (_, value) => (typeof value === 'bigint' ? `${value}` : value))]
  })

function declarationOf(graph: Graph, name: string, node: Node): ValueDeclaration {
  const declared = [...graph.outputs, ...graph.values].find((value) => value.name === name)
  return declared ?? tensorDeclaration(name, collecting.get(kindOf(node)), undefined)
}

/**
 * The output that is meant where none is named: the first of floating-point numbers, else the first. Classifiers of scikit-learn give labels
 * before probabilities.
 */
export function mainOutput(model: Model): string | undefined {
  const { outputs } = withTensorOutputs(model).graph
  const isOfNumbers = ({ type }: ValueDeclaration) =>
    type.kind === 'tensor' && type.dtype !== undefined && isFloat(type.dtype)
  return (outputs.find(isOfNumbers) ?? outputs[0])?.name
}
