/**
 * Model-local functions: operators that a file defines itself, by graphs of others. Exporters write them for whole modules
 * and layers. Here each call is replaced by the body of its function, so that everything else meets operators only.
 *
 * @see https://onnx.ai/onnx/repo-docs/IR.html#functions
 */
import { create, isMessage, toBinary } from '@bufbuild/protobuf'
import { withSubgraphs } from '../model/attributes.ts'
import type { Attribute, Graph, Initializer, Node, ValueDeclaration } from '../model/model.ts'
import { NameSupply, nodeLabel, valueNames } from '../model/names.ts'
import { memorySource } from '../tensor/bytes.ts'
import {
  AttributeProtoSchema,
  type FunctionProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
} from './onnx_pb.ts'
import { opsetEntry } from './passthrough.ts'
import { type ModelSkeleton, readSkeleton } from './skeleton.ts'

/** Bodies that grow a model beyond so many nodes are left as calls: functions that call functions can double each time. */
const MOST_NODES = 100_000
/** Calls within calls. */
const DEEPEST = 100

interface LocalFunction {
  readonly key: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly nodes: readonly Node[]
  /** Values of attributes that calls may leave away. */
  readonly defaults: ReadonlyMap<string, Attribute>
}

/** Decodes the nodes of a graph that was written into memory. */
export type DecodeNodes = (parts: ModelSkeleton) => readonly Node[]

export interface Inlined {
  readonly graph: Graph
  /** Functions that nothing called. */
  readonly left: readonly FunctionProto[]
}

/**
 * The graph without calls of the model's functions.
 *
 * @returns undefined where there are none, or where they stay: calls of functions that call themselves, or that are written
 *   for another operator set
 */
export function withoutCalls(
  graph: Graph,
  proto: ModelProto,
  opsets: ReadonlyMap<string, number>,
  decodeNodes: DecodeNodes,
): Inlined | undefined {
  const functions = new Map<string, LocalFunction>()
  for (const each of proto.functions) {
    const isForThisSet = each.opsetImport
      .map(opsetEntry)
      .every(([domain, version]) => (opsets.get(domain) ?? version) === version)
    if (!isForThisSet) return undefined
    const local = localFunction(each, decodeNodes)
    functions.set(local.key, local)
  }
  const { result, called } = new Inlining(graph, functions)
  if (!result || called.size === 0) return undefined
  const left = proto.functions.filter((each) => !called.has(keyOfFunction(each)))
  return { graph: result, left }
}

const keyOf = (domain: string, name: string, overload = ''): string =>
  JSON.stringify([domain === 'ai.onnx' ? '' : domain, name, overload])

const keyOfFunction = ({ domain = '', name = '', overload }: FunctionProto): string =>
  keyOf(domain, name, overload)

/** The function with its nodes as a model shows them. */
function localFunction(proto: FunctionProto, decodeNodes: DecodeNodes): LocalFunction {
  // The defaults travel as attributes of one more node.
  const defaults = create(NodeProtoSchema, { opType: 'Defaults', attribute: proto.attributeProto })
  const nodes = [...proto.node, defaults]
  const model = create(ModelProtoSchema, { graph: create(GraphProtoSchema, { node: nodes }) })
  const parts = readSkeleton(memorySource(toBinary(ModelProtoSchema, model)))
  const decoded = decodeNodes(parts)
  return {
    key: keyOfFunction(proto),
    inputs: proto.input,
    outputs: proto.output,
    nodes: decoded.slice(0, -1),
    defaults: decoded.at(-1)!.attributes,
  }
}

class Inlining {
  /** Undefined where calls are left. */
  readonly result: Graph | undefined
  /** Keys of the functions that were called. */
  readonly called = new Set<string>()
  readonly #functions: ReadonlyMap<string, LocalFunction>
  readonly #names: NameSupply
  #count = 0
  #isComplete = true

  constructor(graph: Graph, functions: ReadonlyMap<string, LocalFunction>) {
    this.#functions = functions
    this.#names = new NameSupply([...valueNames(graph), ...graph.outputs.map(({ name }) => name)])
    const inlined = this.#graph(graph, 0)
    this.result = this.#isComplete ? inlined : undefined
  }

  #graph(graph: Graph, depth: number): Graph {
    return { ...graph, nodes: graph.nodes.flatMap((node) => this.#node(node, depth)) }
  }

  #node(node: Node, depth: number): readonly Node[] {
    const overload = isMessage(node.rest, NodeProtoSchema) ? node.rest.overload : ''
    const called = this.#functions.get(keyOf(node.domain, node.opType, overload))
    if (!called) {
      this.#count++
      return [withSubgraphs(node, (graph) => this.#graph(graph, depth))]
    }
    if (depth > DEEPEST || this.#count > MOST_NODES) this.#isComplete = false
    if (!this.#isComplete) return []
    this.called.add(called.key)
    return this.#body(node, called).flatMap((each) => this.#node(each, depth + 1))
  }

  /** The nodes of a function, with the names and attributes of a call. */
  #body(call: Node, called: LocalFunction): readonly Node[] {
    const label = nodeLabel(call)
    const names = new Map<string, string>([['', '']])
    for (const [i, name] of called.inputs.entries()) names.set(name, call.inputs[i] ?? '')
    // An output that is an input, or two outputs that are one value, need nodes of their own.
    const copies: Node[] = []
    for (const [i, name] of called.outputs.entries()) {
      const output = call.outputs[i] ?? ''
      if (output === '') continue
      if (!names.has(name)) names.set(name, output)
      else copies.push(identity(names.get(name)!, output))
    }
    const rename = (name: string): string => {
      const known = names.get(name)
      if (known !== undefined) return known
      const fresh = this.#names.fresh(`${label}/${name}`)
      names.set(name, fresh)
      return fresh
    }
    const attributes = new Map([...called.defaults, ...call.attributes])
    const nodes = called.nodes.map((node) => {
      const inner = instantiated(node, attributes, rename)
      return {
        ...inner,
        name: `${label}/${nodeLabel(node)}`,
        // The modules of the call say more than nothing.
        ...(call.metadata && !inner.metadata && { metadata: call.metadata }),
      }
    })
    return [...nodes, ...copies]
  }
}

const identity = (from: string, to: string): Node => ({
  name: to,
  opType: 'Identity',
  domain: '',
  inputs: [from],
  outputs: [to],
  attributes: new Map(),
})

/** A node of a body with other names and with the values of attributes to which it refers. */
function instantiated(
  node: Node,
  given: ReadonlyMap<string, Attribute>,
  rename: (name: string) => string,
): Node {
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    const reference = isMessage(attribute.rest, AttributeProtoSchema)
      ? attribute.rest.refAttrName
      : undefined
    const value = reference ? given.get(reference) : attribute
    // An attribute that nobody gave is left away, as its operator allows.
    if (value) attributes.set(name, value)
  }
  const renamed: Node = {
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attributes,
  }
  return withSubgraphs(renamed, (graph) => renamedGraph(graph, given, rename))
}

function renamedGraph(
  graph: Graph,
  given: ReadonlyMap<string, Attribute>,
  rename: (name: string) => string,
): Graph {
  const declared = (value: ValueDeclaration) => ({ ...value, name: rename(value.name) })
  return {
    ...graph,
    inputs: graph.inputs.map(declared),
    outputs: graph.outputs.map(declared),
    values: graph.values.map(declared),
    initializers: new Map<string, Initializer>(
      [...graph.initializers].map(([name, initializer]) => [rename(name), initializer]),
    ),
    nodes: graph.nodes.map((node) => instantiated(node, given, rename)),
  }
}

/** Domains of functions that nothing uses any more. */
export function unusedDomains({ graph, left }: Inlined, proto: ModelProto): ReadonlySet<string> {
  const unused = new Set(proto.functions.map(({ domain = '' }) => domain))
  for (const { domain = '' } of left) unused.delete(domain)
  unused.delete('')
  const visit = ({ nodes }: Graph): void => {
    for (const node of nodes) {
      unused.delete(node.domain)
      withSubgraphs(node, (inner) => {
        visit(inner)
        return inner
      })
    }
  }
  visit(graph)
  return unused
}
