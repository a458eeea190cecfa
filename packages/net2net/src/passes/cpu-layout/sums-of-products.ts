/**
 * Σ_j A_ij·G_ij with G = X·Bᵀ is Σ_k X_ik·(A·B)_ik, where A·B is there already. The gradient of attention has such sums: A are the weights of
 * the tokens, X is the gradient of what they give together. j are tokens and k the units of a head, of which there are fewer
 * (Dao et al. 2022, https://arxiv.org/abs/2205.14135, section B.2).
 */
import { intAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { turnedMatrix } from './turned-products.ts'

/** The same values, up to rounding. */
export function sumsOfProducts(model: Model): Model {
  const infos = inferOnce(model)
  const { producers, uses } = linksOf(model.graph)
  const rewriter = new Rewriter(model)
  /** What has been computed so far. */
  const known = new Set<string>()
  let changed = false
  const shapeOf = (name: string) => infos.get(name)?.shape
  const producer = (name: string, opType: string): Node | undefined => {
    const node = producers.get(name)
    return node && isStandard(node, opType) ? node : undefined
  }
  const shorter = (a: string, g: string): readonly string[] | undefined => {
    const [x = '', turned = ''] = producer(g, 'MatMul')?.inputs ?? []
    const b = turnedMatrix(producers.get(turned))
    const isProduct = (node: Node) =>
      isStandard(node, 'MatMul') && node.inputs[0] === a && node.inputs[1] === b
    const y = uses.get(a)?.find(({ node }) => isProduct(node))?.node.outputs[0] ?? ''
    const [long, short] = [shapeOf(a)?.at(-1), shapeOf(x)?.at(-1)]
    const isShorter = typeof long === 'number' && typeof short === 'number' && short < long
    return isShorter && known.has(y) && areSame(shapeOf(x), shapeOf(y)) ? [x, y] : undefined
  }
  const factorsOf = (node: Node): readonly string[] | undefined => {
    const [summed = '', axis = ''] = node.inputs
    const [a = '', g = ''] = producer(summed, 'Mul')?.inputs ?? []
    const shape = shapeOf(a)
    const axes = elementsOf(infos.get(axis) ?? {})?.map(Number)
    const isLast = axes?.length === 1 && [-1, (shape?.length ?? 0) - 1].includes(axes[0]!)
    if (!isStandard(node, 'ReduceSum') || !isLast || !areSame(shape, shapeOf(g))) return undefined
    return shorter(a, g) ?? shorter(g, a)
  }
  for (const node of model.graph.nodes) {
    const factors = factorsOf(node)
    if (factors) {
      changed = true
      const values = factors.map((name) => rewriter.value(name))
      const [product = ''] = rewriter.emit('Mul', values)
      const inputs = [product, ...node.inputs.slice(1)]
      rewriter.define({ ...node, inputs }, { keepdims: intAttribute(node, 'keepdims', 1) })
    } else rewriter.keep(node)
    for (const name of node.outputs) known.add(name)
  }
  return changed ? rewriter.model() : model
}
