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
import type { Graph, Initializer, Metadata, Model, Node } from '../model/model.ts'
import { asNoted, notedNames } from '../operators/shared-constants.ts'
import { FOLDED_FROM, INVENTED, isUniform, sourcesOf } from '../operators/trainable.ts'
import { isFloat } from '../tensor/dtype.ts'
import { sameBytes } from '../tensor/same-bytes.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/** The same function, with each such weight once; the model itself where it has none. */
export function withoutRepeats(model: Model): Model {
  const { graph } = model
  const calls = callsOf(graph)
  const repeats = new Map([...repeatedConstants(model, calls), ...repeatedCopies(model, calls)])
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

/** By value, the paths of the nodes that read it, without copies. */
type Calls = ReadonlyMap<string, readonly (readonly string[])[]>

/** A constant that may be a repeat. `note`: all that the exporter says of where it comes from. */
interface Candidate {
  readonly name: string
  readonly tensor: LazyTensor
  readonly note: string | undefined
}

/** By name, the constant that it repeats: computed from the same parameters, or for the same module, with the same numbers. */
function repeatedConstants({ graph }: Model, calls: Calls): ReadonlyMap<string, string> {
  const notes = new Map(graph.values.map(({ name, metadata }) => [name, metadata]))
  const parametersOf = parameterNames(graph)
  /** By origin, type and shape: constants that differ. */
  const known = new Map<string, Candidate[]>()
  const repeats = new Map<string, string>()
  for (const [name, { tensor }] of graph.initializers) {
    const metadata = notes.get(name)
    const note = metadata?.get(FOLDED_FROM)
    const isInvented = name.startsWith(INVENTED)
    if (!isFloat(tensor.dtype) || (note === undefined && !isInvented)) continue
    const origin = note === undefined ? INVENTED : parametersOf(metadata) || note
    const key = `${origin} ${tensor.dtype} [${tensor.dims}]`
    const others = known.get(key) ?? []
    known.set(key, others)
    const first = others.find(
      (other) =>
        (note !== undefined || isCalledAgain(calls.get(other.name), calls.get(name))) &&
        // Of equal numbers nothing is known but what a note says to the letter.
        ((note !== undefined && note === other.note) || !isUniform(tensor)) &&
        haveSameBytes(other.tensor, tensor),
    )
    if (first) repeats.set(name, first.name)
    else others.push({ name, tensor, note })
  }
  return repeats
}

/** The parameters among what a constant was computed from: names with the path of a module, or what calls of the program read. */
function parameterNames({ nodes }: Graph): (metadata: Metadata | undefined) => string {
  let noted: ReadonlySet<string> | undefined
  return (metadata) => {
    noted ??= new Set(nodes.flatMap((node) => [...notedNames(node)]))
    return sourcesOf(metadata)
      .filter((source) => source.includes('.') || noted!.has(asNoted(source)))
      .toSorted()
      .join()
  }
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
function repeatedCopies({ graph }: Model, calls: Calls): ReadonlyMap<string, string> {
  const repeats = new Map<string, string>()
  /** By constant and by copy of it: the constant and those of its copies that are weights of their own. */
  const weights = new Map<string, string[]>()
  for (const node of graph.nodes.filter(isInventedCopy)) {
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

const isInventedCopy = ({ opType, domain, outputs }: Node): boolean =>
  opType === 'Identity' && domain === '' && outputs[0]?.startsWith(INVENTED) === true

/** Of what the older exporter has named, and of what it copies. */
function callsOf({ nodes, initializers }: Graph): Calls {
  const calls = new Map<string, string[][]>()
  for (const name of initializers.keys()) if (name.startsWith(INVENTED)) calls.set(name, [])
  for (const node of nodes.filter(isInventedCopy))
    for (const name of [node.inputs[0]!, node.outputs[0]!]) calls.set(name, [])
  if (calls.size === 0) return calls
  for (const { opType, name, inputs } of nodes)
    if (opType !== 'Identity') for (const input of inputs) calls.get(input)?.push(name.split('/'))
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
