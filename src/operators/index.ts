/** The table of operators: to support a new one is to add its file and one line here. */
import type { LinearFormOf } from '../model/linear-form.ts'
import type { Node } from '../model/model.ts'
import { activations } from './activations.ts'
import { arithmetic } from './arithmetic.ts'
import { clips } from './clip.ts'
import { comparisons } from './comparisons.ts'
import { concatenation } from './concat.ts'
import { constants } from './constant.ts'
import { expansions } from './expand.ts'
import { frozenOperators } from './frozen.ts'
import { gathers } from './gather.ts'
import { gathersByElement } from './gather-elements.ts'
import { generators } from './generators.ts'
import { identities } from './identity.ts'
import { mathematics } from './math.ts'
import { neuralNetworkOperators } from './neural-network.ts'
import type { Operator } from './operator.ts'
import { orderings } from './ordering.ts'
import { pads } from './pad.ts'
import { recurrent } from './recurrent.ts'
import { reductions } from './reduce.ts'
import { reshapes } from './reshape.ts'
import { scatters } from './scatter.ts'
import { shapes } from './shape.ts'
import { slices } from './slice.ts'
import { splits } from './split.ts'
import { squeezes } from './squeeze.ts'
import { transposition } from './transpose.ts'
import { selections } from './where.ts'

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
  frozenOperators,
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
  operatorOf(node)?.linear?.(node, position, dims)
