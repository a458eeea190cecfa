/**
 * The position of a maximum along the last axis as that of a part of the axis, and that in the part: ONNX Runtime's ArgMax takes 0.55 ns an
 * element with two threads, and ReduceMax 0.07. Of equal maxima the first one counts, as before.
 * https://onnx.ai/onnx/operators/onnx__ArgMax.html
 */
import { intAttribute } from '../../model/attributes.ts'
import { isStandard, type Model, type Node, opsetOf } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { range } from '../../operators/helpers/emission.ts'
import { axisPosition } from '../../operators/helpers/shapes.ts'
import { int64, scalar } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** With fewer entries along the axis, the nodes beside take what is saved. */
const fewestEntries = 256

/** What the maximum of a part costs beside its elements, in elements of ArgMax. */
const partCost = 8

/** The same positions. Sizes along which axes are reduced must be inputs, as they are since operator set 18. */
export function maximaInParts(model: Model): Model {
  if (opsetOf(model) < 18) return model
  const infos = inferOnce(model)
  const rewriter = new Rewriter(model)
  const changes = new Map<Node, () => void>()
  for (const node of model.graph.nodes) {
    const [value = ''] = node.inputs
    const parts = isStandard(node, 'ArgMax') ? partsOf(node, infos.get(value)) : undefined
    if (!parts) continue
    changes.set(node, () => {
      const { count, length, result } = parts
      const op = (...call: Parameters<Rewriter['emit']>) => rewriter.emit(...call)[0]!
      const best = (list: string) => op('ArgMax', [list], { axis: 1, keepdims: 0 })
      const rows = rewriter.reshape(rewriter.value(value), [-1, count, length])
      const maxima = [rows, rewriter.constant(int64([2]), 'axes')]
      const part = best(op('ReduceMax', maxima, { keepdims: 0 }))
      const chosen = [rows, rewriter.reshape(part, [-1, 1])]
      const inside = best(op('GatherND', chosen, { batch_dims: 1 }))
      const first = op('Mul', [part, rewriter.constant(scalar('int64', length), 'length')])
      rewriter.replace(node.outputs[0]!, rewriter.reshape(op('Add', [first, inside]), result))
    })
  }
  return rewriter.changed(changes)
}

interface Parts {
  readonly count: number
  /** Of each of them. */
  readonly length: number
  /** Sizes of the result, of which one may be −1. */
  readonly result: readonly number[]
}

function partsOf(node: Node, { dtype, shape = [] }: ValueInfo = {}): Parts | undefined {
  const isLast = axisPosition(intAttribute(node, 'axis', 0), shape.length) === shape.length - 1
  const isFirstOfEqual = intAttribute(node, 'select_last_index', 0) === 0
  const size = shape.at(-1)
  const open = shape.filter((dim) => typeof dim !== 'number').length
  if (dtype !== 'float32' || !isLast || !isFirstOfEqual || typeof size !== 'number')
    return undefined
  const length = size < fewestEntries || open > 1 || shape.includes(0) ? undefined : lengthOf(size)
  if (length === undefined) return undefined
  const kept = intAttribute(node, 'keepdims', 1) === 1 ? [1] : []
  const outer = shape.slice(0, -1).map((dim) => (typeof dim === 'number' ? dim : -1))
  return { count: size / length, length, result: [...outer, ...kept] }
}

/** Of a list of this length, the length of the parts that cost least; undefined where they cost more than half of the whole. */
function lengthOf(size: number): number | undefined {
  const lengths = range(size, 1).filter((length) => size % length === 0)
  const cost = (length: number) => length + (partCost * size) / length
  const best = lengths.reduce((a, b) => (cost(b) < cost(a) ? b : a), 1)
  return cost(best) * 2 > size ? undefined : best
}
