/**
 * Running means of a gradient and of its square, as Adam has them: m′ = β₁·m + a·g, v′ = β₂·v + b·g². Where g is a product of matrices, Gemm
 * scales it as it computes it: with h = a·g the second sum takes (b/a²)·h², and one pass over the parameter is saved.
 * https://onnx.ai/onnx/operators/onnx__Gemm.html
 */
import { float, floatAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { inferModel } from '../../operators/inference.ts'
import { float32, toNumbers } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'

interface Scaling {
  readonly product: Node
  /** g and g². */
  readonly gradient: string
  readonly squared: string
  /** a·g and b·g². */
  readonly scaled: Node
  readonly square: Node
  readonly a: number
  readonly b: number
}

/** The same values, up to rounding. */
export function scaledGradients(model: Model): Model {
  const scalings = findScalings(model)
  if (scalings.length === 0) return model
  const rewriter = new Rewriter(model)
  const byNode = <K extends 'product' | 'scaled' | 'square'>(key: K) =>
    new Map(scalings.map((scaling) => [scaling[key], scaling]))
  const [products, scaled, squares] = [byNode('product'), byNode('scaled'), byNode('square')]
  for (const node of model.graph.nodes) {
    const product = products.get(node)
    const mean = scaled.get(node)
    const square = squares.get(node)
    const [result = ''] = node.outputs
    if (product) {
      const entries = { ...Object.fromEntries(node.attributes), alpha: float(product.a) }
      rewriter.define(rewriter.renamed(node), entries)
    } else if (mean) rewriter.replace(result, rewriter.value(mean.gradient))
    else if (square) {
      const share = rewriter.constant(float32([], [square.b / square.a ** 2]), 'share')
      const factors = [rewriter.value(square.squared), share]
      rewriter.replace(result, rewriter.emit('Mul', factors)[0]!)
    } else rewriter.keep(node)
  }
  return rewriter.model()
}

function findScalings(model: Model): readonly Scaling[] {
  const infos = inferModel(model)
  const { uses } = linksOf(model.graph)
  const results = new Set(model.graph.outputs.map(({ name }) => name))
  const readers = (name: string): readonly Node[] =>
    results.has(name) ? [] : [...new Set(uses.get(name)?.map(({ node }) => node))]
  const onlyReader = (name: string): Node | undefined => {
    const [reader, ...others] = readers(name)
    return others.length === 0 ? reader : undefined
  }
  /** The number that this node multiplies the value with; NaN where it does not. */
  const factorOf = (node: Node, value: string): number => {
    const other = node.inputs.find((name) => name !== value) ?? ''
    const { shape, constant } = infos.get(other) ?? {}
    const isScaled = isStandard(node, 'Mul') && !results.has(node.outputs[0]!)
    return isScaled && constant && shape?.length === 0 ? Number(toNumbers(constant)[0]) : Number.NaN
  }
  return model.graph.nodes.flatMap((product): Scaling[] => {
    const isPlain = product.inputs.length === 2 && floatAttribute(product, 'alpha', 1) === 1
    if (!isStandard(product, 'Gemm') || !isPlain) return []
    const view = onlyReader(product.outputs[0]!)
    const gradient = (view?.opType === 'Reshape' ? view : product).outputs[0]!
    const both = readers(gradient)
    const scaled = both.find((node) => !Number.isNaN(factorOf(node, gradient)))
    const squared = both.find(
      ({ opType, inputs }) => opType === 'Mul' && inputs.every((name) => name === gradient),
    )
    const square = squared && onlyReader(squared.outputs[0]!)
    if (!scaled || !squared || !square || both.length !== 2) return []
    const [name = ''] = squared.outputs
    const [a, b] = [factorOf(scaled, gradient), factorOf(square, name)]
    return a !== 0 && !Number.isNaN(b)
      ? [{ product, gradient, squared: name, scaled, square, a, b }]
      : []
  })
}
