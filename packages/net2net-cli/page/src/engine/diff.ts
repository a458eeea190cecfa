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
  differ: Differ,
  contentOf?: ContentOf,
): Diff {
  const twins = matched(before.nodes, after.nodes, contentOf)
  const ends = {
    inputs: endsOf(before.inputs, after.inputs),
    outputs: endsOf(before.outputs, after.outputs),
  }
  const own = nodeDiffs(before, after, twins, differ)
  const edges = new EdgeUnion(ends)
  edges.add(before, 'before', keyBefore)
  edges.add(after, 'after', (node) => keyAfter(node, twins.get(node)))
  const counts = { same: 0, widened: 0, changed: 0, inserted: 0, removed: 0 }
  for (const { status } of own) counts[status]++
  return {
    nodes: [...endDiffs('input', ends.inputs), ...endDiffs('output', ends.outputs), ...own],
    edges: edges.all,
    counts,
  }
}

/** Says whether two parameters of equal shape hold different numbers. */
type Differ = (before: ParameterView, after: ParameterView) => boolean

/** An input or output by its names on both sides. */
type End = readonly [before: string | undefined, after: string | undefined]

/** Each node of the second model that has one of the first as its counterpart, with that. */
type Twins = ReadonlyMap<NodeView, NodeView>

const keyBefore = ({ id }: NodeView): string => `b:${id}`

/** Twins have one key. */
const keyAfter = (node: NodeView, twin: NodeView | undefined): string =>
  twin ? keyBefore(twin) : `a:${node.id}`

const keyOfEnd = (kind: 'input' | 'output', [before, after]: End): string =>
  `${kind}:${before ?? after}`

function endDiffs(kind: 'input' | 'output', ends: readonly End[]): readonly NodeDiff[] {
  return ends.map((end) => {
    const [before, after] = end
    const status =
      before === undefined
        ? 'inserted'
        : after === undefined
          ? 'removed'
          : before === after
            ? 'same'
            : 'changed'
    const op = status === 'changed' ? `${before} → ${after}` : (before ?? after)!
    return { key: keyOfEnd(kind, end), kind, op, name: kind, status, parameters: [] }
  })
}

/** The second model's nodes, and what the first one had beside them. */
function nodeDiffs(
  before: ModelView,
  after: ModelView,
  twins: Twins,
  differ: Differ,
): readonly NodeDiff[] {
  const kept = new Set(twins.values())
  return [
    ...after.nodes.map((node): NodeDiff => {
      const twin = twins.get(node)
      const { kind, op, name } = node
      const parameters = parameterDiffs(twin, node, differ)
      const key = keyAfter(node, twin)
      if (!twin) return { key, kind, op, name, status: 'inserted', after: node, parameters }
      const status = statusOf(twin, node, parameters)
      return { key, kind, op, name, status, before: twin, after: node, parameters }
    }),
    ...before.nodes
      .filter((node) => !kept.has(node))
      .map((node): NodeDiff => {
        const { kind, op, name } = node
        const parameters = parameterDiffs(node, undefined, differ)
        return { key: keyBefore(node), kind, op, name, status: 'removed', before: node, parameters }
      }),
  ]
}

/** The edges of both graphs, those that connect the same once. */
class EdgeUnion {
  readonly #ends: { readonly inputs: readonly End[]; readonly outputs: readonly End[] }
  readonly #edges = new Map<string, { -readonly [K in keyof EdgeDiff]: EdgeDiff[K] }>()

  constructor(ends: { readonly inputs: readonly End[]; readonly outputs: readonly End[] }) {
    this.#ends = ends
  }

  get all(): readonly EdgeDiff[] {
    return [...this.#edges.values()]
  }

  add(view: ModelView, side: Side, keyOf: (node: NodeView) => string): void {
    const own = side === 'before' ? 0 : 1
    const producer = new Map<string, string>()
    for (const end of this.#ends.inputs) {
      const name = end[own]
      if (name !== undefined) producer.set(name, keyOfEnd('input', end))
    }
    for (const node of view.nodes)
      for (const output of node.outputs) producer.set(output, keyOf(node))
    const connect = (value: string, to: string) => {
      const from = producer.get(value)
      if (from !== undefined) this.#connect(from, to, side, view.shapes.get(value))
    }
    for (const node of view.nodes) for (const input of node.inputs) connect(input, keyOf(node))
    for (const end of this.#ends.outputs) {
      const name = end[own]
      if (name !== undefined) connect(name, keyOfEnd('output', end))
    }
  }

  #connect(from: string, to: string, side: Side, shape: string | undefined): void {
    const id = `${from}\n${to}`
    const edge = this.#edges.get(id) ?? { from, to, inBefore: false, inAfter: false }
    if (side === 'before') edge.inBefore = true
    else edge.inAfter = true
    if (shape !== undefined && edge[side] === undefined) edge[side] = shape
    this.#edges.set(id, edge)
  }
}

/** Inputs, or outputs, of both models: those of one name, and then as they lie. */
function endsOf(before: readonly ValueView[], after: readonly ValueView[]): readonly End[] {
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
  differ: Differ,
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
