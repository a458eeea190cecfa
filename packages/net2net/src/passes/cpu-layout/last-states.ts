/**
 * Most networks read the last step of a recurrent layer and no other. That step is the layer's last state (Y_h), which is an output by
 * itself: where it is read instead of the states of all steps (Y), these and their gradient, zero in all other steps,
 * need not be brought into the order in which they are read, and no step back adds zeros.
 * https://onnx.ai/onnx/operators/onnx__LSTM.html
 */
import { intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import { capturedValues, linksOf } from '../../model/links.ts'
import { type Dim, isStandard, type Model, type Node, type Shape } from '../../model/model.ts'
import { NameSupply, valueNames } from '../../model/names.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { range } from '../../operators/helpers/emission.ts'
import { BEYOND, resolveRange } from '../../operators/helpers/indexing.ts'
import { axisPosition } from '../../operators/helpers/shapes.ts'
import { inferModel } from '../../operators/inference.ts'
import { elementCount, int64, toNumbers } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'

type Values = ReadonlyMap<string, ValueInfo>

/** Input positions. */
const LENGTHS = 4

/** A node that takes one entry of an axis: the first one, the last one, or both where there is one only. */
interface Entry {
  readonly axis: number
  readonly isFirst: boolean
  readonly isLast: boolean
}

/** A recurrent layer and the nodes that only move its output on the way to whoever reads it. */
interface Path {
  readonly layer: Node
  readonly moves: readonly Move[]
}

interface Move {
  readonly node: Node
  /** Where the axis of the steps is before it. */
  readonly axis: number
  /** Of a Reshape: the shape that it gives, which copies the size of that axis. */
  readonly target?: readonly number[]
}

/** The same function; the model itself where nothing of this is in it. The operator set must be 13 or newer. */
export function lastStates(model: Model): Model {
  const { graph } = model
  if (!graph.nodes.some((node) => isStandard(node, 'LSTM', 'GRU', 'RNN'))) return model
  const values = inferModel(model)
  const { producers } = linksOf(graph)
  const captured = new Set(graph.nodes.flatMap((node) => [...capturedValues(node)]))
  const paths = new Map<Node, Path>()
  for (const node of graph.nodes) {
    const entry = captured.has(node.outputs[0] ?? '') ? undefined : entryOf(node, values)
    const path = entry && pathTo(node, entry, values, producers)
    if (path) paths.set(node, path)
  }
  if (paths.size === 0) return model

  const names = new NameSupply(valueNames(graph))
  const states = new Map<Node, string>()
  for (const { layer } of paths.values())
    if (!states.has(layer)) states.set(layer, layer.outputs[1] || names.fresh('last_state'))
  const nodes = graph.nodes.map((node) => {
    const state = states.get(node)
    const [all = '', , ...others] = node.outputs
    return state === undefined ? node : { ...node, outputs: [all, state, ...others] }
  })
  const rewriter = new Rewriter({ ...model, graph: { ...graph, nodes } })
  const first = () => rewriter.constant(int64([0]), 'axes')
  for (const node of nodes) {
    const path = paths.get(node)
    if (!path) {
      rewriter.keep(node)
      continue
    }
    let [value = ''] = rewriter.emit('Unsqueeze', [states.get(path.layer)!, first()])
    for (const { node, target } of path.moves) {
      const { opType, inputs, attributes } = node
      const others = target ? [rewriter.constant(int64(target), 'shape')] : inputs.slice(1)
      ;[value = ''] = rewriter.emit(opType, [value, ...others], target ? {} : attributes)
    }
    if (node.opType === 'Gather') {
      const { dims } = values.get(node.inputs[1]!)!.constant!
      const index = rewriter.constant(int64([0], dims), 'index')
      ;[value = ''] = rewriter.emit('Gather', [value, index], node.attributes)
    }
    rewriter.replace(node.outputs[0]!, value)
  }
  return rewriter.model()
}

/** The one entry that a Gather or a Slice takes, where it is known to be the first or the last one. */
function entryOf(node: Node, values: Values): Entry | undefined {
  const shape = values.get(node.inputs[0] ?? '')?.shape
  if (!shape || !isStandard(node, 'Gather', 'Slice')) return undefined
  const number = (i: number, missing?: number): number | undefined => {
    const name = node.inputs[i] ?? ''
    const constant = values.get(name)?.constant
    if (name === '') return missing
    return constant && elementCount(constant.dims) === 1 ? toNumbers(constant)[0] : undefined
  }
  const isGather = node.opType === 'Gather'
  const along = isGather ? intAttribute(node, 'axis', 0) : number(3, 0)
  const start = number(1)
  if (along === undefined || start === undefined) return undefined
  const axis = axisPosition(along, shape.length)
  const size = shape[axis]!
  if (isGather) return entryAt(axis, start, size)
  const [end = 0, step] = [number(2), number(4, 1)]
  const isOne = step === 1 && ((start === 0 && end === 1) || (start === -1 && end >= BEYOND))
  const taken = resolveRange({ start, end: number(2), step }, size)
  return isOne || taken?.length === 1 ? entryAt(axis, taken?.start ?? start, size) : undefined
}

const entryAt = (axis: number, at: number, size: Dim): Entry => ({
  axis,
  isFirst: at === 0 || (typeof size === 'number' && at === -size),
  isLast: at === -1 || (typeof size === 'number' && at === size - 1),
})

/** The way from the layer whose last state the entry is. */
function pathTo(
  reader: Node,
  entry: Entry,
  values: Values,
  producers: ReadonlyMap<string, Node>,
): Path | undefined {
  const moves: Move[] = []
  for (;;) {
    const [{ node: next, axis } = { node: reader, axis: entry.axis }] = moves
    const [name = ''] = next.inputs
    const node = producers.get(name)
    if (!node) return undefined
    if (isStandard(node, 'LSTM', 'GRU', 'RNN')) {
      const isState = node.outputs[0] === name && axis === 0 && endsWith(node, entry)
      return isState ? { layer: node, moves } : undefined
    }
    const move = moveOf(node, axis, values)
    if (!move) return undefined
    moves.unshift(move)
  }
}

/** Is this the entry that the last step of the layer gave? */
function endsWith(node: Node, { isFirst, isLast }: Entry): boolean {
  if ((node.inputs[LENGTHS] ?? '') !== '' || intAttribute(node, 'layout', 0) !== 0) return false
  const direction = stringAttribute(node, 'direction', 'forward')
  return (direction === 'forward' && isLast) || (direction === 'reverse' && isFirst)
}

/** What a node does to the steps, which are at an axis of its output: undefined where it does more than move them. */
function moveOf(node: Node, axis: number, values: Values): Move | undefined {
  const before = values.get(node.inputs[0] ?? '')?.shape
  if (!before) return undefined
  if (isStandard(node, 'Reshape')) {
    const target = targetOf(before, values.get(node.outputs[0]!)?.shape, axis)
    return target && { node, axis, target }
  }
  const places = isStandard(node, 'Transpose')
    ? (intsAttribute(node, 'perm') ?? range(before.length).reverse())
    : isStandard(node, 'Squeeze')
      ? keptBySqueeze(node, before, values)
      : undefined
  const place = places?.[axis]
  return place === undefined ? undefined : { node, axis: place }
}

function keptBySqueeze(node: Node, before: Shape, values: Values): readonly number[] | undefined {
  const dropped = values.get(node.inputs[1] ?? '')?.constant
  if (!dropped) return undefined
  const gone = toNumbers(dropped).map((axis) => axisPosition(axis, before.length))
  return range(before.length).filter((axis) => !gone.includes(axis))
}

/** The target of a Reshape for steps of any number, which are at the same axis before and after it. */
function targetOf(
  before: Shape,
  after: Shape | undefined,
  axis: number,
): readonly number[] | undefined {
  const target = after?.map((dim, k) => {
    if (dim !== null && dim === before[k]) return 0
    return typeof dim === 'number' ? dim : -1
  })
  const isKept = target?.slice(0, axis + 1).every((size) => size === 0)
  return isKept && target!.filter((size) => size === -1).length <= 1 ? target : undefined
}
