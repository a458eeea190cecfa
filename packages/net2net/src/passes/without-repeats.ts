/**
 * A weight that an exporter wrote once for each call of a module, as the one that it is. PyTorch's exporters transpose the
 * weight of a linear layer for each call of it on sequences; a layer that is called twice would grow and train as two.
 *
 * - The newer exporter writes each result apart, and notes what it was computed from.
 * - The older one writes the first result, called `onnx::MatMul_33` or so, and an Identity of it for each further one.
 *   It merges equal weights of different modules in the same way. The nodes that read them are called after the call:
 *   `/block/fc/MatMul`, `/block/fc_1/MatMul`.
 */
import { capturedValues } from '../model/links.ts'
import type { Initializer, Model, Node } from '../model/model.ts'
import { FOLDED_FROM, INVENTED } from '../operators/trainable.ts'
import { isFloat } from '../tensor/dtype.ts'
import { sameBytes } from '../tensor/same-bytes.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

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

/** By name, the constant that it repeats: computed from the same parameters, with the same numbers. */
function repeatedConstants({ graph }: Model): ReadonlyMap<string, string> {
  /** By what the exporter notes, type and shape: constants that differ. */
  const known = new Map<string, { name: string; tensor: LazyTensor }[]>()
  const repeats = new Map<string, string>()
  for (const { name, metadata } of graph.values) {
    const source = metadata?.get(FOLDED_FROM)
    const tensor = graph.initializers.get(name)?.tensor
    if (source === undefined || !tensor || !isFloat(tensor.dtype)) continue
    const key = `${source} ${tensor.dtype} [${tensor.dims}]`
    const others = known.get(key) ?? []
    const first = others.find((other) => haveSameBytes(other.tensor, tensor))
    if (first) repeats.set(name, first.name)
    else known.set(key, [...others, { name, tensor }])
  }
  return repeats
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
    const known = weights.get(source) ?? (graph.initializers.has(source) ? [source] : undefined)
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

const isCalledAgain = (
  before: readonly (readonly string[])[] = [],
  again: readonly (readonly string[])[] = [],
): boolean =>
  before.some((first) =>
    again.some(
      (path) =>
        path.length === first.length &&
        path.every((part, i) => part === first[i] || part.replace(/_\d+$/, '') === first[i]),
    ),
  )
