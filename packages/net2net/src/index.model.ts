/** `net2net/model`: a model as data, its shapes, and what its nodes are. */
import * as kind from './arguments.ts'
import * as classes from './model/classes.ts'
import type { Model, Node } from './model/model.ts'
import * as meanings from './model/output-meaning.ts'
import { constantsOf as findConstants } from './operators/constants-of.ts'
import type { ValueInfo } from './operators/contract/infer.ts'
import { movesElements } from './operators/helpers/scaling.ts'
import { inferModel } from './operators/inference.ts'
import { operatorOf } from './operators/table.ts'
import { upgrade } from './passes/upgrade-opset.ts'
import type { LazyTensor } from './tensor/tensor.ts'

export { type AttributeLike, attributes, tensorAttribute } from './model/attributes.ts'
export { GraphBuilder, modelOf } from './model/builder.ts'
export {
  type Attribute,
  type Dim,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  opsetOf,
  requiredInputs,
  type Shape,
  type ValueDeclaration,
  type ValueType,
} from './model/model.ts'
export { describeNode, nodeLabel } from './model/names.ts'
export type { Activation, OutputMeaning } from './model/output-meaning.ts'
export type { ValueInfo }

/** The names of the classes that a model tells apart, where its file has them. See model/classes.ts. */
export const classesOf = kind.checked('classesOf', classes.classesOf, { model: kind.model })

/** The model with names for the classes that it tells apart, in the order of its outputs. */
export const withClasses = kind.checked('withClasses', classes.withClasses, {
  model: kind.model,
  classes: kind.texts,
})

/** What training stored of the model's outputs, by their names: the loss, and what makes probabilities. */
export const outputMeanings = kind.checked('outputMeanings', meanings.outputMeanings, {
  model: kind.model,
})

/** The names of the columns of the table that the model was trained on, where its file has them. */
export const columnsOf = kind.checked('columnsOf', meanings.columnsOf, { model: kind.model })

/**
 * Type, shape and constant value of every value of the main graph, as far as they follow from the model.
 *
 * @throws Net2NetError (input) for a node that contradicts its inputs
 */
export const inferShapes: (model: Model) => ReadonlyMap<string, ValueInfo> = kind.checked(
  'inferShapes',
  (model: Model) => inferModel(model),
  { model: kind.model },
)

/**
 * The model in the operator set that training and growth write (18).
 *
 * @throws Net2NetError (refused) where an operator of the model cannot be brought there
 */
export const upgradeOpset = kind.checked('upgradeOpset', upgrade, { model: kind.model })

/** Every stored tensor of the main graph by the name of its value: initializers, and nodes that hold a tensor. */
export const constantsOf: (model: Model) => ReadonlyMap<string, LazyTensor> = kind.checked(
  'constantsOf',
  findConstants,
  { model: kind.model },
)

/**
 * What an operator is to growth: `layer` (it contracts its input with a weight), `normalization`, `activation`, `view` (it moves
 * values and computes none) or `other`; undefined where the operator is not known.
 */
export type OperatorKind = 'layer' | 'normalization' | 'activation' | 'view' | 'other'

export function operatorKind(node: Pick<Node, 'domain' | 'opType'>): OperatorKind | undefined {
  const operator = operatorOf(node)
  if (operator === undefined) return undefined
  if (operator.growth?.layer !== undefined) return 'layer'
  if (operator.growth?.normalization !== undefined) return 'normalization'
  if (operator.growth?.activation !== undefined) return 'activation'
  return movesElements(operator) ? 'view' : 'other'
}
