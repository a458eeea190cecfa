/** Checkpoints of transformers, grown by plans that were made on exports of the same networks. */

import { internalError, refusedError, usageError } from '../../errors.ts'
import { applyPlan } from '../../growth/apply/apply.ts'
import { gatheredAxes } from '../../growth/apply/grow-tensor.ts'
import { emptyPlan } from '../../growth/empty-plan.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { WidenOptions } from '../../growth/plan/widen.ts'
import type { Solution } from '../../growth/solve/index.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { gather } from '../../tensor/lazy.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { type Bindings, bindEntries } from '../bind.ts'
import { combined } from '../combined.ts'
import { boundChanges, growEntries, mustChangeEntriesAlone } from '../grow-entries.ts'
import { holdSameNumbers, isUniform } from '../same-numbers.ts'
import {
  type Checkpoint,
  configChanges,
  fieldOf,
  type GrownAxis,
  grownFields,
  sizesOf,
} from './config.ts'
import type { ConfigValue } from './config-text.ts'
import { deepenedModel, type Held } from './deepened-model.ts'
import { type AddedLayers, addLayers } from './layers.ts'
import { planSizes, type WantedSizes } from './plan.ts'
import { evaluate, type SizeExpression, type SizeOf } from './size-expression.ts'

export interface CheckpointGrowth {
  /** An ONNX model that was exported from the same network. */
  readonly model?: Model | undefined
  /** A plan that was made on it. */
  readonly plan?: GrowthPlan | undefined
  /** Layers that are added after what the plan does. */
  readonly layers?: AddedLayers | undefined
  /** Lets embeddings that are tied become two tensors. */
  readonly untie?: boolean | undefined
}

export interface GrownCheckpoint {
  readonly entries: ReadonlyMap<string, LazyTensor>
  /** New values of fields of config.json, by path. */
  readonly changes: ReadonlyMap<string, ConfigValue>
  /** The new layers by name, and the layers that they are copies of. */
  readonly added: ReadonlyMap<string, string>
  /** The model after the same growth; undefined where none was given. */
  readonly model: Model | undefined
  /** Whether the model has the new layers, too: not where one of its blocks cannot be repeated. */
  readonly hasLayers: boolean
}

interface WidenedCheckpoint {
  readonly entries: ReadonlyMap<string, LazyTensor>
  readonly fields: ReadonlyMap<string, number>
  readonly isUntied: boolean
  readonly model: Model
  /** Which initializers of the model hold which entries. */
  readonly held: readonly Held[]
}

/**
 * A plan that gives all layers of a kind the wanted size.
 *
 * @throws Net2NetError (usage) for sizes that are none; (refused) for what the architecture or the network does not allow
 */
export const planCheckpoint = (
  from: Model | Solution,
  checkpoint: Checkpoint,
  wanted: WantedSizes,
  options: WidenOptions = {},
): GrowthPlan => {
  const model = 'facts' in from ? from.facts.model : from
  return planSizes(from, checkpoint, bind(model, checkpoint).bindings, wanted, options)
}

/**
 * What a growth makes of a checkpoint: its entries, and the fields of its config.
 *
 * @throws Net2NetError (refused) where no config says what has grown, where tied entries would grow apart, where it is not
 *   clear which entry is which initializer, or where a layer cannot be added that adds nothing
 */
export function growCheckpoint(
  checkpoint: Checkpoint,
  { model, plan, layers = {}, untie }: CheckpointGrowth,
): GrownCheckpoint {
  if (plan && !model) throw usageError('A plan is for a model: give the one on which it was made.')
  const widened = model && widenCheckpoint(checkpoint, model, plan ?? emptyPlan(0), untie)
  const { entries, added, lists, ...deepened } = addLayers(
    checkpoint,
    widened?.entries ?? checkpoint.entries,
    layers,
  )
  const fields = new Map([...(widened?.fields ?? []), ...deepened.fields])
  const changes = new Map([...configChanges(checkpoint, fields), ...lists])
  if (widened?.isUntied) changes.set('tie_word_embeddings', false)
  const deep = widened && deepenedModel(widened.model, widened.held, added, entries)
  return { entries, changes, added, model: deep ?? widened?.model, hasLayers: deep !== undefined }
}

function widenCheckpoint(
  checkpoint: Checkpoint,
  model: Model,
  plan: GrowthPlan,
  untie: boolean | undefined,
): WidenedCheckpoint {
  const { name, architecture } = checkpoint
  const added = plan.inserted[0]?.name ?? plan.repeated?.[0]?.blocks[0]
  if (added !== undefined)
    throw refusedError(
      `The plan adds ${quote(added)} to the model, and layers are added to ${name} in its own way: give their names or number instead.`,
      { where: added },
    )
  if (plan.units.some(({ init }) => init !== 'net2wider'))
    throw usageError(
      'Random padding is not what the entries of a checkpoint are grown by: plan with init "net2wider".',
    )
  const bound = bind(model, checkpoint)
  const { bindings, entries, uniform } = bound
  // Whether tied entries may grow apart is judged here, with the words of transformers.
  const options = { file: name, untie: true }
  mustChangeEntriesAlone(plan, name)
  const changes = boundChanges(model, plan, bindings, entries, options)
  const grown = new Map(growEntries(model, plan, bindings, entries, options))
  const isUntied = takeApart(checkpoint, bound, grown, untie)
  const axes = changes.flatMap(([{ entry, axes: places }, change]): GrownAxis[] =>
    gatheredAxes(probe(plan), change, { ...entries.get(entry)!, dims: change.before }).map(
      ({ axis, gathered }) => {
        const k = places.indexOf(axis)
        const own = grown.has(entry) ? entry : bound.aliases.get(entry)!
        return { entry: own, axis: k, size: architecture.shapeOf(own)?.[k], index: gathered.index }
      },
    ),
  )
  const fields = grownFields(checkpoint, axes, uniform)
  const before = sizesOf(checkpoint)
  for (const entry of uniform)
    grown.set(
      entry,
      resized(
        entries.get(entry)!,
        architecture.shapeOf(entry)!,
        (field) => fields.get(field) ?? before(field),
      ),
    )
  const grownModel = applyPlan(model, plan)
  const { initializers } = grownModel.graph
  const computed = new Set(bindings.derived?.map(({ entry }) => entry))
  for (const [{ entry }, { to }] of changes) {
    const [own, of] = [grown.get(entry), initializers.get(to)?.tensor]
    if (own && !computed.has(entry) && own.dtype === of?.dtype && !holdSameNumbers(own, of))
      throw internalError(`The entry ${entry} did not grow as ${to} of the model did.`)
  }
  for (const [pattern, field] of architecture.timesRoot) {
    const size = fields.get(field)
    if (size === undefined) continue
    const factor = Math.sqrt(before(field)! / size)
    for (const [entry, tensor] of grown)
      if (pattern.test(entry)) grown.set(entry, timesFactor(entry, tensor, factor, field))
  }
  const now = new Map(changes.map(([{ entry }, { to }]) => [entry, to]))
  const held = bindings.bound.map(({ entry, initializer, axes: places }) => ({
    entry,
    initializer: now.get(entry) ?? initializer,
    axes: places,
  }))
  return { entries: grown, fields, isUntied, model: grownModel, held }
}

/**
 * The plan with other copies: all new units are copies of the first. Which factor of an axis grows is seen from the places that are
 * copied, and some copies of parts of heads would look like copies of heads.
 */
const probe = (plan: GrowthPlan): GrowthPlan => ({
  ...plan,
  units: plan.units.map((units) => ({
    ...units,
    map: units.map.map((_, unit) => (unit < units.from ? unit : 0)),
  })),
})

interface Bound {
  readonly bindings: Bindings
  /** With those that files leave out, since they are other entries. */
  readonly entries: ReadonlyMap<string, LazyTensor>
  /** Entries that are other entries. */
  readonly aliases: ReadonlyMap<string, string>
  /**
   * Entries all of whose numbers are alike: a bias of zeros, a norm of ones. These say nothing of where they belong, and
   * exporters make one of several: they grow by what the config says of them.
   */
  readonly uniform: ReadonlySet<string>
}

function bind(model: Model, checkpoint: Checkpoint): Bound {
  const { name, config, architecture } = checkpoint
  const entries = new Map(checkpoint.entries)
  const aliases = new Map<string, string>()
  const { tied } = architecture
  if (tied && (tied.always || (fieldOf(config, 'tie_word_embeddings') ?? tied.byDefault) === true))
    for (const [alias, source] of Object.entries(tied.entries)) {
      const [own, tensor] = [entries.get(alias), entries.get(source)]
      if (!tensor || (own && !holdSameNumbers(own, tensor))) continue
      entries.set(alias, tensor)
      aliases.set(alias, source)
    }
  const uniform = new Set(
    [...entries].flatMap(([entry, tensor]) =>
      architecture.shapeOf(entry) &&
      isUniform(tensor) &&
      (tensor.dims.length === 1 || isZero(tensor))
        ? [entry]
        : [],
    ),
  )
  const all = bindEntries(model, entries, { file: name })
  const tells = ({ entry }: { readonly entry: string }) => !uniform.has(entry)
  const bindings = {
    ...all,
    bound: all.bound.filter(tells),
    derived: all.derived?.filter(tells) ?? [],
  }
  return { bindings, entries, aliases, uniform }
}

const isZero = (tensor: LazyTensor): boolean =>
  tensor.read(0, Math.min(tensor.byteLength, 8)).every((byte) => byte === 0)

/** A tensor of equal numbers in another size. */
function resized(
  tensor: LazyTensor,
  shape: readonly (SizeExpression | null)[],
  sizeOf: SizeOf,
): LazyTensor {
  const selections = shape.flatMap((size, axis) => {
    const length = size ? evaluate(size, sizeOf) : undefined
    return length === undefined || length === tensor.dims[axis]
      ? []
      : [{ axis, index: new Uint32Array(length) }]
  })
  return selections.length === 0 ? tensor : gather(tensor, selections)
}

/**
 * Leaves the entries out that are others still.
 *
 * @returns whether they are none any more, and all have become entries
 * @throws Net2NetError (refused) where that is not allowed
 */
function takeApart(
  { name, architecture }: Checkpoint,
  { bindings, aliases }: Bound,
  grown: Map<string, LazyTensor>,
  untie: boolean | undefined,
): boolean {
  const isInModel = new Set(bindings.bound.map(({ entry }) => entry))
  let differs: readonly [string, string] | undefined
  for (const source of new Set(aliases.values())) {
    const names = [source, ...[...aliases].filter(([, of]) => of === source).map(([name]) => name)]
    const [first, ...others] = names.filter((each) => isInModel.has(each))
    if (first === undefined) continue
    const other = others.find((each) => !holdSameNumbers(grown.get(each)!, grown.get(first)!))
    if (other !== undefined) differs = [other, first]
    else grown.set(source, grown.get(first)!)
  }
  if (!differs) {
    for (const alias of aliases.keys()) grown.delete(alias)
    return false
  }
  const [alias, source] = differs
  const what = `${quote(alias)} and ${quote(source)} of ${name} are one tensor (tie_word_embeddings), and would grow in different ways`
  const always = architecture.tied?.always
  if (always !== undefined) throw refusedError(`${what}; ${always}.`, { where: alias })
  if (!untie)
    throw refusedError(`${what}.`, {
      where: alias,
      hint: 'Add --untie to make two tensors of it, and tie_word_embeddings false.',
    })
  return true
}

/** Half-precision numbers times anything but a power of two would be rounded. */
function timesFactor(entry: string, tensor: LazyTensor, factor: number, field: string): LazyTensor {
  if (dtypes[tensor.dtype].bits < 32 && !Number.isInteger(Math.log2(factor)))
    throw refusedError(
      `The network multiplies ${quote(entry)} by the square root of ${field}, so that it must be divided by ${1 / factor}, which ${tensor.dtype} rounds.`,
      { where: entry, hint: `Grow ${field} by x4, or save the checkpoint as float32.` },
    )
  return combined([tensor], (_, value) => value * factor)
}
