/** What some parameters do differently from the others: their learning rate, and whether their weights decay. */
import { usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { type NewAlongAxes, newEntriesOf } from '../../model/new-entries.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import { matchingParameters } from './trainable.ts'

export interface GroupOptions {
  /**
   * Factors on the learning rate, by names or patterns (`conv1*`) of parameters or layers. The last one that matches
   * counts; what none matches has the learning rate itself. `new` and `old` are no patterns: their factors are for the units, taps
   * and layers that growth has added since the model was last trained, and for all others; they multiply those of patterns.
   */
  readonly rates?: Readonly<Record<string, number>> | undefined
  /**
   * Which parameters weight decay shrinks: names or patterns, or `matrices` for those with at least two axes longer than 1, which leaves
   * biases and the vectors of norms alone. Default: all.
   */
  readonly decayOnly?: readonly string[] | 'matrices' | undefined
}

export interface ParameterGroup {
  /** What the learning rate is multiplied by. */
  readonly rate: number
  /** Where new entries have another factor than old ones: vectors that broadcast to the parameter, of which all are combined by `op`. */
  readonly mask?: { readonly op: 'Max' | 'Min'; readonly factors: readonly Tensor[] }
  readonly decays: boolean
}

const UNITS = ['new', 'old'] as const

/** Whether factors for new or old units are among these. */
export const haveUnitRates = (rates: GroupOptions['rates'] = {}): boolean =>
  UNITS.some((name) => name in rates)

/** The factors without those for new and old units. */
export const withoutUnitRates = (rates: GroupOptions['rates']): GroupOptions['rates'] =>
  rates &&
  Object.fromEntries(
    Object.entries(rates).filter(([name]) => !UNITS.some((units) => units === name)),
  )

/**
 * @throws usage for a pattern that matches nothing, a factor that is none, or factors for new and old units of a model that knows no
 *   new ones
 */
export function parameterGroups(
  model: Model,
  parameters: readonly string[],
  { rates = {}, decayOnly }: GroupOptions,
): (parameter: string, value: Tensor) => ParameterGroup {
  const factors = new Map<string, number>()
  for (const [pattern, rate] of Object.entries(rates))
    if (!(rate >= 0 && Number.isFinite(rate)))
      throw usageError(
        `The factor of the learning rate of "${pattern}" must be a number that is not negative, not ${rate}.`,
      )
  for (const [pattern, rate] of Object.entries(withoutUnitRates(rates) ?? {}))
    for (const name of matchingParameters(model, parameters, [pattern])) factors.set(name, rate)
  const decaying = Array.isArray(decayOnly)
    ? matchingParameters(model, parameters, decayOnly)
    : undefined
  const added = newEntriesOf(model)
  if (haveUnitRates(rates) && !parameters.some((name) => added.has(name)))
    throw usageError(
      'The model does not say which of its units are new, so that they cannot have a learning rate of their own: nothing was added to what is trained since it was trained last.',
      { hint: 'Grow it first, or name layers in the place of new and old.' },
    )
  return (parameter, { dims }) => ({
    ...unitRates(added.get(parameter), dims, factors.get(parameter) ?? 1, rates),
    decays:
      decayOnly === 'matrices'
        ? dims.filter((dim) => dim > 1).length >= 2
        : (decaying?.has(parameter) ?? true),
  })
}

/** An entry is new if it is so along any axis: so the factor of the new ones wins, the larger or the smaller. */
function unitRates(
  added: 'all' | NewAlongAxes | undefined,
  dims: readonly number[],
  factor: number,
  { new: ofNew = 1, old: ofOld = 1 }: Readonly<Record<string, number>>,
): Pick<ParameterGroup, 'rate' | 'mask'> {
  if (added === 'all') return { rate: factor * ofNew }
  if (added === undefined || ofNew === ofOld) return { rate: factor * ofOld }
  const factors = [...added].map(([axis, indices]) => {
    const size = dims[axis] ?? 0
    const vector = Float32Array.from({ length: size }, (_, i) =>
      indices.has(i) ? factor * ofNew : factor * ofOld,
    )
    return float32(
      dims.map((_, k) => (k === axis ? size : 1)),
      vector,
    )
  })
  return { rate: 1, mask: { op: ofNew > ofOld ? 'Max' : 'Min', factors } }
}
