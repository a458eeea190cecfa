/**
 * Where a layer can be inserted behind another, and which. The other's bias, normalization and
 * activation count as parts of it.
 */
import { type Node, opsetOf } from '../../model/model.ts'
import type { Unsupported } from '../../operators/contract/answers.ts'
import type { InsertedLayer, InsertedNode } from '../../operators/contract/facets.ts'
import { isNonNegative } from '../../operators/sign.ts'
import { operatorOf } from '../../operators/table.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { zeros } from '../../tensor/fill.ts'
import { type Facts, isWeight, type LayerSite } from '../solve/facts.ts'
import {
  type ChannelStatistics,
  copyOf,
  followedBy,
  joined,
  prefixed,
  relu,
  renamedEnd,
  withNormalization,
} from './inserted-layer.ts'

export interface Site {
  /** The value that the new layer takes over. */
  readonly value: string
  readonly layer: InsertedLayer
}

interface Neighbourhood {
  /** The layer's output, its bias and normalization included. */
  readonly value: string
  readonly normalization?: Node
  readonly activation?: Node
}

/** A layer, then perhaps a bias of its own, a normalization, an activation: each the only reader. */
export function neighbourhood(facts: Facts, layer: LayerSite): Neighbourhood {
  let value = layer.node.outputs[0] ?? ''
  let normalization: Node | undefined
  let next = onlyConsumer(facts, value)
  for (; next; next = onlyConsumer(facts, value)) {
    const operator = operatorOf(next)
    const others = next.inputs.filter((name) => name !== value && name !== '')
    const shifts =
      operator?.growth?.bias &&
      !normalization &&
      others.every((name) => isWeight(facts.provenance(name)))
    if (operator?.growth?.normalization && !normalization && next.inputs[0] === value)
      normalization = next
    else if (!shifts) break
    value = next.outputs[0]!
  }
  const active = next && operatorOf(next)?.growth?.activation && next.inputs[0] === value
  return {
    value,
    ...(normalization && { normalization }),
    ...(active && next && { activation: next }),
  }
}

/** A layer like this one that computes the identity on a value. */
function identityOn(
  { model, values }: Facts,
  layer: LayerSite,
  value: string,
  kernel?: readonly number[],
): InsertedLayer | Unsupported {
  const info = values.get(value) ?? {}
  if (info.dtype !== undefined && !isFloat(info.dtype))
    return { unsupported: `its values are of type ${info.dtype}` }
  return layer.operator.growth!.layer!.identity({
    node: layer.node,
    opset: opsetOf(model, layer.node.domain),
    value: info,
    weightDims: layer.weightDims,
    weightInput: layer.weightInput,
    kernel,
  })
}

export interface SiteOptions {
  readonly statistics?: ChannelStatistics | undefined
  /** Of the new layer; default: as of the one before. */
  readonly kernel?: readonly number[] | undefined
}

export function siteOf(
  facts: Facts,
  layer: LayerSite,
  { statistics, kernel }: SiteOptions = {},
): Site | Unsupported {
  const { values } = facts
  const { value, normalization, activation } = neighbourhood(facts, layer)
  const identity = identityOn(facts, layer, value, kernel)
  if ('unsupported' in identity) return identity
  const linear = normalization
    ? withNormalization(identity, normalization, values.get(value)?.shape, statistics)
    : identity
  if ('unsupported' in linear || !activation)
    return 'unsupported' in linear ? linear : { value, layer: linear }
  const after = activation.outputs[0]!
  const constant = (i: number) => values.get(activation.inputs[i] ?? '')?.constant
  if (operatorOf(activation)!.growth!.activation!.idempotent(activation, constant))
    return { value: after, layer: followedBy(linear, copyOf(activation)) }
  if (isNonNegative(after, facts.links.producers, facts.values))
    return { value: after, layer: followedBy(linear, relu) }
  return { value, layer: linear }
}

/** x + W₂·φ(W₁·x) behind the layer's activation, or with a ReLU where it has none. */
export function residualSite(
  facts: Facts,
  layer: LayerSite,
  { kernel }: SiteOptions = {},
): Site | Unsupported {
  const { value, activation } = neighbourhood(facts, layer)
  const identity = identityOn(facts, layer, value, kernel)
  if ('unsupported' in identity) return identity
  const phi = activation ? copyOf(activation) : relu
  const first = prefixed(identity, 'inner', (parameter) => parameter.random)
  const second = prefixed(identity, 'outer', () => zeros)
  const branch = joined(followedBy(first, phi), second, 'hidden')
  const sum: InsertedNode = {
    opType: 'Add',
    inputs: ['$in', 'branch'],
    outputs: ['$out'],
    attributes: {},
  }
  return {
    value: activation?.outputs[0] ?? value,
    layer: { ...branch, nodes: [...renamedEnd(branch.nodes, 'branch'), sum] },
  }
}

/** The node that reads a value, if it is the only one. */
function onlyConsumer({ links, model }: Facts, value: string): Node | undefined {
  const uses = links.uses.get(value) ?? []
  const [use] = uses
  const isOutput = model.graph.outputs.some((output) => output.name === value)
  return use && use.input >= 0 && uses.length === 1 && !isOutput ? use.node : undefined
}
