/** The table of operators: to support a new one is to add its file and one line here. */

import type { Node } from '../model/model.ts'
import type { Operator } from './contract/operator.ts'
import type { LinearFormOf } from './contract/slicing.ts'
import { neuralNetworkOperators } from './neural-network.ts'
import { activations } from './rules/activations.ts'
import { arithmetic } from './rules/arithmetic.ts'
import { clips } from './rules/clip.ts'
import { comparisons } from './rules/comparisons.ts'
import { concatenation } from './rules/concat.ts'
import { constants } from './rules/constant.ts'
import { expansions } from './rules/expand.ts'
import { gathers } from './rules/gather.ts'
import { gathersByElement } from './rules/gather-elements.ts'
import { generators } from './rules/generators.ts'
import { identities } from './rules/identity.ts'
import { mathematics } from './rules/math.ts'
import { orderings } from './rules/ordering.ts'
import { pads } from './rules/pad.ts'
import { recurrent } from './rules/recurrent.ts'
import { reductions } from './rules/reduce.ts'
import { reshapes } from './rules/reshape.ts'
import { scatters } from './rules/scatter.ts'
import { shapes } from './rules/shape.ts'
import { slices } from './rules/slice.ts'
import { splits } from './rules/split.ts'
import { squeezes } from './rules/squeeze.ts'
import { transposition } from './rules/transpose.ts'
import { selections } from './rules/where.ts'
import { withoutRules } from './rules/without-rules.ts'

const families: readonly (readonly Operator[])[] = [
  neuralNetworkOperators,
  activations,
  arithmetic,
  mathematics,
  comparisons,
  selections,
  identities,
  constants,
  reshapes,
  transposition,
  squeezes,
  concatenation,
  slices,
  gathers,
  shapes,
  reductions,
  clips,
  splits,
  pads,
  expansions,
  generators,
  gathersByElement,
  scatters,
  orderings,
  recurrent,
  withoutRules,
]

/** All supported operators, in the order of the table. */
export const operators: readonly Operator[] = families.flat()

const table: ReadonlyMap<string, Operator> = new Map(
  operators.map((operator) => [keyOf(operator.domain ?? '', operator.name), operator]),
)

function keyOf(domain: string, name: string): string {
  return `${domain === 'ai.onnx' ? '' : domain}:${name}`
}

/** The operator that a node applies, if we know it. */
export const operatorOf = (node: Pick<Node, 'domain' | 'opType'>): Operator | undefined =>
  table.get(keyOf(node.domain, node.opType))

/** How a node is computed from slices of a large weight, where its operator says so. */
export const linearFormOf: LinearFormOf = (node, position, dims) =>
  operatorOf(node)?.execution?.slicing?.(node, position, dims)
