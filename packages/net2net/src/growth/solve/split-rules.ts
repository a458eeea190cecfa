/** Where shares may flow in a graph, for all units alike: nodes, and what they do to their inputs. */
import type { Node } from '../../model/model.ts'
import type { FactorAxis } from '../../operators/contract/axes.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { ScalesWith } from '../../operators/contract/facets.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { operatorOf } from '../../operators/table.ts'
import { elementCount, toNumbers } from '../../tensor/tensor.ts'
import type { Solution } from './relate.ts'
import type { Contraction } from './rule-context.ts'
import { CellAlgebra } from './tensor-parts.ts'
import type { ParameterUse } from './weights.ts'

/** A sum of products of computed values, or of one value. */
export type Sum = Contraction & { readonly factors: readonly FactorAxis[] }
export const isSum = (contraction: Contraction): contraction is Sum =>
  contraction.factors !== undefined

export const isView = (node: Node): boolean => movesElements(operatorOf(node))

export const facetOf = (node: Node): ScalesWith | undefined => scalingOf(operatorOf(node))

/** What is known of the graph for all units alike. */
export class Flow {
  readonly solution: Solution
  readonly cells: CellAlgebra
  readonly #contractions = new Map<Node, Contraction[]>()
  readonly #picks = new Map<Node, Axis>()
  readonly #parameters = new Map<Node, Map<number, ParameterUse>>()
  readonly #summed = new Map<Node, ReadonlySet<number>>()

  constructor(solution: Solution) {
    this.solution = solution
    this.cells = new CellAlgebra(solution.algebra)
    for (const { node, entry } of solution.picks) this.#picks.set(node, entry)
    for (const each of solution.contractions)
      this.#contractions.set(each.node, [...this.contractionsOf(each.node), each])
    for (const use of solution.parameters) {
      const inputs = this.#parameters.get(use.node) ?? new Map<number, ParameterUse>()
      this.#parameters.set(use.node, inputs.set(use.input, use))
    }
  }

  contractionsOf(node: Node): readonly Contraction[] {
    return this.#contractions.get(node) ?? []
  }

  /** The entry that a node picks from an axis of its first input. */
  pickOf(node: Node): Axis | undefined {
    return this.#picks.get(node)
  }

  parameterAt(node: Node, input: number): ParameterUse | undefined {
    return this.#parameters.get(node)?.get(input)
  }

  /** Elements of a value, an unknown size counted as one. */
  entriesOf(name: string): number {
    const shape = this.solution.values.get(name)?.shape ?? []
    return shape.reduce<number>((count, dim) => count * (typeof dim === 'number' ? dim : 1), 1)
  }

  /** Is an input the constant 0, which is a multiple of anything? */
  isZero(node: Node, input: number): boolean {
    const tensor = this.parameterAt(node, input)?.tensor
    return tensor !== undefined && elementCount(tensor.dims) === 1 && toNumbers(tensor)[0] === 0
  }

  /** Numbers of the axes that a node sums over: the output may have them too, but not from there. */
  summedAt(node: Node): ReadonlySet<number> {
    const known = this.#summed.get(node)
    if (known) return known
    const axes = this.contractionsOf(node).map(({ axis }) => axis)
    const numbers = new Set(axes.flatMap((axis) => [...this.cells.numbersOf(axis)]))
    this.#summed.set(node, numbers)
    return numbers
  }
}
