/** What a model gives, as tensors of numbers: maps of classes, lists of tensors and strings are what they are made of. */
import { type DType, isFloat } from '../tensor/dtype.ts'
import { ancestors } from './links.ts'
import type { Graph, Initializer, Model, Node, ValueDeclaration } from './model.ts'
import { kindOf, textOf, wrappersOf } from './wrapped-outputs.ts'

/** What operators take that put it into something else, where they take one type. */
const wrapped: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['ai.onnx.ml:ZipMap', 'float32'],
  ['ai.onnx.ml:ArrayFeatureExtractor', 'int64'],
  ['ai.onnx.ml:LabelEncoder', 'int64'],
  [':Gather', 'int64'],
])

const isOfStrings = ({ tensor }: Initializer): boolean => tensor.dtype === 'string'

/**
 * The model with the tensors that its outputs are made of in the place of outputs that are no tensors of numbers (the labels and the map of
 * probabilities of scikit-learn's classifiers), which programs in JavaScript do not get; the model itself where there are none.
 */
export function withTensorOutputs(model: Model): Model {
  const { graph } = model
  if (graph.outputs.every((output) => wrappersOf(graph, output).length === 0)) return model
  const outputs = new Map<string, ValueDeclaration>()
  for (const output of graph.outputs) {
    const node = wrappersOf(graph, output).at(-1)
    for (const name of tensorsOf(graph, output, node))
      if (!outputs.has(name)) outputs.set(name, declarationOf(graph, name, node))
  }
  const nodes = ancestors(graph.nodes, [...outputs.keys()])
  return { ...model, graph: { ...graph, nodes, outputs: [...outputs.values()] } }
}

/** The tensor that an output is, or the one that it is made of; undefined where there is no such output, or where it is made of several. */
export function tensorOfOutput({ graph }: Model, name: string): string | undefined {
  const output = graph.outputs.find((each) => each.name === name)
  if (!output) return undefined
  const tensors = tensorsOf(graph, output, wrappersOf(graph, output).at(-1))
  return tensors.length === 1 ? tensors[0] : undefined
}

/** The output itself, or what the node that wraps it takes that holds no strings. */
function tensorsOf(
  { initializers }: Graph,
  { name }: ValueDeclaration,
  wrapper: Node | undefined,
): readonly string[] {
  if (!wrapper) return [name]
  return wrapper.inputs.filter((input) => {
    const initializer = initializers.get(input)
    return input !== '' && !(initializer && isOfStrings(initializer))
  })
}

/** How such outputs are made, for each: two models give the same only where this is the same, too. */
export const wrappings = ({ graph }: Model): readonly string[] =>
  graph.outputs.flatMap((output) => {
    const nodes = wrappersOf(graph, output)
    if (nodes.length === 0) return []
    const parts = nodes.map((node) => [kindOf(node), node.inputs, [...node.attributes]])
    const strings = nodes
      .flatMap(({ inputs }) => inputs)
      .map((name) => graph.initializers.get(name)?.tensor.strings?.map(textOf))
    return [JSON.stringify([output.name, parts, strings], asPlain)]
  })

const asPlain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

function declarationOf(graph: Graph, name: string, node: Node | undefined): ValueDeclaration {
  const declared = [...graph.outputs, ...graph.values].find((value) => value.name === name)
  const dtype = node && wrapped.get(kindOf(node))
  return declared ?? { name, type: { kind: 'tensor', dtype, shape: undefined } }
}

/**
 * The output that is meant where none is named: the first of floating-point numbers, else the first. Classifiers of scikit-learn give labels
 * before probabilities.
 */
export function mainOutput(model: Model): string | undefined {
  const { outputs } = withTensorOutputs(model).graph
  const isOfFloats = ({ type }: ValueDeclaration) =>
    type.kind === 'tensor' && (type.dtype === undefined || isFloat(type.dtype))
  return (outputs.find(isOfFloats) ?? outputs[0])?.name
}
