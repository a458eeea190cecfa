/**
 * Net2DeeperNet on any graph: a layer that computes the identity is inserted after a layer (its
 * bias, normalization and activation included).
 *
 * After an activation with φ(φ(x)) = φ(x), or where the values are known to be ≥ 0 (then with a
 * ReLU), the new layer gets an activation of its own. After any other activation φ(identity(x))
 * is not φ(x) twice: there the new layer goes before the activation, which is exact as well.
 */
import { refusedError, usageError } from '../errors.ts'
import { floatAttribute } from '../model/attributes.ts'
import type { Links } from '../model/links.ts'
import { type Model, type Node, opsetOf } from '../model/model.ts'
import { describeNode, NameSupply, valueNames } from '../model/names.ts'
import { operatorOf } from '../operators/index.ts'
import type {
  InsertedLayer,
  InsertedNode,
  InsertedParameter,
  Unsupported,
} from '../operators/operator.ts'
import { isFloat } from '../tensor/dtype.ts'
import { type Fill, ones, zeros } from '../tensor/fill.ts'
import type { GrowthPlan, Insertion } from './plan.ts'
import { selectLayers } from './select-layers.ts'
import { type Layer, type Solution, solve } from './solver.ts'

export interface DeepenOptions {
  /** Seed of random weights (default 0). */
  readonly seed?: number
  /** `net2deeper`, the default, computes the identity; `random-init` is the baseline. */
  readonly init?: Insertion['init']
  /**
   * `identity` (default): a layer like the one before. `residual`: a block x + W₂·φ(W₁·x) behind
   * the activation with W₂ = 0 and W₁ random (two zeros would keep each other's gradient at zero);
   * exact for every φ, in training mode too.
   */
  readonly block?: 'identity' | 'residual'
  /**
   * Mean and variance per channel of the values that pass where a normalization is inserted, by
   * layer name; see `measuredValues`. Without them the normalization takes mean 0 and variance 1:
   * as exact in eval mode, but not in training mode.
   */
  readonly statistics?: Readonly<Record<string, ChannelStatistics>>
}

export interface ChannelStatistics {
  readonly mean: readonly number[]
  readonly variance: readonly number[]
}

/**
 * Plans to insert a layer after each of the given ones.
 *
 * @throws Net2NetError (usage) for unknown layers; (refused) where no layer can be inserted.
 */
export function planDeepen(
  model: Model,
  layers: readonly string[],
  { seed = 0, init = 'net2deeper', block = 'identity', statistics = {} }: DeepenOptions = {},
): GrowthPlan {
  if (layers.length === 0) throw usageError('No layer to deepen was given.')
  const solution = solve(model)
  const chosen = new Set(layers.flatMap((name) => selectLayers(solution.layers, name)))
  const names = new NameSupply([
    ...valueNames(model.graph),
    ...model.graph.nodes.map((node) => node.name),
  ])
  const insertions = [...chosen].map((layer): Insertion => {
    const site =
      block === 'residual'
        ? residualSite(solution, layer)
        : siteOf(solution, layer, statistics[layer.name])
    if ('unsupported' in site)
      throw refusedError(`${describeNode(layer.node)} cannot be deepened: ${site.unsupported}.`, {
        where: describeNode(layer.node),
      })
    const { value, layer: inserted } = site
    const name = names.fresh(`${layer.name}-deeper`)
    const locals = new Set([
      ...inserted.parameters.map((parameter) => parameter.name),
      ...inserted.nodes.flatMap((node) => node.outputs.filter((output) => output !== '$out')),
    ])
    return {
      after: layer.name,
      name,
      value,
      source: names.fresh(`${value}_before`),
      init,
      dtype: solution.values.get(value)?.dtype ?? 'float32',
      names: Object.fromEntries(
        [...locals].map((local) => [local, names.fresh(`${name}.${local}`)]),
      ),
      layer: withoutGaps(inserted),
    }
  })
  return { version: 1, seed, units: [], parameters: [], sizes: [], attributes: [], insertions }
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
export function deepenRefusal(solution: Solution, layer: Layer): string | undefined {
  const site = siteOf(solution, layer)
  return 'unsupported' in site ? site.unsupported : undefined
}

/**
 * Where statistics are wanted: for each layer that is followed by a normalization, the value whose
 * channels pass the inserted one.
 */
export function measuredValues(
  model: Model,
  layers: readonly string[],
): Readonly<Record<string, string>> {
  const solution = solve(model)
  const chosen = layers.flatMap((name) => selectLayers(solution.layers, name))
  return Object.fromEntries(
    chosen.flatMap((layer) => {
      const site = siteOf(solution, layer)
      return 'unsupported' in site || !neighbourhood(solution, layer).normalization
        ? []
        : [[layer.name, site.value]]
    }),
  )
}

interface Site {
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
function neighbourhood(solution: Solution, layer: Layer): Neighbourhood {
  let value = layer.node.outputs[0] ?? ''
  let normalization: Node | undefined
  let next = onlyConsumer(solution, value)
  for (; next; next = onlyConsumer(solution, value)) {
    const operator = operatorOf(next)
    const others = next.inputs.filter((name) => name !== value && name !== '')
    const shifts =
      operator?.bias && !normalization && others.every((name) => isConstant(solution, name))
    if (operator?.normalization && !normalization && next.inputs[0] === value) normalization = next
    else if (!shifts) break
    value = next.outputs[0]!
  }
  const active = next && operatorOf(next)?.activation && next.inputs[0] === value
  return {
    value,
    ...(normalization && { normalization }),
    ...(active && next && { activation: next }),
  }
}

/** A layer like this one that computes the identity on a value. */
function identityOn(
  { model, values }: Solution,
  layer: Layer,
  value: string,
): InsertedLayer | Unsupported {
  const info = values.get(value) ?? {}
  if (info.dtype !== undefined && !isFloat(info.dtype))
    return { unsupported: `its values are of type ${info.dtype}` }
  return layer.operator.layer!.identity({
    node: layer.node,
    opset: opsetOf(model, layer.node.domain),
    value: info,
    weightDims: layer.weightDims,
    weightInput: layer.weightInput,
  })
}

function siteOf(
  solution: Solution,
  layer: Layer,
  statistics?: ChannelStatistics,
): Site | Unsupported {
  const { values } = solution
  const { value, normalization, activation } = neighbourhood(solution, layer)
  const identity = identityOn(solution, layer, value)
  if ('unsupported' in identity) return identity
  const linear = normalization
    ? withNormalization(identity, normalization, values.get(value)?.shape, statistics)
    : identity
  if ('unsupported' in linear || !activation)
    return 'unsupported' in linear ? linear : { value, layer: linear }
  const after = activation.outputs[0]!
  const constant = (i: number) => values.get(activation.inputs[i] ?? '')?.constant
  if (operatorOf(activation)!.activation!.idempotent(activation, constant))
    return { value: after, layer: followedBy(linear, copyOf(activation)) }
  if (isNonNegative(solution, after)) return { value: after, layer: followedBy(linear, relu) }
  return { value, layer: linear }
}

/** x + W₂·φ(W₁·x) behind the layer's activation, or with a ReLU where it has none. */
function residualSite(solution: Solution, layer: Layer): Site | Unsupported {
  const { value, activation } = neighbourhood(solution, layer)
  const identity = identityOn(solution, layer, value)
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

/** The chain with its inner names prefixed, and with other fills for `net2deeper`. */
function prefixed(
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

const renamedEnd = (nodes: readonly InsertedNode[], name: string): InsertedNode[] =>
  nodes.map((node) => ({
    ...node,
    outputs: node.outputs.map((output) => (output === '$out' ? name : output)),
  }))

/** One chain after the other, with a name for the value between them. */
const joined = (first: InsertedLayer, second: InsertedLayer, between: string): InsertedLayer => ({
  nodes: [
    ...renamedEnd(first.nodes, between),
    ...second.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((input) => (input === '$in' ? between : input)),
    })),
  ],
  parameters: [...first.parameters, ...second.parameters],
})

/** The one node that reads a value, if nobody else does. */
function onlyConsumer({ links, model }: Solution, value: string): Node | undefined {
  const uses = links.uses.get(value) ?? []
  const [use] = uses
  const isOutput = model.graph.outputs.some((output) => output.name === value)
  return use && use.input >= 0 && uses.length === 1 && !isOutput ? use.node : undefined
}

const isConstant = (
  { values, links }: { values: Solution['values']; links: Links },
  name: string,
) => values.get(name)?.constant !== undefined || !(links.producers.has(name) || values.has(name))

/** Are all elements of a value known to be ≥ 0? Follows pools, concatenations and views. */
export function isNonNegative(solution: Solution, value: string): boolean {
  const seen = new Set<string>()
  const visit = (name: string): boolean => {
    const node = solution.links.producers.get(name)
    if (!node || node.outputs[0] !== name || seen.has(name)) return false
    seen.add(name)
    const sign = operatorOf(node)?.sign
    if (sign === 'non-negative') return true
    if (sign !== 'inherited') return false
    return node.inputs.every((input) => {
      const dtype = solution.values.get(input)?.dtype
      return input === '' || (dtype !== undefined && !isFloat(dtype)) || visit(input)
    })
  }
  return visit(value)
}

/** The same activation again, with its further inputs (the bounds of Clip) from the model. */
const copyOf = (node: Node): InsertedNode => ({
  opType: node.opType,
  inputs: ['$in', ...node.inputs.slice(1).map((name) => (name === '' ? '' : `@${name}`))],
  outputs: ['$out'],
  attributes: plainAttributes(node),
})

/** Attributes as JSON can hold them; activations and normalizations have no others. */
const plainAttributes = (node: Node): InsertedNode['attributes'] =>
  Object.fromEntries(
    [...node.attributes].map(([name, attribute]) => {
      if (attribute.type === 'int') return [name, Number(attribute.value)]
      if (attribute.type === 'ints') return [name, attribute.value.map(Number)]
      return [name, attribute.type === 'string' ? attribute.value : attribute]
    }),
  )

const relu: InsertedNode = { opType: 'Relu', inputs: ['$in'], outputs: ['$out'], attributes: {} }

/** A chain with one more node at its end. */
const followedBy = (layer: InsertedLayer, node: InsertedNode): InsertedLayer =>
  joined(layer, { nodes: [node], parameters: [] }, `${node.opType.toLowerCase()}.input`)

/**
 * Behind it a normalization with stored statistics that computes the identity:
 * γ·(x − μ)/√(σ² + ε) + β with β = μ and γ = √(σ² + ε). Exact in eval mode for any μ and σ²; in
 * training mode only where they are those of the values that pass.
 */
function withNormalization(
  layer: InsertedLayer,
  node: Node,
  shape: readonly unknown[] | undefined,
  statistics: ChannelStatistics | undefined,
): InsertedLayer | Unsupported {
  const channels = shape?.[1]
  const facet = operatorOf(node)!.normalization!
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
