/** Low-rank adapters added to the weights that they are beside: the model is as large as without them. */
import { usageError } from '../errors.ts'
import { adaptersOf } from '../model/adapters.ts'
import { ancestors, capturedValues, linksOf } from '../model/links.ts'
import type { Graph, Initializer, Model, Node } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { withRuntime } from '../runtime/default-runtime.ts'
import type { Runtime, RuntimeOptional } from '../runtime/runtime.ts'
import type { Tensor } from '../tensor/tensor.ts'

export interface MergeOptions {
  readonly runtime: Runtime
  readonly signal?: AbortSignal | undefined
}

/**
 * The model with weights that hold their adapters. The runtime computes each sum, as it does when it runs the model: so the
 * numbers are the same.
 *
 * @throws Net2NetError (usage) for a model without adapters
 */
export async function merge(model: Model, options: RuntimeOptional<MergeOptions>): Promise<Model> {
  const { runtime, signal } = withRuntime(options)
  const factors = adaptersOf(model)
  if (factors.size === 0) throw usageError('The model has no low-rank adapters to merge.')
  let { graph } = model
  for (const { sum, nodes } of adapted(graph, factors)) {
    signal?.throwIfAborted()
    const last = nodes.at(-1)!
    const tensor = await computed(model, graph, nodes, sum, runtime)
    // The weight itself, if nobody else reads it.
    const weight = last.inputs.find((name) => {
      const dims = graph.initializers.get(name)?.tensor.dims
      return last.opType === 'Add' && dims !== undefined && String(dims) === String(tensor.dims)
    })
    const isFree = weight !== undefined && linksOf(graph).uses.get(weight)?.length === 1
    graph = withConstant(graph, sum, isFree ? weight : sum, tensor)
  }
  // Before version 4 every constant had to be an input too.
  return {
    ...model,
    irVersion: Math.max(model.irVersion, 4),
    graph: withoutUnreadSources(graph, model.graph),
  }
}

interface AdaptedValue {
  readonly sum: string
  /** What it is computed by, in order. */
  readonly nodes: readonly Node[]
}

/** The values that are computed from constants with adapters among them, and are read with others. */
function adapted(graph: Graph, factors: ReadonlySet<string>): readonly AdaptedValue[] {
  const constant = new Set(graph.initializers.keys())
  const producers = new Map<string, Node>()
  const holding = new Set(factors)
  const ends = new Set<string>()
  for (const node of graph.nodes) {
    const inputs = [...node.inputs, ...capturedValues(node)].filter((name) => name !== '')
    const isConstant = inputs.every((name) => constant.has(name))
    for (const name of inputs) if (!isConstant && holding.has(name)) ends.add(name)
    if (!isConstant) continue
    for (const name of node.outputs) {
      constant.add(name)
      producers.set(name, node)
      if (inputs.some((input) => holding.has(input))) holding.add(name)
    }
  }
  for (const { name } of graph.outputs) if (holding.has(name)) ends.add(name)
  return [...ends]
    .filter((name) => producers.has(name))
    .map((sum) => ({ sum, nodes: ancestors(graph.nodes, [sum]) }))
}

async function computed(
  model: Model,
  { initializers }: Graph,
  nodes: readonly Node[],
  sum: string,
  runtime: Runtime,
): Promise<Tensor> {
  const read = new Set(nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]))
  const dtype = [...read].map((name) => initializers.get(name)?.tensor.dtype).find((one) => one)
  const alone: Model = {
    ...model,
    graph: {
      ...model.graph,
      inputs: [],
      values: [],
      nodes,
      initializers: new Map([...initializers].filter(([name]) => read.has(name))),
      outputs: [
        { name: sum, type: { kind: 'tensor', dtype: dtype ?? 'float32', shape: undefined } },
      ],
    },
  }
  const session = await runtime.createSession(encodeModel(alone))
  try {
    return (await session.run({}, [sum]))[sum]!
  } finally {
    await session.release()
  }
}

/** The graph in which the tensor is a constant of this name, which is read in the place of a computed value. */
function withConstant(graph: Graph, value: string, name: string, tensor: Tensor): Graph {
  const old: Partial<Initializer> = graph.initializers.get(name) ?? {}
  return {
    ...graph,
    initializers: new Map(graph.initializers).set(name, { ...old, tensor }),
    nodes: graph.nodes
      .filter((node) => !node.outputs.includes(value))
      .map((node) => ({
        ...node,
        inputs: node.inputs.map((input) => (input === value ? name : input)),
      })),
  }
}

/** Without the nodes and constants that nothing reads now, and something read before. */
function withoutUnreadSources(graph: Graph, before: Graph): Graph {
  const { uses } = linksOf(before)
  const results = new Set(graph.outputs.map(({ name }) => name))
  let nodes = graph.nodes
  for (;;) {
    const read = new Set(nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]))
    const isKept = (name: string) => results.has(name) || read.has(name) || !uses.has(name)
    const kept = nodes.filter((node) => node.outputs.some((name) => name !== '' && isKept(name)))
    if (kept.length === nodes.length) {
      const initializers = new Map([...graph.initializers].filter(([name]) => isKept(name)))
      const isThere = (name: string) => initializers.has(name) || !graph.initializers.has(name)
      return {
        ...graph,
        nodes,
        initializers,
        inputs: graph.inputs.filter(({ name }) => isThere(name)),
        values: graph.values.filter(
          ({ name }) => read.has(name) || nodes.some(({ outputs }) => outputs.includes(name)),
        ),
      }
    }
    nodes = kept
  }
}
