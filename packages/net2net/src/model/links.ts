/** Who produces and who consumes each value of a graph. */
import { subgraphs } from './attributes.ts'
import type { Graph, Model, Node } from './model.ts'

export interface Use {
  readonly node: Node
  /** Position among the node's inputs; -1 for a value captured by one of its subgraphs. */
  readonly input: number
}

/** Where a constant is read, as plain data: a node, known by its first output, and its input. */
export interface ConstantUse {
  readonly node: string
  readonly input: number
}

/** A key for maps by use. */
export const useKey = ({ node, input }: ConstantUse): string => `${input}:${node}`

export interface Links {
  readonly producers: ReadonlyMap<string, Node>
  readonly uses: ReadonlyMap<string, readonly Use[]>
}

export function linksOf(graph: Graph): Links {
  const producers = new Map<string, Node>()
  const uses = new Map<string, Use[]>()
  const use = (name: string, node: Node, input: number) => {
    const list = uses.get(name)
    if (list) list.push({ node, input })
    else uses.set(name, [{ node, input }])
  }
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== '') producers.set(output, node)
    node.inputs.forEach((name, i) => {
      if (name !== '') use(name, node, i)
    })
    for (const name of capturedValues(node)) use(name, node, -1)
  }
  return { producers, uses }
}

/** The node that alone reads a value, and once. */
export function onlyReader(
  { links, model }: { readonly links: Links; readonly model: Model },
  value: string,
): Node | undefined {
  const [use, another] = links.uses.get(value) ?? []
  const isOutput = model.graph.outputs.some(({ name }) => name === value)
  return use && !another && use.input >= 0 && !isOutput ? use.node : undefined
}

/** Of these nodes, which are in order, those that the values depend on. */
export function ancestors(nodes: readonly Node[], values: Iterable<string>): readonly Node[] {
  const read = new Set(values)
  const kept = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => read.has(name))) return false
    for (const name of [...node.inputs, ...capturedValues(node)]) read.add(name)
    return true
  })
  return kept.toReversed()
}

/** The graph without the nodes whose results were read in `before` and are not any more. */
export function withoutUnread(graph: Graph, before: Graph): Graph {
  const { uses } = linksOf(before)
  const read = new Set(graph.outputs.map(({ name }) => name))
  const nodes = graph.nodes.filter((node) => node.outputs.some((name) => !uses.has(name)))
  const kept = new Set<Node>(nodes)
  for (const node of [...graph.nodes].reverse()) {
    if (!kept.has(node) && !node.outputs.some((name) => read.has(name))) continue
    kept.add(node)
    for (const name of [...node.inputs, ...capturedValues(node)]) read.add(name)
  }
  return { ...graph, nodes: graph.nodes.filter((node) => kept.has(node)) }
}

const capturesOfNodes = new WeakMap<Node, ReadonlySet<string>>()
const noCaptures: ReadonlySet<string> = new Set()

/** Values of the enclosing graph that the node's subgraphs read. */
export function capturedValues(node: Node): ReadonlySet<string> {
  if (subgraphs(node).length === 0) return noCaptures
  let captures = capturesOfNodes.get(node)
  if (!captures) {
    captures = findCaptures(node)
    capturesOfNodes.set(node, captures)
  }
  return captures
}

function findCaptures(node: Node): ReadonlySet<string> {
  const captured = new Set<string>()
  for (const subgraph of subgraphs(node)) {
    const inner = new Set([
      ...subgraph.inputs.map((input) => input.name),
      ...subgraph.initializers.keys(),
      ...subgraph.nodes.flatMap((n) => n.outputs),
    ])
    const read = [
      ...subgraph.nodes.flatMap((n) => [...n.inputs, ...capturedValues(n)]),
      ...subgraph.outputs.map((output) => output.name),
    ]
    for (const name of read) if (name !== '' && !inner.has(name)) captured.add(name)
  }
  return captured
}
