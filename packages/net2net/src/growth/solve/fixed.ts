/** What may not grow, and why: reasons spread from the variables that nodes fix to all that depend on them. */
import type { Axis } from '../../operators/contract/axis.ts'
import type { FixedSource, Position, SolvedAxes } from './axis-system.ts'
import type { Relations } from './relate.ts'

/** A reason for which a variable may not grow, and the step by which it came there. */
export interface Reason {
  readonly source: FixedSource
  /** The variable that passed it on; undefined where the source itself is. */
  readonly from: number | undefined
  /** The node that ties the two together. */
  readonly at: Position
}

/** By variable: the nearest reason; undefined where it may grow. */
export type Reasons = readonly (Reason | undefined)[]

/** Spreads the reasons along the edges between variables, nearest first. */
export function spread(axes: SolvedAxes, sources: readonly FixedSource[]): Reasons {
  const next: number[][] = Array.from({ length: axes.variableCount }, () => [])
  axes.edges.forEach((edge, i) => {
    next[edge.from]!.push(i)
  })
  const reasons: (Reason | undefined)[] = Array(axes.variableCount).fill(undefined)
  const queue: number[] = []
  for (const source of sources)
    if (reasons[source.variable] === undefined) {
      reasons[source.variable] = { source, from: undefined, at: source.at }
      queue.push(source.variable)
    }
  for (let head = 0; head < queue.length; head++) {
    const variable = queue[head]!
    for (const i of next[variable]!) {
      const { to, at } = axes.edges[i]!
      if (reasons[to] !== undefined) continue
      reasons[to] = { source: reasons[variable]!.source, from: variable, at }
      queue.push(to)
    }
  }
  return reasons
}

/**
 * Concatenations of which every unit must have equally many copies do not grow: their parts would have
 * to grow by one common factor.
 */
export const unbalancedSums = (axes: SolvedAxes, { balanced }: Relations): readonly FixedSource[] =>
  balanced.flatMap(({ axis, reason, at }) =>
    isUnbalanced(axes, axis)
      ? axes.origins(axis).map((variable) => ({ variable, reason, at }))
      : [],
  )

/** Whether an axis is a concatenation of parts that differ. */
export const isUnbalanced = (axes: SolvedAxes, axis: Axis): boolean =>
  axes.isIntricate(axis) || hasSumOfDifferent(axes.expand(axis))

function hasSumOfDifferent(axis: Axis): boolean {
  switch (axis.kind) {
    case 'variable':
      return false
    case 'product':
      return axis.factors.some(hasSumOfDifferent)
    case 'sum': {
      const texts = new Set(axis.terms.map((term) => JSON.stringify(term)))
      return texts.size > 1 || axis.terms.some(hasSumOfDifferent)
    }
  }
}
