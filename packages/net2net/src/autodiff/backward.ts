/**
 * Reverse-mode differentiation of a graph into a graph. The chain rule is the only mathematics
 * here; each operator's own rule says how gradients pass through it.
 */
import { Net2NetError, refusedError } from '../errors.ts'
import { capturedValues } from '../model/links.ts'
import type { Node } from '../model/model.ts'
import { describeNode } from '../model/names.ts'
import { brokenNode } from '../operators/broken-node.ts'
import { none } from '../operators/contract/answers.ts'
import type { GradientContext } from '../operators/contract/gradient.ts'
import type { Operator } from '../operators/contract/operator.ts'
import { joinPlaced } from '../operators/helpers/scatter-back.ts'
import { operatorOf } from '../operators/table.ts'
import { isFloat } from '../tensor/dtype.ts'
import type { GraphEmitter } from './emitter.ts'

/**
 * Emits the gradients of a scalar with respect to the values `wrt`.
 *
 * @param emitter holds the forward graph and takes the new nodes
 * @param nodes the forward nodes, in topological order
 * @param seeds gradients to start from: value → name of the gradient with respect to it, of the
 *   same shape. Values that are not listed do not matter to the scalar.
 * @param wrt values to differentiate by: graph inputs, initializers or intermediate values
 * @returns value → name of its gradient; a value that the scalar does not depend on is absent
 * @throws refused, naming the node, where a gradient is needed and has no rule
 */
export function backward(
  emitter: GraphEmitter,
  nodes: readonly Node[],
  seeds: ReadonlyMap<string, string>,
  wrt: Iterable<string>,
): ReadonlyMap<string, string> {
  const differentiated = new Set(wrt)
  const needed = neededValues(emitter, nodes, differentiated)
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])))
  const parts = new Map<string, string[]>()
  for (const [name, gradient] of seeds) parts.set(name, [gradient])
  // A value may have several consumers; its gradient is the sum over them.
  const total = (name: string): string | undefined => {
    const list = parts.get(name)
    if (!list || list.length === 0) return undefined
    if (list.length > 1) {
      const terms = [...joinPlaced(emitter, list)]
      const [only] = terms
      const sum = terms.length === 1 ? only! : emitter.op(terms.length === 2 ? 'Add' : 'Sum', terms)
      list.length = 0
      list.push(sum)
    }
    return list[0]
  }

  for (let position = nodes.length - 1; position >= 0; position--) {
    const node = nodes[position]!
    const reached = node.outputs.some((name) => parts.has(name))
    if (!reached || !reads(node).some((name) => needed.has(name))) continue
    const operator = operatorOf(node)
    if (operator?.gradient === none) continue
    const rule = gradientRule(node, operator)
    const gradients = withCause(
      () => rule(nodeGradient(emitter, node, needed, producers, total)),
      nodes.slice(0, position),
      node,
      needed,
    )
    node.inputs.forEach((name, i) => {
      const gradient = gradients[i]
      if (gradient === undefined || !needed.has(name)) return
      const list = parts.get(name)
      if (list) list.push(gradient)
      else parts.set(name, [gradient])
    })
  }

  const result = new Map<string, string>()
  for (const name of differentiated) {
    const gradient = total(name)
    if (gradient !== undefined) result.set(name, gradient)
  }
  return result
}

/**
 * What a rule gives. Where it is refused because nobody knows a shape, the cause may be an operator
 * without rules further up, which has to be passed too: then this one is named.
 */
function withCause<T>(
  gradients: () => T,
  before: readonly Node[],
  refused: Node,
  needed: ReadonlySet<string>,
): T {
  try {
    return gradients()
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw brokenNode(refused, error)
    if (error.kind !== 'refused') throw error
    const passed = new Set(reads(refused))
    for (const node of [...before].reverse()) {
      if (!node.outputs.some((name) => passed.has(name))) continue
      if (!reads(node).some((name) => needed.has(name))) continue
      const operator = operatorOf(node)
      if (operator?.gradient === none) continue
      // This refuses it, by its name.
      if (typeof operator?.gradient !== 'function') gradientRule(node, operator)
      for (const name of reads(node)) passed.add(name)
    }
    throw error
  }
}

/** The values whose gradients are on the way to the values `wrt`. */
function neededValues(
  emitter: GraphEmitter,
  nodes: readonly Node[],
  wrt: ReadonlySet<string>,
): ReadonlySet<string> {
  const needed = new Set(wrt)
  for (const node of nodes) {
    if (operatorOf(node)?.gradient === none) continue
    if (!reads(node).some((name) => needed.has(name))) continue
    for (const name of node.outputs) {
      const { dtype } = emitter.info(name)
      if (name !== '' && (dtype === undefined || isFloat(dtype))) needed.add(name)
    }
  }
  return needed
}

const reads = (node: Node): readonly string[] => [...node.inputs, ...capturedValues(node)]

function gradientRule(node: Node, operator: Operator | undefined) {
  const cannot = (reason: string) =>
    refusedError(`${describeNode(node)} cannot be trained through: ${reason}.`, {
      where: describeNode(node),
      hint: 'Freeze the parameters before this node, so that no gradient has to pass it.',
    })
  if (!operator)
    throw cannot(
      node.domain === ''
        ? `the operator ${node.opType} is not supported`
        : `the operator ${node.opType} of domain ${node.domain} is not supported`,
    )
  const { gradient } = operator
  if (typeof gradient === 'function') return gradient
  throw cannot((gradient === none ? 'it has no gradient' : gradient.unsupported).replace(/\.$/, ''))
}

/** A plain object: rules may spread it. */
function nodeGradient(
  emitter: GraphEmitter,
  node: Node,
  needed: ReadonlySet<string>,
  producers: ReadonlyMap<string, Node>,
  total: (name: string) => string | undefined,
): GradientContext {
  const input = (i: number) => node.inputs[i] ?? ''
  const output = (k: number) => node.outputs[k] ?? ''
  const outputGradient = (k: number) => (output(k) === '' ? undefined : total(output(k)))
  const needs = (i: number) => input(i) !== '' && needed.has(input(i))
  return {
    node,
    target: emitter.target,
    opset: emitter.opset,
    emit: (...call) => emitter.emit(...call),
    op: (...call) => emitter.op(...call),
    constant: (tensor) => emitter.constant(tensor),
    info: (name) => emitter.info(name),
    hint: (...call) => emitter.hint(...call),
    hintOf: (name) => emitter.hintOf(name),
    has: (i) => input(i) !== '',
    input,
    output,
    producerOf: (name) => producers.get(name),
    outputGradient,
    needs,
    through(write) {
      const { result, nodes } = emitter.apart(write)
      const seeds = result.flatMap((value, k) => {
        const gradient = outputGradient(k)
        return gradient === undefined ? [] : [[value, gradient] as const]
      })
      const wrt = node.inputs.filter((_, i) => needs(i))
      const found = backward(emitter, nodes, new Map(seeds), wrt)
      // A value that the node reads twice has its whole gradient at its first place.
      return node.inputs.map((name, i) =>
        needs(i) && node.inputs.indexOf(name) === i ? found.get(name) : undefined,
      )
    },
    subgraph: (...call) => emitter.subgraph(...call),
  }
}
