/** Where everything goes: a layered drawing of the union of two graphs. */
import { layout as dagreLayout, Graph } from '@dagrejs/dagre'
import { manyNodes } from './collapse.ts'
import type { Diff, NodeDiff } from './diff.ts'

export interface Box {
  readonly key: string
  /** Top left corner. */
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}
export interface Path {
  /** Index into the edges of the diff. */
  readonly edge: number
  readonly points: readonly (readonly [number, number])[]
}
export interface Layout {
  readonly boxes: readonly Box[]
  readonly paths: readonly Path[]
  readonly width: number
  readonly height: number
}

export const headerHeight = 28
export const rowHeight = 19

/** The rows of a node's card: one per parameter, at most five. */
export const shownRows = (node: NodeDiff) => Math.min(node.parameters.length, 5)

const textWidth = (text: string, size: number) => text.length * size * 0.6

function boxSize(node: NodeDiff): { width: number; height: number } {
  const rows = shownRows(node)
  if (node.kind === 'block')
    return {
      width: Math.round(Math.min(300, Math.max(120, textWidth(node.op, 13) + 90))),
      height: 44,
    }
  const header = textWidth(node.op, 13) + (rows > 0 ? textWidth(node.name, 11) + 32 : 0) + 28
  const widest = Math.max(
    0,
    ...node.parameters.slice(0, 5).map((p) => {
      const dims = (p.after ?? p.before)!.dims.join('×')
      return textWidth(p.label, 11) + textWidth(dims, 11) + 40
    }),
  )
  return {
    width: Math.round(Math.min(300, Math.max(88, header, widest))),
    height: headerHeight + (rows > 0 ? rows * rowHeight + 6 : 0),
  }
}

/** dagre takes seconds beyond `manyNodes`; then ranks by longest path, one row per rank. */
export function layoutOf(diff: Diff): Layout {
  if (diff.nodes.length > manyNodes) return layeredRows(diff)
  try {
    return layered(diff)
  } catch (error) {
    // dagre recurses along the graph, and a worker's stack is small.
    if (error instanceof RangeError) return layeredRows(diff)
    throw error
  }
}

function layered(diff: Diff): Layout {
  const graph = new Graph({ directed: true, multigraph: false, compound: false })
  graph.setGraph({ rankdir: 'TB', nodesep: 26, ranksep: 40, marginx: 12, marginy: 12 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const node of diff.nodes) graph.setNode(node.key, boxSize(node))
  // An edge that only the smaller graph has would push the inserted chain aside: drawn later.
  const placed = diff.edges.map((edge) => edge.inAfter || !reachable(diff, edge.from, edge.to))
  diff.edges.forEach((edge, i) => {
    if (placed[i]) graph.setEdge(edge.from, edge.to, { weight: edge.inBefore ? 2 : 1 })
  })
  dagreLayout(graph)
  const boxes: Box[] = diff.nodes.map(({ key }) => {
    const { x, y, width, height } = graph.node(key) as Required<Omit<Box, 'key'>>
    return { key, x: x - width / 2, y: y - height / 2, width, height }
  })
  const byKey = new Map(boxes.map((box) => [box.key, box]))
  const paths = diff.edges.map((edge, i): Path => {
    if (!placed[i]) return straight(i, byKey.get(edge.from)!, byKey.get(edge.to)!)
    const { points } = graph.edge(edge.from, edge.to) as { points: { x: number; y: number }[] }
    return { edge: i, points: points.map(({ x, y }) => [x, y] as const) }
  })
  return { boxes, paths, ...extent(boxes, paths) }
}

const straight = (edge: number, from: Box, to: Box): Path => ({
  edge,
  points: [
    [from.x + from.width / 2, from.y + from.height],
    [to.x + to.width / 2, to.y],
  ],
})

/** Is there a longer way from one node to the other in the graph after? */
function reachable(diff: Diff, from: string, to: string): boolean {
  const next = new Map<string, string[]>()
  for (const edge of diff.edges) if (edge.inAfter) push(next, edge.from, edge.to)
  const seen = new Set<string>()
  const stack = [...(next.get(from) ?? [])]
  while (stack.length > 0) {
    const key = stack.pop()!
    if (key === to) return true
    if (seen.has(key)) continue
    seen.add(key)
    stack.push(...(next.get(key) ?? []))
  }
  return false
}

function layeredRows(diff: Diff): Layout {
  const incoming = new Map<string, string[]>()
  for (const edge of diff.edges) push(incoming, edge.to, edge.from)
  const rank = new Map<string, number>()
  const order = topological(diff, incoming)
  for (const key of order)
    rank.set(
      key,
      Math.max(0, ...(incoming.get(key) ?? []).map((from) => (rank.get(from) ?? 0) + 1)),
    )
  const byKey = new Map(diff.nodes.map((node) => [node.key, node]))
  const rows = new Map<number, string[]>()
  for (const key of order) push(rows, rank.get(key)!, key)
  const boxes = new Map<string, Box>()
  let y = 12
  for (const row of [...rows.keys()].sort((a, b) => a - b)) {
    const keys = rows.get(row)!
    const sizes = keys.map((key) => boxSize(byKey.get(key)!))
    let x = -sizes.reduce((total, size) => total + size.width + 26, -26) / 2
    keys.forEach((key, i) => {
      boxes.set(key, { key, x, y, ...sizes[i]! })
      x += sizes[i]!.width + 26
    })
    y += Math.max(...sizes.map((size) => size.height)) + 40
  }
  const left = [...boxes.values()].reduce((least, box) => Math.min(least, box.x), 0) - 12
  const moved = diff.nodes.map(({ key }) => {
    const box = boxes.get(key)!
    return { ...box, x: box.x - left }
  })
  const placed = new Map(moved.map((box) => [box.key, box]))
  const paths = diff.edges.map((edge, i) =>
    straight(i, placed.get(edge.from)!, placed.get(edge.to)!),
  )
  return { boxes: moved, paths, ...extent(moved, paths) }
}

/** Appends to a list of a map. */
function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

function topological(diff: Diff, incoming: ReadonlyMap<string, readonly string[]>): string[] {
  const waiting = new Map(diff.nodes.map(({ key }) => [key, (incoming.get(key) ?? []).length]))
  const next = new Map<string, string[]>()
  for (const { from, to } of diff.edges) push(next, from, to)
  const ready = diff.nodes.map(({ key }) => key).filter((key) => waiting.get(key) === 0)
  for (let i = 0; i < ready.length; i++) {
    for (const to of next.get(ready[i]!) ?? []) {
      const left = waiting.get(to)! - 1
      waiting.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  // Two graphs on top of one another may have a cycle that none of them has.
  return [...ready, ...diff.nodes.map(({ key }) => key).filter((key) => waiting.get(key)! > 0)]
}

function extent(boxes: readonly Box[], paths: readonly Path[]): { width: number; height: number } {
  let width = 0
  let height = 0
  const include = (x: number, y: number) => {
    width = Math.max(width, x)
    height = Math.max(height, y)
  }
  for (const box of boxes) include(box.x + box.width, box.y + box.height)
  for (const path of paths) for (const [x, y] of path.points) include(x, y)
  return { width: width + 12, height: height + 12 }
}
