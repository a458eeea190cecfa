/**
 * Applying a plan: a new model whose grown tensors are computed when they are read. The model
 * that is given stays as it is.
 */
import { inputError } from '../../errors.ts'
import { attributes as attributeMap } from '../../model/attributes.ts'
import { classesOf, withClasses } from '../../model/classes.ts'
import { ModelEdit } from '../../model/edit.ts'
import { linksOf, withoutUnread } from '../../model/links.ts'
import type { Dim, Model, Node, ValueDeclaration } from '../../model/model.ts'
import { constantsOf } from '../../operators/constants-of.ts'
import type { InsertedLayer } from '../../operators/contract/facets.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { inferModel } from '../../operators/inference.ts'
import { separateConstants } from '../../operators/shared-constants.ts'
import { operatorOf } from '../../operators/table.ts'
import { parameterNote, parameterNotes } from '../../operators/trainable.ts'
import { numbersTensor } from '../../tensor/known-numbers.ts'
import { lazyFill } from '../../tensor/lazy.ts'
import { elementCount, type LazyTensor } from '../../tensor/tensor.ts'
import type { DeclaredAxis, GrowthPlan, Insertion, Removal } from '../growth-plan.ts'
import { adapt } from './adapt.ts'
import { growTensor } from './grow-tensor.ts'
import { enlargeKernel } from './larger-kernel.ts'
import { noteNewEntries } from './new-entries.ts'
import { repeat } from './repeat.ts'

/**
 * The grown model. Weights are read only when the result's are.
 *
 * @throws Net2NetError (input) if the plan was made for another model.
 */
export function applyPlan(given: Model, plan: GrowthPlan): Model {
  const model = withPlanned(given, plan)
  const constants = constantsOf(model)
  const notes = parameterNotes(model)
  const edit = new ModelEdit(model, constants)
  for (const copies of plan.copied) edit.copyNodes(copies)
  // A list of positions may grow as well: its numbers change first.
  edit.setIntegers(plan.integers)
  for (const change of plan.parameters) {
    const tensor = expectShape(edit, change)
    const { metadata } = model.graph.initializers.get(change.name) ?? {}
    // A variant under another name is what the file says of the constant.
    const noted = change.to === change.name ? undefined : notes?.get(change.name)
    edit.setConstant(change.to, growTensor(plan, change, tensor), change.uses, noted ?? metadata)
  }
  for (const change of plan.positions) {
    const { dtype } = expectShape(edit, change)
    edit.setConstant(change.to, positionsOf(change.after, dtype === 'int32'), change.uses)
  }
  for (const number of plan.pinned)
    edit.pin(number.value, number.to, numbersTensor(number), number.uses)
  for (const change of plan.floats ?? []) edit.setFloat(change)
  for (const { name } of plan.inserted) edit.nodeNames.claim(name)
  for (const insertion of plan.inserted) insert(edit, insertion, plan.seed, notes !== undefined)
  for (const change of plan.kernels ?? []) enlargeKernel(edit, change)
  for (const adapter of plan.adapters ?? []) adapt(edit, model, adapter, plan.seed)
  if (plan.repeated) repeat(edit, model, plan.repeated)
  if (plan.removed) remove(edit, plan.removed)
  const grown = noteNewEntries(declare(edit.model(), plan), model, plan, (name) =>
    constants.has(name),
  )
  if (plan.removed) return refreshDeclarations(withoutUnreadConstants(grown, model))
  if (plan.pinned.length === 0) return refreshDeclarations(grown)
  // What computed the numbers that are constants now may have no reader left.
  return refreshDeclarations({ ...grown, graph: withoutUnread(grown.graph, model.graph) })
}

/**
 * Training takes parameters apart that an exporter merged, so that plans which are made on the way name each of them. Such plans also fit
 * the model as it was exported.
 */
function withPlanned(model: Model, { parameters, repeated = [] }: GrowthPlan): Model {
  const changed = [...parameters, ...repeated.flatMap((repetition) => repetition.parameters)]
  const has = (constants: ReadonlyMap<string, unknown>) =>
    changed.every(({ name }) => constants.has(name))
  if (has(constantsOf(model))) return model
  const separate = separateConstants(model)
  return has(constantsOf(separate)) ? separate : model
}

function remove(edit: ModelEdit, removals: readonly Removal[]): void {
  const now = new Map<string, string>()
  for (const { nodes, from, to } of removals) {
    const source = now.get(from) ?? from
    edit.bypass(nodes, source, to)
    now.set(to, source)
  }
}

/** Without the nodes and the constants that were read and are not any more. */
function withoutUnreadConstants(model: Model, before: Model): Model {
  const graph = withoutUnread(model.graph, before.graph)
  const [was, is] = [linksOf(before.graph).uses, linksOf(graph).uses]
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const isKept = (name: string) => is.has(name) || outputs.has(name) || !was.has(name)
  const isConstant = (name: string) => before.graph.initializers.has(name)
  return {
    ...model,
    graph: {
      ...graph,
      initializers: new Map([...graph.initializers].filter(([name]) => isKept(name))),
      inputs: graph.inputs.filter(({ name }) => !isConstant(name) || isKept(name)),
    },
  }
}

/** The constant that a change is about, if it is as the plan expects it. */
function expectShape(
  edit: ModelEdit,
  { name, before }: { readonly name: string; readonly before: readonly number[] },
): LazyTensor {
  const tensor = edit.constantOf(name)
  if (String(tensor.dims) !== String(before))
    throw inputError(
      `The plan expects "${name}" with shape [${before}], but it has [${tensor.dims}].`,
      { hint: 'Apply the plan to the model that it was made for.' },
    )
  return tensor
}

/** 0, 1, 2, … in row-major order. */
function positionsOf(dims: readonly number[], isShort: boolean): LazyTensor {
  const elements = Array.from({ length: elementCount(dims) }, (_, i) => i)
  return numbersTensor({ dtype: isShort ? 'int32' : 'int64', dims, elements })
}

/**
 * Puts a chain behind the node that computes `value`. The chain's end takes over the value's name,
 * so that consumers, subgraphs and graph outputs read it without a change.
 *
 * @param isMarked whether the file says of its constants which are parameters
 */
function insert(edit: ModelEdit, insertion: Insertion, seed: number, isMarked: boolean): void {
  const { value, name, layer, init, source } = insertion
  const producer = edit.producerOf(value)
  if (!producer)
    throw inputError(
      `The plan deepens after the value "${value}", which this model does not have.`,
      {
        hint: 'Apply the plan to the model that it was made for.',
      },
    )
  const { names } = insertion
  const local = (text: string): string => {
    if (text === '$in') return source
    if (text === '$out') return value
    if (text.startsWith('@')) return text.slice(1)
    return text === '' ? '' : (names[text] ?? `${name}.${text}`)
  }
  // The node is known by its first output, which may be the one that is renamed.
  const renamed = (node: Node): Node => ({
    ...node,
    outputs: node.outputs.map((output) => (output === value ? source : output)),
  })
  edit.editNode(producer.key, renamed)
  const statistics = statisticsIn(layer)
  for (const parameter of layer.parameters) {
    const fill = init === 'net2deeper' ? parameter.identity : parameter.random
    const name = local(parameter.name)
    const tensor = lazyFill(fill, insertion.dtype, parameter.dims, seed, 'init', name)
    const isNoted = isMarked && !statistics.has(parameter.name)
    edit.setConstant(name, tensor, [], isNoted ? parameterNote : undefined)
  }
  const nodes = layer.nodes.map(
    (node, i): Node => ({
      name: i === 0 ? name : edit.nodeNames.fresh(`${name}.${node.opType.toLowerCase()}`),
      opType: node.opType,
      domain: '',
      inputs: node.inputs.map(local),
      outputs: node.outputs.map(local),
      attributes: attributeMap(node.attributes),
    }),
  )
  edit.follow(producer.key, nodes)
}

/** Running means and variances among the parameters of a chain, which follow the data. */
const statisticsIn = ({ nodes }: InsertedLayer): ReadonlySet<string | undefined> =>
  new Set(
    nodes.flatMap(({ opType, inputs }) => {
      const facet = operatorOf({ opType, domain: '' })?.growth?.normalization
      return facet ? [inputs[facet.mean], inputs[facet.variance]] : []
    }),
  )

/** The model with the new sizes of its inputs and outputs, and the names of new classes. */
function declare(model: Model, { declared = [], classes }: GrowthPlan): Model {
  const resized = (kind: DeclaredAxis['kind']) => (value: ValueDeclaration) =>
    declared
      .filter((each) => each.kind === kind && each.name === value.name)
      .reduce(withSize, value)
  const { graph } = model
  const grown: Model = {
    ...model,
    graph: {
      ...graph,
      inputs: graph.inputs.map(resized('input')),
      outputs: graph.outputs.map(resized('output')),
    },
  }
  return classes ? withClasses(grown, [...(classesOf(model) ?? []), ...classes]) : grown
}

function withSize(
  value: ValueDeclaration,
  { name, axis, from, to }: DeclaredAxis,
): ValueDeclaration {
  if (value.type.kind !== 'tensor' || !value.type.shape) return value
  const size = value.type.shape[axis]
  if (typeof size !== 'number') return value
  if (size !== from)
    throw inputError(
      `The plan expects ${from} entries on axis ${axis} of "${name}", but it has ${size}.`,
      {
        hint: 'Apply the plan to the model that it was made for.',
      },
    )
  return { ...value, type: { ...value.type, shape: value.type.shape.with(axis, to) } }
}

const symbolsIn = (type: ValueDeclaration['type']): readonly Dim[] =>
  (type.kind === 'tensor' ? (type.shape ?? []) : []).filter((dim) => typeof dim === 'string')

const declareAs = (declaration: ValueDeclaration, info: ValueInfo): ValueDeclaration => ({
  ...declaration,
  type: { kind: 'tensor', dtype: info.dtype, shape: info.shape },
})

/**
 * Declared shapes of intermediate values follow from the grown graph; stale ones are dropped. What is declared to have the size of a
 * symbol of the inputs still has it: no growth changes that.
 */
function refreshDeclarations(model: Model): Model {
  const { graph } = model
  if (graph.values.length === 0) return model
  const symbols = new Set(graph.inputs.flatMap(({ type }) => symbolsIn(type)))
  const lasting = graph.values.flatMap(({ name, type }): ValueDeclaration[] => {
    if (symbolsIn(type).length === 0 || type.kind !== 'tensor') return []
    const shape = type.shape?.map((dim) => (symbols.has(dim) ? dim : null))
    return [{ name, type: { ...type, shape } }]
  })
  const inferred = inferModel({ ...model, graph: { ...graph, values: lasting } })
  const values = graph.values.flatMap((declaration) => {
    if (declaration.type.kind !== 'tensor') return [declaration]
    const info = inferred.get(declaration.name)
    return info?.shape
      ? [declareAs(declaration, { ...info, dtype: info.dtype ?? declaration.type.dtype })]
      : []
  })
  return { ...model, graph: { ...graph, values } }
}
