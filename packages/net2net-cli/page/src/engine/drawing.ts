/**
 * What the page draws of two models, and no more: boxes, lines and their texts. All else that is known of nodes stays in the worker and
 * is asked for node by node, so that what crosses to the page's thread is bounded by what is drawn, not by the model.
 */
import type { Diff, NodeDiff, Side, Status } from './diff.ts'
import { layoutOf, shownRows } from './layout.ts'
import type { NodeView } from './view.ts'

/** What a node costs: of multiply-adds those of one sample, 0 where unknown. */
export interface NodeCost {
  readonly parameters: number
  readonly multiplyAdds: number
}
type BySide<T> = Readonly<Partial<Record<Side, T>>>

/** A row of a box: a parameter and its dimensions. */
export interface DrawnRow extends BySide<readonly number[]> {
  readonly label: string
  /** Same dimensions, other numbers. */
  readonly valuesDiffer: boolean
}

/** A box, at (x, y) its top left corner. */
export interface DrawnNode {
  readonly key: string
  readonly kind: NodeDiff['kind']
  readonly op: string
  /** Of a block: how many nodes it stands for. */
  readonly name: string
  readonly status: Status
  readonly rows: readonly DrawnRow[]
  readonly cost: BySide<NodeCost>
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A line between two boxes, which are told by their places in the list. */
export interface DrawnEdge {
  readonly from: number
  readonly to: number
  /** The shape of what flows there. */
  readonly before?: string
  readonly after?: string
  readonly inBefore: boolean
  readonly inAfter: boolean
  /** x and y of each point, one after the other. */
  readonly points: readonly number[]
}

export interface Drawing {
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
  readonly width: number
  readonly height: number
  /** How many nodes there are of each state, and in all, in blocks or not. */
  readonly counts: Diff['counts']
  readonly total: number
  /** What all nodes cost, and the dearest of them. */
  readonly cost: {
    readonly whole: Readonly<Record<Side, NodeCost>>
    readonly dearest: Readonly<Record<Side, NodeCost>>
  }
}

/** @param diff all nodes; `drawn` has blocks in the place of some */
export function drawingOf(diff: Diff, drawn: Diff): Drawing {
  const { boxes, paths, width, height } = layoutOf(drawn)
  const costs = new Map(diff.nodes.map((node) => [node.key, costOf(node)]))
  const place = new Map(drawn.nodes.map(({ key }, i) => [key, i]))
  return {
    nodes: drawn.nodes.map((node, i): DrawnNode => {
      const { x, y, width: wide, height: high } = boxes[i]!
      const { key, kind, op, name, status, members } = node
      const cost = members
        ? sumOf(members.map((member) => costs.get(member) ?? {}))
        : (costs.get(key) ?? {})
      const count = shownRows(node)
      const rows =
        count === 0
          ? noRows
          : node.parameters.slice(0, count).map(
              ({ label, before, after, valuesDiffer }): DrawnRow => ({
                label,
                valuesDiffer,
                ...(before && { before: before.dims }),
                ...(after && { after: after.dims }),
              }),
            )
      return { key, kind, op, name, status, rows, cost, x, y, width: wide, height: high }
    }),
    edges: paths.map(({ edge, points }): DrawnEdge => {
      const { from, to, ...shapes } = drawn.edges[edge]!
      return { ...shapes, from: place.get(from)!, to: place.get(to)!, points: points.flat() }
    }),
    width,
    height,
    counts: diff.counts,
    total: diff.nodes.length,
    cost: {
      whole: { before: nothing, after: nothing, ...sumOf([...costs.values()]) },
      dearest: { before: nothing, after: nothing, ...dearestOf([...costs.values()]) },
    },
  }
}

const nothing: NodeCost = { parameters: 0, multiplyAdds: 0 }
const sides = ['before', 'after'] as const

/** Most nodes of a large network have neither: one object, which crosses to the page once. */
const noCost: BySide<NodeCost> = {}
const noRows: readonly DrawnRow[] = []

function costOf({ before, after }: NodeDiff): BySide<NodeCost> {
  const [a, b] = [before && costOfView(before), after && costOfView(after)]
  const isNone = [a, b].every((cost = nothing) => cost.parameters + cost.multiplyAdds === 0)
  return isNone ? noCost : { ...(a && { before: a }), ...(b && { after: b }) }
}

const costOfView = ({ parameters, multiplyAdds }: NodeView): NodeCost => ({
  parameters: parameters.reduce(
    (sum, { dims, dtype }) =>
      /float/.test(dtype) && dims.length > 0 ? sum + dims.reduce((a, b) => a * b, 1) : sum,
    0,
  ),
  multiplyAdds: multiplyAdds ?? 0,
})

const together =
  (combine: (a: number, b: number) => number) =>
  (costs: readonly BySide<NodeCost>[]): BySide<NodeCost> => {
    const result: Partial<Record<Side, NodeCost>> = {}
    for (const cost of costs)
      for (const side of sides) {
        const [one, all = nothing] = [cost[side], result[side]]
        if (one)
          result[side] = {
            parameters: combine(all.parameters, one.parameters),
            multiplyAdds: combine(all.multiplyAdds, one.multiplyAdds),
          }
      }
    return result
  }
const sumOf = together((a, b) => a + b)
const dearestOf = together(Math.max)
