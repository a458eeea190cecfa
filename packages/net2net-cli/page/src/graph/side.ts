/** A drawing holds two models: which of its nodes and edges belong to one of them. */
import type { Side } from '../engine/diff.ts'
import type { DrawnEdge, DrawnNode } from '../engine/drawing.ts'

export const isNodeOf = (side: Side, { status }: DrawnNode): boolean =>
  status !== (side === 'before' ? 'inserted' : 'removed')

export const isEdgeOf = (side: Side, { inBefore, inAfter }: DrawnEdge): boolean =>
  side === 'before' ? inBefore : inAfter
