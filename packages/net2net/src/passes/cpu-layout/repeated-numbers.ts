/**
 * Numbers that are repeated along short rows, as products with a row of ones. ONNX Runtime's element-wise kernels take a row at a
 * time, at some 15 ns a row however short it is, and its Expand copies the numbers of each row by itself: a shift of 960
 * channels takes 110 µs on 8 images of 2 × 2, where the sum of two images takes 15. A product of a column and a row
 * writes all rows at the speed of memory.
 * https://onnx.ai/onnx/operators/onnx__Expand.html
 */
import type { Model, Shape } from '../../model/model.ts'
import { positionsOf } from '../../operators/helpers/costs.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** Longer rows pay for their beginning. */
const longestRow = 32

/** Fewer rows are not worth two more nodes. */
const fewestRows = 512

/** The same values, to the bit; a zero loses its sign. */
export function repeatedNumbers(model: Model): Model {
  const infos = inferOnce(model)
  const rewriter = new Rewriter(model)
  const shapeOf = (name: string): Shape | undefined => {
    const { dtype, shape } = infos.get(name) ?? {}
    return (dtype === 'float32' && shape) || undefined
  }
  const repeated = (name: string, { outer, row }: Repetition): string => {
    const length = elementCount(row)
    const ones = rewriter.constant(float32([1, length], new Float32Array(length).fill(1)), 'ones')
    const [rows = ''] = rewriter.emit('MatMul', [
      rewriter.reshape(rewriter.value(name), [-1, 1]),
      ones,
    ])
    return rewriter.reshape(rows, [...outer, ...row])
  }
  for (const node of model.graph.nodes) {
    const [output = ''] = node.outputs
    const shape = shapeOf(output)
    if (!shape || node.domain !== '') rewriter.keep(node)
    else if (node.opType === 'Expand') {
      const [name = ''] = node.inputs
      const repetition = repetitionOf(shapeOf(name), shape)
      if (repetition && repetition.count >= fewestRows && repetition.isAlike)
        rewriter.replace(output, repeated(name, repetition))
      else rewriter.keep(node)
    } else if (elementwise.has(node.opType)) {
      const inputs = node.inputs.map((name, i) => {
        const repetition = repetitionOf(shapeOf(name), shape)
        const other = shapeOf(node.inputs[1 - i] ?? '')
        // Where all rows have numbers of their own, as many rows would be written as are saved.
        const pays =
          repetition?.isRepeated &&
          elementCount(repetition.row) <= longestRow &&
          elementCount(shape.slice(0, -repetition.row.length).map(positionsOf)) >= fewestRows
        const isWhole = other?.length === shape.length && other.every((dim, k) => dim === shape[k])
        return pays && isWhole ? repeated(name, repetition) : name
      })
      rewriter.keep({ ...node, inputs: inputs.map((name) => rewriter.value(name)) })
    } else rewriter.keep(node)
  }
  return rewriter.model()
}

const elementwise: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div'])

/** A value whose last axes, of a single element, become rows. */
interface Repetition {
  /** The axes before them: sizes of a Reshape. */
  readonly outer: readonly number[]
  /** The numbers that they hold. */
  readonly count: number
  /** The sizes of the last axes. */
  readonly row: readonly number[]
  /** Is it known that the axes in front are those of the result? */
  readonly isAlike: boolean
  /** Do some of them become longer? */
  readonly isRepeated: boolean
}

function repetitionOf(from: Shape | undefined, to: Shape): Repetition | undefined {
  if (from === undefined || from.length !== to.length) return undefined
  let start = from.length
  while (start > 0 && from[start - 1] === 1 && typeof to[start - 1] === 'number') start--
  const row = to.slice(start) as readonly number[]
  const front = from.slice(0, start)
  const open = front.filter((dim) => typeof dim !== 'number').length
  if (elementCount(row) === 1 || open > 1) return undefined
  return {
    outer: front.map((dim) => (typeof dim === 'number' ? dim : -1)),
    count: elementCount(front.map((dim) => positionsOf(dim ?? 'open'))),
    row,
    isAlike: front.every((dim, axis) => dim !== null && dim === to[axis]),
    isRepeated: front.some((dim, axis) => dim === 1 && to[axis] !== 1),
  }
}
