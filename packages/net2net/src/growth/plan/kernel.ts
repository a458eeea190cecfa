/**
 * Larger kernels: zeros around a kernel, and as much more padding, leave a convolution what it was. The new taps have a gradient
 * from the first step on.
 */

import { refusedError, usageError } from '../../errors.ts'
import { useKey } from '../../model/links.ts'
import type { Model } from '../../model/model.ts'
import { describeNode, NameSupply, nodeKey, valueNames } from '../../model/names.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { emptyPlan } from '../empty-plan.ts'
import type { GrowthPlan, KernelChange } from '../growth-plan.ts'
import type { LayerSite } from '../solve/facts.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { isPattern, selectLayers } from './select-layers.ts'
import { variantsOf } from './variants.ts'

/** Layer (name, part of a name, or pattern) → kernel size, along every axis or along each. */
export type Kernels = Readonly<Record<string, number | readonly number[]>>

/** No network has larger ones. */
export const LARGEST_KERNEL = 1024

type LayerChange = KernelChange['layers'][number]
interface Larger {
  readonly change: LayerChange
  readonly border: readonly number[]
}

/**
 * Plans larger kernels for convolutions and transposed convolutions, of any number of spatial axes.
 *
 * @param from A model, or what has been solved of it.
 * @throws Net2NetError (usage) for unknown layers, and for sizes that are not larger by an even number; (refused) for layers
 *   without a kernel, or whose padding cannot say it, with the reason
 */
export function planKernels(
  from: Model | Solution,
  kernels: Kernels,
  { seed = 0 }: { readonly seed?: number } = {},
): GrowthPlan {
  const solution = solutionOf(from)
  const { facts } = solution
  if (Object.keys(kernels).length === 0) throw usageError('No kernel to enlarge was given.')
  const byConstant = new Map<string, Map<string, Larger>>()
  for (const [name, size] of Object.entries(kernels)) {
    const found = selectLayers(facts.model, facts.layers, name)
    const able = isPattern(name) ? found.filter(hasKernel) : found
    if (able.length === 0)
      throw refusedError(`None of the layers that "${name}" fits has a kernel.`, { where: name })
    for (const layer of able) {
      const constant = layer.node.inputs[layer.weightInput]!
      const uses = byConstant.get(constant) ?? new Map<string, Larger>()
      const key = useKey({ node: nodeKey(layer.node), input: layer.weightInput })
      byConstant.set(constant, uses.set(key, larger(solution, layer, size)))
    }
  }
  const names = new NameSupply(valueNames(facts.model.graph))
  const changes = [...byConstant].flatMap(([name, layers]) => {
    const found = facts.provenance(name)
    const before = found.kind === 'constant' ? found.tensor.dims : []
    const borders = new Map([...layers].map(([key, { border }]) => [key, border]))
    return variantsOf(solution, name, borders).map(
      ({ need: border, uses }): KernelChange => ({
        name,
        to: uses ? names.fresh(`${name}_grown`) : name,
        ...(uses && { uses }),
        before,
        border,
        layers: [...layers.values()].flatMap(({ border: own, change }) =>
          String(own) === String(border) ? [change] : [],
        ),
      }),
    )
  })
  return { ...emptyPlan(seed), kernels: changes }
}

export const hasKernel = ({ operator, weightDims }: LayerSite): boolean =>
  operator.growth?.layer?.largerKernel !== undefined && weightDims.length > 2

function larger({ facts }: Solution, layer: LayerSite, size: number | readonly number[]): Larger {
  const { node, operator, weightDims, weightInput, name } = layer
  const label = describeNode(node)
  const refused = (reason: string) =>
    refusedError(`${label} cannot have a larger kernel: ${reason}.`, { where: label })
  const rule = operator.growth?.layer?.largerKernel
  const kernel = weightDims.slice(2)
  if (!rule || kernel.length === 0) throw refused('it has none')
  const weight = facts.provenance(node.inputs[weightInput]!)
  if (weight.kind !== 'constant') throw refused('its weight is computed from constants')
  if (!isFloat(weight.tensor.dtype)) throw refused(`its weight is of type ${weight.tensor.dtype}`)
  const wanted = typeof size === 'number' ? kernel.map(() => size) : size
  const isSize = (taps: number) => Number.isSafeInteger(taps) && taps > 0 && taps <= LARGEST_KERNEL
  if (wanted.length !== kernel.length || !wanted.every(isSize))
    throw usageError(
      `[${wanted}] is no kernel for ${label}, which has [${kernel}]; give a whole number up to ${LARGEST_KERNEL}, or one for each axis.`,
      { where: label },
    )
  const growth = wanted.map((taps, i) => taps - kernel[i]!)
  if (growth.some((more) => more < 0) || growth.every((more) => more === 0))
    throw usageError(
      `${label} has the kernel [${kernel}]; the new one must be larger, not [${wanted}].`,
      {
        where: label,
      },
    )
  if (growth.some((more) => more % 2 !== 0))
    throw usageError(
      `${label} cannot have the kernel [${wanted}]: from [${kernel}] one side would get more zeros than the other; add an even number.`,
      { where: label },
    )
  const border = growth.map((more) => more / 2)
  const set = rule(node, kernel, border)
  if ('unsupported' in set) throw refused(set.unsupported as string)
  const attributes = Object.fromEntries(
    Object.entries(set).map(([key, value]) => [key, (value ?? null) as readonly number[] | null]),
  )
  return { border, change: { node: nodeKey(node), name, attributes } }
}
