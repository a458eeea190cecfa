/**
 * Which entry of a state dict is which initializer of the ONNX model that was exported from the same network.
 *
 * Exporters rename weights, transpose them, add axes of size one and fold batch normalizations into
 * convolutions. So an entry is bound by what it holds; names and the exporter's notes only choose among
 * equals. Nothing is bound by a name alone.
 */

import { refusedError } from '../errors.ts'
import type { Model, Node } from '../model/model.ts'
import { quote } from '../model/quote.ts'
import { dtypes, isFloat } from '../tensor/dtype.ts'
import { decode } from '../tensor/lazy.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import { type DerivedBinding, derivedBindings } from './derived.ts'

/** An entry that holds the numbers of an initializer. */
export interface Binding {
  readonly entry: string
  readonly initializer: string
  /** Axis k of the entry is axis `axes[k]` of the initializer; undefined for one of size one that it has not. */
  readonly axes: readonly (number | undefined)[]
}

/** A layer whose batch normalization the exporter multiplied into its weight. */
export interface FoldedNorm {
  readonly entry: string
  readonly initializer: string
  /** Entries of one number per output channel: the layer's bias, and scale, shift, mean and variance of the norm. */
  readonly vectors: readonly string[]
  /** By output channel: the factor scale / √(variance + ε) that the weight was multiplied with. */
  readonly factors: Float64Array
}

export interface Bindings {
  readonly bound: readonly Binding[]
  readonly folded: readonly FoldedNorm[]
  /** Entries that are in no initializer themselves, and constants that the exporter computed from them. */
  readonly derived?: readonly DerivedBinding[]
}

export interface BindOptions {
  /** Takes an entry for the initializer of its name and shape although their numbers differ. */
  readonly weightsDiffer?: boolean
  /** What the weights' file is called in messages. */
  readonly file: string
}

/**
 * Binds the floating-point entries of a state dict to the initializers of a model.
 *
 * @throws Net2NetError (refused) where an entry has the name and shape of an initializer, but other numbers
 */
export function bindEntries(
  model: Model,
  entries: ReadonlyMap<string, LazyTensor>,
  options: BindOptions,
): Bindings {
  const weights = new Map<string, Known>()
  for (const [name, { tensor }] of model.graph.initializers)
    if (isReadable(tensor)) weights.set(name, describe(name, tensor))
  const notes = exporterNotes(model)
  const bySum = groupBy([...weights.values()], ({ key }) => key)
  const bound: Binding[] = []
  const rest: Known[] = []
  for (const [entry, tensor] of entries) {
    if (!isReadable(tensor)) continue
    const known = describe(entry, tensor)
    const candidates = (bySum.get(known.key) ?? []).flatMap((weight) => {
      const axes = axesBetween(known, weight)
      return axes ? [{ weight, axes }] : []
    })
    const ranked = candidates
      .map((candidate) => ({ ...candidate, rank: likeness(entry, candidate.weight.name, notes) }))
      .sort((a, b) => b.rank - a.rank)
    const [best, second] = ranked
    // Numbers that are all the same say nothing of where they belong: there the name must.
    const isClear = best && (best.rank > 0 || (!known.isConstant && !second))
    if (isClear) bound.push({ entry, initializer: best.weight.name, axes: best.axes })
    else rest.push(known)
  }
  const folded = foldedNorms(rest, weights, entries)
  const inNorms = new Set(folded.flatMap(({ entry, vectors }) => [entry, ...vectors]))
  for (const known of rest) {
    const weight = weights.get(known.name)
    if (inNorms.has(known.name) || !weight || weight.key === known.key) continue
    const axes = sameShape(known, weight) ? known.tensor.dims.map((_, k) => k) : undefined
    if (!axes) continue
    if (!options.weightsDiffer)
      throw refusedError(
        `${quote(known.name)} of ${options.file} and of the model differ in their numbers: they are of different states of training.`,
        {
          where: known.name,
          hint: 'Export the model from these weights, or add --weights-differ to take the names for it.',
        },
      )
    bound.push({ entry: known.name, initializer: known.name, axes })
  }
  const taken = new Set([...bound, ...folded].map(({ initializer }) => initializer))
  const left = (known: Known) => !known.isConstant && !inNorms.has(known.name)
  const read = ({ name, tensor }: Known) => ({
    name,
    tensor,
    values: once(() => allElements(tensor)),
  })
  const isBound = new Set(bound.map(({ entry }) => entry))
  const derived = derivedBindings(
    rest.filter((known) => left(known) && !isBound.has(known.name)).map(read),
    [...weights.values()].filter((known) => left(known) && !taken.has(known.name)).map(read),
  )
  return { bound, folded, derived }
}

/** A value that is computed when it is first asked for. */
function once<T>(compute: () => T): () => T {
  let value: { readonly is: T } | undefined
  return () => {
    value ??= { is: compute() }
    return value.is
  }
}

interface Known {
  readonly name: string
  readonly tensor: LazyTensor
  /** Equal for tensors that hold the same numbers in any order, as shapes without ones in any order. */
  readonly key: string
  readonly isConstant: boolean
}

const isReadable = ({ dtype }: LazyTensor): boolean => isFloat(dtype) && dtypes[dtype].bits >= 16

/** Elements that are read at a time. */
const piece = 1 << 20

/** All elements in float32, a piece at a time: exporters may have written another floating-point type. */
function* pieces(tensor: LazyTensor): Generator<Float32Array> {
  const item = dtypes[tensor.dtype].bits / 8
  for (let at = 0; at < tensor.byteLength; at += piece * item) {
    const length = Math.min(piece * item, tensor.byteLength - at)
    yield Float32Array.from(decode(tensor.dtype, tensor.read(at, length)))
  }
}

function describe(name: string, tensor: LazyTensor): Known {
  let sum = 0
  let mix = 0
  let first: number | undefined
  let isConstant = true
  for (const values of pieces(tensor))
    for (const bits of new Uint32Array(values.buffer)) {
      first ??= bits
      if (bits !== first) isConstant = false
      sum = (sum + bits) % 0x1fffffffffffff
      mix ^= Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d)
    }
  const sizes = tensor.dims.filter((size) => size !== 1).sort((a, b) => a - b)
  return { name, tensor, isConstant, key: `${sizes.join('x')}/${sum}/${mix}` }
}

/** Whether all numbers of a tensor are the same, so that they say nothing of where they belong. */
export const isUniform = (tensor: LazyTensor): boolean =>
  isReadable(tensor) && describe('', tensor).isConstant

/** Whether two tensors hold the same numbers, in whatever order of their axes. */
export const holdSameNumbers = (a: LazyTensor, b: LazyTensor): boolean =>
  describe('', a).key === describe('', b).key

const sameShape = (a: Known, b: Known): boolean =>
  a.tensor.dims.length === b.tensor.dims.length &&
  a.tensor.dims.every((size, k) => size === b.tensor.dims[k])

/** How the axes of an entry lie in a weight that holds the same numbers; undefined if it does not. */
function axesBetween(entry: Known, weight: Known): (number | undefined)[] | undefined {
  if (isSame(entry, weight)) return entry.tensor.dims.map((_, k) => k)
  const large = (dims: readonly number[]) => dims.flatMap((size, k) => (size === 1 ? [] : [k]))
  const from = large(entry.tensor.dims)
  const to = large(weight.tensor.dims)
  const a = allElements(entry.tensor)
  const b = allElements(weight.tensor)
  for (const order of permutations(to)) {
    if (!order.every((axis, i) => weight.tensor.dims[axis] === entry.tensor.dims[from[i]!]))
      continue
    if (!holdsSame(a, entry.tensor.dims, from, b, weight.tensor.dims, order)) continue
    const free = weight.tensor.dims.flatMap((size, k) => (size === 1 ? [k] : []))
    return entry.tensor.dims.map((size, k) => (size === 1 ? free.shift() : order[from.indexOf(k)]))
  }
  return undefined
}

/** Most entries are as they were: these are compared a piece at a time. */
function isSame(entry: Known, weight: Known): boolean {
  if (!sameShape(entry, weight)) return false
  const others = pieces(weight.tensor)
  for (const piece of pieces(entry.tensor)) {
    const other = others.next().value
    if (!other || !piece.every((value, i) => Object.is(value, other[i]))) return false
  }
  return true
}

function allElements(tensor: LazyTensor): Float32Array {
  const parts = [...pieces(tensor)]
  if (parts.length === 1) return parts[0]!
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function holdsSame(
  a: Float32Array,
  aDims: readonly number[],
  from: readonly number[],
  b: Float32Array,
  bDims: readonly number[],
  order: readonly number[],
): boolean {
  const stride = (dims: readonly number[], axis: number) =>
    dims.slice(axis + 1).reduce((product, size) => product * size, 1)
  const strides = order.map((axis) => stride(bDims, axis))
  const sizes = from.map((axis) => aDims[axis]!)
  const index = sizes.map(() => 0)
  let place = 0
  for (let i = 0; i < a.length; i++) {
    if (!Object.is(a[i], b[place])) return false
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      place += strides[axis]!
      if (++index[axis]! < sizes[axis]!) break
      place -= strides[axis]! * sizes[axis]!
      index[axis] = 0
    }
  }
  return true
}

/** All orders of at most five axes; of more only the given one. */
function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1 || items.length > 5) return [[...items]]
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((others) => [item, ...others]),
  )
}

/** What PyTorch's exporter notes on nodes, by initializer: which parameters a node reads, in which module. */
function exporterNotes({ graph }: Model): ReadonlyMap<string, string> {
  const notes = new Map<string, string>()
  for (const node of graph.nodes) {
    const text = noteOn(node)
    if (text.length > 1)
      for (const input of node.inputs)
        if (graph.initializers.has(input)) notes.set(input, `${notes.get(input) ?? ''} ${text}`)
  }
  return notes
}

const noteOn = ({ metadata }: Node): string =>
  [
    metadata?.get('pkg.torch.onnx.fx_node') ?? '',
    metadata?.get('pkg.torch.onnx.name_scopes') ?? '',
  ].join(' ')

/** Whether the exporter notes on one of these nodes that it belongs to the module whose entry this is. */
export const isNotedOn = (nodes: readonly Node[], entry: string): boolean =>
  nodes.some((node) => isInModule(noteOn(node), entry))

/** The module may be inside a wrapper, of which the entry's name says nothing. */
function isInModule(note: string, entry: string): boolean {
  const module = entry.split('.').slice(0, -1).join('.')
  return module !== '' && new RegExp(`['.]${escaped(module)}'`).test(note)
}

/**
 * How well an entry fits an initializer that holds its numbers: 0 for not at all. What reads it counts more than what it is called:
 * of a tied head and embedding that are one tensor, exporters give either the name of the other.
 */
function likeness(entry: string, initializer: string, notes: ReadonlyMap<string, string>): number {
  const note = notes.get(initializer) ?? ''
  return likenessOfNames(entry, initializer, note) + (isInModule(note, entry) ? 2000 : 0)
}

function likenessOfNames(entry: string, initializer: string, note: string): number {
  if (entry === initializer) return 1000
  const parts = entry.split('.')
  const common = initializer.split('.')
  let same = 0
  while (
    same < Math.min(parts.length, common.length) &&
    parts.at(-1 - same) === common.at(-1 - same)
  )
    same++
  // One of the two names lacks a wrapper's prefix ("module."), and nothing else.
  if (same > 0 && same === Math.min(parts.length, common.length)) return 100 + same
  const inNote = escaped(entry.replaceAll('.', '_'))
  if (new RegExp(`%[pb]_${inNote}\\b`).test(note)) return 500
  return new RegExp(`%[pb]_\\w+_${inNote}\\b`).test(note) ? 90 : 0
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Values of ε in use: PyTorch's default, TensorFlow's, timm's and transformers'. */
const epsilons = [1e-5, 1e-3, 1e-6, 1e-4, 1e-12, 1e-8, 0]

/** Layers whose weight is an entry times one factor per output channel, where a norm has these factors. */
function foldedNorms(
  rest: readonly Known[],
  weights: ReadonlyMap<string, Known>,
  entries: ReadonlyMap<string, LazyTensor>,
): FoldedNorm[] {
  const norms = [...entries.keys()].flatMap((name) => {
    const prefix = /^(.*?)running_var$/.exec(name)?.[1]
    return prefix === undefined ? [] : [normOf(prefix, entries)]
  })
  const taken = new Set<string>()
  return rest.flatMap((known) => {
    if (known.tensor.dims.length < 2 || known.isConstant) return []
    // A folded layer keeps its name, or else has any: those of its name come first.
    const candidates = [...weights.values()]
      .filter((weight) => sameShape(known, weight))
      .sort((a, b) => Number(b.name === known.name) - Number(a.name === known.name))
    for (const weight of candidates) {
      const factors = factorsBetween(known, weight)
      const norm =
        factors && norms.find((each) => each && !taken.has(each.prefix) && each.fits(factors))
      if (!factors || !norm) continue
      taken.add(norm.prefix)
      const bias = known.name.replace(/weight$/, 'bias')
      const own = bias !== known.name && entries.get(bias)?.dims[0] === factors.length ? [bias] : []
      return [
        {
          entry: known.name,
          initializer: weight.name,
          factors,
          vectors: [...own, ...norm.vectors],
        },
      ]
    }
    return []
  })
}

function normOf(prefix: string, entries: ReadonlyMap<string, LazyTensor>) {
  const read = (name: string) => {
    const tensor = entries.get(prefix + name)
    return tensor && isReadable(tensor) && tensor.dims.length === 1
      ? allElements(tensor)
      : undefined
  }
  const variance = read('running_var')
  if (!variance) return undefined
  const scale = read('weight')
  const vectors = ['weight', 'bias', 'running_mean', 'running_var']
    .map((name) => prefix + name)
    .filter((name) => entries.has(name))
  const fits = (factors: Float64Array) =>
    factors.length === variance.length &&
    epsilons.some((epsilon) =>
      factors.every((factor, i) => {
        const expected = (scale?.[i] ?? 1) / Math.sqrt(variance[i]! + epsilon)
        return Math.abs(factor - expected) <= 1e-4 * Math.abs(expected) + 1e-12
      }),
    )
  return { prefix, vectors, fits }
}

/** By output channel (axis 0): what the entry was multiplied with; undefined if it is not one factor. */
function factorsBetween(entry: Known, weight: Known): Float64Array | undefined {
  const a = allElements(entry.tensor)
  const b = allElements(weight.tensor)
  const channels = entry.tensor.dims[0]!
  const length = a.length / channels
  const factors = new Float64Array(channels)
  for (let channel = 0; channel < channels; channel++) {
    let largest = 0
    for (let i = channel * length; i < (channel + 1) * length; i++)
      if (Math.abs(a[i]!) > Math.abs(a[largest] ?? 0) || i === channel * length) largest = i
    const factor = b[largest]! / a[largest]!
    if (!Number.isFinite(factor)) return undefined
    const size = Math.abs(b[largest]!)
    for (let i = channel * length; i < (channel + 1) * length; i++)
      if (Math.abs(b[i]! - factor * a[i]!) > 1e-5 * size) return undefined
    factors[channel] = factor
  }
  return factors
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

/** The nodes that read an initializer, for messages. */
export const readersOf = ({ graph }: Model, name: string): readonly Node[] =>
  graph.nodes.filter(({ inputs }) => inputs.includes(name))
