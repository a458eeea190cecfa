/** The part of a plan that is about parameters: along which axes they are gathered, split, and given noise. */
import { useKey } from '../../model/links.ts'
import { type NameSupply, nodeKey } from '../../model/names.ts'
import { type NoiseKind, type ParameterChange, rolesIn } from '../growth-plan.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import type { Projection } from './project.ts'
import { variantsOf } from './variants.ts'

export interface Noise {
  readonly kind: NoiseKind
  /** Its size, relative to the standard deviation of the out-weights. */
  readonly relative: number
}

/** What the entries of added units begin with where a constant is read. */
export type AddedOf = (reading: Reading) => Pick<ParameterChange, 'added' | 'factor'> | undefined

/** What growth makes of a parameter for some of its readers. */
type Need = Pick<ParameterChange, 'axes' | 'padding' | 'added' | 'factor'> & {
  readonly after: readonly number[]
  /** The axis along which noise may sum to zero. */
  readonly noiseAxis?: number
  /** Are there nodes between the parameter and the sum, which may multiply it with other noise? */
  readonly isBeforeSum?: true
}

export function parameterChanges(
  solution: Solution,
  projection: Projection,
  noise: Noise,
  names: NameSupply,
  addedOf: AddedOf = () => undefined,
): readonly ParameterChange[] {
  const byName = new Map<string, Reading[]>()
  for (const reading of solution.relations.readings.keys()) {
    const known = byName.get(reading.name)
    if (known) known.push(reading)
    else byName.set(reading.name, [reading])
  }
  return [...byName].flatMap(([name, readings]) => {
    const needs = new Map<string, Need>()
    for (const reading of readings) {
      const need = needOf(solution, projection, reading, addedOf)
      if (need) needs.set(useKey({ node: nodeKey(reading.node), input: reading.input }), need)
    }
    return variantsOf(solution, name, needs).map(({ need, uses }): ParameterChange => {
      const { axes, after, padding, added, factor } = need
      return {
        name,
        to: uses ? names.fresh(`${name}_grown`) : name,
        ...(uses && { uses }),
        before: readings[0]!.tensor.dims,
        after,
        axes,
        ...(padding !== undefined && { padding }),
        ...(added && { added }),
        ...(factor !== undefined && { factor }),
        ...noiseOf(need, noise),
      }
    })
  })
}

function noiseOf(need: Need, { kind, relative }: Noise): Pick<ParameterChange, 'noise'> {
  const { axes, noiseAxis, isBeforeSum } = need
  if (noiseAxis === undefined || kind === 'none') return {}
  const firstSplit = axes.find(({ map, role }) => rolesIn(map, role).has('split'))?.axis
  return {
    noise: {
      kind,
      relative,
      ...(noiseAxis !== firstSplit && { axis: noiseAxis }),
      ...(isBeforeSum && axes.length > 1 && { alike: true as const }),
    },
  }
}

/** Undefined where the reading stays as it is. */
function needOf(
  solution: Solution,
  projection: Projection,
  reading: Reading,
  addedOf: AddedOf,
): Need | undefined {
  const { node, input, tensor } = reading
  const after = [...tensor.dims]
  const found = tensor.dims.flatMap((_, axis) => {
    const projected = projection.parameter(reading, axis)
    if (projected) after[axis] = projection.sizeOf(projected.map)
    return projected ? [{ axis, ...projected }] : []
  })
  if (found.length === 0) return undefined
  const padding = solution.facts.operatorOf(node)?.growth?.padding?.[input]
  const noisy = found.find(({ noise }) => noise !== undefined)
  return {
    axes: found.map(({ axis, map, role }) => ({ axis, map, role })),
    after,
    ...(padding !== undefined && { padding }),
    ...addedOf(reading),
    ...(noisy && { noiseAxis: noisy.axis }),
    ...(noisy?.noise === 'before' && { isBeforeSum: true }),
  }
}
