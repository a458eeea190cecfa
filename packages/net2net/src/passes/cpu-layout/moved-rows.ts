/**
 * Transpositions that leave the first axis where it is and move whole rows, as Gather with constant indices. ONNX Runtime's
 * Transpose uses one thread, its Gather all of them, so that rows also come to the cores that read them next. Where a value was split off before, as the
 * keys of attention are, the rows are taken from the whole: Split uses one thread, too.
 * https://onnx.ai/onnx/operators/onnx__Gather.html
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { type Links, linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node, type Shape } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { positionsOf } from '../../operators/helpers/costs.ts'
import { isStatic } from '../../operators/helpers/elements.ts'
import { range } from '../../operators/helpers/emission.ts'
import { axisPosition } from '../../operators/helpers/shapes.ts'
import { elementCount, int64 } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { viewed } from './views.ts'

/** Elements of a row: where there are fewer, single elements move as fast; more are bound by memory. */
const shortestRow = 4
const longestRow = 256

/** Fewer rows than this one thread moves before another one is awake. */
const fewestRows = 2049

/** The same values, to the bit. */
export function movedRows(model: Model): Model {
  const infos = inferOnce(model)
  const { producers } = linksOf(model.graph)
  const rewriter = new Rewriter(model)
  for (const node of model.graph.nodes) {
    const [name = ''] = node.inputs
    const move = moveOf(node, infos.get(name)?.shape)
    if (!move) {
      rewriter.keep(node)
      continue
    }
    const { value, count, places } = wholeOf(name, move, infos, producers) ?? {
      value: name,
      count: move.order.length,
      places: move.order,
    }
    const rows = rewriter.reshape(rewriter.value(value), [-1, count, move.row])
    const order = rewriter.constant(int64(places), 'order')
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

interface Rows {
  readonly value: string
  /** Rows in one entry of the first axis. */
  readonly count: number
  /** Where among them the moved ones are, in the order of the result. */
  readonly places: readonly number[]
}

/** The rows that move, in what a Split along the last axis took them from. */
function wholeOf(
  name: string,
  { row, order }: Move,
  infos: ReadonlyMap<string, ValueInfo>,
  producers: Links['producers'],
): Rows | undefined {
  const part = viewed(name, producers)
  const split = producers.get(part)
  if (!split || !isStandard(split, 'Split')) return undefined
  const [value = ''] = split.inputs
  const { shape = [] } = infos.get(value) ?? {}
  const [entries, ...sizes] = shape
  const isLast = axisPosition(intAttribute(split, 'axis', 0), shape.length) === shape.length - 1
  const isSame = entries != null && entries === infos.get(name)?.shape?.[0]
  if (!isSame || !isStatic(sizes) || !isLast) return undefined
  const width = (of: string) => Number(infos.get(of)?.shape?.at(-1)) / row
  const parts = split.outputs.map(width)
  const whole = width(value)
  if (![...parts, whole].every(Number.isInteger)) return undefined
  const at = split.outputs.indexOf(part)
  const first = parts.slice(0, at).reduce((sum, size) => sum + size, 0)
  const own = parts[at]!
  return {
    value,
    count: elementCount(sizes) / row,
    places: order.map((place) => Math.floor(place / own) * whole + first + (place % own)),
  }
}

function moveOf(node: Node, shape: Shape | undefined): Move | undefined {
  if (!isStandard(node, 'Transpose') || !shape) return undefined
  const perm = intsAttribute(node, 'perm')
  if (perm?.[0] !== 0) return undefined
  const [entries = null] = shape
  const known: Shape = shape.slice(1)
  if (!isStatic(known)) return undefined
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
