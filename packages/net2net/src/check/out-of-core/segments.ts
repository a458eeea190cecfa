/** Dividing a graph into segments of nodes that are computed one after the other. */
import { capturedValues } from '../../model/links.ts'
import type { Graph, Node } from '../../model/model.ts'
import { isNumeric } from '../../tensor/tensor.ts'

export interface Segment {
  readonly nodes: readonly Node[]
  /** A single node with a weight that is larger than a block. */
  readonly large: boolean
  /** What the nodes take from outside, weights left out. */
  readonly takes: readonly string[]
  /** What others, or the graph's outputs, take from them. */
  readonly gives: readonly string[]
  /** What nobody takes after them. */
  readonly last: readonly string[]
}

/**
 * Most weights of one segment that change, one at a time. With each of them the whole segment runs again: with more
 * weights, longer segments run more often. With fewer, sessions take longer to open than runs are saved.
 */
export const MOST_CHANGES = 16

/** Bytes of weights that processors have in their cache for the samples after the first. */
export const BLOCK_BYTES = 2 ** 22

/** Does some segment of a graph, with blocks of the usual size, have more weights that change than that? */
export const hasManyChanges = (graph: Graph, changes: (weight: string) => boolean): boolean =>
  segmentsOf(graph, BLOCK_BYTES).length < segmentsOf(graph, BLOCK_BYTES, changes).length

/**
 * Consecutive nodes, as many at a time as have no more than a block of weights together; nodes that
 * nobody takes anything from are left out.
 *
 * @param changes the weights that change, of which a segment has no more than `MOST_CHANGES`; default none
 */
export function segmentsOf(
  graph: Graph,
  blockBytes: number,
  changes: (weight: string) => boolean = () => false,
): readonly Segment[] {
  const groups: { nodes: Node[]; large: boolean }[] = []
  let weights = new Set<string>()
  let bytes = 0
  let changing = 0
  for (const node of graph.nodes) {
    const own = readBy(node).filter((name) => graph.initializers.has(name))
    const sizes = own.map((name) => graph.initializers.get(name)!.tensor.byteLength)
    const large = own.some((name, i) => sizes[i]! > blockBytes && canBeFed(graph, name))
    const added = own.reduce((sum, name, i) => (weights.has(name) ? sum : sum + sizes[i]!), 0)
    const changed = own.filter(changes)
    const more = changed.filter((name) => !weights.has(name)).length
    const isFull = bytes + added > blockBytes || (more > 0 && changing + more > MOST_CHANGES)
    const current = groups.at(-1)
    if (!current || large || current.large || isFull) {
      groups.push({ nodes: [node], large })
      weights = new Set(own)
      bytes = sizes.reduce((a, b) => a + b, 0)
      changing = changed.length
    } else {
      current.nodes.push(node)
      for (const name of own) weights.add(name)
      bytes += added
      changing += more
    }
  }

  const results = new Set(graph.outputs.map(({ name }) => name))
  const segments: Segment[] = []
  const later = new Set<string>()
  for (const { nodes, large } of groups.reverse()) {
    const made = new Set(nodes.flatMap((node) => node.outputs).filter((name) => name !== ''))
    const takes = [...new Set(nodes.flatMap(readBy))].filter(
      (name) => !made.has(name) && !graph.initializers.has(name),
    )
    const gives = [...made].filter((name) => later.has(name) || results.has(name))
    if (gives.length === 0) continue
    const last = takes.filter((name) => !later.has(name) && !results.has(name))
    for (const name of takes) later.add(name)
    segments.push({ nodes, large, takes, gives, last })
  }
  return segments.reverse()
}

export const readBy = (node: Node): readonly string[] => [
  ...node.inputs.filter((name) => name !== ''),
  ...capturedValues(node),
]

/** ONNX Runtime's JavaScript API takes no tensors of other types. */
function canBeFed(graph: Graph, name: string): boolean {
  const { dtype } = graph.initializers.get(name)!.tensor
  return isNumeric(dtype) && dtype !== 'bfloat16'
}
