/**
 * Factors and terms that are one number for each row stay one number. Gradients of means and norms repeat it along the row (Expand), which an
 * element-wise kernel does by itself; and the gradient of x·x is the same product twice, which doubles the number. A root-mean-square norm has
 * both. Long sums are added up by twos, where such numbers come last. https://onnx.ai/onnx/operators/onnx__Expand.html
 */
import { linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import { positionsOf } from '../../operators/helpers/costs.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** ONNX Runtime's Sum takes one thread. Of so many elements Add takes all that there are. */
const longSum = 1 << 15

interface Term {
  readonly value: string
  /** Has it the shape of the sum? */
  readonly isWhole: boolean
  /** What has one number for each row of it. */
  readonly ofRows?: string | undefined
  readonly isMultiple?: true
}

/** The same values, up to rounding. */
export function rowFactors(model: Model): Model {
  const infos = inferOnce(model)
  const { producers, uses } = linksOf(model.graph)
  const results = new Set(model.graph.outputs.map(({ name }) => name))
  const rewriter = new Rewriter(model)
  const shapeOf = (name: string) => infos.get(name)?.shape
  /** Values that are the same along each row, and what has one number for each row. */
  const numbers = new Map<string, string>()
  let changed = false
  /** Has the value one number for each row of the other one? */
  const isOfRows = (name: string, whole: string): boolean => {
    const [shape, other] = [shapeOf(name), shapeOf(whole)]
    return other?.at(-1) !== 1 && areSame(shape, other && [...other.slice(0, -1), 1])
  }
  const operands = (node: Node): readonly string[] =>
    node.inputs.map((name, i) => {
      const ofRows = numbers.get(name)
      const isWhole = ofRows !== undefined && areSame(shapeOf(node.inputs[1 - i]!), shapeOf(name))
      return isWhole ? ofRows : rewriter.value(name)
    })
  /** Is this a value of `numbers` with a scalar? */
  const isScaled = ({ inputs }: Node): boolean => {
    const [value = '', another] = inputs.filter((name) => shapeOf(name)?.length !== 0)
    return numbers.has(value) && another === undefined && inputs.length === 2
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
    changed = true
    return rewriter.emit('Mul', values)[0]!
  }
  const isLong = (name: string): boolean => {
    const shape = shapeOf(name)
    return shape !== undefined && elementCount(shape.map(positionsOf)) >= longSum
  }
  /** The sum of the terms, and behind them of what has a number for each row. */
  const inTurn = (terms: readonly Term[]): string => {
    const add = (a: string, b: string) => rewriter.emit('Add', [a, b])[0]!
    const others = terms.filter(({ ofRows }) => ofRows === undefined)
    if (!others.some(({ isWhole }) => isWhole)) return terms.map(({ value }) => value).reduce(add)
    const ofRows = terms.flatMap((term) => term.ofRows ?? [])
    const last = ofRows.length > 0 ? [ofRows.reduce(add)] : []
    return [...others.map(({ value }) => value), ...last].reduce(add)
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
    const summed = isStandard(node, 'Add', 'Sum') ? [...new Set(node.inputs)] : []
    const terms = summed.flatMap((name): Term[] => {
      const times = node.inputs.filter((term) => term === name).length
      const isWhole = areSame(shapeOf(name), shapeOf(result))
      const product = multiplied(name, times, node)
      if (product !== undefined) return [{ value: product, isWhole, isMultiple: true }]
      const [value, ofRows] = [rewriter.value(name), numbers.get(name)]
      return Array<Term>(times).fill({ value, isWhole, ofRows })
    })
    const isMultiple = terms.some((term) => term.isMultiple)
    if (terms.length === 1) rewriter.replace(result, terms[0]!.value)
    else if (terms.length > 2 && isLong(result)) {
      rewriter.replace(result, inTurn(terms))
      changed = true
    } else if (isMultiple)
      rewriter.define({
        ...node,
        opType: terms.length === 2 ? 'Add' : 'Sum',
        inputs: terms.map(({ value }) => value),
      })
    else rewriter.keep(isElementwise ? { ...node, inputs: operands(node) } : node)
  }
  return changed || numbers.size > 0 ? rewriter.model() : model
}
