/** Editing an immutable model: constants, integers and nodes are replaced by name, the order kept. */
import { inputError } from '../errors.ts'
import { type LazyTensor, materialize, Tensor } from '../tensor/tensor.ts'
import type { ConstantUse } from './links.ts'
import type { Attribute, Initializer, Metadata, Model, Node, ValueDeclaration } from './model.ts'
import { NameSupply, nodeKey } from './names.ts'

/** A change of an element of an integer constant, as plain data. */
export interface ElementEdit {
  readonly constant: string
  readonly index: number
  readonly from: number
  readonly to: number
  /** Name of the edited clone, where the constant is shared with nodes that need the old number. */
  readonly clone?: string
  /** The uses that are rewired to the clone. */
  readonly uses?: readonly ConstantUse[]
}

/** A change of an attribute of a node, which is known by its first output. */
export interface AttributeEdit {
  readonly node: string
  readonly attribute: string
  readonly index?: number
  readonly from: number
  readonly to: number
}

/** Nodes that are copied for some readers of their results, as plain data. */
export interface NodeCopies {
  /** By every output of the nodes: the name of the copy. */
  readonly outputs: Readonly<Record<string, string>>
  /** The uses that are rewired to the copies. */
  readonly uses: readonly ConstantUse[]
}

/** A change of a number that a model writes down. */
export type IntegerEdit = ElementEdit | AttributeEdit

const otherModel = (message: string) =>
  inputError(message, { hint: 'Apply the plan to the model that it was made for.' })

export class ModelEdit {
  readonly #base: Model
  readonly #constants: ReadonlyMap<string, LazyTensor>
  readonly #initializers: Map<string, Initializer>
  readonly #nodes = new Map<string, Node>()
  readonly #original: ReadonlyMap<string, Node>
  readonly #order: readonly (Node | string)[]
  /** Nodes that follow a node, by its key, or the keys of such that can be edited. */
  readonly #following = new Map<string, (Node | string)[]>()
  readonly #added = new Set<string>()
  readonly #leading: Node[] = []
  readonly #noted: ValueDeclaration[] = []
  /** Constants whose integers were changed. */
  readonly #edited = new Map<string, LazyTensor>()
  /** Names of nodes that are taken. */
  readonly nodeNames: NameSupply

  /** @param constants Every tensor that the model stores, in initializers and Constant nodes. */
  constructor(base: Model, constants: ReadonlyMap<string, LazyTensor>) {
    const { graph } = base
    this.#base = base
    this.#constants = constants
    this.#initializers = new Map(graph.initializers)
    this.#order = graph.nodes.map((node) => {
      const key = nodeKey(node)
      if (key === '') return node
      this.#nodes.set(key, node)
      return key
    })
    this.#original = new Map(this.#nodes)
    this.nodeNames = new NameSupply(graph.nodes.map((node) => node.name))
  }

  /**
   * The tensor of a constant as it was before any change but that of its integers.
   *
   * @throws Net2NetError (input) if the model has no such constant.
   */
  constantOf(name: string): LazyTensor {
    return this.#edited.get(name) ?? this.#originalOf(name)
  }

  #originalOf(name: string): LazyTensor {
    const known = this.#constants.get(name)
    if (!known) throw otherModel(`The plan changes "${name}", which is no constant of this model.`)
    return known
  }

  /** Stores a constant; a new name is wired to the given uses. */
  setConstant(
    name: string,
    tensor: LazyTensor,
    uses: readonly ConstantUse[] = [],
    metadata?: Metadata,
  ): void {
    // A node that made the constant gives way to an initializer of the same name.
    if (this.#nodes.get(name)?.inputs.length === 0) this.#nodes.delete(name)
    if (!this.#base.graph.initializers.has(name)) this.#added.add(name)
    this.#initializers.set(name, {
      ...this.#initializers.get(name),
      tensor,
      ...(metadata && { metadata }),
    })
    this.rewire(uses, name)
  }

  /** Lets these uses read a value. */
  rewire(uses: readonly ConstantUse[], name: string): void {
    for (const { node, input } of uses)
      this.editNode(node, (old) => ({
        ...old,
        inputs: old.inputs.map((read, i) => (i === input ? name : read)),
      }))
  }

  /** Makes a constant of a computed value, in the place of its node or for some of its uses. */
  pin(value: string, to: string, tensor: Tensor, uses?: readonly ConstantUse[]): void {
    if (!this.#original.has(value))
      throw otherModel(`The plan pins "${value}", which this model does not compute.`)
    if (to === value) this.#nodes.delete(value)
    this.setConstant(to, tensor, uses)
  }

  /** Changes numbers in constants and attributes; each must be what its edit expects. */
  setIntegers(edits: readonly IntegerEdit[]): void {
    const byTarget = new Map<string, ElementEdit[]>()
    for (const edit of edits) {
      if ('attribute' in edit) {
        this.editNode(edit.node, (node) => withAttribute(node, edit))
        continue
      }
      const target = edit.clone ?? edit.constant
      const list = byTarget.get(target)
      if (list) list.push(edit)
      else byTarget.set(target, [edit])
    }
    for (const [target, changes] of byTarget) {
      const { constant, uses } = changes[0]!
      const old = materialize(this.#originalOf(constant))
      const data = old.data.slice()
      for (const { index, from, to } of changes) {
        if (Number(data[index]) !== from)
          throw otherModel(
            `The plan expects ${from} at element ${index} of "${constant}", but it is ${data[index]}.`,
          )
        if (data instanceof BigInt64Array || data instanceof BigUint64Array)
          data[index] = BigInt(to)
        else data[index] = to
      }
      const edited = new Tensor(old.dtype, old.dims, data)
      this.#edited.set(target, edited)
      this.setConstant(target, edited, uses)
    }
  }

  /** Changes a floating-point attribute; what is not written down is taken to be what the edit expects. */
  setFloat({ node: key, attribute, from, to }: AttributeEdit): void {
    this.editNode(key, (node) => {
      const old = node.attributes.get(attribute)
      if (old !== undefined && (old.type !== 'float' || old.value !== from))
        throw otherModel(`The plan expects ${from} in attribute "${attribute}" of ${node.name}.`)
      const attributes = new Map(node.attributes).set(attribute, { type: 'float', value: to })
      return { ...node, attributes }
    })
  }

  /** Copies nodes, which then are edited as others are: a copy is known by its first output. */
  copyNodes({ outputs, uses }: NodeCopies): void {
    const copyOf = (name: string) => outputs[name] ?? name
    for (const [key, node] of this.#original) {
      if (!node.outputs.some((name) => name in outputs)) continue
      const copy: Node = {
        ...node,
        name: node.name === '' ? '' : this.nodeNames.fresh(`${node.name}_grown`),
        inputs: node.inputs.map(copyOf),
        outputs: node.outputs.map(copyOf),
      }
      const copyKey = nodeKey(copy)
      this.#nodes.set(copyKey, copy)
      this.follow(key, [copyKey])
    }
    for (const { node, input } of uses)
      this.editNode(node, (old) => ({
        ...old,
        inputs: old.inputs.map((read, i) => (i === input ? copyOf(read) : read)),
      }))
  }

  editNode(key: string, edit: (node: Node) => Node): void {
    const node = this.#nodes.get(key)
    if (!node)
      throw otherModel(`The plan changes the node of "${key}", which this model does not have.`)
    this.#nodes.set(key, edit(node))
  }

  /** A node as it was before any change, by its first output. */
  originalNode(key: string): Node {
    const node = this.#original.get(key)
    if (!node)
      throw otherModel(`The plan copies the node of "${key}", which this model does not have.`)
    return node
  }

  /** Takes nodes away, of which the last gave `to`; what read that reads `from`. */
  bypass(keys: readonly string[], from: string, to: string): void {
    for (const key of keys) {
      this.originalNode(key)
      this.#nodes.delete(key)
    }
    const isOutput = this.#base.graph.outputs.some(({ name }) => name === to)
    // An output keeps its name: then what gives `from` gives it under that name.
    const [old, now] = isOutput ? [from, to] : [to, from]
    const renamed = (names: readonly string[]) => names.map((name) => (name === old ? now : name))
    for (const [key, node] of this.#nodes)
      this.#nodes.set(key, {
        ...node,
        inputs: renamed(node.inputs),
        outputs: isOutput ? renamed(node.outputs) : node.outputs,
      })
  }

  /** Declares a value with notes of its own. */
  note(name: string, tensor: LazyTensor, metadata: Metadata): void {
    const { dtype, dims } = tensor
    this.#noted.push({ name, type: { kind: 'tensor', dtype, shape: dims }, metadata })
  }

  /** The node that computes a value, by any of its outputs. */
  producerOf(value: string): { readonly key: string; readonly node: Node } | undefined {
    const direct = this.#nodes.get(value)
    if (direct) return { key: value, node: direct }
    for (const [key, node] of this.#nodes) if (node.outputs.includes(value)) return { key, node }
    return undefined
  }

  /** Puts nodes behind a node, before those that were put there earlier. */
  follow(key: string, nodes: readonly (Node | string)[]): void {
    this.#following.set(key, [...nodes, ...(this.#following.get(key) ?? [])])
  }

  /** Puts nodes that read constants alone before all others. */
  lead(nodes: readonly Node[]): void {
    this.#leading.push(...nodes)
  }

  /** The edited model. Its declared shapes of intermediate values are still those of before. */
  model(): Model {
    const { graph, irVersion } = this.#base
    const nodesAt = (entry: Node | string): readonly Node[] => {
      if (typeof entry !== 'string') return [entry]
      const node = this.#nodes.get(entry)
      return node ? [node, ...(this.#following.get(entry) ?? []).flatMap(nodesAt)] : []
    }
    const nodes = [...this.#leading, ...this.#order.flatMap(nodesAt)]
    const declarationOf = (name: string): ValueDeclaration['type'] | undefined => {
      const tensor = this.#initializers.get(name)?.tensor
      return tensor && { kind: 'tensor', dtype: tensor.dtype, shape: tensor.dims }
    }
    const inputs = graph.inputs.map((input) => {
      const type = declarationOf(input.name)
      return type ? { ...input, type } : input
    })
    // Before IR version 4 every initializer had to be an input too.
    const extra =
      irVersion < 4 ? [...this.#added].map((name) => ({ name, type: declarationOf(name)! })) : []
    return {
      ...this.#base,
      graph: {
        ...graph,
        nodes,
        inputs: [...inputs, ...extra],
        initializers: this.#initializers,
        ...(this.#noted.length > 0 && { values: [...graph.values, ...this.#noted] }),
      },
    }
  }
}

function withAttribute(node: Node, { attribute, index, from, to }: AttributeEdit): Node {
  const old = node.attributes.get(attribute)
  const mismatch = () =>
    otherModel(`The plan expects ${from} in attribute "${attribute}" of ${node.name}.`)
  let value: Attribute
  if (index === undefined) {
    if (old !== undefined && (old.type !== 'int' || Number(old.value) !== from)) throw mismatch()
    value = { type: 'int', value: BigInt(to) }
  } else {
    if (old?.type !== 'ints' || Number(old.value[index]) !== from) throw mismatch()
    value = { type: 'ints', value: old.value.with(index, BigInt(to)) }
  }
  return { ...node, attributes: new Map(node.attributes).set(attribute, value) }
}
