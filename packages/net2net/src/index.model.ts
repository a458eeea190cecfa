/** `net2net/model`: a model as data, its shapes, and what its nodes are. */
import * as kind from './arguments.ts'
import * as attributeValues from './model/attributes.ts'
import * as builder from './model/builder.ts'
import * as classes from './model/classes.ts'
import * as models from './model/model.ts'
import * as names from './model/names.ts'
import * as meanings from './model/output-meaning.ts'
import * as preparations from './model/preparation.ts'
import { constantsOf as findConstants } from './operators/constants-of.ts'
import type { ValueInfo } from './operators/contract/infer.ts'
import { movesElements } from './operators/helpers/scaling.ts'
import { inferModel } from './operators/inference.ts'
import { operatorOf } from './operators/table.ts'
import { upgrade } from './passes/upgrade-opset.ts'
import type { LazyTensor } from './tensor/tensor.ts'

export type { AttributeLike } from './model/attributes.ts'
export { GraphBuilder } from './model/builder.ts'
export type {
  Attribute,
  Dim,
  Graph,
  Initializer,
  Model,
  Node,
  Shape,
  ValueDeclaration,
  ValueType,
} from './model/model.ts'
export type { Activation, OutputMeaning } from './model/output-meaning.ts'
export type {
  CategoryEncoding,
  Feature,
  PictureFit,
  PicturePreparation,
  Preparation,
  TablePreparation,
  TextPreparation,
  TextUnit,
} from './model/preparation.ts'
export type { ValueInfo }

type Model = models.Model

const node = kind.object('a node', 'opType', 'string')
const graph = kind.object('a graph', 'nodes', 'object')

/** A map of attributes from plain values; entries that are undefined are left out. */
export const attributes = kind.checked('attributes', attributeValues.attributes, {
  entries: kind.recordOf(
    'an object of attributes by name',
    kind.optional(
      kind.either(
        'a whole number, a list of them, a string, a tensor or an attribute',
        kind.number,
        kind.numbers,
        kind.text,
        kind.tensor,
        kind.object('', 'type', 'string'),
      ),
    ),
  ),
})

/** The tensor that an attribute holds; undefined where there is no such attribute. */
export const tensorAttribute = kind.checked('tensorAttribute', attributeValues.tensorAttribute, {
  node,
  name: kind.text,
})

/** A model with nothing but a graph in it. */
export const modelOf = kind.checked('modelOf', builder.modelOf, {
  graph,
  opset: kind.optional(kind.number),
})

/** The version of an operator set that a model imports (1 where none is declared); '' is ONNX's own. */
export const opsetOf = kind.checked('opsetOf', models.opsetOf, {
  model: kind.model,
  domain: kind.optional(kind.text),
})

/** The inputs that a caller must feed: graph inputs without an initializer. */
export const requiredInputs = kind.checked('requiredInputs', models.requiredInputs, { graph })

/** `Conv conv1`: operator and name of a node, for messages. */
export const describeNode = kind.checked('describeNode', names.describeNode, { node })

/** What a node is called: its name, or that of its first output. */
export const nodeLabel = kind.checked('nodeLabel', names.nodeLabel, { node })

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

/** How the data that the model was trained on became its inputs, where its file says so. See model/preparation.ts. */
export const preparationOf = kind.checked('preparationOf', preparations.preparationOf, {
  model: kind.model,
})

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

export type OperatorKind = 'layer' | 'normalization' | 'activation' | 'view' | 'other'

/**
 * What an operator is to growth: `layer` (it contracts its input with a weight), `normalization`, `activation`, `view` (it moves
 * values and computes none) or `other`; undefined where the operator is not known.
 */
export const operatorKind = kind.checked('operatorKind', kindOf, { node })

function kindOf(node: Pick<models.Node, 'domain' | 'opType'>): OperatorKind | undefined {
  const operator = operatorOf(node)
  if (operator === undefined) return undefined
  if (operator.growth?.layer !== undefined) return 'layer'
  if (operator.growth?.normalization !== undefined) return 'normalization'
  if (operator.growth?.activation !== undefined) return 'activation'
  return movesElements(operator) ? 'view' : 'other'
}
