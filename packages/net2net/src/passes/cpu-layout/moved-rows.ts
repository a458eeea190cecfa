/**
 * Transpositions that leave the first axis where it is and move whole rows, as Gather with constant indices. ONNX Runtime's
 * Transpose uses one thread, its Gather all of them, so that rows also come to the cores that read them next.
 * https://onnx.ai/onnx/operators/onnx__Gather.html
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Model, Node, Shape } from '../../model/model.ts'
import { positionsOf } from '../../operators/helpers/costs.ts'
import { range } from '../../operators/helpers/emission.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

/** Elements of a row: where there are fewer, single elements move as fast; more are bound by memory. */
const shortestRow = 4
const longestRow = 256

/** Fewer rows than this one thread moves before another one is awake. */
const fewestRows = 2049

/** The same values, to the bit. */
export function movedRows(model: Model): Model {
  const infos = inferOnce(model)
  const rewriter = new Rewriter(model)
  for (const node of model.graph.nodes) {
    const [name = ''] = node.inputs
    const move = moveOf(node, infos.get(name)?.shape)
    if (!move) {
      rewriter.keep(node)
      continue
    }
    const rows = rewriter.reshape(rewriter.value(name), [-1, move.order.length, move.row])
    const order = rewriter.constant(int64(move.order), 'order')
    const [moved = ''] = rewriter.emit('Gather', [rows, order], { axis: 1 })
    rewriter.replace(node.outputs[0]!, rewriter.reshape(moved, [-1, ...move.dims]))
  }
  return rewriter.model()
}

interface Move {
  /** Elements that stay beside each other. */
  readonly row: number
  /** For each row of the result of one entry of the first axis: where it was. */
  readonly order: readonly number[]
  /** The result's sizes but for the first axis. */
  readonly dims: readonly number[]
}

function moveOf(node: Node, shape: Shape | undefined): Move | undefined {
  if (node.opType !== 'Transpose' || node.domain !== '' || !shape) return undefined
  const perm = intsAttribute(node, 'perm')
  if (perm?.[0] !== 0) return undefined
  const [entries = null, ...sizes] = shape
  if (!sizes.every((size) => typeof size === 'number')) return undefined
  const known = sizes as readonly number[]
  let rank = known.length
  while (rank > 0 && perm[rank] === rank) rank--
  const axes = perm.slice(1, rank + 1).map((axis) => axis - 1)
  const row = elementCount(known.slice(rank))
  const rows = elementCount(known.slice(0, rank))
  if (row < shortestRow || row > longestRow || rows * positionsOf(entries) < fewestRows)
    return undefined
  const moved = axes.map((axis) => known[axis]!)
  const steps = axes.map((axis) => elementCount(known.slice(axis + 1, rank)))
  // Rows in the order of the result, one axis after the other: the last one runs fastest.
  const order = moved.reduce(
    (starts, size, k) => starts.flatMap((start) => range(size).map((i) => start + i * steps[k]!)),
    [0],
  )
  return { row, order, dims: [...moved, ...known.slice(rank)] }
}
