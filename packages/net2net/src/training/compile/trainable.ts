/** Which constants of a model are its parameters, and how to replace them. */
import { nearestName } from '../../arguments.ts'
import { usageError } from '../../errors.ts'
import { adaptersOf } from '../../model/adapters.ts'
import { capturedValues } from '../../model/links.ts'
import type { Initializer, Model, Node } from '../../model/model.ts'
import { modulesAround, nodeLabel } from '../../model/names.ts'
import { inferModel } from '../../operators/inference.ts'
import { separateConstants } from '../../operators/shared-constants.ts'
import { operatorOf } from '../../operators/table.ts'
import {
  type LeftConstant,
  sourcesOfConstants,
  trainableConstants,
} from '../../operators/trainable.ts'
import { asFloats } from '../../passes/single-precision.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { type LazyTensor, materialize } from '../../tensor/tensor.ts'

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

/** What of a model a training changes. */
export interface TrainingChoice {
  /** The parameters to train. */
  readonly trained: readonly string[]
  /** Parameters that stay as they are because the user wants it. */
  readonly frozen: ReadonlySet<string>
  /** Are these the low-rank adapters, because nothing else was asked for? */
  readonly adaptersAlone: boolean
  /** Constants that could be taken for parameters and are left as they are, and why. */
  readonly left: readonly LeftConstant[]
}

/**
 * The parameters of a model (operators/trainable.ts), or the low-rank adapters alone of one that has such, or what `trainOnly`
 * names among all its floating-point constants; without those that `freeze` names.
 *
 * @throws usage for a pattern that matches nothing
 */
export function chooseParameters(
  model: Model,
  trainOnly: readonly string[] | undefined,
  freeze: readonly string[],
): TrainingChoice {
  const { parameters, left, possible } = trainableConstants(model)
  const names = [...possible.keys()]
  const asked = trainOnly && matchingParameters(model, names, trainOnly)
  const adapters = adaptersOf(model)
  const wished = asked ?? (adapters.size > 0 ? adapters : undefined)
  const chosen = wished ? names.filter((name) => wished.has(name)) : parameters
  const excluded = matchingParameters(model, chosen, freeze)
  const trained = chosen.filter((name) => !excluded.has(name))
  const wanted = new Set(trained)
  return {
    trained,
    frozen: new Set([...parameters, ...excluded].filter((name) => !wanted.has(name))),
    adaptersAlone: wished === adapters,
    left: left.filter(({ name }) => !wanted.has(name) && !excluded.has(name)),
  }
}

/**
 * The names that match one of the patterns. A pattern is a name with `*` for any text. It matches a constant's own name, the names
 * that the exporter computed it from, the name of a layer that reads it, and whatever these are parts of: `h.0.mlp` is all of that
 * module, and so are the modules that PyTorch's exporter noted; of `sequential/conv1/Conv2D` each part counts.
 *
 * @throws usage for a pattern that matches nothing
 */
export function matchingParameters(
  model: Model,
  names: readonly string[],
  patterns: readonly string[],
): ReadonlySet<string> {
  const readers = new Map<string, Node[]>()
  for (const node of model.graph.nodes)
    for (const input of node.inputs) {
      const others = readers.get(input)
      if (others) others.push(node)
      else readers.set(input, [node])
    }
  const sources = patterns.length > 0 ? sourcesOfConstants(model) : new Map<string, string[]>()
  const texts = new Map(
    (patterns.length > 0 ? names : []).map((name) => [
      name,
      new Set([
        ...[name, ...(sources.get(name) ?? [])].flatMap(wholes),
        ...(readers.get(name) ?? []).flatMap((node) => [
          ...wholes(nodeLabel(node)),
          ...modulesAround(node),
        ]),
      ]),
    ]),
  )
  const matching = new Set<string>()
  for (const pattern of patterns) {
    const expression = new RegExp(
      `^${pattern
        .split('*')
        .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')}$`,
    )
    const found = names.filter((name) =>
      [...texts.get(name)!].some((text) => expression.test(text)),
    )
    if (found.length === 0) {
      const all = new Set([...texts.values()].flatMap((each) => [...each]))
      const nearest = nearestName(pattern, [...all])
      throw usageError(
        `No parameter matches "${pattern}". The model's parameters: ${listed(names)}.`,
        nearest === undefined ? {} : { hint: `Did you mean "${nearest}"?` },
      )
    }
    for (const name of found) matching.add(name)
  }
  return matching
}

/** A name and what it is a part of: `a.b.c` is in `a.b` and in `a`, `a/b/c` in `a`, `b` and `c`. */
function wholes(name: string): readonly string[] {
  const modules = [...name.matchAll(/\./g)].map(({ index }) => name.slice(0, index))
  return [name, ...modules, ...(name.includes('/') ? name.split('/') : [])].filter(
    (text) => text !== '',
  )
}

const mostListed = 20

const listed = (names: readonly string[]): string =>
  names.length <= mostListed
    ? names.join(', ')
    : `${names.slice(0, mostListed).join(', ')} and ${names.length - mostListed} more`

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
  const separate = separateConstants(model)
  const { graph } = separate
  const initializers = new Map<string, Initializer>(graph.initializers)
  const replaced = new Set<string>()
  const constants = withConstantsAsInitializers(separate).graph.initializers
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
  return { ...separate, graph: { ...graph, nodes, initializers } }
}
