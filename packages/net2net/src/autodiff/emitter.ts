/** Adds nodes to a graph under construction, and knows the shape of everything it adds. */
import { type AttributeLike, attributes } from '../model/attributes.ts'
import { GraphBuilder, tensorDeclaration } from '../model/builder.ts'
import { expressionKey } from '../model/common-subexpressions.ts'
import type { Graph, Node } from '../model/model.ts'
import type { EmitOptions, Emitter, Target, ValueHints } from '../operators/contract/gradient.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { copyTo } from '../operators/helpers/emission.ts'
import { inferNode } from '../operators/inference.ts'
import { byteLengthOf } from '../tensor/dtype.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'

/** Constants up to this many bytes share one initializer where they are equal. */
const sharedConstantBytes = 1 << 17

export class GraphEmitter implements Emitter {
  readonly target: Target
  /** Version of the standard operator set that emitted nodes are of. */
  readonly opset: number
  readonly builder: GraphBuilder
  /** Domains of emitted nodes beside the standard's: the model must import them. */
  readonly domains = new Set<string>()
  readonly #infos: Map<string, ValueInfo>
  readonly #hints = new Map<string, ValueHints>()
  readonly #constants = new Map<string, string>()
  readonly #expressions = new Map<string, readonly string[]>()
  /** Name of a size → the first value that was declared to have it along axis 0. */
  readonly #batches = new Map<string, string>()

  /** `infos`: what is known of the values that `builder` already holds. */
  constructor(
    builder: GraphBuilder,
    infos: ReadonlyMap<string, ValueInfo>,
    opset: number,
    target: Target = 'standard',
  ) {
    this.builder = builder
    this.#infos = new Map(infos)
    this.opset = opset
    this.target = target
    // Emitted nodes are called as their first output, and no two nodes may share a name.
    for (const node of builder.graph().nodes) builder.names.claim(node.name)
  }

  /** Equal nodes (same operator, inputs and attributes) are emitted once. */
  emit(
    opType: string,
    inputs: readonly string[],
    entries: Readonly<Record<string, AttributeLike>> = {},
    options: EmitOptions = {},
  ): readonly string[] {
    const { domain = '', outputs: count = 1 } = options
    const attributeMap = attributes(entries)
    const batch = domain === '' && opType === 'Shape' ? this.#batchOf(inputs[0]!) : undefined
    if (batch !== undefined && batch !== inputs[0] && entries.start === 0 && entries.end === 1)
      return this.emit(opType, [batch], entries, options)
    const key = expressionKey(opType, domain, inputs, attributeMap, count)
    const known = key === undefined ? undefined : this.#expressions.get(key)
    if (known) return known
    const outputs = Array.from({ length: count }, () => this.builder.names.fresh(opType))
    if (key !== undefined) this.#expressions.set(key, outputs)
    this.append(
      { name: outputs[0] ?? opType, opType, domain, inputs, outputs, attributes: attributeMap },
      options.infos,
    )
    return outputs
  }

  /** The first value whose size along axis 0 is called like that of this one: its size is looked up once for all. */
  #batchOf(value: string): string | undefined {
    const size = this.#infos.get(value)?.shape?.[0]
    return typeof size === 'string' ? this.#batches.get(size) : undefined
  }

  op(
    opType: string,
    inputs: readonly string[],
    entries: Readonly<Record<string, AttributeLike>> = {},
    domain = '',
  ): string {
    return this.emit(opType, inputs, entries, { domain })[0]!
  }

  /** Adds a node as it is. `infos`: what is known of its outputs, instead of inference. */
  append(node: Node, infos?: readonly ValueInfo[]): void {
    if (node.domain !== '') this.domains.add(node.domain)
    this.builder.names.claim(node.name)
    this.builder.append(node)
    const version = node.domain === '' ? this.opset : 1
    const found = infos ?? inferNode(node, version, (name) => this.#infos.get(name))
    node.outputs.forEach((name, k) => {
      if (name !== '') this.#infos.set(name, found[k] ?? {})
    })
  }

  constant(tensor: LazyTensor): string {
    const key = constantKey(tensor)
    const known = key === undefined ? undefined : this.#constants.get(key)
    if (known !== undefined) return known
    const name = this.builder.constant(tensor)
    if (key !== undefined) this.#constants.set(key, name)
    this.declare(name, tensorInfo(tensor))
    return name
  }

  info(name: string): ValueInfo {
    return this.#infos.get(name) ?? {}
  }

  /** What `build` emits, none of it shared with what was emitted before. */
  apart<T>(build: () => T): { readonly result: T; readonly nodes: readonly Node[] } {
    const shared = new Map(this.#expressions)
    this.#expressions.clear()
    const before = this.builder.graph().nodes.length
    const result = build()
    for (const [key, outputs] of shared) this.#expressions.set(key, outputs)
    return { result, nodes: this.builder.graph().nodes.slice(before) }
  }

  /** See `GradientContext`. No name in it is one of this graph, as the standard demands. */
  subgraph(
    inputs: readonly ValueInfo[],
    build: (emitter: GraphEmitter, inputs: readonly string[]) => readonly string[],
  ): Graph {
    const builder = new GraphBuilder(undefined, this.builder.names)
    const inner = new GraphEmitter(builder, this.#infos, this.opset, this.target)
    const names = inputs.map((info) => {
      const name = this.builder.names.fresh('entry')
      builder.declare(tensorDeclaration(name, info.dtype, info.shape))
      inner.declare(name, info)
      return name
    })
    const outputs = build(inner, names)
    const produced = new Set(builder.graph().nodes.flatMap((node) => node.outputs))
    for (const value of outputs) {
      // Values from outside, inputs and second uses are copied: outputs are computed inside, each once.
      const isOwn = produced.delete(value)
      const name = isOwn ? value : builder.names.fresh('copy')
      if (!isOwn) inner.append(copyTo(name, value))
      const { dtype, shape } = inner.info(value)
      builder.output(name, dtype, shape)
    }
    for (const domain of inner.domains) this.domains.add(domain)
    return builder.graph('body')
  }

  hint(name: string, hints: ValueHints): void {
    this.#hints.set(name, hints)
  }

  hintOf(name: string): ValueHints {
    return this.#hints.get(name) ?? {}
  }

  /** States what is known of a value that was added to the builder directly. */
  declare(name: string, info: ValueInfo): void {
    const size = info.shape?.[0]
    if (typeof size === 'string' && !this.#batches.has(size)) this.#batches.set(size, name)
    this.#infos.set(name, info)
  }
}

/** What is known of a constant. */
export function tensorInfo(tensor: LazyTensor): ValueInfo {
  return { dtype: tensor.dtype, shape: tensor.dims, constant: tensor }
}

function constantKey(tensor: LazyTensor): string | undefined {
  const bytes = byteLengthOf(tensor.dtype, elementCount(tensor.dims))
  if (bytes > sharedConstantBytes || tensor.strings) return undefined
  return `${tensor.dtype}[${tensor.dims}]${tensor.read(0, bytes).join()}`
}
