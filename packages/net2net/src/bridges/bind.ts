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
import type { LazyTensor } from '../tensor/tensor.ts'
import { type DerivedBinding, derivedBindings } from './derived.ts'
import { exporterNotes, likeness } from './entry-names.ts'
import {
  allElements,
  axesBetween,
  describe,
  factorsBetween,
  isReadable,
  type Known,
  sameShape,
} from './same-numbers.ts'

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
          hint: 'Export the model from these weights; on the command line, --weights-differ takes the names for it.',
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
