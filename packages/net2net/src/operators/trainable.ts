/**
 * Which constants of a model are its parameters: what training changes.
 *
 * Exporters write every constant as an initializer: weights, but also masks, scales of attention,
 * rotary tables, grids of positions. PyTorch's exporter says which is which, in the metadata of the
 * value (`InputSpec.kind`): a PARAMETER is trained, a BUFFER or CONSTANT_TENSOR is not. What it computed
 * from others has lost its mark, but says from which; from a `weight` or `bias` comes a parameter. Other
 * exporters have no marks. Then the use decides:
 *
 * - Weights, biases, scales and tables of layers, norms and embeddings are parameters
 *   (`Operator.parameters`), and so is what they are computed from.
 * - In a file without any mark, a constant that is added to values of the network, multiplies them or
 *   stands among them (`Operator.operand`) is a parameter if it looks like a bias, a scale or a
 *   table of positions: not a mask, not a scalar (but for a bias with an axis, of a layer with one unit), not a table of sines, not applied to the
 *   model's input itself (which is how inputs are standardized), not under a name that an
 *   exporter invented, but for the scale and the shift behind a normalization that has none of its own.
 *   So is what TensorFlow's converter names as read from a variable, and a state that a recurrence begins with, if its numbers differ.
 *
 * Running statistics are never parameters, nor is what is not floating-point, nor are ones and zeros
 * that an exporter put in the place of a scale and a shift. Whoever trains may name others.
 */
import type { Metadata, Model } from '../model/model.ts'
import { isFloat } from '../tensor/dtype.ts'
import { elementCount, type LazyTensor, readInto, toNumbers } from '../tensor/tensor.ts'
import { inferModel } from './inference.ts'
import { operatorOf } from './table.ts'
import { type OperandUse, UsesOfConstants } from './uses-of-constants.ts'

/** Key of PyTorch's exporter: what a constant was in the program that was exported. */
const KIND = 'pkg.torch.export.graph_signature.InputSpec.kind'
/** Key of its optimizer: the constants that this one was computed from. */
export const FOLDED_FROM = 'pkg.onnxscript.optimizer.folded_from'

const PARAMETER = 'PARAMETER'

/** Begins the names that PyTorch's older exporter invents. */
export const INVENTED = 'onnx::'

/** Ends the names that TensorFlow's converter gives to what the program read from a variable, whatever its shape is. */
const VARIABLE = /\/ReadVariableOp(_\d+)?(\/resource)?(:\d+)?$/

/** What is noted of a parameter in a file that says of its constants what they are. */
export const parameterNote: Metadata = new Map([[KIND, PARAMETER]])

/** What is noted there of all other constants. */
export const constantNote: Metadata = new Map([[KIND, 'CONSTANT_TENSOR']])

/** What exporters noted of each constant, if they say which are parameters. */
export function parameterNotes(model: Model): ReadonlyMap<string, Metadata> | undefined {
  const metadata = metadataOf(model)
  return isMarkedBy(metadata) ? metadata : undefined
}

const isMarkedBy = (metadata: ReadonlyMap<string, Metadata>): boolean =>
  [...metadata.values()].some((entries) => entries.get(KIND) === PARAMETER)

/** The user's constants, by their names, that the exporter computed this one from. */
export const sourcesOf = (metadata: Metadata | undefined): readonly string[] =>
  (metadata?.get(FOLDED_FROM)?.match(/[^'"[\], ]+/g) ?? []).filter(
    (name) => !/^val_\d+$/.test(name),
  )

/** By the name of a constant, the names of those that the exporter computed it from, where it says that. */
export const sourcesOfConstants = (model: Model): ReadonlyMap<string, readonly string[]> =>
  new Map([...metadataOf(model)].map(([name, metadata]) => [name, sourcesOf(metadata)]))

/** What every layer of PyTorch calls its parameters, and no layer its buffers. */
const isWeightName = (name: string): boolean => /(weight|bias)$/.test(name)

/** A constant that could be taken for a parameter and is not trained. */
export interface LeftConstant {
  readonly name: string
  /** Why, to follow the name in a sentence. */
  readonly reason: string
}

export interface TrainableConstants {
  /** The parameters, in the order of the file. */
  readonly parameters: readonly string[]
  readonly left: readonly LeftConstant[]
  /** Every floating-point constant that could be trained if somebody asked for it, by name. */
  readonly possible: ReadonlyMap<string, LazyTensor>
}

export function trainableConstants(model: Model): TrainableConstants {
  const constants = floatConstants(model)
  const metadata = metadataOf(model)
  const statistics = storedStatistics(model)
  const isMarked = isMarkedBy(metadata)
  const uses = new UsesOfConstants(model, constants, (name) => {
    const tensor = constants.get(name)
    const isNamed = model.graph.initializers.has(name) && !name.startsWith(INVENTED)
    return tensor !== undefined && !isNamed && isFiller(tensor)
  })
  const isStored = (name: string) => model.graph.initializers.has(name)
  // Some files keep all weights in Constant nodes.
  const storesWeights = [...uses.own].some(
    (name) => isStored(name) && elementCount(constants.get(name)!.dims) > 1,
  )
  const possible = new Map([...constants].filter(([name]) => !statistics.has(name)))
  /** Is it trained? If not, why not, where somebody may wonder. */
  const judge = (name: string, tensor: LazyTensor): boolean | string => {
    const sources = sourcesOf(metadata.get(name))
    const kind = metadata.get(name)?.get(KIND) ?? (sources.some(isWeightName) && PARAMETER)
    if (kind) return kind === PARAMETER
    const isInvented = isMarked
      ? !name.includes('.')
      : name.startsWith(INVENTED) || (storesWeights && !isStored(name))
    const use = uses.operands.get(name)
    const isState = uses.states.has(name)
    if (uses.own.has(name))
      return !(
        (isInvented && isFiller(tensor)) ||
        (uses.lookedUp.has(name) && isTrigonometric(tensor))
      )
    if (!use && !isState) return false
    const isSingle = elementCount(tensor.dims) === 1
    if (isMarked) {
      // Sizes of values are among the sources too.
      const constant = sources.filter((source) => !uses.isComputed(source))
      const isKnown = isSingle || isTable(tensor) || (isState && !isUniform(tensor))
      return (
        isKnown && constant.length > 0 && `the exporter computed it from ${constant.join(', ')}`
      )
    }
    if (isState && isUniform(tensor)) return !isInvented && sameNumbers
    if (VARIABLE.test(name)) return true
    const isBias = use?.isOfOneUnit && isSingle && tensor.dims.length > 0
    if (isState || isBias || looksTrained(use!, tensor))
      return !isInvented || use?.isAffine || invented
    if (isTable(tensor)) return isInvented ? invented : 'it may be a table or a fixed constant'
    return !isInvented && isStored(name) && isSingle && singleNumber
  }
  const parameters: string[] = []
  const left: LeftConstant[] = []
  for (const [name, tensor] of possible) {
    const verdict = judge(name, tensor)
    if (verdict === true) parameters.push(name)
    else if (verdict) left.push({ name, reason: verdict })
  }
  return { parameters, left, possible }
}

const invented = 'the exporter named it, so it may be a fixed constant'
const sameNumbers = 'all its numbers are the same, so it may be a fixed first state'
const singleNumber = 'it is a single number, which may be a fixed factor'

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

/** Floating-point initializers and constants that sit in nodes, by name. */
function floatConstants(model: Model): ReadonlyMap<string, LazyTensor> {
  const constants = new Map<string, LazyTensor>()
  const add = (name: string, tensor: LazyTensor | undefined) => {
    if (tensor && isFloat(tensor.dtype)) constants.set(name, tensor)
  }
  for (const [name, { tensor }] of model.graph.initializers) add(name, tensor)
  const nodes = model.graph.nodes.filter(({ inputs }) => inputs.length === 0)
  const infos = inferModel({ ...model, graph: { ...model.graph, nodes } })
  for (const { outputs } of nodes) for (const name of outputs) add(name, infos.get(name)?.constant)
  return constants
}

/** What exporters noted of each value. */
function metadataOf({ graph }: Model): ReadonlyMap<string, Metadata> {
  const found = new Map<string, Metadata>()
  for (const { name, metadata } of [...graph.inputs, ...graph.values])
    if (metadata) found.set(name, metadata)
  for (const [name, { metadata }] of graph.initializers)
    if (metadata) found.set(name, new Map([...(found.get(name) ?? []), ...metadata]))
  return found
}

/** Beyond this, a number that is added shuts something out. */
const MASK = 1e4

/** Is it a bias, a scale, a table of positions or a token, by its shape and its numbers? */
function looksTrained({ kind, rank }: OperandUse, tensor: LazyTensor): boolean {
  const { dims } = tensor
  const wide = dims.flatMap((dim, k) => (dim > 1 ? [k - dims.length] : []))
  if (wide.length === 0 || rank === undefined) return false
  const axis = wide[0]!
  const isVector = wide.length === 1 && (axis === -1 || axis === 1 - rank)
  const isPositions = kind === 'bias' && rank === 3 && wide.length === 2
  const isToken = kind === 'entries' && dims.length >= 2
  if (!isVector && !isPositions && !isToken) return false
  const values = toNumbers(tensor)
  if (values.some((value) => !(Math.abs(value) < MASK))) return false
  if (isToken) return values.some((value) => value !== values[0])
  return isVector || !isTrigonometric(tensor)
}

/** Ones or zeros, in the place of a scale and a shift that a layer has not got? */
const isFiller = (tensor: LazyTensor): boolean =>
  isUniform(tensor) && [0, 1].includes(toNumbers(firstOf(tensor))[0] ?? Number.NaN)

const firstOf = (tensor: LazyTensor): LazyTensor => {
  const unit = tensor.byteLength / elementCount(tensor.dims)
  return { dtype: tensor.dtype, dims: [1], byteLength: unit, read: (at, n) => tensor.read(at, n) }
}

/** Is every element the same number? */
export function isUniform(tensor: LazyTensor): boolean {
  const unit = tensor.byteLength / elementCount(tensor.dims)
  const chunk = unit * 4096
  const first = new Uint8Array(tensor.read(0, Math.min(unit, tensor.byteLength)))
  for (let at = 0; at < tensor.byteLength; at += chunk) {
    const bytes = tensor.read(at, Math.min(chunk, tensor.byteLength - at))
    if (!bytes.every((byte, k) => byte === first[k % unit])) return false
  }
  return true
}

/** Different numbers, none of which shuts anything out, in more than a vector. */
function isTable(tensor: LazyTensor): boolean {
  if (tensor.dims.filter((dim) => dim > 1).length < 2) return false
  const values = toNumbers(tensor)
  return (
    values.every((value) => Math.abs(value) < MASK) &&
    values.some((value) => value !== 0 && value !== 1)
  )
}

/**
 * Are the rows sines and cosines of positions? Then the squares of each row add up to half its length
 * (Vaswani et al. 2017), or its halves are equal (rotary tables).
 */
function isTrigonometric(tensor: LazyTensor): boolean {
  const width = tensor.dims.at(-1) ?? 1
  const half = width / 2
  const count = elementCount(tensor.dims) / width
  // A fresh table of zeros repeats itself as well.
  if (tensor.dtype !== 'float32' || width % 2 !== 0 || count < 2 || isUniform(tensor)) return false
  let [isPosition, isRotary] = [true, true]
  for (let r = 0; r < count && (isPosition || isRotary); r++) {
    const row = new Float32Array(width)
    readInto(tensor, 4 * width * r, new Uint8Array(row.buffer))
    if (row.some((x) => Math.abs(x) > 1.0001)) return false
    const squares = row.reduce((sum, x) => sum + x * x, 0)
    isPosition &&= Math.abs(squares - half) < 1e-3 * half
    isRotary &&= row.every((x, k) => x === row[(k + half) % width])
  }
  return isPosition || isRotary
}
