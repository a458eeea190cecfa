/**
 * Factors and terms that are one number for each row stay one number. Gradients of means and norms repeat it along the row (Expand), which an
 * element-wise kernel does by itself; and the gradient of x·x is the same product twice, which doubles the number. A root-mean-square norm has
 * both. https://onnx.ai/onnx/operators/onnx__Expand.html
 */
import { linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import { inferModel } from '../../operators/inference.ts'
import { float32 } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'

/** The same values, up to rounding. */
export function rowFactors(model: Model): Model {
  const infos = inferModel(model)
  const { producers, uses } = linksOf(model.graph)
  const results = new Set(model.graph.outputs.map(({ name }) => name))
  const rewriter = new Rewriter(model)
  const shapeOf = (name: string) => infos.get(name)?.shape
  /** Values that are the same along each row, and what has one number for each row. */
  const numbers = new Map<string, string>()
  /** Has the value one number for each row of the other one? */
  const isOfRows = (name: string, whole: string): boolean => {
    const [shape, other] = [shapeOf(name), shapeOf(whole)]
    return other?.at(-1) !== 1 && areSame(shape, other && [...other.slice(0, -1), 1])
  }
  const operands = (node: Node): readonly string[] =>
    node.inputs.map((name, i) => {
      const isWhole = areSame(shapeOf(node.inputs[1 - i] ?? ''), shapeOf(name))
      return (isWhole ? numbers.get(name) : undefined) ?? rewriter.value(name)
    })
  const isScaled = ({ inputs }: Node): boolean => {
    const [repeated, ...more] = inputs.filter((name) => numbers.has(name))
    const other = inputs.find((name) => name !== repeated) ?? ''
    return repeated !== undefined && more.length === 0 && shapeOf(other)?.length === 0
  }
  /** A product with a number for each row, so many times as large, where it is there for these sums alone. */
  const multiplied = (name: string, times: number, sum: Node): string | undefined => {
    const product = producers.get(name)
    const isOwn = !results.has(name) && uses.get(name)?.every(({ node }) => node === sum)
    const isFloat = infos.get(name)?.dtype === 'float32'
    if (times === 1 || !product || !isStandard(product, 'Mul') || !isOwn || !isFloat)
      return undefined
    const values = [...operands(product)]
    const at = product.inputs.findIndex((factor) => numbers.has(factor) || isOfRows(factor, name))
    if (at < 0) return undefined
    const count = rewriter.constant(float32([], [times]), 'count')
    values[at] = rewriter.emit('Mul', [values[at]!, count])[0]!
    return rewriter.emit('Mul', values)[0]!
  }
  for (const node of model.graph.nodes) {
    const [result = ''] = node.outputs
    const isElementwise = isStandard(node, 'Mul', 'Div', 'Add', 'Sub')
    if (isStandard(node, 'Expand') && isOfRows(node.inputs[0]!, result))
      numbers.set(result, rewriter.value(node.inputs[0]!))
    if (isElementwise && isScaled(node)) {
      const inputs = node.inputs.map((name) => numbers.get(name) ?? rewriter.value(name))
      numbers.set(result, rewriter.emit(node.opType, inputs)[0]!)
    }
    const repeated = isStandard(node, 'Add', 'Sum') ? new Set(node.inputs) : new Set<string>()
    const terms = [...repeated].map((name) => {
      const times = node.inputs.filter((term) => term === name).length
      return multiplied(name, times, node) ?? Array<string>(times).fill(rewriter.value(name))
    })
    const inputs = terms.flat()
    if (inputs.length === 1) rewriter.replace(result, inputs[0]!)
    else if (terms.some((term) => typeof term === 'string'))
      rewriter.define({ ...node, opType: inputs.length === 2 ? 'Add' : 'Sum', inputs })
    else rewriter.keep(isElementwise ? { ...node, inputs: operands(node) } : node)
  }
  return rewriter.model()
}
