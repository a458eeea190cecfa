/**
 * Running means of a gradient and of its square, as Adam has them: m′ = β₁·m + a·g, v′ = β₂·v + b·g². Where g is a product of matrices, Gemm
 * scales it as it computes it: with h = a·g the second sum takes (b/a²)·h², and one pass over the parameter is saved.
 * https://onnx.ai/onnx/operators/onnx__Gemm.html
 */
import { float, floatAttribute } from '../../model/attributes.ts'
import { linksOf, onlyReader } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { float32, toNumbers } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { reshapedResult } from './views.ts'

/** The same values, up to rounding. */
export function scaledGradients(model: Model): Model {
  const infos = inferOnce(model)
  const links = linksOf(model.graph)
  const results = new Set(model.graph.outputs.map(({ name }) => name))
  const rewriter = new Rewriter(model)
  /** What takes the place of a node. */
  const changes = new Map<Node, () => void>()
  const readers = (name: string): readonly Node[] =>
    results.has(name) ? [] : [...new Set(links.uses.get(name)?.map(({ node }) => node))]
  /** The number that this node multiplies the value with; NaN where it does not. */
  const factorOf = (node: Node, value: string): number => {
    const other = node.inputs.find((name) => name !== value) ?? ''
    const { shape, constant } = infos.get(other) ?? {}
    const isScaled = isStandard(node, 'Mul') && !results.has(node.outputs[0]!)
    return isScaled && constant && shape?.length === 0 ? Number(toNumbers(constant)[0]) : Number.NaN
  }
  for (const product of model.graph.nodes) {
    const isPlain = product.inputs.length === 2 && floatAttribute(product, 'alpha', 1) === 1
    if (!isStandard(product, 'Gemm') || !isPlain) continue
    const gradient = reshapedResult(product, { links, model })
    const both = readers(gradient)
    const scaled = both.find((node) => !Number.isNaN(factorOf(node, gradient)))
    const squared = both.find(
      (node) => isStandard(node, 'Mul') && node.inputs.every((name) => name === gradient),
    )
    const square = squared && onlyReader({ links, model }, squared.outputs[0]!)
    if (!scaled || !squared || !square || both.length !== 2) continue
    const name = squared.outputs[0]!
    const [a, b] = [factorOf(scaled, gradient), factorOf(square, name)]
    if (a === 0 || Number.isNaN(b)) continue
    changes.set(product, () => {
      const entries = { ...Object.fromEntries(product.attributes), alpha: float(a) }
      rewriter.define(rewriter.renamed(product), entries)
    })
    changes.set(scaled, () => rewriter.replace(scaled.outputs[0]!, rewriter.value(gradient)))
    changes.set(square, () => {
      const share = rewriter.constant(float32([], [b / a ** 2]), 'share')
      const [value = ''] = rewriter.emit('Mul', [rewriter.value(name), share])
      rewriter.replace(square.outputs[0]!, value)
    })
  }
  return rewriter.changed(changes)
}
