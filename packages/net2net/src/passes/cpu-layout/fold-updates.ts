/**
 * Momentum's update v′ = μ·v − η·g, w′ = w + v′. As it stands it passes over a parameter four times. Where the
 * gradient is a product of matrices, g = A·B, the product yields the new velocity: Gemm computes μ·v + (−η·A)·B, and
 * the smaller factor takes −η. Parameters of more axes than two are fed, and handed back, as matrices of the same elements.
 *
 * The sums are rounded elsewhere than in the standard form. Where both factors are far larger than the parameter, nothing is gained, and the
 * update stays as it is.
 */
import { float, floatAttribute } from '../../model/attributes.ts'
import { type Links, linksOf } from '../../model/links.ts'
import {
  type Dim,
  isStandard,
  type Model,
  type Node,
  type ValueDeclaration,
} from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { positionsOf } from '../../operators/helpers/costs.ts'
import { elementCount, int64, toNumbers } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** To scale a factor of so many times the parameter's elements takes as long as the passes that a product saves. */
const largestFactor = 16

interface Update {
  /** The node that gives the next velocity, and the one that gives the next parameter. */
  readonly velocity: Node
  readonly parameter: Node
  readonly product: Node
  /** Which of the product's factors has fewer elements. */
  readonly smaller: 0 | 1
  readonly rate: string
  readonly momentum: number
  /** Names of the parameter and of its velocity. */
  readonly weight: string
  readonly slot: string
  /** Of the gradient as a product. */
  readonly dims: readonly [number, number]
}

export function foldUpdates(model: Model): Model {
  const infos = inferOnce(model)
  const updates = findUpdates(model, infos)
  if (updates.length === 0) return model
  const rewriter = new Rewriter(model)
  const byVelocity = new Map(updates.map((update) => [update.velocity, update]))
  const byParameter = new Map(updates.map((update) => [update.parameter, update]))
  const shapes = new Map(
    updates.flatMap(({ dims, weight, slot, velocity, parameter }) =>
      [weight, slot, velocity.outputs[0]!, parameter.outputs[0]!].map((name) => [name, dims]),
    ),
  )
  for (const { weight, dims } of updates) {
    const own = infos.get(weight)!.shape as readonly number[]
    if (own.length === dims.length) continue
    const sizes = rewriter.constant(int64(own), 'sizes')
    rewriter.replace(weight, rewriter.emit('Reshape', [weight, sizes])[0]!)
  }
  for (const node of model.graph.nodes) {
    const update = byVelocity.get(node)
    if (update) define(rewriter, update)
    else if (byParameter.has(node)) {
      const { weight, velocity } = byParameter.get(node)!
      const inputs = [weight, velocity.outputs[0]!]
      rewriter.define({ opType: 'Add', domain: '', inputs, outputs: node.outputs })
    } else rewriter.keep(node)
  }
  const folded = rewriter.model()
  const reshaped = (declaration: ValueDeclaration): ValueDeclaration => {
    const { type, name } = declaration
    const shape = shapes.get(name)
    return shape && type.kind === 'tensor'
      ? { ...declaration, type: { ...type, shape } }
      : declaration
  }
  const { graph } = folded
  return {
    ...folded,
    graph: {
      ...graph,
      inputs: graph.inputs.map(reshaped),
      outputs: graph.outputs.map(reshaped),
    },
  }
}

function define(rewriter: Rewriter, update: Update): void {
  const { product, smaller, rate, momentum, slot, velocity } = update
  const factors = product.inputs.map((name) => rewriter.value(name))
  const negative = rewriter.emit('Neg', [rate])[0]!
  factors[smaller] = rewriter.emit('Mul', [factors[smaller]!, negative])[0]!
  rewriter.define(
    { opType: 'Gemm', domain: '', inputs: [...factors, slot], outputs: velocity.outputs },
    { ...Object.fromEntries(product.attributes), beta: float(momentum) },
  )
}

/** The updates of parameters whose gradient is a product that nothing else reads. */
function findUpdates(model: Model, infos: ReadonlyMap<string, ValueInfo>): readonly Update[] {
  const { graph } = model
  const links = linksOf(graph)
  const fed = new Map(graph.inputs.map(({ name, type }) => [name, type]))
  const results = new Set(graph.outputs.map(({ name }) => name))
  /** Sizes are numbers, or products such as `64*batch`. */
  const sizeOf = (name: string) =>
    (infos.get(name)?.shape ?? [])
      .flatMap<Dim>((dim) => (typeof dim === 'string' ? dim.split('*') : [dim]))
      .reduce<number>((size, part) => size * (Number(part) || positionsOf(part)), 1)
  return graph.nodes.flatMap((parameter): Update[] => {
    const [weight = '', next = ''] = parameter.inputs
    if (!isStandard(parameter, 'Add') || !fed.has(weight) || !results.has(parameter.outputs[0]!))
      return []
    const velocity = links.producers.get(next)
    if (!velocity || !isStandard(velocity, 'Sub') || !results.has(next)) return []
    const only = (name: string | undefined, opType: string) =>
      name === undefined || results.has(name) ? undefined : producedOnce(links, name, opType)
    const kept = only(velocity.inputs[0], 'Mul')
    const step = only(velocity.inputs[1], 'Mul')
    const [slot = '', factor = ''] = kept?.inputs ?? []
    const [gradient, rate = ''] = step?.inputs ?? []
    const momentum = infos.get(factor)?.constant
    const ranks = [rate, factor].map((name) => infos.get(name)?.shape?.length)
    if (!fed.has(slot) || !fed.has(rate) || !momentum || ranks.some((rank) => rank !== 0)) return []
    const view = only(gradient, 'Reshape')
    const product = only(view ? view.inputs[0] : gradient, 'Gemm')
    const dims = product && infos.get(product.outputs[0]!)?.shape
    if (product?.inputs.length !== 2 || floatAttribute(product, 'alpha', 1) !== 1) return []
    if (dims?.length !== 2 || !dims.every((dim) => typeof dim === 'number')) return []
    const matrix = dims as readonly [number, number]
    const sizes = product.inputs.map(sizeOf)
    const smaller = sizes[0]! <= sizes[1]! ? 0 : 1
    if (sizes[smaller]! > largestFactor * elementCount(matrix)) return []
    const [mean = Number.NaN] = toNumbers(momentum)
    return [
      {
        velocity,
        parameter,
        product,
        smaller,
        rate,
        momentum: Number(mean),
        weight,
        slot,
        dims: matrix,
      },
    ]
  })
}

/** The node of this kind that computes a value that one node reads. */
function producedOnce(links: Links, name: string, opType: string): Node | undefined {
  const node = links.producers.get(name)
  return node && isStandard(node, opType) && links.uses.get(name)?.length === 1 ? node : undefined
}
