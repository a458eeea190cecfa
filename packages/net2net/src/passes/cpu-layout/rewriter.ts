/** Rebuilds a graph node by node: some are kept, some replaced, and what nobody reads is left out. */
import { type AttributeLike, attributes } from '../../model/attributes.ts'
import { expressionKey } from '../../model/common-subexpressions.ts'
import { capturedValues } from '../../model/links.ts'
import type { Initializer, Model, Node } from '../../model/model.ts'
import { NameSupply, valueNames } from '../../model/names.ts'
import { sameBytes } from '../../tensor/same-bytes.ts'
import { int64, type LazyTensor } from '../../tensor/tensor.ts'

/** Constants up to this many bytes are compared with those that the model has. */
const sharedConstantBytes = 1 << 17

export class Rewriter {
  readonly #source: Model
  readonly #names: NameSupply
  readonly #nodes: Node[] = []
  readonly #initializers: Map<string, Initializer>
  readonly #expressions = new Map<string, readonly string[]>()
  /** The small constants by type and shape. */
  #constants: Map<string, readonly NamedTensor[]> | undefined
  /** Value of the source → the value that took its place. */
  readonly #replaced = new Map<string, string>()
  /** Values that were replaced and are there by their names as well. */
  readonly #named = new Set<string>()
  readonly #domains = new Set<string>()
  /** The graph's outputs. */
  readonly #results: ReadonlySet<string>
  readonly #sharesInitializers: boolean

  /** @param options.sharesInitializers whether initializers of `source` are constants: those of a model that is to be trained are not */
  constructor(
    source: Model,
    { sharesInitializers = true }: { readonly sharesInitializers?: boolean } = {},
  ) {
    this.#sharesInitializers = sharesInitializers
    this.#results = new Set(source.graph.outputs.map((output) => output.name))
    this.#source = source
    this.#names = new NameSupply(valueNames(source.graph))
    // Nodes are called as their first output, and no two nodes may share a name.
    for (const node of source.graph.nodes) this.#names.claim(node.name)
    this.#initializers = new Map(source.graph.initializers)
  }

  /** The value that stands for `name` now. */
  value(name: string): string {
    return this.#replaced.get(name) ?? name
  }

  replace(name: string, value: string): void {
    this.#replaced.set(name, value)
  }

  /** Takes a node of the source over. What its subgraphs read keeps its name. */
  keep(node: Node): void {
    for (const name of capturedValues(node)) this.#keepName(name)
    this.#nodes.push(this.renamed(node))
  }

  /** The node with what stands for its inputs now. */
  renamed(node: Node): Node {
    return { ...node, inputs: node.inputs.map((name) => this.value(name)) }
  }

  /** Makes sure that what took a value's place can be had by the value's name. */
  #keepName(name: string): void {
    const value = this.#replaced.get(name)
    if (value === undefined || this.#named.has(name)) return
    this.#named.add(name)
    this.define({ opType: 'Identity', domain: '', inputs: [value], outputs: [name] })
  }

  /** Takes a node of the source over for equal ones to come, or puts an earlier one in its place. */
  share(node: Node): void {
    const { opType, domain, attributes: map, outputs } = node
    const inputs = node.inputs.map((name) => this.value(name))
    const key = expressionKey(opType, domain, inputs, map, outputs.length)
    const known = key === undefined ? undefined : this.#expressions.get(key)
    if (known && !outputs.some((name) => this.#results.has(name)))
      for (const [k, name] of outputs.entries()) this.replace(name, known[k]!)
    else {
      if (key !== undefined && !known) this.#expressions.set(key, outputs)
      this.keep(node)
    }
  }

  /** Adds a node, unless an equal one is there already. */
  emit(
    opType: string,
    inputs: readonly string[],
    entries: Readonly<Record<string, AttributeLike>> | Node['attributes'] = {},
    options: { readonly domain?: string; readonly outputs?: number } = {},
  ): readonly string[] {
    const { domain = '', outputs: count = 1 } = options
    const map = entries instanceof Map ? entries : attributes(plain(entries))
    const key = expressionKey(opType, domain, inputs, map, count)
    const known = key === undefined ? undefined : this.#expressions.get(key)
    if (known) return known
    const outputs = Array.from({ length: count }, () => this.#names.fresh(opType))
    if (key !== undefined) this.#expressions.set(key, outputs)
    if (domain !== '') this.#domains.add(domain)
    this.#nodes.push({ name: outputs[0]!, opType, domain, inputs, outputs, attributes: map })
    return outputs
  }

  /** A value in constant sizes, of which one may be −1. */
  reshape(value: string, dims: readonly number[]): string {
    return this.emit('Reshape', [value, this.constant(int64(dims), 'shape')])[0]!
  }

  /** A value with so many zeros behind its entries along each axis. */
  zerosBehind(value: string, counts: readonly number[]): string {
    if (counts.every((count) => count === 0)) return value
    const pads = int64([...counts.map(() => 0), ...counts])
    return this.emit('Pad', [value, this.constant(pads, 'sizes')])[0]!
  }

  /** Adds a node with these very outputs. */
  define(node: Omit<Node, 'name' | 'attributes'>, entries: Record<string, AttributeLike> = {}) {
    if (node.domain !== '') this.#domains.add(node.domain)
    this.#nodes.push({ ...node, name: node.outputs[0]!, attributes: attributes(entries) })
  }

  /** A small constant; equal ones share one initializer. */
  constant(tensor: LazyTensor, hint: string): string {
    this.#constants ??= this.#constantsByShape()
    const key = shapeKey(tensor)
    const alike = this.#constants.get(key) ?? []
    const bytes = tensor.read(0, tensor.byteLength)
    const known = alike.find((own) => sameBytes(own.tensor.read(0, bytes.length), bytes))
    if (known) return known.name
    const name = this.#names.fresh(hint)
    this.#initializers.set(name, { tensor })
    this.#constants.set(key, [...alike, { name, tensor }])
    return name
  }

  /** The source with what takes the place of some of its nodes; the source itself where there is none. */
  changed(changes: ReadonlyMap<Node, () => void>): Model {
    if (changes.size === 0) return this.#source
    for (const node of this.#source.graph.nodes) {
      const change = changes.get(node)
      if (change) change()
      else this.keep(node)
    }
    return this.model()
  }

  #constantsByShape(): Map<string, readonly NamedTensor[]> {
    const found = new Map<string, NamedTensor[]>()
    if (!this.#sharesInitializers) return found
    for (const [name, { tensor }] of this.#initializers) {
      if (tensor.byteLength > sharedConstantBytes || tensor.strings) continue
      const key = shapeKey(tensor)
      const alike = found.get(key)
      if (alike) alike.push({ name, tensor })
      else found.set(key, [{ name, tensor }])
    }
    return found
  }

  model(): Model {
    const { graph, opsets } = this.#source
    for (const { name } of graph.outputs) this.#keepName(name)
    const versions = new Map(opsets)
    for (const domain of this.#domains) if (!versions.has(domain)) versions.set(domain, 1)
    const used = new Set(graph.outputs.map((output) => output.name))
    const nodes: Node[] = []
    for (const node of this.#nodes.reverse()) {
      if (!node.outputs.some((name) => used.has(name))) continue
      nodes.push(node)
      for (const name of [...node.inputs, ...capturedValues(node)]) used.add(name)
    }
    const initializers = new Map([...this.#initializers].filter(([name]) => used.has(name)))
    return {
      ...this.#source,
      opsets: versions,
      graph: { ...graph, nodes: nodes.reverse(), initializers, values: [] },
    }
  }
}

interface NamedTensor {
  readonly name: string
  readonly tensor: LazyTensor
}

const shapeKey = ({ dtype, dims }: LazyTensor): string => `${dtype}[${dims}]`

const plain = (entries: Readonly<Record<string, AttributeLike>> | Node['attributes']) =>
  entries as Readonly<Record<string, AttributeLike>>
