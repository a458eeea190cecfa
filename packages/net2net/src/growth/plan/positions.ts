/** The part of a plan that is about constants that list all positions of axes that grow. */
import { useKey } from '../../model/links.ts'
import { type NameSupply, nodeKey } from '../../model/names.ts'
import type { PositionsChange } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import type { Projection } from './project.ts'
import { variantsOf } from './variants.ts'

export function positionsChanges(
  solution: Solution,
  projection: Projection,
  names: NameSupply,
): readonly PositionsChange[] {
  const byName = new Map<string, { before: readonly number[]; needs: Map<string, number[]> }>()
  for (const { node, input, name, dims, axes } of solution.relations.positions) {
    const after = axes.map((axis, k) => projection.sizeAfter(axis, dims[k]!))
    const known = byName.get(name) ?? { before: dims, needs: new Map<string, number[]>() }
    byName.set(name, known)
    if (String(after) !== String(dims))
      known.needs.set(useKey({ node: nodeKey(node), input }), after)
  }
  return [...byName].flatMap(([name, { before, needs }]) =>
    needs.size === 0
      ? []
      : variantsOf(solution, name, needs).map(({ need: after, uses }): PositionsChange => {
          const to = uses ? names.fresh(`${name}_grown`) : name
          return { name, to, ...(uses && { uses }), before, after }
        }),
  )
}
