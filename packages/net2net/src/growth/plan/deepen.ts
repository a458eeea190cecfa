/**
 * Net2DeeperNet on any graph: a layer that computes the identity is inserted after a layer (its
 * bias, normalization and activation included).
 *
 * After an activation with φ(φ(x)) = φ(x), or where the values are known to be ≥ 0 (then with a
 * ReLU), the new layer gets an activation of its own. After any other activation φ(identity(x))
 * is not φ(x) twice: there the new layer goes before the activation, which is exact as well.
 */

import { mustBeOneOf, refusedError, usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { describeNode, NameSupply, valueNames } from '../../model/names.ts'
import type { Unsupported } from '../../operators/contract/answers.ts'
import type { InsertedLayer } from '../../operators/contract/facets.ts'
import { emptyPlan } from '../empty-plan.ts'
import {
  type DeepenInit,
  type GrowthPlan,
  growthChoices,
  type InsertedBlock,
  type Insertion,
} from '../growth-plan.ts'
import type { Facts, LayerSite } from '../solve/facts.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import type { ChannelStatistics } from './inserted-layer.ts'
import { neighbourhood, residualSite, type Site, siteOf } from './insertion-site.ts'
import { hasKernel, LARGEST_KERNEL } from './kernel.ts'
import { isPattern, selectLayers } from './select-layers.ts'

export interface DeepenOptions {
  /** Seed of random weights (default 0). */
  readonly seed?: number | undefined
  /** `net2deeper`, the default, computes the identity; `random-init` is the baseline. */
  readonly init?: DeepenInit | undefined
  /**
   * `identity` (default): a layer like the one before. `residual`: a block x + W₂·φ(W₁·x) behind
   * the activation with W₂ = 0 and W₁ random (two zeros would keep each other's gradient at zero);
   * exact for every φ, in training mode too.
   */
  readonly block?: InsertedBlock | undefined
  /**
   * Kernel size of inserted convolutions, along every axis or along each: 1 for one by one. Default: that of the layer
   * before. Layers without a kernel are refused.
   */
  readonly kernelSize?: number | readonly number[] | undefined
  /**
   * Mean and variance per channel of the values that pass where a normalization is inserted, by
   * layer name; see `measuredValues`. Without them the normalization takes mean 0 and variance 1:
   * as exact in eval mode, but not in training mode.
   */
  readonly statistics?: Readonly<Record<string, ChannelStatistics>> | undefined
}

/**
 * Plans to insert a layer after each of the given ones; of those that a pattern (`conv*`) fits, after each where that is
 * possible.
 *
 * @param from A model, or what has been solved of it.
 * @throws Net2NetError (usage) for unknown layers; (refused) where no layer can be inserted.
 */
export function planDeepen(
  from: Model | Solution,
  layers: readonly string[],
  options: DeepenOptions = {},
): GrowthPlan {
  const { seed = 0, init = 'net2deeper', block = 'identity', kernelSize, statistics = {} } = options
  mustBeOneOf('init', init, growthChoices.deepenInit)
  mustBeOneOf('block', block, growthChoices.block)
  if (layers.length === 0) throw usageError('No layer to deepen was given.')
  const { facts } = solutionOf(from)
  const { model } = facts
  const sites = new Map(
    layers.flatMap((name) =>
      sitesFor(facts, name, (layer) => {
        if (kernelSize !== undefined && !hasKernel(layer)) return { unsupported: noKernel }
        return (block === 'residual' ? residualSite : siteOf)(facts, layer, {
          statistics: statistics[layer.name],
          kernel: kernelSize === undefined ? undefined : kernelOf(layer, kernelSize),
        })
      }),
    ),
  )
  const names = new NameSupply([
    ...valueNames(model.graph),
    ...model.graph.nodes.map((node) => node.name),
  ])
  const inserted = [...sites].map(([layer, { value, layer: chain }]): Insertion => {
    const name = names.fresh(`${layer.name}-deeper`)
    const locals = new Set([
      ...chain.parameters.map((parameter) => parameter.name),
      ...chain.nodes.flatMap((node) => node.outputs.filter((output) => output !== '$out')),
    ])
    return {
      after: layer.name,
      name,
      value,
      source: names.fresh(`${value}_before`),
      init,
      dtype: facts.values.get(value)?.dtype ?? 'float32',
      names: Object.fromEntries(
        [...locals].map((local) => [local, names.fresh(`${name}.${local}`)]),
      ),
      layer: withoutGaps(chain),
    }
  })
  return { ...emptyPlan(seed), inserted }
}

/** The layers that a name means, with the places behind them; of a pattern those that have one. */
function sitesFor(
  { model, layers }: Facts,
  name: string,
  siteBehind: (layer: LayerSite) => Site | Unsupported,
): readonly (readonly [LayerSite, Site])[] {
  const sites: (readonly [LayerSite, Site])[] = []
  const refused: { readonly label: string; readonly reason: string }[] = []
  for (const layer of selectLayers(model, layers, name)) {
    const site = siteBehind(layer)
    if ('unsupported' in site)
      refused.push({ label: describeNode(layer.node), reason: site.unsupported })
    else sites.push([layer, site])
  }
  const [first] = refused
  if (!first || (isPattern(name) && sites.length > 0)) return sites
  const { label, reason } = first
  throw refusedError(
    isPattern(name)
      ? `None of the layers that "${name}" fits can be deepened: ${label}: ${reason}.`
      : `${label} cannot be deepened: ${reason}.`,
    { where: label },
  )
}

const noKernel = 'it has no kernel, and neither would a layer behind it'

/** The kernel of a layer that is inserted behind this one, which has one. */
function kernelOf(layer: LayerSite, wanted: number | readonly number[]): readonly number[] {
  const label = describeNode(layer.node)
  const rank = layer.weightDims.length - 2
  const sizes = typeof wanted === 'number' ? Array<number>(rank).fill(wanted) : wanted
  const isSize = (size: number) => Number.isInteger(size) && size >= 1 && size <= LARGEST_KERNEL
  if (sizes.length !== rank || !sizes.every(isSize))
    throw usageError(
      `A kernel of ${sizes.join('×')} is none for a layer behind ${label}: give a whole number from 1 to ${LARGEST_KERNEL}, or one for each of its ${rank} axes.`,
      { where: label },
    )
  return sizes
}

/** Attributes that are not set are left out, as JSON would. */
const withoutGaps = (layer: InsertedLayer): InsertedLayer => ({
  ...layer,
  nodes: layer.nodes.map((node) => ({
    ...node,
    attributes: Object.fromEntries(
      Object.entries(node.attributes).filter(([, value]) => value !== undefined),
    ),
  })),
})

/** Why a layer cannot be deepened; undefined if it can. */
export function deepenRefusal(facts: Facts, layer: LayerSite): string | undefined {
  const site = siteOf(facts, layer)
  return 'unsupported' in site ? site.unsupported : undefined
}

/**
 * Where statistics are wanted: for each layer that is followed by a normalization, the value whose
 * channels pass the inserted one.
 */
export function measuredValues(
  from: Model | Solution,
  layers: readonly string[],
): Readonly<Record<string, string>> {
  const { facts } = solutionOf(from)
  const chosen = layers.flatMap((name) => selectLayers(facts.model, facts.layers, name))
  return Object.fromEntries(
    chosen.flatMap((layer) => {
      const site = siteOf(facts, layer)
      return 'unsupported' in site || !neighbourhood(facts, layer).normalization
        ? []
        : [[layer.name, site.value]]
    }),
  )
}
