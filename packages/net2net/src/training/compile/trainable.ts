/** Which constants of a model are its parameters, and how to replace them. */
import { usageError } from '../../errors.ts'
import { capturedValues } from '../../model/links.ts'
import type { Initializer, Model, Node } from '../../model/model.ts'
import { nodeLabel } from '../../model/names.ts'
import { inferModel } from '../../operators/inference.ts'
import { operatorOf } from '../../operators/table.ts'
import { asFloats } from '../../passes/single-precision.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { elementCount, type LazyTensor, materialize } from '../../tensor/tensor.ts'

/**
 * The model with the constants that sit in nodes (outputs of nodes without inputs whose value is
 * known) as initializers of the same names.
 */
export function withConstantsAsInitializers(model: Model): Model {
  const { graph } = model
  const sources = graph.nodes.filter(
    (node) => node.inputs.length === 0 && node.outputs.length === 1,
  )
  if (sources.length === 0) return model
  const infos = inferModel({ ...model, graph: { ...graph, nodes: sources } })
  const initializers = new Map<string, Initializer>(graph.initializers)
  const lifted = new Set<Node>()
  for (const node of sources) {
    const name = node.outputs[0]!
    const tensor = infos.get(name)?.constant
    if (!tensor) continue
    lifted.add(node)
    initializers.set(name, { tensor })
  }
  const nodes = graph.nodes.filter((node) => !lifted.has(node))
  return { ...model, graph: { ...graph, nodes, initializers } }
}

/**
 * Float constants that training may change: initializers other than scalars (which exporters use
 * for factors and exponents) and than the stored statistics of normalizations. Where a model has
 * no such initializer, its weights sit in Constant nodes: these are taken, single numbers apart.
 * Of the candidates, those that a gradient reaches are trained.
 */
export function trainableCandidates(model: Model, lifted: Model): readonly string[] {
  const statistics = storedStatistics(lifted)
  const floats = [...lifted.graph.initializers].filter(
    ([name, { tensor }]) =>
      isFloat(tensor.dtype) && tensor.dims.length > 0 && !statistics.has(name),
  )
  const stored = floats.filter(([name]) => model.graph.initializers.has(name))
  const several = floats.filter(([, { tensor }]) => elementCount(tensor.dims) > 1)
  const large = stored.some(([, { tensor }]) => elementCount(tensor.dims) > 1)
  const weights = large || several.length === 0 ? stored : several
  return weights.map(([name]) => name)
}

/** Running means and variances, by name. */
export function storedStatistics(model: Model): ReadonlySet<string> {
  const names = new Set<string>()
  for (const node of model.graph.nodes) {
    const facet = operatorOf(node)?.growth?.normalization
    if (!facet) continue
    for (const i of [facet.mean, facet.variance]) {
      const name = node.inputs[i]
      if (name) names.add(name)
    }
  }
  return names
}

/**
 * The names that match one of the patterns. A pattern is a name or a part of one with `*` for any
 * text; it matches the constant's own name or the name of a layer that reads it.
 *
 * @throws usage for a pattern that matches nothing
 */
export function matchingParameters(
  model: Model,
  names: readonly string[],
  patterns: readonly string[],
): ReadonlySet<string> {
  const readers = new Map<string, string[]>()
  for (const node of model.graph.nodes)
    for (const input of node.inputs)
      readers.set(input, [...(readers.get(input) ?? []), nodeLabel(node)])
  const matching = new Set<string>()
  for (const pattern of patterns) {
    const expression = new RegExp(
      `^${pattern
        .split('*')
        .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')}$`,
    )
    const found = names.filter((name) =>
      [name, ...(readers.get(name) ?? [])].some((text) => expression.test(text)),
    )
    if (found.length === 0)
      throw usageError(
        `No parameter matches "${pattern}". The model's parameters: ${names.join(', ')}.`,
      )
    for (const name of found) matching.add(name)
  }
  return matching
}

/**
 * The model as it serves: normalizations with their stored statistics, no random masks. Files that
 * were exported in training mode hold them otherwise.
 */
export function forServing(model: Model): Model {
  const { graph } = model
  const read = new Set([
    ...graph.nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]),
    ...graph.outputs.map((output) => output.name),
  ])
  const nodes = graph.nodes.map((node) => {
    const served = operatorOf(node)?.training?.forInference?.(node)
    // Where somebody reads what would be gone, the node stays as it is.
    const gone = served && node.outputs.slice(served.outputs.length)
    return served && !gone!.some((name) => read.has(name)) ? served : node
  })
  return nodes.every((node, i) => node === graph.nodes[i])
    ? model
    : { ...model, graph: { ...graph, nodes } }
}

/**
 * The model with other values for some of its constants (initializers or Constant nodes). Floats
 * of another precision become those of the constant: training computes in float32 alone.
 */
export function withParameters(model: Model, values: ReadonlyMap<string, LazyTensor>): Model {
  const { graph } = model
  const initializers = new Map<string, Initializer>(graph.initializers)
  const replaced = new Set<string>()
  const constants = withConstantsAsInitializers(model).graph.initializers
  for (const [name, value] of values) {
    replaced.add(name)
    const dtype = constants.get(name)?.tensor.dtype ?? value.dtype
    const differs = dtype !== value.dtype && isFloat(dtype) && isFloat(value.dtype)
    const tensor = differs ? asFloats(materialize(value), dtype) : value
    initializers.set(name, { ...(graph.initializers.get(name) ?? {}), tensor })
  }
  const nodes = graph.nodes.filter(
    (node) => !(node.inputs.length === 0 && node.outputs.some((name) => replaced.has(name))),
  )
  return { ...model, graph: { ...graph, nodes, initializers } }
}
