/**
 * Applying a plan: a new model whose grown tensors are computed when they are read. The model
 * that is given stays as it is.
 */
import { inputError } from '../../errors.ts'
import { attributes as attributeMap } from '../../model/attributes.ts'
import { withoutUnread } from '../../model/links.ts'
import {
  type Attribute,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  opsetOf,
  type ValueDeclaration,
} from '../../model/model.ts'
import { NameSupply } from '../../model/names.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { inferModel, inferNode } from '../../operators/inference.ts'
import { lazyFill } from '../../tensor/lazy.ts'
import { type LazyTensor, materialize, Tensor } from '../../tensor/tensor.ts'
import type { ConstantUse, GrowthPlan, HeldNumber, Insertion } from '../growth-plan.ts'
import { heldTensor } from '../solve/held-value.ts'
import { nodeKey } from '../solve/rule-context.ts'
import { growParameter } from './grow-tensor.ts'

/**
 * The grown model. Weights are read only when the result's are.
 *
 * @throws Net2NetError (input) if the plan was made for another model.
 */
export function applyPlan(model: Model, plan: GrowthPlan): Model {
  const grown = editModel(model, plan)
  if (plan.held === undefined) return refreshDeclarations(grown)
  // What computed the numbers that are constants now may have no reader left.
  return refreshDeclarations({ ...grown, graph: withoutUnread(grown.graph, model.graph) })
}

/** The grown model, its declared shapes of intermediate values still those of before. */
export function editModel(model: Model, plan: GrowthPlan): Model {
  const grown = new GraphEdit(model.graph, opsetOf(model))
  for (const change of plan.parameters) {
    const tensor = grown.constantOf(change.name)
    if (String(tensor.dims) !== String(change.before))
      throw inputError(
        `The plan expects "${change.name}" with shape [${change.before}], but it has [${tensor.dims}].`,
        { hint: 'Apply the plan to the model that it was made for.' },
      )
    grown.setConstant(change.to, growParameter(plan, change, tensor), change.uses)
  }
  editSizes(grown, plan)
  for (const { node, attribute, index, from, to } of plan.attributes)
    grown.editNode(node, (old) => withAttribute(old, attribute, index, from, to))
  for (const held of plan.held ?? []) grown.hold(held)
  for (const { name } of plan.insertions) grown.nodeNames.claim(name)
  for (const insertion of plan.insertions) insert(grown, insertion, plan.seed)
  return { ...model, graph: grown.graph(model.irVersion) }
}

/** A graph under change: constants and nodes by name, the order kept. */
class GraphEdit {
  readonly #base: Graph
  readonly #initializers: Map<string, Initializer>
  readonly #before: ReadonlyMap<string, LazyTensor>
  readonly #opset: number
  readonly #nodes = new Map<string, Node>()
  readonly #original: ReadonlyMap<string, Node>
  readonly #order: (Node | string)[]
  /** Nodes that follow a node, by its key. */
  readonly #following = new Map<string, Node[]>()
  readonly #added = new Set<string>()
  readonly nodeNames: NameSupply

  constructor(base: Graph, opset: number) {
    this.#base = base
    this.#opset = opset
    this.#initializers = new Map(base.initializers)
    const before = new Map<string, LazyTensor>()
    for (const [name, { tensor }] of base.initializers) before.set(name, tensor)
    this.#order = base.nodes.map((node) => {
      const key = nodeKey(node)
      if (key === '') return node
      this.#nodes.set(key, node)
      return key
    })
    this.#before = before
    this.#original = new Map(this.#nodes)
    this.nodeNames = new NameSupply(base.nodes.map((node) => node.name))
  }

  /** The tensor of a constant as it was before any change. */
  constantOf(name: string): LazyTensor {
    const known = this.#before.get(name) ?? this.#constantNode(name)
    if (!known)
      throw inputError(`The plan changes "${name}", which is no constant of this model.`, {
        hint: 'Apply the plan to the model that it was made for.',
      })
    return known
  }

  #constantNode(name: string): LazyTensor | undefined {
    const node = this.#original.get(name)
    if (!node || node.inputs.length > 0) return undefined
    return inferNode(node, this.#opset, () => undefined)[0]?.constant
  }

  /** Stores a constant; a new name is wired to the given uses. */
  setConstant(name: string, tensor: LazyTensor, uses?: readonly ConstantUse[]): void {
    // A node that made the constant gives way to an initializer of the same name.
    if (this.#nodes.get(name)?.inputs.length === 0) this.#nodes.delete(name)
    if (!this.#base.initializers.has(name)) this.#added.add(name)
    this.#initializers.set(name, { ...this.#initializers.get(name), tensor })
    for (const { node, input } of uses ?? [])
      this.editNode(node, (old) => ({
        ...old,
        inputs: old.inputs.map((read, i) => (i === input ? name : read)),
      }))
  }

  /** Makes a constant of a computed number, in the place of its node or for some of its uses. */
  hold(held: HeldNumber): void {
    const { value, to, uses } = held
    if (!this.#original.has(value))
      throw inputError(`The plan holds "${value}", which this model does not compute.`, {
        hint: 'Apply the plan to the model that it was made for.',
      })
    if (to === value) this.#nodes.delete(value)
    this.setConstant(to, heldTensor(held), uses)
  }

  editNode(key: string, edit: (node: Node) => Node): void {
    const node = this.#nodes.get(key)
    if (!node)
      throw inputError(`The plan changes the node of "${key}", which this model does not have.`, {
        hint: 'Apply the plan to the model that it was made for.',
      })
    this.#nodes.set(key, edit(node))
  }

  /** The node that computes a value, by any of its outputs. */
  producerOf(value: string): { readonly key: string; readonly node: Node } | undefined {
    const direct = this.#nodes.get(value)
    if (direct) return { key: value, node: direct }
    for (const [key, node] of this.#nodes) if (node.outputs.includes(value)) return { key, node }
    return undefined
  }

  follow(key: string, nodes: readonly Node[]): void {
    this.#following.set(key, [...nodes, ...(this.#following.get(key) ?? [])])
  }

  graph(irVersion: number): Graph {
    const nodes = this.#order.flatMap((entry) => {
      if (typeof entry !== 'string') return [entry]
      const node = this.#nodes.get(entry)
      return node ? [node, ...(this.#following.get(entry) ?? [])] : []
    })
    const inputs = this.#base.inputs.map((input) => {
      const tensor = this.#initializers.get(input.name)?.tensor
      return tensor ? declare(input, { dtype: tensor.dtype, shape: tensor.dims }) : input
    })
    // Before IR version 4 every initializer had to be an input too.
    const extra =
      irVersion < 4
        ? [...this.#added].map((name): ValueDeclaration => {
            const { dtype, dims } = this.#initializers.get(name)!.tensor
            return { name, type: { kind: 'tensor', dtype, shape: dims } }
          })
        : []
    return {
      ...this.#base,
      nodes,
      inputs: [...inputs, ...extra],
      initializers: this.#initializers,
    }
  }
}

function editSizes(grown: GraphEdit, plan: GrowthPlan): void {
  const byTarget = new Map<string, GrowthPlan['sizes'][number][]>()
  for (const change of plan.sizes) {
    const target = change.clone ?? change.constant
    const list = byTarget.get(target)
    if (list) list.push(change)
    else byTarget.set(target, [change])
  }
  for (const [target, changes] of byTarget) {
    const { constant, uses } = changes[0]!
    const old = materialize(grown.constantOf(constant))
    const data = old.data.slice()
    for (const { index, from, to } of changes) {
      if (Number(data[index]) !== from)
        throw inputError(
          `The plan expects ${from} at element ${index} of "${constant}", but it is ${data[index]}.`,
          { hint: 'Apply the plan to the model that it was made for.' },
        )
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(to)
      else data[index] = to
    }
    grown.setConstant(target, new Tensor(old.dtype, old.dims, data), uses)
  }
}

function withAttribute(
  node: Node,
  name: string,
  index: number | undefined,
  from: number,
  to: number,
): Node {
  const old = node.attributes.get(name)
  const mismatch = () =>
    inputError(`The plan expects ${from} in attribute "${name}" of ${node.name}.`, {
      hint: 'Apply the plan to the model that it was made for.',
    })
  let value: Attribute
  if (index === undefined) {
    if (old !== undefined && (old.type !== 'int' || Number(old.value) !== from)) throw mismatch()
    value = { type: 'int', value: BigInt(to) }
  } else {
    if (old?.type !== 'ints' || Number(old.value[index]) !== from) throw mismatch()
    value = { type: 'ints', value: old.value.with(index, BigInt(to)) }
  }
  return { ...node, attributes: new Map(node.attributes).set(name, value) }
}

/**
 * Puts a chain behind the node that computes `value`. The chain's end takes over the value's name,
 * so that consumers, subgraphs and graph outputs read it without a change.
 */
function insert(grown: GraphEdit, insertion: Insertion, seed: number): void {
  const { value, name, layer, init, source } = insertion
  const producer = grown.producerOf(value)
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
  grown.editNode(producer.key, renamed)
  for (const parameter of layer.parameters) {
    const fill = init === 'net2deeper' ? parameter.identity : parameter.random
    const dtype = insertion.dtype
    grown.setConstant(
      local(parameter.name),
      lazyFill(fill, dtype, parameter.dims, seed, 'init', local(parameter.name)),
    )
  }
  const nodes = layer.nodes.map(
    (node, i): Node => ({
      name: i === 0 ? name : grown.nodeNames.fresh(`${name}.${node.opType.toLowerCase()}`),
      opType: node.opType,
      domain: '',
      inputs: node.inputs.map(local),
      outputs: node.outputs.map(local),
      attributes: attributeMap(node.attributes),
    }),
  )
  grown.follow(producer.key, nodes)
}

const declare = (declaration: ValueDeclaration, info: ValueInfo): ValueDeclaration => ({
  ...declaration,
  type: { kind: 'tensor', dtype: info.dtype, shape: info.shape },
})

/** Declared shapes of intermediate values follow from the grown graph; stale ones are dropped. */
function refreshDeclarations(model: Model): Model {
  const { graph } = model
  if (graph.values.length === 0) return model
  const inferred = inferModel({ ...model, graph: { ...graph, values: [] } })
  const values = graph.values.flatMap((declaration) => {
    if (declaration.type.kind !== 'tensor') return [declaration]
    const info = inferred.get(declaration.name)
    return info?.shape
      ? [declare(declaration, { ...info, dtype: info.dtype ?? declaration.type.dtype })]
      : []
  })
  return { ...model, graph: { ...graph, values } }
}
