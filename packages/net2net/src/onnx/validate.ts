/**
 * What the standard demands of a graph beyond its encoding: every name is defined once, every
 * name that is used is defined, and nodes come in topological order.
 */

import { isMessage } from '@bufbuild/protobuf'
import { inputError } from '../errors.ts'
import { capturedValues } from '../model/links.ts'
import type { Attribute, Graph, Node } from '../model/model.ts'
import { quote } from '../model/quote.ts'
import { GraphProtoSchema } from './onnx_pb.ts'

/** The name and operator of a node, for messages. */
const label = ({ name, opType, outputs }: Node): string =>
  `${quote(name || (outputs[0] ?? ''))} (${quote(opType).slice(1, -1)})`

/** The names that a subgraph can see beyond its own. */
interface Scope {
  has(name: string): boolean
}
const emptyScope: Scope = { has: () => false }

/** Position in `nodes` of a value's producer, or this for graph inputs and initializers. */
const GIVEN = -1

/**
 * Checks a graph with its subgraphs. Nodes out of topological order are sorted (the result is
 * then a new graph); a cycle is refused, as are names that are undefined or defined twice.
 */
export function validateGraph(graph: Graph, outer: Scope = emptyScope, where = 'graph'): Graph {
  const producers = producersOf(graph, where)
  const dependencies = graph.nodes.map((node, i) =>
    dependenciesOf(node, producers, outer, `${where}.node[${i}] ${label(node)}`),
  )
  graph.outputs.forEach(({ name }, i) => {
    if (!producers.has(name) && !outer.has(name))
      throw inputError(`${where}.output[${i}]: ${quote(name)} is not defined by any node or input.`)
  })
  const scope: Scope = { has: (name) => producers.has(name) || outer.has(name) }
  const sorted = dependencies.every((before, i) => before.every((producer) => producer < i))
  const nodes = sorted ? graph.nodes : sortNodes(graph.nodes, dependencies, where)
  const validated = nodes.map((node, i) => validateSubgraphs(node, scope, `${where}.node[${i}]`))
  return sorted && validated.every((node, i) => node === nodes[i])
    ? graph
    : { ...graph, nodes: validated }
}

function producersOf(graph: Graph, where: string): Map<string, number> {
  const producers = new Map<string, number>()
  graph.inputs.forEach(({ name }, i) => {
    if (producers.has(name))
      throw inputError(`${where}.input[${i}]: another input is also called ${quote(name)}.`)
    producers.set(name, GIVEN)
  })
  for (const name of [...graph.initializers.keys(), ...sparseInitializers(graph)])
    producers.set(name, GIVEN)
  graph.nodes.forEach((node, i) => {
    node.outputs.forEach((name, k) => {
      if (name === '') return
      if (producers.has(name))
        throw inputError(
          `${where}.node[${i}] ${label(node)}: output[${k}] ${quote(name)} is already defined; values must have names of their own.`,
        )
      producers.set(name, i)
    })
  })
  return producers
}

/** Sparse initializers are kept but not shown; their names count as defined. */
function sparseInitializers(graph: Graph): string[] {
  if (!isMessage(graph.rest, GraphProtoSchema)) return []
  return graph.rest.sparseInitializer.flatMap(({ values }) => values?.name ?? [])
}

/** The nodes that must come before this one. */
function dependenciesOf(
  node: Node,
  producers: ReadonlyMap<string, number>,
  outer: Scope,
  where: string,
): number[] {
  const result: number[] = []
  const depend = (name: string, what: string) => {
    const producer = producers.get(name)
    if (producer !== undefined) result.push(producer)
    else if (!outer.has(name))
      throw inputError(`${where}: ${what} ${quote(name)} is not defined by any node or input.`)
  }
  node.inputs.forEach((name, i) => {
    if (name !== '') depend(name, `input[${i}]`)
  })
  for (const name of capturedValues(node)) depend(name, 'captured value')
  return result
}

/** Topological order; among nodes that are free to come next, the original order. */
function sortNodes(
  nodes: readonly Node[],
  dependencies: readonly (readonly number[])[],
  where: string,
): Node[] {
  const order: number[] = []
  const state = new Uint8Array(nodes.length)
  const [open, done] = [1, 2]
  // Depth first, on a stack of our own: graphs may be deeper than the call stack.
  for (let root = 0; root < nodes.length; root++) {
    const stack = state[root] === done ? [] : [{ index: root, next: 0 }]
    state[root] = stack.length > 0 ? open : done
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const before = dependencies[top.index]![top.next++]
      if (before === undefined) {
        state[top.index] = done
        order.push(top.index)
        stack.pop()
      } else if (before !== GIVEN && state[before] === open) {
        const cycle = stack.slice(stack.findIndex(({ index }) => index === before))
        const names = cycle.slice(0, 8).map(({ index }) => label(nodes[index]!))
        throw inputError(
          `${where}.node[${before}]: the graph has a cycle of ${cycle.length} nodes (${names.reverse().join(' → ')}${cycle.length > 8 ? ' …' : ''}).`,
        )
      } else if (before !== GIVEN && state[before] !== done) {
        state[before] = open
        stack.push({ index: before, next: 0 })
      }
    }
  }
  return order.map((index) => nodes[index]!)
}

function validateSubgraphs(node: Node, scope: Scope, where: string): Node {
  let changed = false
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    const checked = validateAttribute(attribute, scope, `${where}.attribute ${quote(name)}`)
    changed ||= checked !== attribute
    attributes.set(name, checked)
  }
  return changed ? { ...node, attributes } : node
}

function validateAttribute(attribute: Attribute, scope: Scope, where: string): Attribute {
  if (attribute.type === 'graph') {
    const value = validateGraph(attribute.value, scope, `${where}.g`)
    return value === attribute.value ? attribute : { ...attribute, value }
  }
  if (attribute.type === 'graphs') {
    const value = attribute.value.map((graph, i) =>
      validateGraph(graph, scope, `${where}.graphs[${i}]`),
    )
    return value.every((graph, i) => graph === attribute.value[i])
      ? attribute
      : { ...attribute, value }
  }
  return attribute
}
