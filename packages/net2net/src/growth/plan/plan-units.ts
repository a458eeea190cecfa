/** From units that grow to what follows for the whole model, whether they are copied or added. */
import { refusedError } from '../../errors.ts'
import { floatAttribute } from '../../model/attributes.ts'
import { NameSupply, nodeKey, valueNames } from '../../model/names.ts'
import type { AxisMap, GrowthPlan, ParameterChange } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import { integerChanges } from './integers.ts'
import { type AddedOf, type Noise, parameterChanges } from './parameters.ts'
import { pinnedNumbers } from './pinned.ts'
import { positionsChanges } from './positions.ts'
import { Projection } from './project.ts'
import type { Replicated } from './replicate.ts'
import { refuseBoth } from './variants.ts'

/** What a plan says of the units that grow and of everything that their growth touches. */
export type UnitsPlan = Pick<
  GrowthPlan,
  'units' | 'parameters' | 'copied' | 'integers' | 'pinned' | 'positions' | 'floats'
>

/**
 * @param addedOf What the entries of added units begin with, where a constant is read.
 * @throws Net2NetError (refused) where sizes that are written down cannot follow, and where units are added to two factors of one axis
 */
export function planUnits(
  solution: Solution,
  grown: readonly Replicated[],
  noise: Noise,
  addedOf?: AddedOf,
): UnitsPlan {
  const projection = new Projection(solution, grown)
  const names = new NameSupply(valueNames(solution.facts.model.graph))
  const parameters = parameterChanges(solution, projection, noise, names, addedOf)
  refuseProducts(parameters, grown)
  const positions = positionsChanges(solution, projection, names)
  const sizes = integerChanges(solution, projection, names)
  refuseBoth(parameters, sizes.integers)
  const changed = [...parameters, ...positions]
  const { integers, pinned } = pinnedNumbers(solution, projection, changed, sizes)
  const floats = solution.relations.defaults.flatMap(({ node, attribute, value, axis }) =>
    projection.map(axis, solution.axes.sizeOf(axis))
      ? [
          {
            node: nodeKey(node),
            attribute,
            from: floatAttribute(node, attribute, value),
            to: value,
          },
        ]
      : [],
  )
  const units = new Map(grown.map((each) => [each.id, each.units]))
  return {
    units: [...units.values()],
    parameters,
    copied: sizes.copied,
    integers,
    pinned,
    positions,
    ...(floats.length > 0 && { floats }),
  }
}

/** An entry of an axis that is a product of two groups of new units is of both: it cannot begin as the units of each do. */
function refuseProducts(
  parameters: readonly ParameterChange[],
  grown: readonly Replicated[],
): void {
  const added = new Set(grown.flatMap(({ units }) => (units.init === 'added' ? [units.id] : [])))
  if (added.size === 0) return
  for (const { name, axes } of parameters) for (const { map } of axes) addedOn(map, added, name)
}

/** The groups of added units on an axis of a parameter. */
function addedOn(map: AxisMap, added: ReadonlySet<string>, parameter: string): readonly string[] {
  if ('keep' in map) return []
  if ('units' in map) return added.has(map.units) ? [map.units] : []
  const parts = 'sum' in map ? map.sum : map.product
  const found = parts.map((part) => addedOn(part, added, parameter))
  const [first, second] = found.filter((groups) => groups.length > 0).map(([group]) => group!)
  if ('product' in map && second !== undefined)
    throw refusedError(
      first === second
        ? `No units can be added to ${first}: an axis of "${parameter}" is a product of its units with themselves.`
        : `Units cannot be added to ${first} and to ${second} at once: an axis of "${parameter}" is a product of both. Let one grow after the other.`,
      { where: first },
    )
  return found.flat()
}
