/** The uses of a constant fall into variants, by what they need; at most one keeps the constant's name. */
import type { ConstantUse } from '../../model/links.ts'
import type { Node } from '../../model/model.ts'
import { nodeKey } from '../../model/names.ts'
import type { Solution } from '../solve/index.ts'

export interface Variant<T> {
  readonly need: T
  /** The uses that a clone takes over; undefined for the variant that keeps the name. */
  readonly uses?: readonly ConstantUse[]
}

export const useKey = (node: Node, input: number): string => `${input}:${nodeKey(node)}`

/** Uses with equal needs share one tensor. Uses without a need keep the constant as it is. */
export function variantsOf<T>(
  { facts }: Solution,
  name: string,
  needs: ReadonlyMap<string, T>,
): readonly Variant<T>[] {
  const variants = new Map<string, { need: T; uses: ConstantUse[] }>()
  let isKept = facts.model.graph.outputs.some((output) => output.name === name)
  for (const { node, input } of facts.links.uses.get(name) ?? []) {
    const need = needs.get(useKey(node, input))
    if (need === undefined) {
      // A node whose result follows from sizes may read what it will: it is pinned where it must be.
      if (facts.provenance(nodeKey(node)).kind !== 'size') isKept = true
      continue
    }
    const text = JSON.stringify(need)
    const variant = variants.get(text) ?? { need, uses: [] }
    variant.uses.push({ node: nodeKey(node), input })
    variants.set(text, variant)
  }
  return [...variants.values()].map(({ need, uses }, i) =>
    isKept || i > 0 ? { need, uses } : { need },
  )
}
