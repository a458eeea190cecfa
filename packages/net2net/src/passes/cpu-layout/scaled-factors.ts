/**
 * A product of matrices times a number that is fed, as a gradient by the learning rate: η·(A·B) = (η·A)·B. The factor with fewer elements is multiplied, where
 * the product has more. Gemm could add μ·v as well, but it copies what it adds with one thread, and passes over it twice more
 * (docs/lab/steps-of-any-network.md).
 * https://onnx.ai/onnx/operators/onnx__Gemm.html
 */
import { linksOf, onlyReader } from '../../model/links.ts'
import { type Dim, isStandard, type Model, type Node } from '../../model/model.ts'
import { positionsOf } from '../../operators/helpers/costs.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { reshapedResult } from './views.ts'

/** The same values, up to rounding. */
export function scaledFactors(model: Model): Model {
  const { graph } = model
  const infos = inferOnce(model)
  const links = linksOf(graph)
  const fed = new Set(graph.inputs.map(({ name }) => name))
  const isNumber = (name: string) => fed.has(name) && infos.get(name)?.shape?.length === 0
  /** Sizes are numbers, or products such as `64*batch`. */
  const sizeOf = (name: string) =>
    (infos.get(name)?.shape ?? [])
      .flatMap<Dim>((dim) => (typeof dim === 'string' ? dim.split('*') : [dim]))
      .reduce<number>((size, part) => size * (Number(part) || positionsOf(part)), 1)

  const rewriter = new Rewriter(model)
  /** What takes the place of a node. */
  const changes = new Map<Node, () => void>()
  for (const product of graph.nodes) {
    if (!isStandard(product, 'Gemm') || product.inputs.length !== 2) continue
    const gradient = reshapedResult(product, { links, model })
    const multiplied = onlyReader({ links, model }, gradient)
    const scale = multiplied?.inputs.find((name) => name !== gradient) ?? ''
    if (!multiplied || !isStandard(multiplied, 'Mul') || !isNumber(scale)) continue
    const [first, second] = product.inputs.map(sizeOf) as [number, number]
    if (Math.min(first, second) >= sizeOf(product.outputs[0]!)) continue
    changes.set(product, () => {
      const { inputs } = rewriter.renamed(product)
      const factor = first <= second ? 0 : 1
      const scaled = rewriter.emit('Mul', [inputs[factor]!, scale])[0]!
      rewriter.keep({ ...product, inputs: inputs.with(factor, scaled) })
    })
    changes.set(multiplied, () =>
      rewriter.replace(multiplied.outputs[0]!, rewriter.value(gradient)),
    )
  }
  return rewriter.changed(changes)
}
