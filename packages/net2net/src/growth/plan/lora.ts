/**
 * Low-rank adapters (Hu et al. 2021, https://arxiv.org/abs/2106.09685): beside a weight W stand two factors of a rank r, and the layer
 * computes with W + (α / r) · B·A. B is zero at first, so that the function stays; what is trained is A and B alone. The sum is made
 * of the weight, not of activations: the same for matrices and convolutions, and it can be written down exactly in the end.
 */
import { refusedError, usageError } from '../../errors.ts'
import type { ConstantUse } from '../../model/links.ts'
import type { Model } from '../../model/model.ts'
import { describeNode, NameSupply, nodeKey, valueNames } from '../../model/names.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { elementCount } from '../../tensor/tensor.ts'
import { emptyPlan } from '../empty-plan.ts'
import type { Adapter, GrowthPlan } from '../growth-plan.ts'
import type { LayerSite } from '../solve/facts.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { isPattern, selectLayers } from './select-layers.ts'

export interface LoraOptions {
  /** Default 8. */
  readonly rank?: number | undefined
  /** α: how much the adapters count is α / rank. Default: the rank. */
  readonly alpha?: number | undefined
  /** Of the random factors. Default 0. */
  readonly seed?: number | undefined
}

/**
 * Plans adapters for dense and convolutional layers.
 *
 * @param from A model, or what has been solved of it.
 * @param layers Names, parts of names or patterns; of what a pattern fits, layers that cannot have one go without.
 * @throws Net2NetError (usage) for unknown layers or a rank that is none, (refused) for layers that cannot have an adapter,
 *   with the reason
 */
export function planLora(
  from: Model | Solution,
  layers: readonly string[] = ['*'],
  { rank = 8, alpha = rank, seed = 0 }: LoraOptions = {},
): GrowthPlan {
  if (!Number.isSafeInteger(rank) || rank < 1)
    throw usageError(`The rank of an adapter must be a whole number from 1 on, not ${rank}.`)
  if (!(alpha > 0 && Number.isFinite(alpha)))
    throw usageError(`The alpha of an adapter must be a positive number, not ${alpha}.`)
  const solution = solutionOf(from)
  const { facts } = solution
  const byWeight = new Map<string, LayerSite[]>()
  for (const name of layers) {
    const found = selectLayers(facts.model, facts.layers, name)
    const able = found.filter((layer) => whyNot(solution, layer) === undefined)
    const [first] = found
    if (first && (able.length === 0 || !isPattern(name)) && able.length < found.length)
      throw refusedError(
        isPattern(name)
          ? `None of the layers that "${name}" fits can have an adapter: of ${describeNode(first.node)}, ${whyNot(solution, first)}.`
          : `${describeNode(first.node)} cannot have an adapter: ${whyNot(solution, first)}.`,
        { where: describeNode(first.node) },
      )
    for (const layer of able) {
      const weight = layer.node.inputs[layer.weightInput]!
      const others = byWeight.get(weight) ?? []
      if (!others.includes(layer)) byWeight.set(weight, [...others, layer])
    }
  }
  const names = new NameSupply(valueNames(facts.model.graph))
  const adapters = [...byWeight].map(([weight, own]) =>
    adapterOf(solution, weight, own, { rank, alpha }, names),
  )
  return { ...emptyPlan(seed), adapters }
}

function whyNot({ facts }: Solution, layer: LayerSite): string | undefined {
  const { node, operator, weightDims, weightInput } = layer
  const weight = facts.provenance(node.inputs[weightInput]!)
  if (weight.kind !== 'constant')
    return 'its weight is computed from constants (an adapter is merged before there is another)'
  if (!isFloat(weight.tensor.dtype)) return `its weight is of type ${weight.tensor.dtype}`
  const isKernel = operator.growth?.layer?.largerKernel !== undefined
  if (weightDims.length !== 2 && !(isKernel && weightDims.length > 2))
    return `its weight [${weightDims}] is neither a matrix nor a kernel`
  return undefined
}

function adapterOf(
  { facts }: Solution,
  weight: string,
  layers: readonly LayerSite[],
  { rank, alpha }: { readonly rank: number; readonly alpha: number },
  names: NameSupply,
): Adapter {
  const { node, operator, weightDims: dims, weightInput, name } = layers[0]!
  const columns = elementCount(dims.slice(1))
  if (rank > Math.max(dims[0]!, columns))
    throw usageError(
      `The rank ${rank} is larger than the weight of ${describeNode(node)}, which is ${dims[0]} × ${columns}.`,
      { where: name },
    )
  const found = facts.provenance(weight)
  const slicing = operator.execution?.slicing?.(node, weightInput, dims)
  const outputAxis = slicing?.outputAxis.weight ?? (dims.length > 2 ? 0 : 1)
  const stem = weight.replace(/[./_]?(weight|kernel)$/, '')
  const local = (ending: string) => names.fresh(`${stem === '' ? name : stem}.lora_${ending}`)
  const isLeftB = outputAxis === 0
  const [a, b] = [local('A'), local('B')]
  return {
    layers: layers.map((layer) => layer.name),
    weight,
    uses: layers.map(
      (layer): ConstantUse => ({ node: nodeKey(layer.node), input: layer.weightInput }),
    ),
    dims,
    dtype: found.kind === 'constant' ? found.tensor.dtype : 'float32',
    rank,
    scale: alpha / rank,
    left: isLeftB ? b : a,
    right: isLeftB ? a : b,
    zero: isLeftB ? 'left' : 'right',
    names: {
      product: local('product'),
      scaled: local('scaled'),
      shaped: local('shaped'),
      sum: local('sum'),
    },
  }
}
