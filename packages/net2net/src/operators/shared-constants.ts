/**
 * Parameters that an exporter merged because their numbers were equal when it looked, as those of their
 * own that they are: fresh normalizations all start with ones and zeros, and would be trained as
 * one. What the user tied (an embedding and the head of a language model) stays tied. How the two
 * are told apart:
 *
 * - PyTorch's older exporter gives each merged parameter its name back by an Identity of the one that
 *   it kept, which a layer also reads itself. Every such Identity becomes a constant. Where all
 *   readers are Identities, they are how a framework (TensorFlow) reads a variable: it is one. In a file that
 *   says of its constants what they are, an Identity is the program's own (`clone()`), and the constant is one, too.
 * - PyTorch's newer exporter merges constants of at most 1,024 elements without a trace, but notes of each
 *   node the module that it comes from, and the call with its arguments. A parameter or statistic that several modules
 *   read, or that one module knows under several names, is one of each if all its elements are the same number, or if
 *   the modules are copies in a list (their paths differ in numbers alone). A module that is used twice is one module, and keeps one.
 * - The user's ties: anything else that several nodes read, and a matrix that is the transpose of
 *   another one (exporters transpose the weight of a head that is tied to a table). The latter
 *   is computed from the other one again, so that both train as one.
 */
import { capturedValues, linksOf } from '../model/links.ts'
import type { Graph, Initializer, Model, Node } from '../model/model.ts'
import { NameSupply, SCOPES, valueNames } from '../model/names.ts'
import { isFloat } from '../tensor/dtype.ts'
import { elementCount, type LazyTensor, materialize } from '../tensor/tensor.ts'
import { operatorOf } from './table.ts'
import {
  FOLDED_FROM,
  isUniform,
  parameterNotes,
  storedStatistics,
  trainableConstants,
} from './trainable.ts'

/** The largest constant, in elements, that the newer exporter merges with equal ones. */
const MERGED_ELEMENTS = 1024

/** The model with a constant for each parameter, and ties where the user made them. */
export function separateConstants(model: Model): Model {
  const copied = withoutCopies(model)
  return withTies(withOneForEachParameter(copied))
}

/** A pattern of constants that nodes read under other names. */
function withoutCopies(model: Model): Model {
  const { graph } = model
  const readers = readersOf(graph)
  const isRead = new Set([
    ...graph.outputs.map(({ name }) => name),
    ...graph.nodes.flatMap((node) => [...capturedValues(node)]),
  ])
  const initializers = new Map<string, Initializer>(graph.initializers)
  const isMarked = parameterNotes(model) !== undefined
  const removed = new Set<Node>()
  const renamed = new Map<string, string>()
  for (const node of graph.nodes) {
    const [source, copy] = [node.inputs[0] ?? '', node.outputs[0]!]
    const original = initializers.get(source)
    if (!isCopy(node) || !original || !isFloat(original.tensor.dtype)) continue
    const others = readers.get(source) ?? []
    if (!isMarked && (others.some((reader) => !isCopy(reader)) || others.length === 1)) {
      if (isRead.has(copy) && graph.outputs.some(({ name }) => name === copy)) continue
      initializers.set(copy, original)
      removed.add(node)
    } else if (!isRead.has(copy)) {
      renamed.set(copy, source)
      removed.add(node)
    }
  }
  if (removed.size === 0) return model
  const nodes = graph.nodes
    .filter((node) => !removed.has(node))
    .map((node) =>
      node.inputs.some((name) => renamed.has(name))
        ? { ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) }
        : node,
    )
  return { ...model, graph: { ...graph, nodes, initializers } }
}

const isCopy = (node: Node): boolean => operatorOf(node)?.name === 'Identity'

/** The node that computes a value, seen through copies. */
export function computingNode(graph: Graph, value: string): Node | undefined {
  const { producers } = linksOf(graph)
  let node = producers.get(value)
  while (node && isCopy(node)) node = producers.get(node.inputs[0]!)
  return node
}

function readersOf(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes)
    for (const name of new Set(node.inputs)) readers.set(name, [...(readers.get(name) ?? []), node])
  return readers
}

/** The path of the innermost module that a node comes from; undefined where nothing says. */
function moduleOf({ metadata }: Node): string | undefined {
  const scopes = metadata?.get(SCOPES)?.match(/'[^']*'|"[^"]*"/g)
  return scopes?.at(-2)?.slice(1, -1)
}

/** Key of PyTorch's exporter: the call that a node was made from, `%mul = …(args = (%p_block_0_scale, %add))`. */
const CALL = 'pkg.torch.onnx.fx_node'

/**
 * The parameters and buffers that a call reads. `torch.export` calls the parameter `scale` of the module
 * `block.0` by `p_block_0_scale`, wherever it is read; here it is `block_0_scale`.
 */
export const notedNames = ({ metadata }: Node): ReadonlySet<string> =>
  new Set([...(metadata?.get(CALL)?.matchAll(/%[pb]_(\w+)/g) ?? [])].map(([, name]) => name!))

/** A name as `torch.export` notes it. */
export const asNoted = (name: string): string => name.replace(/[^a-zA-Z0-9]/g, '_').toLowerCase()

/** Gives each parameter a constant of its own where the exporter has merged several. */
function withOneForEachParameter(model: Model): Model {
  const { graph } = model
  if (!graph.nodes.some(({ metadata }) => metadata?.has(SCOPES))) return model
  const readers = readersOf(graph)
  const names = new NameSupply(valueNames(graph))
  const initializers = new Map<string, Initializer>(graph.initializers)
  const values = [...graph.values]
  /** By node: the names of its inputs that change. */
  const changes = new Map<Node, Map<string, string>>()
  for (const name of new Set([
    ...trainableConstants(model).parameters,
    ...storedStatistics(model),
  ])) {
    const initializer = graph.initializers.get(name)
    if (!initializer) continue
    // What the exporter transposed is called after what it was.
    const declaration = graph.values.find((value) => value.name === name)
    const folded = declaration?.metadata?.get(FOLDED_FROM)?.match(/^\['([^']+)'\]$/)?.[1]
    const known = folded ?? name
    const parameters = readParameters(known, readers.get(name) ?? [])
    const paths = parameters.map(({ path }) => path)
    if (paths.length < 2 || !areMerged(paths, initializer.tensor)) continue
    const kept = paths.includes(known) ? known : paths[0]!
    for (const { path, nodes } of parameters) {
      if (path === kept) continue
      const own = names.fresh(path)
      initializers.set(own, initializer)
      if (declaration) {
        const metadata = new Map(declaration.metadata)
        if (folded !== undefined) metadata.set(FOLDED_FROM, `['${own}']`)
        values.push({ ...declaration, name: own, metadata })
      }
      for (const node of nodes)
        changes.set(node, new Map([...(changes.get(node) ?? []), [name, own]]))
    }
  }
  if (changes.size === 0) return model
  const nodes = graph.nodes.map((node) => {
    const change = changes.get(node)
    return change ? { ...node, inputs: node.inputs.map((name) => change.get(name) ?? name) } : node
  })
  return { ...model, graph: { ...graph, nodes, values, initializers } }
}

/** The parameters that an exporter has written as one, called `known`: their names, and who reads each. */
function readParameters(
  known: string,
  readers: readonly Node[],
): readonly { readonly path: string; readonly nodes: readonly Node[] }[] {
  const reading = readers.flatMap((node) => {
    const module = moduleOf(node)
    return module === undefined ? [] : [{ node, module }]
  })
  const owner = reading.find(({ module }) => known.startsWith(`${module}.`))?.module
  const last = owner === undefined ? known.split('.').at(-1)! : known.slice(owner.length + 1)
  const parameters = new Map<string, { path: string; nodes: Node[] }>()
  for (const { node, module } of reading) {
    const within = module === '' ? '' : `${module}.`
    const names = notedNames(node)
    // A call that reads a weight and a bias does not say which of them this is.
    const noted = names.size === 1 ? [...names][0]! : asNoted(within + last)
    const paths = [known, within + last, within + noted.slice(within.length)]
    const path = paths.find((each) => asNoted(each) === noted) ?? noted
    const parameter = parameters.get(noted)
    if (parameter) parameter.nodes.push(node)
    else parameters.set(noted, { path, nodes: [node] })
  }
  return [...parameters.values()]
}

/** Did the exporter, and not the user, make one constant of these parameters? */
function areMerged(parameters: readonly string[], tensor: LazyTensor): boolean {
  if (elementCount(tensor.dims) > MERGED_ELEMENTS) return false
  const patterns = new Set(parameters.map((path) => path.replace(/(?<=^|\.)\d+(?=\.|$)/g, '#')))
  return patterns.size === 1 || isUniform(tensor)
}

/** Matrices that are transposes of others are computed from these again. */
function withTies(model: Model): Model {
  const { graph } = model
  const matrices = [...graph.initializers].flatMap(([name, { tensor }]) => {
    const { dtype, dims } = tensor
    const isCandidate =
      isFloat(dtype) && dims.length === 2 && dims[0] !== dims[1] && Math.min(...dims) > 1
    return isCandidate ? [{ name, tensor }] : []
  })
  const tied = new Map<string, string>()
  for (const [k, one] of matrices.entries())
    for (const other of matrices.slice(k + 1)) {
      if (tied.has(one.name) || tied.has(other.name)) continue
      if (!isTranspose(one.tensor, other.tensor)) continue
      // The one that is looked up by rows stays; a product can as well read a transpose.
      const [table, head] = isLookedUp(graph, other.name) ? [other, one] : [one, other]
      tied.set(head.name, table.name)
    }
  if (tied.size === 0) return model
  const initializers = new Map<string, Initializer>(graph.initializers)
  const transposes = [...tied].map(([name, source]): Node => {
    initializers.delete(name)
    return {
      name: `${name}.transpose`,
      opType: 'Transpose',
      domain: '',
      inputs: [source],
      outputs: [name],
      attributes: new Map([['perm', { type: 'ints', value: [1n, 0n] }]]),
    }
  })
  const inputs = graph.inputs.filter(({ name }) => !tied.has(name))
  return {
    ...model,
    graph: { ...graph, inputs, nodes: [...transposes, ...graph.nodes], initializers },
  }
}

const isLookedUp = (graph: Graph, name: string): boolean =>
  graph.nodes.some((node) => node.inputs[0] === name && operatorOf(node)?.name === 'Gather')

function isTranspose(a: LazyTensor, b: LazyTensor): boolean {
  const [rows, columns] = a.dims as [number, number]
  if (a.dtype !== b.dtype || b.dims[0] !== columns || b.dims[1] !== rows) return false
  const unit = a.byteLength / (rows * columns)
  const at = (tensor: LazyTensor, index: number) => tensor.read(unit * index, unit).join()
  // A few elements first, since two large matrices are rarely equal.
  for (let k = 0; k < 16; k++) {
    const [r, c] = [(k * 7919) % rows, (k * 104729) % columns]
    if (at(a, r * columns + c) !== at(b, c * rows + r)) return false
  }
  if (isUniform(a)) return false
  const [x, y] = [materialize(a).data, materialize(b).data]
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) if (x[r * columns + c] !== y[c * rows + r]) return false
  return true
}
