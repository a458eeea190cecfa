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
import { ones, zeros } from '../tensor/fill.ts'
import type { GrowthPlan, Insertion } from './plan.ts'
import { selectLayers } from './select-layers.ts'
import { type Layer, type Solution, solve } from './solver.ts'

export interface DeepenOptions {
  /** Seed of random weights (default 0). */
  readonly seed?: number
  /** `net2deeper`, the default, computes the identity; `random-init` is the baseline. */
  readonly init?: Insertion['init']
}

/**
 * Plans to insert a layer after each of the given ones.
 *
 * @throws Net2NetError (usage) for unknown layers; (refused) where no layer can be inserted.
 */
export function planDeepen(
  model: Model,
  layers: readonly string[],
  { seed = 0, init = 'net2deeper' }: DeepenOptions = {},
): GrowthPlan {
  if (layers.length === 0) throw usageError('No layer to deepen was given.')
  const solution = solve(model)
  const chosen = new Set(layers.flatMap((name) => selectLayers(solution.layers, name)))
  const names = new NameSupply([
    ...valueNames(model.graph),
    ...model.graph.nodes.map((node) => node.name),
  ])
  const insertions = [...chosen].map((layer): Insertion => {
    const site = siteOf(solution, layer)
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
      layer: inserted,
    }
  })
  return { version: 1, seed, units: [], parameters: [], sizes: [], attributes: [], insertions }
}

/** Why a layer cannot be deepened; undefined if it can. */
export function deepenRefusal(solution: Solution, layer: Layer): string | undefined {
  const site = siteOf(solution, layer)
  return 'unsupported' in site ? site.unsupported : undefined
}

interface Site {
  /** The value that the new layer takes over. */
  readonly value: string
  readonly layer: InsertedLayer
}

function siteOf(solution: Solution, layer: Layer): Site | Unsupported {
  const { model, values } = solution
  const output = layer.node.outputs[0] ?? ''
  let value = output
  let normalization: Node | undefined
  for (let next = onlyConsumer(solution, value); next; next = onlyConsumer(solution, value)) {
    const operator = operatorOf(next)
    const others = next.inputs.filter((name) => name !== value && name !== '')
    const shifts =
      operator?.bias && !normalization && others.every((name) => isConstant(solution, name))
    if (operator?.normalization && !normalization && next.inputs[0] === value) normalization = next
    else if (!shifts) break
    value = next.outputs[0]!
  }
  const info = values.get(value) ?? {}
  if (info.dtype !== undefined && !isFloat(info.dtype))
    return { unsupported: `its values are of type ${info.dtype}` }
  const identity = layer.operator.layer!.identity({
    node: layer.node,
    opset: opsetOf(model, layer.node.domain),
    value: info,
    weightDims: layer.weightDims,
    weightInput: layer.weightInput,
  })
  if ('unsupported' in identity) return identity
  const linear = normalization ? withNormalization(identity, normalization, info.shape) : identity
  if ('unsupported' in linear) return linear

  const activation = onlyConsumer(solution, value)
  const facet = activation && operatorOf(activation)?.activation
  if (!activation || !facet || activation.inputs[0] !== value) return { value, layer: linear }
  const after = activation.outputs[0]!
  const constant = (i: number) => values.get(activation.inputs[i] ?? '')?.constant
  if (facet.idempotent(activation, constant))
    return { value: after, layer: followedBy(linear, copyOf(activation)) }
  if (isNonNegative(solution, after)) return { value: after, layer: followedBy(linear, relu) }
  return { value, layer: linear }
}

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
  attributes: Object.fromEntries(node.attributes),
})

const relu: InsertedNode = { opType: 'Relu', inputs: ['$in'], outputs: ['$out'], attributes: {} }

/** A chain with one more node at its end. */
function followedBy(layer: InsertedLayer, node: InsertedNode): InsertedLayer {
  const between = `${node.opType.toLowerCase()}.input`
  const relink = (names: readonly string[], from: string, to: string) =>
    names.map((name) => (name === from ? to : name))
  return {
    ...layer,
    nodes: [
      ...layer.nodes.map((n) => ({ ...n, outputs: relink(n.outputs, '$out', between) })),
      { ...node, inputs: relink(node.inputs, '$in', between) },
    ],
  }
}

/**
 * Behind it a normalization with stored statistics that computes the identity:
 * γ·(x − μ)/√(σ² + ε) + β with μ = β = 0, σ² = 1 and γ = √(1 + ε). Exact in eval mode.
 */
function withNormalization(
  layer: InsertedLayer,
  node: Node,
  shape: readonly unknown[] | undefined,
): InsertedLayer | Unsupported {
  const channels = shape?.[1]
  const facet = operatorOf(node)!.normalization!
  if (typeof channels !== 'number')
    return { unsupported: 'the number of its channels is not known' }
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  const vector = (name: string, identity: number, random = identity): InsertedParameter => ({
    name,
    dims: [channels],
    identity: identity === 0 ? zeros : { kind: 'constant', value: identity },
    random: random === 0 ? zeros : ones,
  })
  const scale = vector('scale', Math.sqrt(1 + epsilon), 1)
  const [shift, mean, variance] = [vector('shift', 0), vector('mean', 0), vector('variance', 1)]
  const inputs = ['$in']
  inputs[facet.scale] = scale.name
  inputs[facet.shift] = shift.name
  inputs[facet.mean] = mean.name
  inputs[facet.variance] = variance.name
  const { training_mode: _, ...attributes } = Object.fromEntries(node.attributes)
  const chain = followedBy(layer, { opType: node.opType, inputs, outputs: ['$out'], attributes })
  return { ...chain, parameters: [...chain.parameters, scale, shift, mean, variance] }
}
