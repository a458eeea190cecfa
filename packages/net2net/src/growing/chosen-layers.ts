/** The layers that may grow, where a search or a training chooses growths. */
import type { Solution } from '../growth/index.ts'
import { selectLayers } from '../growth/plan/select-layers.ts'
import type { LayerSite } from '../growth/solve/facts.ts'

/**
 * @param layers names, parts of names or patterns; default: all
 * @throws Net2NetError (usage) for layers that there are not
 */
export const chosenLayers = (
  { facts: { model, layers: all } }: Solution,
  layers: readonly string[] = ['*'],
): ReadonlySet<LayerSite> => new Set(layers.flatMap((name) => selectLayers(model, all, name)))
