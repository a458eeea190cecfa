/**
 * Who holds the shares of a unit that computed values are summed over.
 *
 * Where a weight is summed against an activation, the weight takes the shares α and the activation
 * holds plain copies. In a sum of products of two computed values, Σ_u q_u·k_u (attention's scores),
 * one of the two must hold shares, α_i·q, and the other copies: Σ_i (α_i·q)·k = q·k. A plain
 * sum of a computed value needs shares of it. A value holds shares if the parameters that it is
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
import type { Node } from '../model/model.ts'
import { describeNode } from '../model/names.ts'
import type { Axis } from '../operators/axis.ts'
import { linearIn } from '../operators/homogeneity.ts'
import { operatorOf } from '../operators/index.ts'
import type { FactorAxis, HomogeneityFacet } from '../operators/operator.ts'
import { agree, type Cell, CellAlgebra, isOnAxis } from './cells.ts'
import type { Contraction, ParameterUse, PickedEntry } from './node-context.ts'
import type { Solution } from './solver.ts'

/** The shares that parameters take beside those of their summed axes. */
export interface Shares {
  /** An axis of a parameter with the units marked whose shares it takes, if there are any. */
  axisOf(use: ParameterUse, k: number): Axis | undefined
  /** May parameters that take shares of this unit also get noise? */
  allowsNoise(unit: number): boolean
}

/** Why units cannot be shared out, and at which node. */
export interface Unshared extends Failure {
  readonly axis: Axis
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
  const unshared: Unshared[] = []
  const taken = new TakenShares()
  if (byUnit.size > 0) {
    const flow = new Flow(solution)
    for (const [unit, sums] of byUnit) {
      const found = new Search(flow, unit).run(sums)
      if ('reason' in found) unshared.push(found)
      else taken.add(unit, found)
    }
    taken.marks = (axis, prefixes) => flow.cells.marked(axis, prefixes)
  }
  return { shares: taken, unshared }
}

type Sum = Contraction & { readonly factors: readonly FactorAxis[] }
const isSum = (contraction: Contraction): contraction is Sum => contraction.factors !== undefined

class TakenShares implements Shares {
  marks: (axis: Axis, prefixes: ReadonlySet<string>) => Axis = (axis) => axis
  readonly #prefixes = new Map<ParameterUse, Map<number, Set<string>>>()
  /** Units whose shares pass through what is not linear. */
  readonly #bent = new Set<number>()

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
    return prefixes && this.marks(use.axes[k]!, prefixes)
  }

  allowsNoise(unit: number): boolean {
    return !this.#bent.has(unit)
  }
}

/** What is known of the graph for all units alike. */
class Flow {
  readonly solution: Solution
  readonly cells: CellAlgebra
  readonly #contractions = new Map<Node, Contraction[]>()
  readonly #picks = new Map<Node, PickedEntry>()
  readonly #parameters = new Map<Node, Map<number, ParameterUse>>()
  readonly #summed = new Map<Node, ReadonlySet<number>>()

  constructor(solution: Solution) {
    this.solution = solution
    this.cells = new CellAlgebra(solution.algebra)
    for (const pick of solution.picks) {
      this.#picks.set(pick.node, pick)
      this.cells.distinguish(pick.axis)
    }
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

  pickOf(node: Node): PickedEntry | undefined {
    return this.#picks.get(node)
  }

  parameterAt(node: Node, input: number): ParameterUse | undefined {
    return this.#parameters.get(node)?.get(input)
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

interface Demand {
  readonly cell: Cell
  readonly shares: boolean
}

/** Alternatives at a node, of which one must hold. */
interface Choice {
  readonly node: Node
  readonly options: readonly Option[]
}

interface Option {
  readonly demands: readonly Demand[]
  readonly isLinear: boolean
}

interface Solved {
  readonly holds: Map<Cell, boolean>
  isLinear: boolean
}

interface Failure {
  readonly node: Node
  readonly reason: string
}

const isFailure = (result: object): result is Failure => 'reason' in result

/** More choices than networks have: the number of ways to take is bounded by this. */
const MOST_CHOICES = 10_000

/** Decides for one unit. */
class Search {
  readonly #flow: Flow
  readonly #unit: number
  readonly #values = new Map<string, readonly Cell[]>()
  readonly #parameters = new Map<ParameterUse, readonly Cell[]>()
  readonly #names = new Map<Cell, string>()
  #onlyLinear = false
  #choices = 0

  constructor(flow: Flow, unit: number) {
    this.#flow = flow
    this.#unit = unit
  }

  run(sums: readonly Sum[]): Solved | Unshared {
    const choices = sums.map((each) => this.#choiceOf(each))
    const start = (): Solved => ({ holds: new Map(), isLinear: true })
    // Where there is a linear way, noise can break the symmetry between the copies.
    this.#onlyLinear = true
    const linear = this.#attempt(start(), [], choices)
    if (!isFailure(linear)) return linear
    this.#onlyLinear = false
    const found = this.#attempt(start(), [], choices)
    if (!isFailure(found)) return found
    for (const sum of sums) {
      const failures = this.#choiceOf(sum).options.flatMap(({ demands }) => {
        const result = this.#attempt(start(), demands, [])
        return isFailure(result) ? [result] : []
      })
      if (failures.length === sum.factors.length)
        return this.#unshared(sum, `${sum.does}, and ${without(sum, failures)}`)
    }
    const last = sums.at(-1)!
    const first = describeNode(sums[0]!.node)
    return this.#unshared(
      last,
      `${last.does}, whose shares do not fit with those that ${first} needs`,
    )
  }

  #unshared({ node, axis }: Sum, reason: string): Unshared {
    const { algebra } = this.#flow.solution
    const own = algebra.origins(axis)[algebra.leaves(axis).indexOf(this.#unit)]!
    return { node, reason, axis: { kind: 'unit', id: own, size: null } }
  }

  /** One factor holds shares, the others copies. */
  #choiceOf({ node, factors }: Sum): Choice {
    const cells = factors.map(({ input, axis }) =>
      this.#cellsAt(node, input).filter((cell) => isOnAxis(cell, axis)),
    )
    const options = factors.map((_, i) => ({
      demands: cells.flatMap((list, k) => list.map((cell) => ({ cell, shares: k === i }))),
      isLinear: true,
    }))
    return { node, options }
  }

  #attempt(
    state: Solved,
    demands: readonly Demand[],
    choices: readonly Choice[],
  ): Solved | Failure {
    const open = [...demands]
    const pending = [...choices]
    let failure: Failure | undefined
    for (;;) {
      const demand = open.pop()
      if (demand) {
        const known = state.holds.get(demand.cell)
        if (known === demand.shares) continue
        if (known !== undefined) return this.#conflict(demand.cell)
        state.holds.set(demand.cell, demand.shares)
        if (!demand.shares) continue
        const found = this.#consequences(demand.cell)
        if (isFailure(found)) return found
        open.push(...found.demands)
        pending.push(...found.choices)
        continue
      }
      const choice = pending.shift()
      if (!choice) return state
      const options = choice.options.filter((option) => !this.#isExcluded(state, option))
      if (options.length === 0)
        return { node: choice.node, reason: 'joins it with what cannot be scaled alike' }
      if (options.length === 1) {
        state.isLinear &&= options[0]!.isLinear
        open.push(...options[0]!.demands)
        continue
      }
      for (const option of options) {
        if (++this.#choices > MOST_CHOICES) break
        const copy: Solved = {
          holds: new Map(state.holds),
          isLinear: state.isLinear && option.isLinear,
        }
        const result = this.#attempt(copy, option.demands, pending)
        if (!isFailure(result)) return result
        failure ??= result
      }
      return failure ?? { node: choice.node, reason: 'leaves too many ways to share it out' }
    }
  }

  #isExcluded({ holds }: Solved, { demands, isLinear }: Option): boolean {
    if (this.#onlyLinear && !isLinear) return true
    return demands.some(({ cell, shares }) => (holds.get(cell) ?? shares) !== shares)
  }

  /** What follows for the nodes that compute and read a cell that holds shares. */
  #consequences(cell: Cell): { demands: readonly Demand[]; choices: readonly Choice[] } | Failure {
    const { links } = this.#flow.solution
    if (cell.parameter) {
      const { node } = cell.parameter.use
      return cell.onlyCopies ? { node, reason: cell.onlyCopies } : { demands: [], choices: [] }
    }
    const name = this.#names.get(cell)!
    const producer = links.producers.get(name)
    const uses = links.uses.get(name) ?? []
    const node = producer ?? uses[0]?.node
    if (!producer || cell.onlyCopies)
      return { node: node!, reason: cell.onlyCopies ?? 'reads it from outside' }
    const choice = this.#producing(producer, producer.outputs.indexOf(name), cell)
    if (isFailure(choice)) return choice
    const demands: Demand[] = []
    for (const { node, input } of uses) {
      const found = this.#reading(node, input, cell)
      if (isFailure(found)) return found
      demands.push(...found)
    }
    return { demands, choices: [choice] }
  }

  /** The ways in which a node can give shares: by each set of inputs in which it is homogeneous. */
  #producing(node: Node, output: number, cell: Cell): Choice | Failure {
    const facet = facetOf(node)
    if (!facet || (output > 0 && !isView(node))) return { node, reason: doesNotScale }
    const members = node.inputs.map((_, i) => this.#members(node, i, cell))
    if (members.every((list) => list.length === 0)) return { node, reason: notFollowed }
    const options = facet.inputs(node).flatMap((set): Option[] => {
      const given = set.filter((i) => (node.inputs[i] ?? '') !== '')
      const found = given.filter((i) => members[i]!.length > 0)
      if (found.length === 0 || (!facet.joins && found.length < given.length)) return []
      const demands = members.flatMap((list, i) =>
        list.map((each) => ({ cell: each, shares: set.includes(i) })),
      )
      return [{ demands, isLinear: facet.linear }]
    })
    return { node, options }
  }

  /** What a node that reads shares needs in turn. */
  #reading(node: Node, input: number, cell: Cell): readonly Demand[] | Failure {
    if (operatorOf(node)?.shapesOnly) return []
    const { algebra } = this.#flow.solution
    for (const { axis, factors, does } of this.#flow.contractionsOf(node)) {
      if (!algebra.leaves(axis).includes(this.#unit)) continue
      if (!factors) return { node, reason: does }
      if (!factors.some((factor) => factor.input === input && isOnAxis(cell, factor.axis))) continue
      return factors.flatMap((factor) =>
        factor.input === input
          ? []
          : this.#cellsAt(node, factor.input)
              .filter((other) => isOnAxis(other, factor.axis))
              .map((other) => ({ cell: other, shares: false })),
      )
    }
    if (!facetOf(node)) return { node, reason: doesNotScale }
    const outputs = node.outputs.slice(0, isView(node) ? undefined : 1)
    const given = outputs.flatMap((name) => this.#cellsOf(name))
    const isFollowed = given.every((each) =>
      node.inputs.some((_, i) => this.#members(node, i, each).length > 0),
    )
    if (!isFollowed) return { node, reason: notFollowed }
    const members = given.filter((each) => this.#members(node, input, each).includes(cell))
    // Parts are left out by what takes elements from one place to another; nothing else may lose them.
    if (members.length === 0 && !isView(node) && !this.#flow.pickOf(node))
      return { node, reason: doesNotScale }
    return members.map((each) => ({ cell: each, shares: true }))
  }

  /** The cells of an input that go into a cell of an output. */
  #members(node: Node, input: number, output: Cell): readonly Cell[] {
    const { cells } = this.#flow
    const summed = new Set(this.#flow.summedAt(node))
    summed.delete(this.#unit)
    const pick = input === 0 ? this.#flow.pickOf(node) : undefined
    const entry = pick && cells.entry(pick.axis, pick.index)
    const factors = this.#flow.contractionsOf(node).flatMap((each) => each.factors ?? [])
    return this.#cellsAt(node, input).filter(
      (cell) =>
        (entry === undefined || cell.paths.some((path) => path.has(entry))) &&
        !factors.some((factor) => factor.input === input && factor.axis === cell.axis) &&
        !isSummed(cell) &&
        agree(cell, output, summed),
    )
  }

  #cellsAt(node: Node, input: number): readonly Cell[] {
    const use = this.#flow.parameterAt(node, input)
    if (!use) return this.#cellsOf(node.inputs[input] ?? '')
    let cells = this.#parameters.get(use)
    if (!cells) {
      cells = this.#flow.cells.ofParameter(use, this.#unit)
      this.#parameters.set(use, cells)
    }
    return cells
  }

  #cellsOf(name: string): readonly Cell[] {
    let cells = this.#values.get(name)
    if (!cells) {
      cells = this.#flow.cells.ofValue(this.#flow.solution.axes.get(name) ?? [], this.#unit)
      for (const cell of cells) this.#names.set(cell, name)
      this.#values.set(name, cells)
    }
    return cells
  }

  #conflict(cell: Cell): Failure {
    const name = this.#names.get(cell)
    const { producers, uses } = this.#flow.solution.links
    const node = cell.parameter?.use.node ?? producers.get(name!) ?? uses.get(name!)![0]!.node
    return { node, reason: 'would have to hold copies and shares at once' }
  }
}

const doesNotScale = 'does not scale with its input'
const notFollowed = 'composes it in a way that is not followed'

const isSummed = ({ parameter, axis }: Cell): boolean =>
  axis !== undefined && parameter?.use.summed[axis] === true

const isView = (node: Node): boolean => operatorOf(node)?.view === true

/** A view is linear in what it views. */
const view = linearIn([0])
const facetOf = (node: Node): HomogeneityFacet | undefined =>
  operatorOf(node)?.homogeneous ?? (isView(node) ? view : undefined)

function without({ factors }: Sum, failures: readonly Failure[]): string {
  const reasons = new Set(failures.map(({ node, reason }) => `${describeNode(node)} ${reason}`))
  const who = factors.length === 1 ? 'cannot have shares of it' : 'neither can hold shares of it'
  return `${who} (${[...reasons].join('; ')})`
}
