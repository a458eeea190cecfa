/** The uses of a constant fall into variants, by what they need; at most one keeps the constant's name. */
import { refusedError } from '../../errors.ts'
import { type ConstantUse, useKey } from '../../model/links.ts'
import { nodeKey } from '../../model/names.ts'
import type { IntegerChange, ParameterChange } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'

export interface Variant<T> {
  readonly need: T
  /** The uses that a clone takes over; undefined for the variant that keeps the name. */
  readonly uses?: readonly ConstantUse[]
}

/**
 * Uses with equal needs share one tensor. Uses without a need keep the constant as it is.
 *
 * @param needs By use (`useKey`).
 * @param copies Uses by nodes that the plan copies.
 */
export function variantsOf<T>(
  { facts }: Solution,
  name: string,
  needs: ReadonlyMap<string, T>,
  copies: readonly ConstantUse[] = [],
): readonly Variant<T>[] {
  const variants = new Map<string, { need: T; uses: ConstantUse[] }>()
  let isKept = facts.model.graph.outputs.some((output) => output.name === name)
  const uses = (facts.links.uses.get(name) ?? []).map(({ node, input }) => ({
    node: nodeKey(node),
    input,
  }))
  for (const use of [...uses, ...copies]) {
    const need = needs.get(useKey(use))
    if (need === undefined) {
      // A node whose result follows from sizes may read what it will: it is pinned where it must be.
      if (facts.provenance(use.node).kind !== 'size') isKept = true
      continue
    }
    const text = JSON.stringify(need)
    const variant = variants.get(text) ?? { need, uses: [] }
    variant.uses.push(use)
    variants.set(text, variant)
  }
  return [...variants.values()].map(({ need, uses }, i) =>
    isKept || i > 0 ? { need, uses } : { need },
  )
}

/**
 * Of a constant that only some readers need otherwise, one clone cannot have other integers while another grows.
 *
 * @throws Net2NetError (refused) where a plan would need that.
 */
export function refuseBoth(
  parameters: readonly ParameterChange[],
  integers: readonly IntegerChange[],
): void {
  const grown = new Set(parameters.map(({ name }) => name))
  for (const change of integers)
    if ('constant' in change && change.clone !== undefined && grown.has(change.constant))
      throw refusedError(
        `"${change.constant}" lists sizes and would have to grow itself, both for some of its readers only.`,
        { where: change.constant },
      )
}
