/** In which order a graph lists its nodes. */
import { capturedValues } from '../model/links.ts'
import type { Graph, Node } from '../model/model.ts'

/**
 * The graph with each node as soon after what it reads as can be, short ends before long ones: a
 * weight's gradient and update come before the gradient that goes on to the layer below.
 *
 * ONNX Runtime sorts a graph again before each of its many rewritings, by the nodes' positions, and
 * keeps those that could come next in a list that it searches from its start. With all the updates
 * at the end that list is as long as there are parameters, and the time grows with its square.
 */
export function nearestFirst(graph: Graph): Graph {
  const { nodes } = graph
  const positions = new Map<string, number>()
  nodes.forEach((node, i) => {
    for (const output of node.outputs) if (output !== '') positions.set(output, i)
  })
  const readers: number[][] = nodes.map(() => [])
  const waiting = new Uint32Array(nodes.length)
  nodes.forEach((node, i) => {
    const sources = new Set<number>()
    for (const name of [...node.inputs, ...capturedValues(node)]) {
      const source = positions.get(name)
      if (source !== undefined) sources.add(source)
    }
    for (const source of sources) readers[source]!.push(i)
    waiting[i] = sources.size
  })
  // Nodes on the longest way from here to an end of the graph.
  const heights = new Uint32Array(nodes.length)
  for (let i = nodes.length - 1; i >= 0; i--)
    for (const reader of readers[i]!) heights[i] = Math.max(heights[i]!, 1 + heights[reader]!)

  const result: Node[] = []
  // The last is taken first.
  const ready: number[] = []
  for (let i = nodes.length - 1; i >= 0; i--) if (waiting[i] === 0) ready.push(i)
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    result.push(nodes[next]!)
    const freed = readers[next]!.filter((reader) => --waiting[reader]! === 0)
    ready.push(...freed.sort((a, b) => heights[b]! - heights[a]! || b - a))
  }
  return { ...graph, nodes: result }
}
