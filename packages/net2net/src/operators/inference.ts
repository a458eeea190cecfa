/**
 * Shape inference: asks every node's operator for the types and shapes of its outputs, in
 * topological order. What an operator cannot say is taken from the types that the file declares.
 */
import { inputError, Net2NetError } from '../errors.ts'
import {
  type Dim,
  type Graph,
  type Model,
  type Node,
  opsetOf,
  type ValueDeclaration,
} from '../model/model.ts'
import { describeNode } from '../model/names.ts'
import { brokenNode } from './broken-node.ts'
import type { InferContext, Lookup, ValueInfo } from './contract/infer.ts'
import { elementsOf, MAX_ELEMENTS } from './helpers/elements.ts'
import { operatorOf } from './table.ts'

/** Subgraphs that lie deeper in one another are not looked into: a loop's are, several times. */
const DEEPEST = 4

/** Nothing is known. */
export const unknownValue: ValueInfo = {}

export interface InferenceOptions {
  /**
   * Gives sizes that nobody knows names of their own (`?1`), so that one which is carried through
   * Shape and back into a Reshape is known to be the same.
   */
  readonly nameSizes?: boolean
  /** Initializers that change from run to run: they are no constants, though each has a value. */
  readonly variables?: ReadonlySet<string>
  /** What a node gives whose operator is not in the table. */
  readonly foreign?: (node: Node, lookup: Lookup) => readonly ValueInfo[]
}

/**
 * What is known of every value of the main graph: graph inputs, initializers and node outputs.
 * Throws `Net2NetError` (input) for a node that contradicts its inputs.
 */
export function inferModel(
  model: Model,
  { nameSizes = false, variables, foreign }: InferenceOptions = {},
): ReadonlyMap<string, ValueInfo> {
  const { graph } = model
  const declared = new Map<string, ValueInfo>()
  for (const declaration of [...graph.values, ...graph.outputs])
    declared.set(declaration.name, declaredInfo(declaration))
  const known = new Map<string, ValueInfo>()
  let names = 0
  const named = (info: ValueInfo): ValueInfo =>
    nameSizes && info.shape?.includes(null)
      ? { ...info, shape: info.shape.map((dim) => dim ?? `?${++names}`) }
      : info
  for (const input of graph.inputs) known.set(input.name, named(declaredInfo(input)))
  for (const [name, { tensor }] of graph.initializers)
    known.set(name, {
      dtype: tensor.dtype,
      shape: tensor.dims,
      ...(!variables?.has(name) && { constant: tensor }),
    })
  const lookup = (name: string) => known.get(name)
  for (const node of graph.nodes) {
    const outputs =
      foreign && !operatorOf(node)
        ? foreign(node, lookup)
        : inferNode(node, opsetOf(model, node.domain), lookup)
    node.outputs.forEach((name, k) => {
      if (name !== '') known.set(name, named(merge(outputs[k] ?? unknownValue, declared.get(name))))
    })
  }
  return known
}

/**
 * The outputs of one node, from what `lookup` knows of its inputs. `opset` is the version of the
 * node's own domain. Outputs of operators that we do not know are unknown. `depth`: of how many subgraphs
 * it lies inside.
 */
export function inferNode(
  node: Node,
  opset: number,
  lookup: Lookup,
  depth = 0,
): readonly ValueInfo[] {
  const rule = operatorOf(node)?.infer
  if (typeof rule !== 'function') return node.outputs.map(() => unknownValue)
  try {
    const outputs = rule(inferContext(node, opset, lookup, depth))
    return node.outputs.map((_, k) => withinBounds(outputs[k] ?? unknownValue))
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw brokenNode(node, error)
    if (error.where !== undefined) throw error
    throw new Net2NetError(error.kind, `${describeNode(node)}: ${error.message}`, {
      where: describeNode(node),
      cause: error,
    })
  }
}

/**
 * A longer list is data: nobody follows its elements.
 *
 * @throws Net2NetError (input) for sizes that are none: a file may compute them from any numbers
 */
function withinBounds(info: ValueInfo): ValueInfo {
  const wrong = info.shape?.find((dim) => typeof dim === 'number' && !isSize(dim))
  if (wrong !== undefined) throw inputError(`it would have an axis of the size ${wrong}.`)
  if (info.elements === undefined || info.elements.length <= MAX_ELEMENTS) return info
  const { elements: _, ...rest } = info
  return rest
}

const isSize = (dim: number): boolean => Number.isSafeInteger(dim) && dim >= 0

/** The view of a node that infer rules take. */
export function inferContext(node: Node, opset: number, lookup: Lookup, depth = 0): InferContext {
  const info = (i: number): ValueInfo => {
    const name = node.inputs[i]
    return name ? (lookup(name) ?? unknownValue) : unknownValue
  }
  return {
    node,
    opset,
    has: (i) => (node.inputs[i] ?? '') !== '',
    dtype: (i) => info(i).dtype,
    shape: (i) => info(i).shape,
    elements: (i) => elementsOf(info(i)),
    constant: (i) => info(i).constant,
    ...(depth < DEEPEST && {
      outputsOf: (graph: Graph, inputs: readonly ValueInfo[]) =>
        inferSubgraph(node, opset, graph, inputs, lookup, depth + 1),
    }),
  }
}

/** The outputs of a subgraph of a node, which may read what the graph around it knows. */
function inferSubgraph(
  { domain }: Node,
  opset: number,
  graph: Graph,
  inputs: readonly ValueInfo[],
  outside: Lookup,
  depth: number,
): readonly ValueInfo[] {
  const known = new Map<string, ValueInfo>()
  const lookup = (name: string) => known.get(name) ?? outside(name)
  for (const [i, input] of graph.inputs.entries())
    known.set(input.name, merge(inputs[i] ?? unknownValue, declaredInfo(input)))
  for (const [name, { tensor }] of graph.initializers)
    known.set(name, { dtype: tensor.dtype, shape: tensor.dims, constant: tensor })
  for (const node of graph.nodes) {
    const outputs = inferNode(node, node.domain === domain ? opset : 1, lookup, depth)
    for (const [k, name] of node.outputs.entries())
      if (name !== '') known.set(name, outputs[k] ?? unknownValue)
  }
  return graph.outputs.map((output) =>
    merge(lookup(output.name) ?? unknownValue, declaredInfo(output)),
  )
}

/** What a declaration says of a value. */
export function declaredInfo({ type }: ValueDeclaration): ValueInfo {
  return type.kind === 'tensor' ? { dtype: type.dtype, shape: type.shape } : unknownValue
}

/** What is known of a value, and what its declaration says beyond that. */
export const withDeclared = (info: ValueInfo, declaration: ValueDeclaration): ValueInfo =>
  merge(info, declaredInfo(declaration))

/** Inference has the word; the declaration fills what it left open. */
function merge(inferred: ValueInfo, declared: ValueInfo | undefined): ValueInfo {
  if (declared === undefined) return inferred
  const dtype = inferred.dtype ?? declared.dtype
  const shape =
    inferred.shape === undefined
      ? declared.shape
      : declared.shape?.length === inferred.shape.length
        ? inferred.shape.map((dim, k): Dim => dim ?? declared.shape![k]!)
        : inferred.shape
  return { ...inferred, dtype, shape }
}
