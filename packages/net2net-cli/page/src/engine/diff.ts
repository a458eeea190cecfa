/**
 * Two models as one drawing: the union of both graphs, so that both sides can be drawn with the
 * same positions and everything that did not change stays where it was.
 */
import { type ContentOf, matched } from './match.ts'
import type { ModelView, NodeView, ParameterView, ValueView } from './view.ts'

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
  /** A block stands for several nodes of a large drawing. */
  readonly kind: NodeView['kind'] | 'input' | 'output' | 'block'
  readonly op: string
  readonly name: string
  readonly status: Status
  readonly before?: NodeView
  readonly after?: NodeView
  readonly parameters: readonly ParameterDiff[]
  /** Of a block: the keys of its nodes. */
  readonly members?: readonly string[]
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
 * Matches the nodes of two models: by names, and by what `contentOf` says of their parameters. `differ`
 * says whether two parameters of equal shape hold different numbers.
 */
export function diffOf(
  before: ModelView,
  after: ModelView,
  differ: (before: ParameterView, after: ParameterView) => boolean,
  contentOf?: ContentOf,
): Diff {
  const matches = matched(before.nodes, after.nodes, contentOf)
  const keyBefore = new Map<string, string>()
  const keyAfter = new Map<string, string>()
  const nodes: NodeDiff[] = []

  const ends = {
    inputs: endsOf(before.inputs, after.inputs),
    outputs: endsOf(before.outputs, after.outputs),
  }
  for (const end of ['inputs', 'outputs'] as const) {
    const kind = end === 'inputs' ? 'input' : 'output'
    for (const [a, b] of ends[end]) {
      const isRenamed = a !== undefined && b !== undefined && a !== b
      nodes.push({
        key: `${kind}:${a ?? b}`,
        kind,
        op: isRenamed ? `${a} → ${b}` : (a ?? b)!,
        name: kind,
        status:
          a === undefined
            ? 'inserted'
            : b === undefined
              ? 'removed'
              : isRenamed
                ? 'changed'
                : 'same',
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
    const own = side === 'before' ? 0 : 1
    for (const end of ends.inputs) {
      const name = end[own]
      if (name !== undefined) producer.set(name, `input:${end[0] ?? name}`)
    }
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
    for (const end of ends.outputs) {
      const name = end[own]
      if (name !== undefined) add(name, `output:${end[0] ?? name}`)
    }
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

/** Inputs, or outputs, of both models: those of one name, and then as they lie. */
function endsOf(
  before: readonly ValueView[],
  after: readonly ValueView[],
): readonly (readonly [before: string | undefined, after: string | undefined])[] {
  const [a, b] = [before.map(({ name }) => name), after.map(({ name }) => name)]
  const onlyAfter = b.filter((name) => !a.includes(name))
  return [
    ...a.map((name) => [name, b.includes(name) ? name : onlyAfter.shift()] as const),
    ...onlyAfter.map((name) => [undefined, name] as const),
  ]
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
