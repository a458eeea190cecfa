/** The search for cells that can hold the shares of one unit: see shares.ts. */
import type { Node } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { operatorOf } from '../../operators/table.ts'
import { type Flow, facetOf, isView, type Sum } from './split-rules.ts'
import { agree, agreeInNumbers, type Cell, isOnAxis } from './tensor-parts.ts'
import type { ParameterUse } from './weights.ts'

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

interface Consequences {
  readonly demands: readonly Demand[]
  readonly choices: readonly Choice[]
}

export interface Solved {
  readonly holds: Map<Cell, boolean>
  isLinear: boolean
}

export interface Failure {
  readonly node: Node
  readonly reason: string
}

/** Why units cannot be shared out, and at which node. */
export interface Unshared extends Failure {
  readonly axis: Axis
}

const isFailure = (result: object): result is Failure => 'reason' in result

/** More choices than networks have: the number of ways to take is bounded by this. */
const MOST_CHOICES = 1000

/** Decides for one unit. */
export class Search {
  readonly #flow: Flow
  readonly #unit: number
  readonly #values = new Map<string, readonly Cell[]>()
  readonly #parameters = new Map<ParameterUse, readonly Cell[]>()
  readonly #names = new Map<Cell, string>()
  readonly #membersOf = new Map<Cell, readonly ReadonlySet<Cell>[]>()
  readonly #consequencesOf = new Map<Cell, Consequences | Failure>()
  #onlyLinear = false
  #choices = 0

  constructor(flow: Flow, unit: number) {
    this.#flow = flow
    this.#unit = unit
  }

  run(sums: readonly Sum[]): Solved | Unshared {
    const choices = sums.map((each) => this.#choiceOf(each))
    const start = (): Solved => ({ holds: new Map(), isLinear: true })
    for (const [i, sum] of sums.entries()) {
      const failures = choices[i]!.options.flatMap(({ demands }) => {
        const result = this.#attempt(start(), demands, [])
        return isFailure(result) ? [result] : []
      })
      if (failures.length === sum.factors.length)
        return this.#unshared(sum, `${sum.does}, and ${without(sum, failures)}`)
    }
    // Where there is a linear way, noise can break the symmetry between the copies.
    for (const onlyLinear of [true, false]) {
      this.#onlyLinear = onlyLinear
      this.#choices = 0
      const found = this.#attempt(start(), [], choices)
      if (!isFailure(found)) return found
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
  #consequences(cell: Cell): Consequences | Failure {
    const known = this.#consequencesOf.get(cell)
    if (known) return known
    const found = this.#findConsequences(cell)
    this.#consequencesOf.set(cell, found)
    return found
  }

  #findConsequences(cell: Cell): Consequences | Failure {
    const { links } = this.#flow.solution
    if (cell.parameter) {
      const { node, input } = cell.parameter.use
      if (cell.onlyCopies) return { node, reason: cell.onlyCopies }
      const found = this.#reading(node, input, cell)
      return isFailure(found) ? found : { demands: [...found, ...this.#tied(cell)], choices: [] }
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

  /** What is one constant in a weight takes shares everywhere in it. */
  #tied(cell: Cell): readonly Demand[] {
    const { use } = cell.parameter!
    return [...this.#flow.solution.weights.tiedTo(use)].flatMap((other) =>
      other === use
        ? []
        : this.#cellsAt(other.node, other.input)
            .filter((each) => each.axis === cell.axis && agreeInNumbers(each, cell, none))
            .map((each) => ({ cell: each, shares: true })),
    )
  }

  /** The ways in which a node can give shares: by each set of inputs in which it is homogeneous. */
  #producing(node: Node, output: number, cell: Cell): Choice | Failure {
    const sets = facetOf(node)?.inputs(node) ?? []
    if (sets.length === 0 || (output > 0 && !isView(node))) return { node, reason: doesNotScale }
    const members = this.#members(node, cell)
    if (members.every(({ size }) => size === 0)) return { node, reason: notFollowed }
    const { joins, linear } = facetOf(node)!
    const options = this.#largestFirst(node, sets).flatMap((set): Option[] => {
      const given = set.filter((i) => (node.inputs[i] ?? '') !== '' && !this.#flow.isZero(node, i))
      const found = given.filter((i) => members[i]!.size > 0)
      if (found.length === 0 || (!joins && found.length < given.length)) return []
      const demands = members.flatMap((list, i) =>
        [...list].map((each) => ({ cell: each, shares: set.includes(i) })),
      )
      return [{ demands, isLinear: linear }]
    })
    return { node, options }
  }

  /** The weight rather than a scale of it. */
  #largestFirst(node: Node, sets: readonly (readonly number[])[]) {
    const size = (set: readonly number[]) =>
      Math.max(...set.map((i) => this.#flow.entriesOf(node.inputs[i] ?? '')))
    return [...sets].sort((a, b) => size(b) - size(a))
  }

  /** What a node that reads shares needs in turn. */
  #reading(node: Node, input: number, cell: Cell): readonly Demand[] | Failure {
    if (operatorOf(node)?.reads?.shapes) return []
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
    const isFollowed = given.every((each) => this.#members(node, each).some(({ size }) => size > 0))
    if (!isFollowed) return { node, reason: notFollowed }
    const members = given.filter((each) => this.#members(node, each)[input]!.has(cell))
    // Parts are left out by what takes elements from one place to another; nothing else may lose them.
    if (members.length === 0 && !isView(node) && !this.#flow.pickOf(node))
      return { node, reason: doesNotScale }
    return members.map((each) => ({ cell: each, shares: true }))
  }

  /** The cells of each input of a node that go into a cell of an output. */
  #members(node: Node, output: Cell): readonly ReadonlySet<Cell>[] {
    let members = this.#membersOf.get(output)
    if (!members) {
      members = node.inputs.map((_, i) => new Set(this.#findMembers(node, i, output)))
      this.#membersOf.set(output, members)
    }
    return members
  }

  #findMembers(node: Node, input: number, output: Cell): readonly Cell[] {
    const summed = new Set(this.#flow.summedAt(node))
    summed.delete(this.#unit)
    const pick = input === 0 ? this.#flow.pickOf(node) : undefined
    const [entry] = pick ? this.#flow.solution.algebra.leaves(pick) : []
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

const none: ReadonlySet<number> = new Set()

const doesNotScale = 'does not scale with its input'
const notFollowed = 'composes it in a way that is not followed'

const isSummed = ({ parameter, axis }: Cell): boolean =>
  axis !== undefined && parameter?.use.summed[axis] === true

function without({ factors }: Sum, failures: readonly Failure[]): string {
  const reasons = new Set(failures.map(({ node, reason }) => `${describeNode(node)} ${reason}`))
  const who =
    factors.length === 1 ? 'shares of it do not get there' : 'neither can hold shares of it'
  return `${who} (${[...reasons].join('; ')})`
}
