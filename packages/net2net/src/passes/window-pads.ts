/**
 * Zeros before a convolution and what is cut off behind it, as the convolution's own pads. A causal convolution is written as a Pad and a convolution, or as
 * one with zeros on both sides and a Slice: each copies a whole tensor, forward and back, and the second computes what it throws away.
 *
 * https://onnx.ai/onnx/operators/onnx__Conv.html, …/onnx__Pad.html, …/onnx__Slice.html
 */
import { attributes, stringAttribute } from '../model/attributes.ts'
import { linksOf } from '../model/links.ts'
import { isStandard, type Model, type Node } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { elementsOf } from '../operators/helpers/elements.ts'
import { range } from '../operators/helpers/emission.ts'
import { resolveRange } from '../operators/helpers/indexing.ts'
import { axisPosition } from '../operators/helpers/shapes.ts'
import { allKnown, kernelShape, windowOf } from '../operators/helpers/windows.ts'
import { inferModel } from '../operators/inference.ts'
import { toNumbers } from '../tensor/tensor.ts'
import { Rewriter } from './cpu-layout/rewriter.ts'

type Infos = ReadonlyMap<string, ValueInfo>

/** How many elements per axis, before and behind. */
interface Border {
  readonly before: readonly number[]
  readonly behind: readonly number[]
}

/**
 * The same function; the model itself where nothing of this is in it. The operator set must be 13 or newer.
 *
 * @param variables initializers that change from step to step
 */
export function windowPads(model: Model, variables: ReadonlySet<string> = new Set()): Model {
  const { graph } = model
  const links = linksOf(graph)
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  /** The Slice that alone reads what the node gives. */
  const cutOf = (node: Node): Node | undefined => {
    const [use, ...others] = links.uses.get(node.outputs[0]!) ?? []
    const isOnly = use?.input === 0 && others.length === 0 && !outputs.has(node.outputs[0]!)
    return isOnly && isStandard(use.node, 'Slice') ? use.node : undefined
  }
  const padOf = (node: Node): Node | undefined => {
    const pad = links.producers.get(node.inputs[0]!)
    return pad && isStandard(pad, 'Pad') ? pad : undefined
  }
  const found = graph.nodes.filter(
    (node) => isStandard(node, 'Conv') && (padOf(node) ?? cutOf(node)) !== undefined,
  )
  if (found.length === 0) return model
  const infos = inferModel(model, { variables })
  const rewriter = new Rewriter(model, { sharesInitializers: false })
  const replaced = new Map<Node, Node>()
  const cut = new Set<Node>()
  for (const node of found) {
    const [own, pad, slice] = [node, padOf(node), cutOf(node)]
    const padded = pad ? withZeros(own, pad, infos) : undefined
    const narrowed = slice ? withoutBorder(padded ?? own, own, slice, infos) : undefined
    const last = narrowed ?? padded
    if (last) replaced.set(node, last)
    if (narrowed) cut.add(slice!)
  }
  if (replaced.size === 0) return model
  for (const node of graph.nodes) if (!cut.has(node)) rewriter.keep(replaced.get(node) ?? node)
  return rewriter.model()
}

/** The pads of the convolution's window, where all of it is known. */
function windowPadsOf(node: Node, infos: Infos) {
  const kernel = kernelShape(node, infos.get(node.inputs[1]!)?.shape?.slice(2))
  const spatial = infos.get(node.inputs[0]!)?.shape?.slice(2)
  if (!kernel || kernel.length !== spatial?.length) return undefined
  const window = windowOf(node, kernel, spatial)
  return allKnown(window) ? window : undefined
}

const withPads = (node: Node, pads: Border): Node => ({
  ...node,
  attributes: new Map([
    ...[...node.attributes].filter(([name]) => name !== 'auto_pad'),
    ...attributes({ pads: [...pads.before, ...pads.behind] }),
  ]),
})

/** The convolution of what the Pad reads. */
function withZeros(node: Node, pad: Node, infos: Infos): Node | undefined {
  const window = windowPadsOf(node, infos)
  const rank = window && window.length + 2
  const zeros = rank === undefined ? undefined : zerosOf(pad, rank, infos)
  if (!window || !zeros) return undefined
  const [x = ''] = pad.inputs
  return withPads(
    { ...node, inputs: [x, ...node.inputs.slice(1)] },
    {
      before: window.map(({ pads }, i) => pads.begin + zeros.before[i + 2]!),
      behind: window.map(({ pads }, i) => pads.end + zeros.behind[i + 2]!),
    },
  )
}

/** How many zeros a Pad puts around positions; undefined where it does something else. */
function zerosOf(pad: Node, rank: number, infos: Infos): Border | undefined {
  const list = (i: number) => numbersOf(pad.inputs[i], infos)
  const amounts = list(1)
  const axes = pad.inputs[3] ? list(3) : range(rank)
  const value = pad.inputs[2] ? infos.get(pad.inputs[2])?.constant : undefined
  const isZero = !pad.inputs[2] || (value !== undefined && toNumbers(value)[0] === 0)
  if (stringAttribute(pad, 'mode', 'constant') !== 'constant' || !isZero) return undefined
  if (!amounts || !axes || amounts.some((count) => count < 0)) return undefined
  const [before, behind] = [Array<number>(rank).fill(0), Array<number>(rank).fill(0)]
  for (const [k, axis] of axes.entries()) {
    before[axisPosition(axis, rank)] = amounts[k]!
    behind[axisPosition(axis, rank)] = amounts[k + axes.length]!
  }
  const isAround = [before, behind].every((counts) => counts[0] === 0 && counts[1] === 0)
  return isAround ? { before, behind } : undefined
}

/** The convolution that gives no more than the Slice leaves of `own`, as which `node` is computed. */
function withoutBorder(node: Node, own: Node, slice: Node, infos: Infos): Node | undefined {
  const window = windowPadsOf(node, infos)
  const shape = infos.get(own.outputs[0]!)?.shape
  const border = shape && borderOf(slice, shape, infos)
  if (!window || !border) return undefined
  const pads = {
    before: window.map((axis, i) => axis.pads.begin - axis.stride * border.before[i + 2]!),
    behind: window.map((axis, i) => axis.pads.end - axis.stride * border.behind[i + 2]!),
  }
  if ([...pads.before, ...pads.behind].some((count) => count < 0)) return undefined
  return withPads({ ...node, outputs: slice.outputs }, pads)
}

/** How many positions a Slice cuts off; undefined where it does something else. */
function borderOf(
  slice: Node,
  shape: NonNullable<ValueInfo['shape']>,
  infos: Infos,
): Border | undefined {
  const list = (i: number) => numbersOf(slice.inputs[i], infos)
  const [starts, ends] = [list(1), list(2)]
  const axes = slice.inputs[3] ? list(3) : range(starts?.length ?? 0)
  const steps = slice.inputs[4] ? list(4) : axes?.map(() => 1)
  if (!starts || !ends || !axes || !steps?.every((step) => step === 1)) return undefined
  const [before, behind] = [shape.map(() => 0), shape.map(() => 0)]
  for (const [k, given] of axes.entries()) {
    const axis = axisPosition(given, shape.length)
    const size = shape[axis]!
    const found = resolveRange({ start: starts[k], end: ends[k], step: 1 }, size)
    if (axis < 2 || !found || found.length === 0) return undefined
    before[axis] = found.start
    behind[axis] = Number(size) - found.end
  }
  return { before, behind }
}

const numbersOf = (name: string | undefined, infos: Infos): readonly number[] | undefined => {
  const elements = elementsOf(infos.get(name ?? '') ?? {})
  return elements?.every((value) => typeof value === 'number')
    ? (elements as readonly number[])
    : undefined
}
