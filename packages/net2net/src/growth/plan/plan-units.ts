/** From units that grow to what follows for the whole model, whether they are copied or added. */
import { floatAttribute } from '../../model/attributes.ts'
import { NameSupply, nodeKey, valueNames } from '../../model/names.ts'
import type { GrowthPlan } from '../growth-plan.ts'
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
 * @throws Net2NetError (refused) where sizes that are written down cannot follow
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
