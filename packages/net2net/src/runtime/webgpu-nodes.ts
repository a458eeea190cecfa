/**
 * Which nodes ONNX Runtime's WebGPU provider computes, and which the processor does in its place.
 *
 * The provider takes every node that it has a kernel for, and some kernels compute something else than the standard says, without
 * an error, or end the run. Operators know for which of their nodes (`execution.wrongOnWebGpu`), and the provider leaves nodes to the
 * processor whose names it is given. So does a node of an operator that we do not know: nobody has compared it.
 */
import { subgraphs, withSubgraphs } from '../model/attributes.ts'
import { type Graph, type Model, type Node, opsetOf } from '../model/model.ts'
import { NameSupply } from '../model/names.ts'
import { decodeModel } from '../onnx/decode.ts'
import { encodeModel } from '../onnx/encode.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { inferContext, inferModel } from '../operators/inference.ts'
import { operatorOf } from '../operators/table.ts'

export interface WebGpuModel {
  /** An ONNX file. */
  readonly bytes: Uint8Array
  /** The names of the nodes that the processor computes. */
  readonly onProcessor: readonly string[]
}

/**
 * The model with names for the nodes that WebGPU must not compute.
 *
 * @throws input where the bytes are no model
 */
export function forWebGpu(bytes: Uint8Array): WebGpuModel {
  const model = decodeModel(bytes)
  const names = new NameSupply(nodeNames(model.graph))
  const known = valuesOf(model)
  const onProcessor: string[] = []
  const change = (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map((node) => {
      const changed = withoutEmptyEnd(withSubgraphs(node, change))
      if (!isWrong(node, model, known)) return changed
      const name = names.fresh('on_processor')
      onProcessor.push(name)
      return { ...changed, name }
    }),
  })
  const graph = change(model.graph)
  return { bytes: encodeModel({ ...model, graph }), onProcessor }
}

/** WebGPU's convolutions take an input that is left out by an empty name at the end for one that is there. */
function withoutEmptyEnd(node: Node): Node {
  const { inputs } = node
  const end = inputs.findLastIndex((name) => name !== '') + 1
  return end === inputs.length ? node : { ...node, inputs: inputs.slice(0, end) }
}

type Known = (name: string) => ValueInfo | undefined

/** Nothing is known inside of subgraphs, where rules say what holds for all nodes. */
function isWrong(node: Node, model: Model, known: Known): boolean {
  const operator = operatorOf(node)
  if (operator === undefined) return true
  const context = inferContext(node, opsetOf(model, node.domain), known)
  return operator.execution?.wrongOnWebGpu?.(context) === true
}

function valuesOf(model: Model): Known {
  try {
    const values = inferModel(model)
    return (name) => values.get(name)
  } catch {
    // The runtime has the word on models that contradict themselves.
    return () => undefined
  }
}

function* nodeNames(graph: Graph): Generator<string> {
  for (const node of graph.nodes) {
    yield node.name
    for (const subgraph of subgraphs(node)) yield* nodeNames(subgraph)
  }
}
