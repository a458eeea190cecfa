/** Building models by hand: one mutable builder, one immutable result. */
import { mustFit, object, optional } from '../arguments.ts'
import type { DType } from '../tensor/dtype.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { type AttributeLike, attributes } from './attributes.ts'
import type { Graph, Initializer, Model, Node, Shape, ValueDeclaration } from './model.ts'
import { NameSupply, valueNames } from './names.ts'

/** The operator set and IR version that we emit: widely supported, and what our gradients use. */
export const EMITTED_OPSET = 18
export const EMITTED_IR_VERSION = 8

export const tensorDeclaration = (
  name: string,
  dtype: DType | undefined,
  shape: Shape | undefined,
): ValueDeclaration => ({ name, type: { kind: 'tensor', dtype, shape } })

export interface NodeOptions {
  readonly name?: string
  readonly domain?: string
  /** How many outputs (default 1), or their exact names. */
  readonly outputs?: number | readonly string[]
}

/**
 * Collects nodes and initializers. Names that it invents never collide with names that were
 * there before or that it handed out itself.
 */
export class GraphBuilder {
  readonly names: NameSupply
  readonly #nodes: Node[]
  readonly #inputs: ValueDeclaration[]
  readonly #outputs: ValueDeclaration[]
  readonly #initializers: Map<string, Initializer>
  readonly #base: Graph | undefined

  /**
   * Starts empty, or from a copy of `base`. `names`: the names of the graph around this one, which both
   * share.
   */
  constructor(base?: Graph, names?: NameSupply) {
    mustFit('GraphBuilder', { base: optional(object('a graph', 'nodes', 'object')) }, [base])
    this.#base = base
    this.#nodes = [...(base?.nodes ?? [])]
    this.#inputs = [...(base?.inputs ?? [])]
    this.#outputs = [...(base?.outputs ?? [])]
    this.#initializers = new Map(base?.initializers)
    this.names = names ?? new NameSupply([])
    if (base) for (const name of valueNames(base)) this.names.claim(name)
  }

  input(name: string, dtype: DType, shape: Shape): string {
    this.names.claim(name)
    this.#inputs.push(tensorDeclaration(name, dtype, shape))
    return name
  }

  /** Adds an input as it is declared. */
  declare(input: ValueDeclaration): void {
    this.names.claim(input.name)
    this.#inputs.push(input)
  }

  output(name: string, dtype?: DType, shape?: Shape): string {
    this.#outputs.push(tensorDeclaration(name, dtype, shape))
    return name
  }

  /** Adds an initializer under exactly this name. */
  initializer(name: string, tensor: LazyTensor): string {
    this.names.claim(name)
    this.#initializers.set(name, { tensor })
    return name
  }

  /** Adds an initializer under a fresh name. */
  constant(tensor: LazyTensor, hint = 'constant'): string {
    const name = this.names.fresh(hint)
    this.#initializers.set(name, { tensor })
    return name
  }

  /** Adds a node and returns the name of its first output. */
  node(
    opType: string,
    inputs: readonly string[],
    attributeEntries: Readonly<Record<string, AttributeLike>> = {},
    options: NodeOptions = {},
  ): string {
    return this.nodeOutputs(opType, inputs, attributeEntries, options)[0]!
  }

  /** Adds a node and returns the names of all its outputs. */
  nodeOutputs(
    opType: string,
    inputs: readonly string[],
    attributeEntries: Readonly<Record<string, AttributeLike>> = {},
    options: NodeOptions = {},
  ): readonly string[] {
    const { name = '', domain = '', outputs = 1 } = options
    const outputNames =
      typeof outputs === 'number'
        ? Array.from({ length: outputs }, () => this.names.fresh(name === '' ? opType : name))
        : outputs
    for (const output of outputNames) this.names.claim(output)
    this.#nodes.push({
      name: name === '' ? (outputNames[0] ?? '') : name,
      opType,
      domain,
      inputs,
      outputs: outputNames,
      attributes: attributes(attributeEntries),
    })
    return outputNames
  }

  /** Adds a node as it is. */
  append(node: Node): void {
    for (const output of node.outputs) this.names.claim(output)
    this.#nodes.push(node)
  }

  graph(name = this.#base?.name ?? 'graph'): Graph {
    return {
      ...this.#base,
      name,
      nodes: [...this.#nodes],
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
      values: [...(this.#base?.values ?? [])],
      initializers: new Map(this.#initializers),
    }
  }

  /** A model around the graph: opset 18 unless said otherwise. */
  model(name = 'graph', opset = EMITTED_OPSET): Model {
    return modelOf(this.graph(name), opset)
  }
}

/** A model with nothing but a graph in it. */
export const modelOf = (graph: Graph, opset = EMITTED_OPSET): Model => ({
  irVersion: EMITTED_IR_VERSION,
  opsets: new Map([['', opset]]),
  graph,
  metadata: new Map(),
})
