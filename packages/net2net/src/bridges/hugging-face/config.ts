/** The sizes that a config.json gives, and what becomes of its fields when they grow. */
import { inputError, refusedError } from '../../errors.ts'
import { quote, shapeText } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Architecture } from './architecture.ts'
import type { ConfigValue } from './config-text.ts'
import {
  evaluate,
  fieldsOf,
  keepsLayout,
  type SizeExpression,
  type SizeOf,
} from './size-expression.ts'

/** A checkpoint of transformers, as its files have it. */
export interface Checkpoint {
  /** What messages call its folder. */
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  readonly architecture: Architecture
  readonly entries: ReadonlyMap<string, LazyTensor>
}

/** What a path of names leads to in a config. */
export const fieldOf = (config: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? Reflect.get(value, key)
          : undefined,
      config,
    )

/** The sizes of a config in which some fields have other values. */
export function sizesOf(
  { config, architecture }: Checkpoint,
  changes: ReadonlyMap<string, number> = new Map(),
): SizeOf {
  const { defaults, computed } = architecture
  const sizeOf = (field: string, depth: number): number | undefined => {
    const changed = changes.get(field)
    if (changed !== undefined) return changed
    const given = computed.has(field) ? undefined : (fieldOf(config, field) ?? undefined)
    if (given !== undefined)
      return Number.isSafeInteger(given) && (given as number) > 0 ? (given as number) : undefined
    const otherwise = defaults.get(field) ?? computed.get(field)
    // A mapping may define a size by itself.
    return otherwise && depth < 8
      ? evaluate(otherwise, (other) => sizeOf(other, depth + 1))
      : undefined
  }
  return (field) => sizeOf(field, 0)
}

/**
 * Holds the entries to the sizes that the config gives.
 *
 * @throws Net2NetError (input) for a field that is missing, or says another size than an entry has
 */
export function mustFitConfig(checkpoint: Checkpoint): void {
  const { name, entries, architecture } = checkpoint
  const sizeOf = sizesOf(checkpoint)
  for (const [entry, { dims }] of entries) {
    const shape = architecture.shapeOf(entry)
    if (!shape) continue
    if (shape.length !== dims.length)
      throw inputError(
        `${quote(entry)} of ${name} has the shape ${shapeText(dims)}, and a network of the type ${quote(architecture.name)} has ${shape.length} axes there.`,
        { where: entry },
      )
    for (const [axis, size] of shape.entries()) {
      if (!size) continue
      const expected = evaluate(size, sizeOf)
      if (expected === undefined) {
        const missing = fieldsOf(size).find((field) => sizeOf(field) === undefined) ?? size.text
        throw inputError(`config.json of ${name} has no usable ${missing}.`, { where: name })
      }
      if (expected !== dims[axis])
        throw inputError(
          `config.json of ${name} gives ${size.text} = ${expected}, and ${quote(entry)} has the shape ${shapeText(dims)}.`,
          { where: entry },
        )
    }
  }
}

/** How one axis of one entry grew. */
export interface GrownAxis {
  readonly entry: string
  readonly axis: number
  readonly size: SizeExpression | null | undefined
  /** For each new place the old place that it copies. */
  readonly index: Uint32Array
}

/**
 * The fields of config.json that say what has grown, with their new values.
 *
 * @param uniform entries that are grown by these fields, and do not say anything themselves
 * @throws Net2NetError (refused) where none does, or where one field would need two values
 */
export function grownFields(
  checkpoint: Checkpoint,
  axes: readonly GrownAxis[],
  uniform: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, number> {
  const before = sizesOf(checkpoint)
  const fields = new Map<string, number>()
  const sources = new Map<string, string>()
  const having =
    (more: ReadonlyMap<string, number>): SizeOf =>
    (field) =>
      more.get(field) ?? fields.get(field) ?? before(field)
  const after = having(new Map())
  const says = ({ size, index }: GrownAxis, sizeOf: SizeOf) =>
    !!size && evaluate(size, sizeOf) === index.length && keepsLayout(size, before, sizeOf, index)
  const named = ({ size }: GrownAxis) => (size ? fieldsOf(size) : [])
  let open = [...axes].sort((a, b) => named(a).length - named(b).length)
  while (open.length > 0) {
    const next = open.filter((grown) => {
      if (!grown.size) throw notSaid(checkpoint, grown.entry)
      if (says(grown, after)) return false
      for (const field of named(grown)) {
        if (fields.has(field) || checkpoint.architecture.computed.has(field)) continue
        const value = neededValue(grown.size, field, grown.index.length, after)
        if (value === undefined || !says(grown, having(new Map([[field, value]])))) continue
        fields.set(field, value)
        sources.set(field, grown.entry)
        return false
      }
      return true
    })
    if (next.length === open.length) throw uneven(next[0]!, next[0]!.index.length)
    open = next
  }
  // What was said of these fields holds for every entry, whether the plan changed it or not.
  const sizes = new Map(axes.map(({ entry, axis, index }) => [`${entry} ${axis}`, index.length]))
  for (const [entry, { dims }] of checkpoint.entries)
    for (const [axis, size] of (checkpoint.architecture.shapeOf(entry) ?? []).entries()) {
      if (uniform.has(entry)) continue
      const now = sizes.get(`${entry} ${axis}`) ?? dims[axis]!
      if (size && evaluate(size, after) !== now) throw uneven({ entry, size }, now)
    }
  return fields

  function uneven({ entry, size }: Pick<GrownAxis, 'entry' | 'size'>, now: number) {
    const field = size && fieldsOf(size).find((each) => sources.has(each))
    const expected = size && evaluate(size, after)
    return refusedError(
      field === undefined || field === null || expected === now
        ? `No field of config.json says how ${quote(entry)} of ${checkpoint.name} grows (${size?.text} = ${now}).`
        : `config.json has one ${field} for all layers, and the plan would make it ${fields.get(field)} for ${quote(sources.get(field)!)} and another number for ${quote(entry)}.`,
      { where: entry, hint: 'Widen all layers of a kind by the same factor.' },
    )
  }
}

/** What a field must be for an axis to have a size, the others being as they are. */
function neededValue(
  size: SizeExpression,
  field: string,
  wanted: number,
  sizeOf: SizeOf,
): number | undefined {
  const at = (value: number) => evaluate(size, (other) => (other === field ? value : sizeOf(other)))
  const [none, one] = [at(0), at(1)]
  if (none === undefined || one === undefined || one === none) return undefined
  const value = (wanted - none) / (one - none)
  return Number.isSafeInteger(value) ? value : undefined
}

const notSaid = ({ name, architecture }: Checkpoint, entry: string) =>
  refusedError(
    `${quote(entry)} of ${name} would grow, and what is known of networks of the type ${quote(architecture.name)} does not say with which field of config.json.`,
    { where: entry, hint: 'Say it in a mapping file (--mapping).' },
  )

/**
 * The changes of config.json with which a network is built whose fields have these values, and whose other sizes are as before.
 *
 * @throws Net2NetError (refused) where no config says that
 */
export function configChanges(
  checkpoint: Checkpoint,
  fields: ReadonlyMap<string, number>,
): ReadonlyMap<string, ConfigValue> {
  const { name, config, architecture, entries } = checkpoint
  const before = sizesOf(checkpoint)
  const changes = new Map(fields)
  for (const field of architecture.defaults.keys()) {
    const held = fields.get(field) ?? before(field)
    if (held !== undefined && sizesOf(checkpoint, changes)(field) !== held) changes.set(field, held)
  }
  const after = sizesOf(checkpoint, changes)
  const used = new Set(
    [...entries.keys()].flatMap((entry) =>
      (architecture.shapeOf(entry) ?? []).flatMap((size) => (size ? fieldsOf(size) : [])),
    ),
  )
  for (const [field, size] of architecture.computed)
    if (used.has(field) && after(field) !== before(field))
      throw refusedError(
        `A network of the type ${quote(architecture.name)} computes ${field} as ${size.text}, which would not stay ${before(field)}: ${fieldsOf(size).join(' and ')} must grow by the same factor.`,
        {
          where: field,
          hint: `Give ${optionsFor(architecture, size)} together, by the same factor.`,
        },
      )
  for (const [field, divisor] of architecture.multiples) {
    const [value, by] = [after(field), after(divisor)]
    if (value !== undefined && by !== undefined && value % by !== 0)
      throw refusedError(
        `${name} would have ${field} = ${value} and ${divisor} = ${by}, and transformers builds a network of the type ${quote(architecture.name)} only where the first is a multiple of the second.`,
        { where: field },
      )
  }
  for (const [alias, field] of architecture.aliases) {
    const value = changes.get(field)
    if (value !== undefined && Object.hasOwn(config, alias)) changes.set(alias, value)
  }
  return new Map([...changes].filter(([field, value]) => fieldOf(config, field) !== value))
}

/** The options that grow the fields of a size. */
function optionsFor({ roles }: Architecture, size: SizeExpression): string {
  const fields = new Set(fieldsOf(size))
  const names = (['hidden', 'heads', 'ffn'] as const).filter((role) =>
    roles[role].some((field) => fields.has(field)),
  )
  return names.map((role) => `--${role}`).join(' and ')
}
