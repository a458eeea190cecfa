/**
 * The growth solver: which axes of a model can grow, what grows with them, and who is split.
 *
 * Six phases, none of which writes into the result of another: what each value is; how axes are related;
 * what is fixed; who takes split coefficients; what that fixes in turn; what grows together.
 */
import type { Model } from '../../model/model.ts'
import type { FixedSource, SolvedAxes } from './axis-system.ts'
import { type ChannelGroups, channelGroups } from './channel-groups.ts'
import { type Facts, factsOf, type OperatorLookup } from './facts.ts'
import { spread, unbalancedSums } from './fixed.ts'
import { type Relations, relate } from './relate.ts'
import { assignSplits, type Splits } from './splits.ts'

/**
 * What has been solved of a model. Planners and `inspect` take it in place of the model, so that who plans often solves
 * once. What else is in it is no part of the interface.
 */
export interface Solution {
  readonly model: Model
  /** @internal */
  readonly facts: Facts
  /** @internal */
  readonly axes: SolvedAxes
  /** @internal */
  readonly relations: Relations
  /** @internal */
  readonly splits: Splits
  /** @internal */
  readonly groups: ChannelGroups
}

/** Solves a model. Never fails for what it does not understand: that is fixed, with the reason. */
export const solve = (model: Model, operatorOf?: OperatorLookup): Solution =>
  solveFacts(factsOf(model, operatorOf))

/**
 * Solves for extension: an axis is free where entries can be appended to it, instead of where its units can be
 * copied. That holds of the axes of the graph's outputs, of those that a lookup or a softmax fixes, and of the given inputs.
 */
export const solveExtension = (facts: Facts, inputs: ReadonlySet<string>): Solution =>
  solveFacts(facts, inputs, (source) => source.extends === undefined)

function solveFacts(
  facts: Facts,
  openInputs?: ReadonlySet<string>,
  counts: (source: FixedSource) => boolean = () => true,
): Solution {
  const { axes, relations } = relate(facts, openInputs)
  const fixed = [...axes.sources.filter(counts), ...unbalancedSums(axes, relations)]
  const related = spread(axes, fixed)
  const { splits, refused } = assignSplits(facts, axes, relations, related)
  const reasons = refused.length === 0 ? related : spread(axes, [...fixed, ...refused])
  const groups = channelGroups(facts, axes, relations, reasons)
  return { model: facts.model, facts, axes, relations, splits, groups }
}

/** What planners take: a model, or what has been solved of it already. */
export const solutionOf = (from: Model | Solution): Solution =>
  'facts' in from ? from : solve(from)

export const modelOf = (from: Model | Solution): Model => ('facts' in from ? from.model : from)
