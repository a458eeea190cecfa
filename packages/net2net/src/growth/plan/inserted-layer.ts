/** Chains of nodes to insert: joining them, and the parts that the place of a layer requires. */
import { floatAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import type { Unsupported } from '../../operators/contract/answers.ts'
import type {
  InsertedLayer,
  InsertedNode,
  InsertedParameter,
} from '../../operators/contract/facets.ts'
import { operatorOf } from '../../operators/table.ts'
import { type Fill, ones, zeros } from '../../tensor/fill.ts'

export interface ChannelStatistics {
  readonly mean: readonly number[]
  readonly variance: readonly number[]
}

/** The chain with its inner names prefixed, and with other fills for `net2deeper`. */
export function prefixed(
  layer: InsertedLayer,
  prefix: string,
  fill: (parameter: InsertedParameter) => InsertedParameter['identity'],
): InsertedLayer {
  const rename = (name: string) => (/^(\$|@|$)/.test(name) ? name : `${prefix}.${name}`)
  return {
    nodes: layer.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
    parameters: layer.parameters.map((parameter) => ({
      ...parameter,
      name: rename(parameter.name),
      identity: fill(parameter),
    })),
  }
}

export const renamedEnd = (nodes: readonly InsertedNode[], name: string): InsertedNode[] =>
  nodes.map((node) => ({
    ...node,
    outputs: node.outputs.map((output) => (output === '$out' ? name : output)),
  }))

/** One chain after the other, with a name for the value between them. */
export const joined = (
  first: InsertedLayer,
  second: InsertedLayer,
  between: string,
): InsertedLayer => ({
  nodes: [
    ...renamedEnd(first.nodes, between),
    ...second.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((input) => (input === '$in' ? between : input)),
    })),
  ],
  parameters: [...first.parameters, ...second.parameters],
})

/** The same activation again, with its further inputs (the bounds of Clip) from the model. */
export const copyOf = (node: Node): InsertedNode => ({
  opType: node.opType,
  inputs: ['$in', ...node.inputs.slice(1).map((name) => (name === '' ? '' : `@${name}`))],
  outputs: ['$out'],
  attributes: plainAttributes(node),
})

/** Attributes as JSON can hold them; activations and normalizations have no others. */
export const plainAttributes = (node: Node): InsertedNode['attributes'] =>
  Object.fromEntries(
    [...node.attributes].map(([name, attribute]) => {
      if (attribute.type === 'int') return [name, Number(attribute.value)]
      if (attribute.type === 'ints') return [name, attribute.value.map(Number)]
      return [name, attribute.type === 'string' ? attribute.value : attribute]
    }),
  )

export const relu: InsertedNode = {
  opType: 'Relu',
  inputs: ['$in'],
  outputs: ['$out'],
  attributes: {},
}

/**
 * Whether the layer is a linear map, a bias included, as normalizations with stored statistics are: behind a layer without an activation, both
 * are one map, which the old layer can learn alone, but for a kernel of several taps.
 */
export const isLinear = ({ nodes }: InsertedLayer): boolean =>
  !nodes.some(({ opType }) => operatorOf({ domain: '', opType })?.growth?.activation)

/** A chain with one more node at its end. */
export const followedBy = (layer: InsertedLayer, node: InsertedNode): InsertedLayer =>
  joined(layer, { nodes: [node], parameters: [] }, `${node.opType.toLowerCase()}.input`)

/**
 * Behind it a normalization with stored statistics that computes the identity:
 * γ·(x − μ)/√(σ² + ε) + β with β = μ and γ = √(σ² + ε). Exact in eval mode for any μ and σ²; in
 * training mode only where they are those of the values that pass.
 */
export function withNormalization(
  layer: InsertedLayer,
  node: Node,
  shape: readonly unknown[] | undefined,
  statistics: ChannelStatistics | undefined,
): InsertedLayer | Unsupported {
  const channels = shape?.[1]
  const facet = operatorOf(node)!.growth!.normalization!
  if (typeof channels !== 'number')
    return { unsupported: 'the number of its channels is not known' }
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  const means = statistics?.mean ?? Array<number>(channels).fill(0)
  const variances = statistics?.variance ?? Array<number>(channels).fill(1)
  if (means.length !== channels || variances.length !== channels)
    return { unsupported: `the statistics are not of its ${channels} channels` }
  const vector = (name: string, values: readonly number[], random: Fill): InsertedParameter => ({
    name,
    dims: [channels],
    identity: { kind: 'values', values },
    random,
  })
  const scale = vector(
    'scale',
    variances.map((variance) => Math.sqrt(variance + epsilon)),
    ones,
  )
  const shift = vector('shift', means, zeros)
  const mean = vector('mean', means, zeros)
  const variance = vector('variance', variances, ones)
  const inputs = ['$in']
  inputs[facet.scale] = scale.name
  inputs[facet.shift] = shift.name
  inputs[facet.mean] = mean.name
  inputs[facet.variance] = variance.name
  const { training_mode: _, ...attributes } = plainAttributes(node)
  const chain = followedBy(layer, { opType: node.opType, inputs, outputs: ['$out'], attributes })
  return { ...chain, parameters: [...chain.parameters, scale, shift, mean, variance] }
}
