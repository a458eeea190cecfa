/**
 * Who holds the shares of a unit that computed values are summed over.
 *
 * Where a constant is summed against an activation, the constant takes the shares α and the
 * activation holds plain copies; where the weight is computed from constants, some of these do, if
 * they can. In a sum of products of two computed values, Σ_u q_u·k_u (attention's scores), one of
 * the two must hold shares, α_i·q, and the other copies: Σ_i (α_i·q)·k = q·k. A plain sum of a
 * computed value needs shares of it. A value holds shares if the parameters that it is
 * computed from take them, and if every node on the way passes positive factors on (`homogeneous`);
 * every other reader of the value must bear them too.
 *
 * So each cell (cells.ts) of each value holds either copies or shares, and nodes relate the cells of
 * their inputs to those of their outputs. Cells hold copies unless a sum needs otherwise; from there
 * the relations are followed, and where they leave a choice (which factor of a product) one way is
 * tried after the other.
 *
 * Along the way from such a parameter to the sum everything that is linear also passes on noise that
 * sums to zero over the copies: Σ_i (α_i·q + ε_i)·k = q·k + (Σ_i ε_i)·k.
 */
import type { Axis } from '../../operators/contract/axis.ts'
import type { Solution } from './relate.ts'
import { Flow, isSum, type Sum } from './split-rules.ts'
import { Search, type Solved, type Unshared } from './split-search.ts'
import type { CellAlgebra } from './tensor-parts.ts'
import type { ParameterUse } from './weights.ts'

/** The shares that parameters take beside those of their summed axes. */
export interface Shares {
  /** An axis of a parameter with the units marked whose shares it takes, if there are any. */
  axisOf(use: ParameterUse, k: number): Axis | undefined
  /** May parameters that take shares of this unit also get noise? */
  allowsNoise(unit: number): boolean
}

/** Decides for every unit that `isFree`; the others never grow. */
export function shareOut(
  solution: Solution,
  isFree: (unit: number) => boolean,
): { readonly shares: Shares; readonly unshared: readonly Unshared[] } {
  const { algebra, contractions } = solution
  const byUnit = new Map<number, Sum[]>()
  for (const contraction of contractions)
    if (isSum(contraction))
      for (const unit of new Set(algebra.leaves(contraction.axis)))
        if (isFree(unit)) byUnit.set(unit, [...(byUnit.get(unit) ?? []), contraction])
  if (byUnit.size === 0) return { shares: none, unshared: [] }
  const flow = new Flow(solution)
  const taken = new TakenShares(flow.cells)
  const unshared: Unshared[] = []
  for (const [unit, sums] of byUnit) {
    const found = new Search(flow, unit).run(sums)
    if ('reason' in found) unshared.push(found)
    else taken.add(unit, found)
  }
  return { shares: taken, unshared }
}

const none: Shares = { axisOf: () => undefined, allowsNoise: () => true }

class TakenShares implements Shares {
  readonly #cells: CellAlgebra
  readonly #prefixes = new Map<ParameterUse, Map<number, Set<string>>>()
  /** Units whose shares pass through nodes that are not linear. */
  readonly #bent = new Set<number>()

  constructor(cells: CellAlgebra) {
    this.#cells = cells
  }

  add(unit: number, { holds, isLinear }: Solved): void {
    if (!isLinear) this.#bent.add(unit)
    for (const [{ parameter, axis }, shares] of holds) {
      if (!parameter || !shares || axis === undefined) continue
      const axes = this.#prefixes.get(parameter.use) ?? new Map<number, Set<string>>()
      this.#prefixes.set(parameter.use, axes)
      axes.set(axis, (axes.get(axis) ?? new Set()).add(parameter.prefix))
    }
  }

  axisOf(use: ParameterUse, k: number): Axis | undefined {
    const prefixes = this.#prefixes.get(use)?.get(k)
    return prefixes && this.#cells.marked(use.axes[k]!, prefixes)
  }

  allowsNoise(unit: number): boolean {
    return !this.#bent.has(unit)
  }
}
