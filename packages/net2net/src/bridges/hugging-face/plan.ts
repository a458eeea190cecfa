/** From "the feed-forwards twice as wide" to a growth plan, by the sizes that an architecture's config has. */
import { refusedError, usageError } from '../../errors.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import { planWiden, type WidenOptions } from '../../growth/plan/widen.ts'
import { parseWidth, type WidthTarget } from '../../growth/plan/widths.ts'
import { type Solution, solutionOf } from '../../growth/solve/index.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { Bindings } from '../bind.ts'
import type { SizeRole } from './architecture.ts'
import { type Checkpoint, configChanges, sizesOf } from './config.ts'
import { evaluate, fieldsOf } from './size-expression.ts'

/** Sizes by role: a number, or a factor as `'x2'`. */
export type WantedSizes = Readonly<Partial<Record<SizeRole, WidthTarget | undefined>>>

/**
 * A plan that gives all layers of a kind the wanted size.
 *
 * @throws Net2NetError (usage) for sizes that are none; (refused) for what the architecture or the network does not allow
 */
export function planSizes(
  from: Model | Solution,
  checkpoint: Checkpoint,
  bindings: Bindings,
  wanted: WantedSizes,
  options: WidenOptions,
): GrowthPlan {
  const solution = solutionOf(from)
  const fields = wantedFields(checkpoint, bindings, wanted)
  // What no config can say is refused before anything is planned.
  configChanges(checkpoint, fields)
  const before = sizesOf(checkpoint)
  const after = (field: string) => fields.get(field) ?? before(field)
  const widths: Record<string, number> = {}
  const { axes, facts, relations } = solution
  for (const { name, weight, node, weightInput, axis: output } of relations.layers) {
    const reading =
      facts.readingAt(node, weightInput) ??
      [...facts.readingsIn(node.inputs[weightInput] ?? '')].find((each) => each.name === weight)
    const own = reading && relations.readings.get(reading)?.axes
    if (!own) continue
    const width = String(axes.leaves(output))
    for (const { entry, initializer, axes: places } of bindings.bound) {
      if (initializer !== weight) continue
      for (const [k, size] of (checkpoint.architecture.shapeOf(entry) ?? []).entries()) {
        const axis = places[k]
        if (!size || axis === undefined || String(axes.leaves(own[axis]!)) !== width) continue
        const wide = evaluate(size, after)
        if (wide !== undefined && wide !== evaluate(size, before)) widths[name] = wide
      }
    }
  }
  if (Object.keys(widths).length === 0)
    throw refusedError(
      `No layer of the model is known whose width is ${[...fields.keys()].join(' or ')} of ${checkpoint.name}.`,
      {
        hint: 'Export the model from these weights, for PyTorch with optimize=False, so that its names stay.',
      },
    )
  return planWiden(solution, widths, options)
}

/** The new values of the fields that are to grow. */
function wantedFields(
  checkpoint: Checkpoint,
  bindings: Bindings,
  wanted: WantedSizes,
): ReadonlyMap<string, number> {
  const { architecture, name } = checkpoint
  const before = sizesOf(checkpoint)
  const inModel = fieldsInModel(checkpoint, bindings)
  const fields = new Map<string, number>()
  for (const role of ['ffn', 'heads', 'hidden'] as const) {
    const text = wanted[role]
    if (text === undefined) continue
    const [first, ...others] = architecture.roles[role].filter((field) => inModel.has(field))
    const size = first === undefined ? undefined : before(first)
    if (first === undefined || size === undefined)
      throw refusedError(
        `${name} has no layer whose size is known for --${role}: networks of the type ${quote(architecture.name)} have ${architecture.roles[role].join(' and ') || 'no field for it'}.`,
      )
    const target = parseWidth(text, first)
    const value = 'width' in target ? target.width : Math.round(size * target.factor)
    if (value <= size)
      throw usageError(
        `${first} of ${name} is ${size}; --${role} must make it larger, not ${value}.`,
      )
    fields.set(first, value)
    for (const other of others) {
      const old = before(other)
      // One head of keys and values serves all queries, however many there are.
      if (old === undefined || old === 1) continue
      const grown = (old * value) / size
      if (!Number.isSafeInteger(grown))
        throw usageError(
          `--${role} ${text} makes ${first} ${value} instead of ${size}, and ${other}, which is ${old}, would not be a whole number.`,
        )
      fields.set(other, grown)
    }
  }
  if (fields.size === 0) throw usageError('Nothing to grow was given: --ffn, --heads or --hidden.')
  return fields
}

/** The fields on which the shapes of entries depend that the model has. */
function fieldsInModel({ architecture }: Checkpoint, { bound }: Bindings): ReadonlySet<string> {
  return new Set(
    bound.flatMap(({ entry }) =>
      (architecture.shapeOf(entry) ?? []).flatMap((size) => (size ? fieldsOf(size) : [])),
    ),
  )
}
