/**
 * A weight that an exporter wrote once for each call of a module, as the one that it is. PyTorch's exporters compute what a node
 * reads for each call: the transposed weight of a linear layer, the gates of an LSTM in another order. A layer
 * that is called twice would grow and train as two.
 *
 * - The newer exporter writes each result apart, and notes what it was computed from.
 * - The older one calls its results `onnx::MatMul_33` or so. Those of two dimensions it writes once, with an Identity for each
 *   further call, but it merges equal weights of different modules in the same way. The nodes that read them are called after
 *   the call: `/block/fc/MatMul`, `/block/fc_1/MatMul`.
 */
import { capturedValues } from '../model/links.ts'
import type { Initializer, Model, Node } from '../model/model.ts'
import { asNoted, notedNames } from '../operators/shared-constants.ts'
import { FOLDED_FROM, INVENTED, isUniform, sourcesOf } from '../operators/trainable.ts'
import { isFloat } from '../tensor/dtype.ts'
import { sameBytes } from '../tensor/same-bytes.ts'
import { isNumeric, type LazyTensor } from '../tensor/tensor.ts'

/** The same function, with each such weight once; the model itself where it has none. */
export function withoutRepeats(model: Model): Model {
  const { graph } = model
  const repeats = new Map([...repeatedConstants(model), ...repeatedCopies(model)])
  for (const { name } of [...graph.inputs, ...graph.outputs]) repeats.delete(name)
  for (const node of graph.nodes) for (const name of capturedValues(node)) repeats.delete(name)
  if (repeats.size === 0) return model
  const initializers = new Map<string, Initializer>(graph.initializers)
  for (const name of repeats.keys()) initializers.delete(name)
  const nodes = graph.nodes
    .filter((node) => !repeats.has(node.outputs[0] ?? ''))
    .map((node) =>
      node.inputs.some((name) => repeats.has(name))
        ? { ...node, inputs: node.inputs.map((name) => repeats.get(name) ?? name) }
        : node,
    )
  const values = graph.values.filter(({ name }) => !repeats.has(name))
  return { ...model, graph: { ...graph, nodes, values, initializers } }
}

/** By name, the constant that it repeats: computed from the same parameters, or for the same module, with the same numbers. */
function repeatedConstants(model: Model): ReadonlyMap<string, string> {
  const { graph } = model
  const origins = originsOf(model)
  const calls = callsOf(graph.nodes)
  /** By origin, type and shape: constants that differ. */
  const known = new Map<string, { name: string; tensor: LazyTensor }[]>()
  const repeats = new Map<string, string>()
  for (const [name, { tensor }] of graph.initializers) {
    if (!isFloat(tensor.dtype)) continue
    const isInvented = name.startsWith(INVENTED) && !isUniform(tensor)
    const origin = isInvented ? INVENTED : origins.get(name)
    if (origin === undefined) continue
    const key = `${origin} ${tensor.dtype} [${tensor.dims}]`
    const others = known.get(key) ?? []
    const first = others.find(
      (other) =>
        (!isInvented || isCalledAgain(calls.get(other.name), calls.get(name))) &&
        haveSameBytes(other.tensor, tensor),
    )
    if (first) repeats.set(name, first.name)
    else known.set(key, [...others, { name, tensor }])
  }
  return repeats
}

/**
 * What each constant was computed from: the parameters (names with the path of a module, or what calls of the program read). Without
 * those, or where all its numbers are the same, that is all that the exporter notes.
 */
function originsOf({ graph }: Model): ReadonlyMap<string, string> {
  const noted = new Set(graph.nodes.flatMap((node) => [...notedNames(node)]))
  const origins = new Map<string, string>()
  for (const { name, metadata } of graph.values) {
    const text = metadata?.get(FOLDED_FROM)
    const tensor = graph.initializers.get(name)?.tensor
    if (text === undefined || !tensor) continue
    const parameters = sourcesOf(metadata).filter(
      (source) => source.includes('.') || noted.has(asNoted(source)),
    )
    const isKnown = parameters.length > 0 && isNumeric(tensor.dtype) && !isUniform(tensor)
    origins.set(name, isKnown ? parameters.toSorted().join() : text)
  }
  return origins
}

/** Bytes that are read of each at a time: the weights may be larger than memory. */
const PART = 2 ** 22

function haveSameBytes(a: LazyTensor, b: LazyTensor): boolean {
  for (let offset = 0; offset < a.byteLength; offset += PART) {
    const length = Math.min(PART, a.byteLength - offset)
    if (!sameBytes(a.read(offset, length), b.read(offset, length))) return false
  }
  return true
}

/** By the result of an Identity, the weight that an earlier call of the same module reads. */
function repeatedCopies({ graph }: Model): ReadonlyMap<string, string> {
  const copies = graph.nodes.filter(
    ({ opType, domain, outputs }) =>
      opType === 'Identity' && domain === '' && outputs[0]?.startsWith(INVENTED),
  )
  const repeats = new Map<string, string>()
  if (copies.length === 0) return repeats
  /** By constant and by copy of it: the constant and those of its copies that are weights of their own. */
  const weights = new Map<string, string[]>()
  const calls = callsOf(graph.nodes)
  for (const node of copies) {
    const [source, copy] = [node.inputs[0]!, node.outputs[0]!]
    const tensor = graph.initializers.get(source)?.tensor
    const known = weights.get(source) ?? (tensor && !isUniform(tensor) ? [source] : undefined)
    if (!known) continue
    weights.set(source, known).set(copy, known)
    const first = known.find((name) => isCalledAgain(calls.get(name), calls.get(copy)))
    if (first === undefined) known.push(copy)
    else repeats.set(copy, first)
  }
  return repeats
}

/** By value, the paths of the nodes that read it, without copies. */
function callsOf(nodes: readonly Node[]): ReadonlyMap<string, readonly (readonly string[])[]> {
  const calls = new Map<string, (readonly string[])[]>()
  for (const { opType, name, inputs } of nodes)
    if (opType !== 'Identity')
      for (const input of inputs) calls.set(input, [...(calls.get(input) ?? []), name.split('/')])
  return calls
}

/** Do the nodes stand in the same place of two calls? Of equal numbers, as fresh weights may have, nothing is said. */
const isCalledAgain = (
  before: readonly (readonly string[])[] = [],
  again: readonly (readonly string[])[] = [],
): boolean =>
  before.some((first) =>
    again.some(
      (path) =>
        path.length === first.length &&
        path.at(-1) === first.at(-1) &&
        path.every((part, i) => part === first[i] || part.replace(/_\d+$/, '') === first[i]),
    ),
  )
