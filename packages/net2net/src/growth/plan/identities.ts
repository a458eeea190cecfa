/** Layers that compute the identity, and residual blocks that add zero: what deepening inserts, before it is trained. */
import { floatAttribute } from '../../model/attributes.ts'
import { onlyReader } from '../../model/links.ts'
import type { Node } from '../../model/model.ts'
import { opsetOf } from '../../model/model.ts'
import { nodeKey } from '../../model/names.ts'
import type { InsertedNode, InsertedParameter } from '../../operators/contract/facets.ts'
import { scalingOf } from '../../operators/helpers/scaling.ts'
import { isNonNegative } from '../../operators/sign.ts'
import { operatorOf } from '../../operators/table.ts'
import { isUniform } from '../../operators/trainable.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import type { Removal } from '../growth-plan.ts'
import type { Facts, LayerSite } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import { plainAttributes } from './inserted-layer.ts'
import { outermost, type ResidualBlock, residualBlocks } from './residual-blocks.ts'

/** What of these layers can be taken out without any change of the function, in the order of the graph. */
export function identities(solution: Solution, layers: ReadonlySet<LayerSite>): readonly Removal[] {
  const { facts } = solution
  const names = new Set([...layers].map(({ name }) => name))
  const blocks = residualBlocks(solution).flatMap((block) =>
    block.layers.every(({ name }) => names.has(name)) ? (zeroBlock(facts, block) ?? []) : [],
  )
  const found = [
    ...outermost(blocks, ({ nodes }) => nodes),
    ...[...layers].flatMap((layer) => identityAt(facts, layer) ?? []),
  ]
  const taken = new Set<Node>()
  const removed: Removal[] = []
  const positions = new Map(facts.model.graph.nodes.map((node, at) => [node, at]))
  const end = ({ nodes }: Chain) => positions.get(nodes.at(-1)!)!
  for (const { name, from, to, nodes } of found.sort((a, b) => end(a) - end(b))) {
    if (nodes.some((node) => taken.has(node)) || !mayBypass(facts, from, to)) continue
    for (const node of nodes) taken.add(node)
    removed.push({ name, nodes: nodes.map(nodeKey), from, to })
  }
  return removed
}

interface Chain {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly nodes: readonly Node[]
}

/** Can what reads `to` read `from`? Of graph outputs, one must keep its name. */
function mayBypass({ links, model }: Facts, from: string, to: string): boolean {
  const { outputs } = model.graph
  if (links.uses.get(to)?.some(({ input }) => input < 0)) return false
  if (!outputs.some(({ name }) => name === to)) return true
  const isFree = links.producers.has(from) && !outputs.some(({ name }) => name === from)
  return isFree && !links.uses.get(from)?.some(({ input }) => input < 0)
}

// ----------------------------------------------------------------- blocks

/** The block, if its branches are zero, with the activation behind its sum where that is as good as done. */
function zeroBlock(facts: Facts, block: ResidualBlock): Chain | undefined {
  const { from, branches, activation, nodes, layers } = block
  if (!branches.every((end) => isZero(facts, end.sum.inputs[end.input]!))) return undefined
  const isWhole = activation !== undefined && isDone(facts, from, activation)
  const own = isWhole ? nodes : nodes.filter((node) => node !== activation)
  const to = isWhole ? block.to : branches[0]!.sum.outputs[0]!
  // Nobody else reads what is computed inside.
  const inside = new Set(own)
  const isOutput = new Set(facts.model.graph.outputs.map(({ name }) => name))
  const isPrivate = (name: string) =>
    !isOutput.has(name) && (facts.links.uses.get(name) ?? []).every(({ node }) => inside.has(node))
  const areAlone = own.every(({ outputs }) =>
    outputs.every((name) => name === to || isPrivate(name)),
  )
  return areAlone ? { name: layers[0]!.name, from, to, nodes: own } : undefined
}

/** Is a value what this activation gives, so that it gives the same once more? */
function isDone({ links, values }: Facts, value: string, activation: Node): boolean {
  const constant = (i: number) => values.get(activation.inputs[i] ?? '')?.constant
  if (!operatorOf(activation)!.growth!.activation!.idempotent(activation, constant)) return false
  const before = links.producers.get(value)
  const isAlike =
    before !== undefined &&
    operatorOf(before) === operatorOf(activation) &&
    `${before.inputs.slice(1)}` === `${activation.inputs.slice(1)}` &&
    areEqual(plainAttributes(before), plainAttributes(activation))
  const isRectifier =
    operatorOf(activation)?.sign === 'non-negative' && activation.inputs.length === 1
  return isAlike || (isRectifier && isNonNegative(value, links.producers, values))
}

/** Is a value zero, whatever the network is given? */
function isZero(facts: Facts, name: string): boolean {
  const found = facts.provenance(name)
  if (found.kind === 'constant') return isZeroTensor(found.tensor)
  const node = facts.links.producers.get(name)
  const scaling = node && scalingOf(operatorOf(node))
  if (!node || !scaling?.linear) return false
  return scaling
    .inputs(node)
    .some(
      (set) => set.length > 0 && set.every((i) => !node.inputs[i] || isZero(facts, node.inputs[i])),
    )
}

const isZeroTensor = (tensor: LazyTensor): boolean =>
  isFloat(tensor.dtype) &&
  tensor.byteLength > 0 &&
  isUniform(tensor) &&
  Number(toNumbers(tensor)[0]) === 0

// ----------------------------------------------------------------- layers

/** The layer, its bias and what else belongs to it, if all of it computes the identity. */
function identityAt(facts: Facts, layer: LayerSite): Chain | undefined {
  const { model, values } = facts
  const { node } = layer
  const data = node.inputs.findIndex((_, i) => i !== layer.weightInput)
  const from = node.inputs[data] ?? ''
  if (facts.provenance(from).kind !== 'activation') return undefined
  const chain = layer.operator.growth!.layer!.identity({
    node,
    opset: opsetOf(model, node.domain),
    value: values.get(from) ?? {},
    weightDims: layer.weightDims,
    weightInput: layer.weightInput,
  })
  if ('unsupported' in chain) return undefined
  const nodes: Node[] = []
  const names = new Map([['$in', from]])
  const parameters = new Map(chain.parameters.map((each) => [each.name, each]))
  let next: Node | undefined = node
  for (const inserted of chain.nodes) {
    if (!next || !matches(facts, inserted, next, names, parameters)) return undefined
    nodes.push(next)
    names.set(inserted.outputs[0]!, next.outputs[0]!)
    next = onlyReader(facts, next.outputs[0]!)
  }
  let to = names.get('$out')
  if (to === undefined) return undefined
  if (next && isIdentityNorm(facts, next, to)) {
    nodes.push(next)
    to = next.outputs[0]!
    next = onlyReader(facts, to)
  }
  if (
    next &&
    operatorOf(next)?.growth?.activation &&
    next.inputs[0] === to &&
    isDone(facts, from, next)
  ) {
    nodes.push(next)
    to = next.outputs[0]!
  }
  const shapes = [values.get(from)?.shape, values.get(to)?.shape].map(String)
  return shapes[0] === shapes[1] ? { name: layer.name, from, to, nodes } : undefined
}

/** Is a node that of an inserted layer that computes the identity, its parameters included? */
function matches(
  facts: Facts,
  inserted: InsertedNode,
  node: Node,
  names: ReadonlyMap<string, string>,
  parameters: ReadonlyMap<string, InsertedParameter>,
): boolean {
  const { opType } = inserted
  if (operatorOf(node) !== operatorOf({ ...node, opType, domain: '' })) return false
  const set = Object.entries(inserted.attributes).filter(([, value]) => value !== undefined)
  if (!areEqual(Object.fromEntries(set), plainAttributes(node))) return false
  const isSum = operatorOf(node)?.growth?.bias === true
  const inputs = (order: readonly string[]) =>
    inserted.inputs.every((local, i) => {
      const parameter = parameters.get(local)
      const name = order[i] ?? ''
      // A layer may have no bias where the inserted one has.
      if (parameter) return name === '' ? isZeros(parameter) : holds(facts, name, parameter)
      return name === names.get(local)
    }) && order.length <= inserted.inputs.length
  return inputs(node.inputs) || (isSum && inputs([...node.inputs].reverse()))
}

const isZeros = ({ identity }: InsertedParameter): boolean =>
  identity.kind === 'constant' && identity.value === 0

function holds(facts: Facts, name: string, { dims, identity }: InsertedParameter): boolean {
  const found = facts.provenance(name)
  if (found.kind !== 'constant' || !isFloat(found.tensor.dtype)) return false
  if (String(found.tensor.dims) !== String(dims)) return false
  const wanted = fillTensor(identity, 'float32', dims, 0).data
  return toNumbers(found.tensor).every((value, i) => value === Number(wanted[i]))
}

/** γ = √(σ² + ε) and β = μ, as an inserted normalization starts. */
function isIdentityNorm({ provenance }: Facts, node: Node, value: string): boolean {
  const facet = operatorOf(node)?.growth?.normalization
  if (!facet || node.inputs[0] !== value) return false
  const read = (input: number): number[] | undefined => {
    const found = provenance(node.inputs[input] ?? '')
    return found.kind === 'constant' ? toNumbers(found.tensor) : undefined
  }
  const [scale, shift] = [read(facet.scale), read(facet.shift)]
  const [mean, variance] = [read(facet.mean), read(facet.variance)]
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  return (
    scale !== undefined &&
    variance !== undefined &&
    String(shift) === String(mean) &&
    scale.every((gamma, i) => gamma === Math.fround(Math.sqrt(variance[i]! + epsilon)))
  )
}

const areEqual = (a: object, b: object): boolean => {
  const text = (value: object) =>
    JSON.stringify(Object.entries(value).sort(([p], [q]) => (p < q ? -1 : 1)))
  return text(a) === text(b)
}
