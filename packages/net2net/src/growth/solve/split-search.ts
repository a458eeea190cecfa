/** The search for tensor parts that can be split along one variable: see splits.ts. */
import { describeNode } from '../../model/names.ts'
import {
  type Choice,
  type Failure,
  isFailure,
  type OpenContraction,
  type Option,
  type Requirement,
  type SplitRules,
} from './split-rules.ts'
import type { TensorPart } from './tensor-parts.ts'

export interface Found {
  /** Which parts are split; the others that were met are copied. */
  readonly isSplit: ReadonlyMap<TensorPart, boolean>
  /** Is all that lies between the split constants and the contractions linear? */
  readonly isLinear: boolean
}

/** Why a variable cannot be split, and the contraction where it would have to be. */
export interface Unsplit extends Failure {
  readonly contraction: OpenContraction
}

/** More choices than networks have: the number of ways to take is bounded by this. */
const MOST_CHOICES = 1000

/** Decides for one variable, over which these contractions sum. */
export function searchSplits(
  rules: SplitRules,
  contractions: readonly OpenContraction[],
): Found | Unsplit {
  const choices = contractions.map((each) => rules.choiceOf(each))
  for (const [i, contraction] of contractions.entries()) {
    const failures = choices[i]!.options.flatMap(({ requirements }) => {
      const result = new Search(rules, false).run(requirements, [])
      return isFailure(result) ? [result] : []
    })
    if (failures.length < contraction.factors.length) continue
    const reason = `${contraction.does}, and ${withoutSplit(contraction, failures)}`
    return { contraction, node: contraction.node, reason }
  }
  // Where there is a linear way, noise can break the symmetry between the copies.
  for (const onlyLinear of [true, false]) {
    const found = new Search(rules, onlyLinear).run([], choices)
    if (!isFailure(found)) return found
  }
  const contraction = contractions.at(-1)!
  const first = describeNode(contractions[0]!.node)
  const reason = `${contraction.does}, whose split does not fit with the one that ${first} needs`
  return { contraction, node: contraction.node, reason }
}

function withoutSplit({ factors }: OpenContraction, failures: readonly Failure[]): string {
  const reasons = new Set(failures.map(({ node, reason }) => `${describeNode(node)} ${reason}`))
  const who =
    factors.length === 1 ? 'what it sums cannot be split' : 'neither can be split along it'
  return `${who} (${[...reasons].join('; ')})`
}

/** Backtracking: requirements are followed; where they leave a choice, one way is tried after the other. */
class Search {
  readonly #rules: SplitRules
  readonly #onlyLinear: boolean
  #choices = 0

  constructor(rules: SplitRules, onlyLinear: boolean) {
    this.#rules = rules
    this.#onlyLinear = onlyLinear
  }

  run(requirements: readonly Requirement[], choices: readonly Choice[]): Found | Failure {
    return this.#attempt({ isSplit: new Map(), isLinear: true }, requirements, choices)
  }

  #attempt(
    { isSplit: before, isLinear }: Found,
    requirements: readonly Requirement[],
    choices: readonly Choice[],
  ): Found | Failure {
    const isSplit = new Map(before)
    let linear = isLinear
    const open = [...requirements]
    const pending = [...choices]
    for (;;) {
      const next = open.pop()
      if (next) {
        const known = isSplit.get(next.part)
        if (known === next.isSplit) continue
        if (known !== undefined) return this.#rules.conflictAt(next.part)
        isSplit.set(next.part, next.isSplit)
        if (!next.isSplit) continue
        const found = this.#rules.consequencesOf(next.part)
        if (isFailure(found)) return found
        open.push(...found.requirements)
        pending.push(...found.choices)
        continue
      }
      const choice = pending.shift()
      if (!choice) return { isSplit, isLinear: linear }
      const options = choice.options.filter((option) => !this.#isExcluded(isSplit, option))
      if (options.length === 0)
        return { node: choice.node, reason: 'joins it with what cannot be scaled alike' }
      const [only, another] = options
      if (only && !another) {
        linear &&= only.isLinear
        open.push(...only.requirements)
        continue
      }
      return this.#tryEach({ isSplit, isLinear: linear }, choice, options, pending)
    }
  }

  #tryEach(
    state: Found,
    { node }: Choice,
    options: readonly Option[],
    pending: readonly Choice[],
  ): Found | Failure {
    let failure: Failure | undefined
    for (const option of options) {
      if (++this.#choices > MOST_CHOICES) break
      const isLinear = state.isLinear && option.isLinear
      const result = this.#attempt({ ...state, isLinear }, option.requirements, pending)
      if (!isFailure(result)) return result
      failure ??= result
    }
    return failure ?? { node, reason: 'leaves too many ways to split it' }
  }

  #isExcluded(isSplit: Found['isSplit'], { requirements, isLinear }: Option): boolean {
    if (this.#onlyLinear && !isLinear) return true
    return requirements.some((each) => (isSplit.get(each.part) ?? each.isSplit) !== each.isSplit)
  }
}
