/** What the parts of a plan are made from: the solved model, and what of it grows. */
import type { NameSupply } from '../../model/names.ts'
import type { AxisMap, ConstantUse, NoiseKind } from '../growth-plan.ts'
import type { Solution } from '../solve/relate.ts'
import { nodeKey } from '../solve/rule-context.ts'
import type { Shares } from '../solve/splits.ts'
import { sizeWith } from './project.ts'

export interface Planning {
  readonly solution: Solution
  readonly shares: Shares
  /** Grown units by number in the solver: their names in the plan. */
  readonly ids: ReadonlyMap<number, string>
  readonly sizeOfUnits: ReadonlyMap<string, number>
  readonly names: NameSupply
  readonly noise: NoiseKind
  readonly noiseSize: number
}

/** Size of an axis after the growth. */
export const newSize = (context: Planning, map: AxisMap): number =>
  sizeWith(map, (id) => context.sizeOfUnits.get(id)!)

/** Uses of a constant, by what they need: uses with equal needs can share one tensor. */
export function partition<T>(
  { links, held }: Solution,
  name: string,
  isOutput: boolean,
  needs: ReadonlyMap<string, T>,
): { readonly shared: boolean; readonly variants: { need: T; uses: ConstantUse[] }[] } {
  const variants = new Map<string, { need: T; uses: ConstantUse[] }>()
  let unchanged = isOutput
  for (const { node, input } of links.uses.get(name) ?? []) {
    const need = needs.get(useKey(nodeKey(node), input))
    if (need === undefined) {
      // A node whose result is held may read what it will.
      if (!held.has(nodeKey(node))) unchanged = true
      continue
    }
    const text = JSON.stringify(need)
    const variant = variants.get(text) ?? { need, uses: [] }
    variant.uses.push({ node: nodeKey(node), input })
    variants.set(text, variant)
  }
  return { shared: unchanged, variants: [...variants.values()] }
}

export const useKey = (node: string, input: number) => `${input}:${node}`
