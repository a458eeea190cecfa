/** Outputs that are no tensors of numbers, and how they are made of such. */
import type { Graph, Node, ValueDeclaration } from './model.ts'

/** Operators that put tensors of numbers into something else, in full. */
const wrapping =
  /^(ai\.onnx\.ml:(ZipMap|ArrayFeatureExtractor|LabelEncoder)|:(SequenceConstruct|SplitToSequence|Gather|Cast))$/

/** Operators that move what their first input holds. */
const moving = /^:(Identity|Reshape|Flatten|(Uns|S)queeze)$/

export const kindOf = ({ domain, opType }: Node): string => `${domain}:${opType}`

const isOfNumbers = ({ type }: ValueDeclaration): boolean =>
  type.kind === 'tensor' && type.dtype !== 'string'

/** The nodes that make an output which is no tensor of numbers of such tensors, the last one first; none where it is one, or is made in another way. */
export function wrappersOf(graph: Graph, output: ValueDeclaration): readonly Node[] {
  if (isOfNumbers(output)) return []
  const found: Node[] = []
  let name = output.name
  for (;;) {
    const node = graph.nodes.find(({ outputs }) => outputs.includes(name))
    if (!node) return []
    found.push(node)
    if (wrapping.test(kindOf(node))) return found
    if (!moving.test(kindOf(node))) return []
    name = node.inputs[0]!
  }
}

/** The strings that an output picks by the number of a class, in their order; undefined where none does. */
export function labelsOf(graph: Graph): readonly string[] | undefined {
  for (const output of graph.outputs) {
    const tables = wrappersOf(graph, output).flatMap(({ inputs }) => inputs)
    for (const name of tables) {
      const labels = graph.initializers.get(name)?.tensor.strings?.map(textOf)
      if (labels) return labels
    }
  }
  return undefined
}

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
