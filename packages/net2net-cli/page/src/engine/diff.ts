/**
 * Two models as one drawing: the union of both graphs, so that both sides can be drawn with the
 * same positions and everything that did not change stays where it was.
 */
import type { ModelView, NodeView, ParameterView } from './view.ts'

export type Side = 'before' | 'after'

export type Status = 'same' | 'widened' | 'changed' | 'inserted' | 'removed'

export interface ParameterDiff {
  readonly label: string
  readonly before?: ParameterView
  readonly after?: ParameterView
  /** Same shape, other numbers. */
  readonly valuesDiffer: boolean
}

export interface NodeDiff {
  /** Key of the node in the drawing. */
  readonly key: string
  readonly kind: NodeView['kind'] | 'input' | 'output'
  readonly op: string
  readonly name: string
  readonly status: Status
  readonly before?: NodeView
  readonly after?: NodeView
  readonly parameters: readonly ParameterDiff[]
}

export interface EdgeDiff {
  readonly from: string
  readonly to: string
  readonly before?: string
  readonly after?: string
  /** Which of the two graphs has this edge. */
  readonly inBefore: boolean
  readonly inAfter: boolean
}

export interface Diff {
  readonly nodes: readonly NodeDiff[]
  readonly edges: readonly EdgeDiff[]
  readonly counts: Readonly<Record<Status, number>>
}

/** One model alone, in the same form. */
export const single = (view: ModelView): Diff => diffOf(view, view, () => false)

/**
 * Matches the nodes of two models: by name and operator first, by first output next. `differ`
 * says whether two parameters of equal shape hold different numbers.
 */
export function diffOf(
  before: ModelView,
  after: ModelView,
  differ: (before: ParameterView, after: ParameterView) => boolean,
): Diff {
  const matches = match(before.nodes, after.nodes)
  const keyBefore = new Map<string, string>()
  const keyAfter = new Map<string, string>()
  const nodes: NodeDiff[] = []

  for (const end of ['inputs', 'outputs'] as const) {
    const kind = end === 'inputs' ? 'input' : 'output'
    const names = new Set([...before[end], ...after[end]].map((value) => value.name))
    for (const name of names) {
      const inBefore = before[end].some((value) => value.name === name)
      const inAfter = after[end].some((value) => value.name === name)
      nodes.push({
        key: `${kind}:${name}`,
        kind,
        op: name,
        name: kind,
        status: inBefore && inAfter ? 'same' : inAfter ? 'inserted' : 'removed',
        parameters: [],
      })
    }
  }

  for (const node of before.nodes) keyBefore.set(node.id, `b:${node.id}`)
  for (const node of after.nodes) {
    const twin = matches.get(node)
    keyAfter.set(node.id, twin ? `b:${twin.id}` : `a:${node.id}`)
  }
  const twinOf = new Map([...matches].map(([b, a]) => [a, b]))
  for (const node of after.nodes) {
    const twin = matches.get(node)
    const parameters = parameterDiffs(twin, node, differ)
    nodes.push({
      key: keyAfter.get(node.id)!,
      kind: node.kind,
      op: node.op,
      name: node.name,
      status: twin === undefined ? 'inserted' : statusOf(twin, node, parameters),
      ...(twin === undefined ? {} : { before: twin }),
      after: node,
      parameters,
    })
  }
  for (const node of before.nodes) {
    if (twinOf.has(node)) continue
    nodes.push({
      key: keyBefore.get(node.id)!,
      kind: node.kind,
      op: node.op,
      name: node.name,
      status: 'removed',
      before: node,
      parameters: parameterDiffs(node, undefined, differ),
    })
  }

  const edges = new Map<string, { -readonly [K in keyof EdgeDiff]: EdgeDiff[K] }>()
  const addEdges = (view: ModelView, keys: Map<string, string>, side: Side) => {
    const producer = new Map<string, string>()
    for (const input of view.inputs) producer.set(input.name, `input:${input.name}`)
    for (const node of view.nodes)
      for (const output of node.outputs) producer.set(output, keys.get(node.id)!)
    const add = (value: string, to: string) => {
      const from = producer.get(value)
      if (from === undefined) return
      const id = `${from}\n${to}`
      const edge = edges.get(id) ?? { from, to, inBefore: false, inAfter: false }
      if (side === 'before') edge.inBefore = true
      else edge.inAfter = true
      const shape = view.shapes.get(value)
      if (shape !== undefined && edge[side] === undefined) edge[side] = shape
      edges.set(id, edge)
    }
    for (const node of view.nodes) for (const input of node.inputs) add(input, keys.get(node.id)!)
    for (const output of view.outputs) add(output.name, `output:${output.name}`)
  }
  addEdges(before, keyBefore, 'before')
  addEdges(after, keyAfter, 'after')

  const counts: Record<Status, number> = {
    same: 0,
    widened: 0,
    changed: 0,
    inserted: 0,
    removed: 0,
  }
  for (const node of nodes)
    if (node.kind !== 'input' && node.kind !== 'output') counts[node.status]++
  return { nodes, edges: [...edges.values()], counts }
}

/** after → before. */
function match(before: readonly NodeView[], after: readonly NodeView[]): Map<NodeView, NodeView> {
  const result = new Map<NodeView, NodeView>()
  const taken = new Set<NodeView>()
  const keys: ((node: NodeView) => string)[] = [
    (node) => `${node.op}\n${node.name}\n${node.id}`,
    (node) => `${node.op}\n${node.name}`,
    (node) => `${node.op}\n${node.id}`,
  ]
  for (const key of keys) {
    const waiting = new Map<string, NodeView[]>()
    for (const node of before) {
      if (taken.has(node)) continue
      const list = waiting.get(key(node))
      if (list) list.push(node)
      else waiting.set(key(node), [node])
    }
    for (const node of after) {
      if (result.has(node)) continue
      const twin = waiting.get(key(node))?.shift()
      if (twin === undefined) continue
      result.set(node, twin)
      taken.add(twin)
    }
  }
  return result
}

function parameterDiffs(
  before: NodeView | undefined,
  after: NodeView | undefined,
  differ: (before: ParameterView, after: ParameterView) => boolean,
): ParameterDiff[] {
  const length = Math.max(before?.parameters.length ?? 0, after?.parameters.length ?? 0)
  return Array.from({ length }, (_, i) => {
    const b = before?.parameters[i]
    const a = after?.parameters[i]
    return {
      label: (a ?? b)!.label,
      ...(b === undefined ? {} : { before: b }),
      ...(a === undefined ? {} : { after: a }),
      valuesDiffer: b !== undefined && a !== undefined && sameDims(b, a) && differ(b, a),
    }
  })
}

const sameDims = (a: ParameterView, b: ParameterView) => String(a.dims) === String(b.dims)

function statusOf(before: NodeView, after: NodeView, parameters: readonly ParameterDiff[]): Status {
  if (parameters.some(({ before: b, after: a }) => b && a && !sameDims(b, a))) return 'widened'
  const attributes = (node: NodeView) => JSON.stringify([...node.attributes].sort())
  if (attributes(before) !== attributes(after)) return 'changed'
  return parameters.some((p) => p.valuesDiffer || !p.before || !p.after) ? 'changed' : 'same'
}
