/**
 * A growth plan, made on an ONNX model, applied to the state dict and the optimizer state of the same
 * network. The plan is applied to the entries themselves, in their own types and layouts; no grown number
 * of the ONNX model is copied.
 */
import { internalError, refusedError } from '../errors.ts'
import { growSlots } from '../growth/apply/grow-slots.ts'
import { gatheredAxes, growTensor } from '../growth/apply/grow-tensor.ts'
import type { SlotPower } from '../growth/apply/merge-tensor.ts'
import { type GrowthPlan, type ParameterChange, rolesIn } from '../growth/growth-plan.ts'
import type { Model } from '../model/model.ts'
import { quote } from '../model/quote.ts'
import { isFloat } from '../tensor/dtype.ts'
import { gather } from '../tensor/lazy.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'
import { type Binding, type Bindings, readersOf } from './bind.ts'
import { combined } from './combined.ts'
import type { DerivedBinding } from './derived.ts'
import { isNotedOn } from './entry-names.ts'
import { rearranged } from './rearranged.ts'

export interface GrowEntriesOptions {
  /** Allows an entry that two layers share to grow two ways, where two entries hold it. */
  readonly untie?: boolean
  /** Initializers that no entry holds, whose numbers the caller reads from the grown model. */
  readonly constants?: ReadonlySet<string>
  /** What the weights' file is called in messages. */
  readonly file: string
}

/**
 * The entries of a state dict after growth, in their order. Entries that the plan leaves alone are passed on.
 *
 * @throws Net2NetError (refused) where the plan changes an initializer that no entry is bound to, or changes one entry in
 *   two ways
 */
export function growEntries(
  model: Model,
  plan: GrowthPlan,
  bindings: Bindings,
  entries: ReadonlyMap<string, LazyTensor>,
  options: GrowEntriesOptions,
): ReadonlyMap<string, LazyTensor> {
  const result = new Map(entries)
  for (const [binding, change] of boundChanges(model, plan, bindings, entries, options)) {
    const tensor = entries.get(binding.entry)!
    const grown = growTensor(plan, change, toInitializer(binding, tensor, change))
    result.set(binding.entry, fromInitializer(binding, tensor, grown))
  }
  for (const { entry, initializer, vectors, factors } of bindings.folded) {
    const change = onlyChange(plan, initializer, entry, options)
    if (!change) continue
    const tensor = entries.get(entry)!
    const channels = gatheredAxes(plan, change, tensor).find(({ axis }) => axis === 0)
    if (channels?.gathered.split.some((share) => share !== 1))
      throw refusedError(
        `${quote(entry)} would take split coefficients along the channels of the normalization behind it.`,
        { where: entry },
      )
    if (change.added !== undefined)
      throw refusedError(
        `${quote(entry)} would get units of its own, and a normalization behind it is folded into its numbers.`,
        { where: entry, hint: 'Export the model with its normalizations as nodes of their own.' },
      )
    const { noise, ...exact } = change
    const plain = growTensor(plan, exact, tensor)
    result.set(entry, plain)
    if (noise && noise.kind !== 'none') {
      // Noise is drawn on the scale of the folded weight, and the norm multiplies it again.
      const index = channels?.gathered.index ?? Uint32Array.from(factors, (_, i) => i)
      const row = elementCount(plain.dims.slice(1))
      const folded = model.graph.initializers.get(initializer)!.tensor
      result.set(
        entry,
        combined(
          [plain, growTensor(plan, change, folded), growTensor(plan, exact, folded)],
          (at, own, noisy, quiet) => own + (noisy - quiet) / factors[index[Math.floor(at / row)]!]!,
        ),
      )
    }
    if (channels)
      for (const name of vectors)
        result.set(name, gather(entries.get(name)!, [{ axis: 0, index: channels.gathered.index }]))
  }
  return result
}

/**
 * Optimizer state by entry, after growth.
 *
 * @param power 1 for what remembers gradients (momentum), 2 for their squares
 */
export function growEntrySlots(
  model: Model,
  plan: GrowthPlan,
  bindings: Bindings,
  entries: ReadonlyMap<string, LazyTensor>,
  slots: ReadonlyMap<string, LazyTensor>,
  power: SlotPower,
  options: GrowEntriesOptions,
): ReadonlyMap<string, LazyTensor> {
  const result = new Map(slots)
  for (const [binding, change] of boundChanges(model, plan, bindings, entries, options)) {
    const slot = slots.get(binding.entry)
    if (!slot) continue
    const grown = growSlots(
      { ...plan, parameters: [change] },
      new Map([[change.name, toInitializer(binding, slot, change)]]),
      power,
    )
    result.set(binding.entry, fromInitializer(binding, slot, grown.get(change.to)!))
  }
  for (const { entry, initializer, vectors } of bindings.folded) {
    const change = onlyChange(plan, initializer, entry, options)
    if (!change) continue
    const channels = change.axes.filter(({ axis }) => axis === 0)
    const grow = (name: string, only: ParameterChange) => {
      const slot = slots.get(name)
      if (!slot) return
      const part = { ...plan, parameters: [only] }
      result.set(name, growSlots(part, new Map([[only.name, slot]]), power).get(only.to)!)
    }
    grow(entry, change)
    for (const name of vectors) if (channels.length > 0) grow(name, { ...change, axes: channels })
  }
  return result
}

/**
 * Refuses plans that change what entries of a file do not hold: an attribute of a node, or nodes that make up for the units that
 * were added to a mean.
 *
 * @param file what the weights' file is called in messages
 * @throws Net2NetError (refused)
 */
export function mustChangeEntriesAlone(plan: GrowthPlan, file: string): void {
  const hint =
    'Give a width that is a multiple of the old one, so that every unit is copied equally often.'
  const [number] = plan.floats ?? []
  if (number)
    throw refusedError(
      `${number.node} would need the ${number.attribute} ${number.to} instead of ${number.from}, which ${file} does not hold.`,
      { where: number.node, hint },
    )
  const [inserted] = plan.inserted
  if (inserted && plan.parameters.some(({ added }) => added !== undefined))
    throw refusedError(
      `${quote(inserted.name)} would make up for the units that are added, and ${file} has no place for it.`,
      { where: inserted.after, hint },
    )
}

/**
 * Every change of the plan that an entry is bound to. For a constant that was computed from the entry it is the change of the
 * entry itself.
 *
 * @throws Net2NetError (refused) as `growEntries`
 */
export function boundChanges(
  model: Model,
  plan: GrowthPlan,
  { bound, folded, derived = [] }: Bindings,
  entries: ReadonlyMap<string, LazyTensor>,
  options: GrowEntriesOptions,
): readonly (readonly [Binding, ParameterChange])[] {
  const found: (readonly [Binding, ParameterChange])[] = []
  const inNorms = new Set(folded.map(({ initializer }) => initializer))
  for (const name of new Set(plan.parameters.map((change) => change.name))) {
    const changes = plan.parameters.filter((change) => change.name === name)
    const holders = bound.filter(({ initializer }) => initializer === name)
    if (holders.length === 0) {
      const [source] = derived.filter(({ initializer }) => initializer === name)
      const own = source && changeOfSource(source, changes, entries.get(source.entry)!)
      if (own) found.push(own)
      else if (
        !inNorms.has(name) &&
        !options.constants?.has(name) &&
        !changes.every(isBroadcast) &&
        !mayBeUnbound(model, name, folded)
      )
        throw refusedError(
          `The plan changes ${quote(name)}, and no entry of ${options.file} holds its numbers${nearest(model, name, entries)}.`,
          {
            where: name,
            hint: 'Export the model from these weights, for PyTorch with optimize=False, so that its names stay.',
          },
        )
      continue
    }
    const [first] = changes
    const staysToo = isStillRead(model, name, changes)
    const isSame = !staysToo && changes.every((change) => sameGrowth(change, first!))
    if (isSame) for (const holder of holders) found.push([holder, first!])
    else if (options.untie && holders.length >= changes.length + (staysToo ? 1 : 0))
      found.push(...paired(model, name, staysToo ? [...changes, stays] : changes, holders, options))
    else
      throw refusedError(
        `${holders.map(({ entry }) => quote(entry)).join(' and ')} of ${options.file} ${holders.length > 1 ? 'are' : 'is'} one tensor for ${changes.length + (staysToo ? 1 : 0)} uses, which would grow in different ways.`,
        {
          where: holders[0]!.entry,
          hint: UNTIE,
        },
      )
  }
  return found
}

/** In the place of a change: some readers keep the tensor as it was. */
const stays = 'stays'

export const UNTIE =
  'Name all layers that share it, or add --untie where the network can hold two tensors (for transformers: tie_word_embeddings: false).'

/**
 * Which change is that of which entry, where several entries hold one tensor: that of what reads it, if the exporter
 * noted that. Of the others the change that keeps the name belongs to the entry that has it; clones follow in order. An entry
 * for which none is left goes with the most of the others: it is one more name of one of them.
 */
function paired(
  model: Model,
  name: string,
  changes: readonly (ParameterChange | typeof stays)[],
  holders: readonly Binding[],
  { file }: GrowEntriesOptions,
): readonly (readonly [Binding, ParameterChange])[] {
  const usesOf = (change: ParameterChange | typeof stays) =>
    change === stays ? undefined : change.uses
  const rewired = rewiredBy(changes.filter((change) => change !== stays))
  const readers = new Map(
    changes.map((change) => {
      const own = change === stays ? rewired : rewiredBy([change])
      const reads = (use: string) => (usesOf(change) ? own.has(use) : !rewired.has(use))
      return [
        change,
        model.graph.nodes.filter(({ inputs, outputs }) =>
          inputs.some((input, i) => input === name && reads(`${outputs[0]} ${i}`)),
        ),
      ]
    }),
  )
  const noted = new Map(
    holders.map((holder) => [
      holder,
      changes.find((change) => isNotedOn(readers.get(change)!, holder.entry)),
    ]),
  )
  const taken = new Set(noted.values())
  const left = changes
    .filter((change) => !taken.has(change))
    .sort((a, b) => Number(keepsName(b, name)) - Number(keepsName(a, name)))
  // Where one stays as it was, names do not tell which.
  if (changes.includes(stays) && left.length > 1)
    throw refusedError(
      `Which of ${holders.map(({ entry }) => quote(entry)).join(' and ')} of ${file} grows cannot be told: the model does not say who reads them.`,
      {
        where: name,
        hint: 'Export the network with dynamo=True, which notes it.',
      },
    )
  const chosen = new Map<Binding, ParameterChange | typeof stays>()
  for (const holder of [...holders].sort(
    (a, b) => Number(b.entry === name) - Number(a.entry === name),
  )) {
    const change = noted.get(holder) ?? left.shift()
    if (change) chosen.set(holder, change)
  }
  const given = [...chosen.values()]
  const times = (change: ParameterChange | typeof stays) =>
    given.filter((other) => other === change).length
  const most = [...given].sort((a, b) => times(b) - times(a))[0]
  return holders.flatMap((holder) => {
    const change = chosen.get(holder) ?? most
    return change && change !== stays ? [[holder, change] as const] : []
  })
}

const keepsName = (change: ParameterChange | typeof stays, name: string): boolean =>
  change === stays || change.to === name

/** A change of a constant as one of the entry from which it was computed; undefined where that does not follow. */
function changeOfSource(
  { entry, initializer, axis, of }: DerivedBinding,
  changes: readonly ParameterChange[],
  { dims }: LazyTensor,
): [Binding, ParameterChange] | undefined {
  const [change, another] = changes
  const [grown, further] = change?.axes ?? []
  if (!change || another || !grown || further || grown.axis !== of) return undefined
  // What is split is not only copied: it would have to be known how the constant was computed.
  if ([...rolesIn(grown.map, grown.role)].some((role) => role !== 'copied')) return undefined
  const { noise: _, ...rest } = change
  const after = dims.map((size, k) => (k === axis ? change.after[of]! : size))
  return [
    { entry, initializer, axes: dims.map((_, k) => k) },
    { ...rest, before: dims, after, axes: [{ ...grown, axis }] },
  ]
}

const rewiredBy = (changes: readonly ParameterChange[]): ReadonlySet<string> =>
  new Set(changes.flatMap(({ uses = [] }) => uses.map(({ node, input }) => `${node} ${input}`)))

/** Whether something still reads the tensor as it was, since the plan only changes clones of it. */
function isStillRead(model: Model, name: string, changes: readonly ParameterChange[]): boolean {
  if (changes.some(({ to }) => to === name)) return false
  const rewired = rewiredBy(changes)
  return model.graph.nodes.some(({ inputs, outputs }) =>
    inputs.some((input, i) => input === name && !rewired.has(`${outputs[0]} ${i}`)),
  )
}

const sameGrowth = (a: ParameterChange, b: ParameterChange): boolean =>
  JSON.stringify([a.axes, a.noise]) === JSON.stringify([b.axes, b.noise])

function onlyChange(
  plan: GrowthPlan,
  initializer: string,
  entry: string,
  { file }: GrowEntriesOptions,
): ParameterChange | undefined {
  const changes = plan.parameters.filter(({ name }) => name === initializer)
  if (changes.length > 1)
    throw refusedError(
      `${quote(entry)} of ${file} would grow in ${changes.length} different ways.`,
      {
        where: entry,
      },
    )
  return changes[0]
}

/**
 * Constants that exporters make and no state dict holds: all entries alike (a zero bias), whole numbers, or
 * the bias into which a normalization was folded.
 */
export function mayBeUnbound(model: Model, name: string, folded: Bindings['folded']): boolean {
  const tensor = model.graph.initializers.get(name)?.tensor
  if (!tensor || !isFloat(tensor.dtype)) return true
  const item = tensor.byteLength / elementCount(tensor.dims)
  const bytes = tensor.read(0, tensor.byteLength)
  if (bytes.every((byte, i) => byte === bytes[i % item])) return true
  const layers = new Set(folded.map(({ initializer }) => initializer))
  return readersOf(model, name).every(({ inputs }) => inputs.some((input) => layers.has(input)))
}

/** Whether only axes of size one are copied: as the network broadcasts the constant, it need not change. */
const isBroadcast = ({ axes, before }: ParameterChange): boolean =>
  axes.every(({ axis, map, role }) => before[axis] === 1 && !rolesIn(map, role).has('split'))

function nearest(model: Model, name: string, entries: ReadonlyMap<string, LazyTensor>): string {
  const tensor = model.graph.initializers.get(name)?.tensor
  if (!tensor) return ''
  const sizes = (dims: readonly number[]) =>
    [...dims]
      .filter((size) => size !== 1)
      .sort((a, b) => a - b)
      .join('x')
  const alike = [...entries].find(([, { dims }]) => sizes(dims) === sizes(tensor.dims))
  return alike ? ` (${quote(alike[0])} has its shape)` : ''
}

function toInitializer({ axes }: Binding, tensor: LazyTensor, change: ParameterChange): LazyTensor {
  const from = change.before.map((_, axis) => {
    const k = axes.indexOf(axis)
    return k < 0 ? undefined : k
  })
  return rearranged(tensor, from)
}

function fromInitializer(
  { axes, entry }: Binding,
  tensor: LazyTensor,
  grown: LazyTensor,
): LazyTensor {
  const covered = new Set(axes)
  if (grown.dims.some((size, axis) => size !== 1 && !covered.has(axis)))
    throw internalError(`${entry} grew along an axis that it does not have.`)
  const back = rearranged(grown, axes)
  if (back.dtype !== tensor.dtype) throw internalError(`${entry} changed its type.`)
  return back
}
