/**
 * Zeros before a convolution and what is cut off behind it, as the convolution's own pads. A causal convolution is written as a Pad and a convolution, or as
 * one with zeros on both sides and a Slice: each copies a whole tensor, forward and back, and the second computes what it throws away.
 *
 * https://onnx.ai/onnx/operators/onnx__Conv.html, …/onnx__Pad.html, …/onnx__Slice.html
 */
import { attributes } from '../model/attributes.ts'
import { linksOf } from '../model/links.ts'
import { isStandard, type Model, type Node, opsetOf, type Shape } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { allKnown, kernelShape, windowOf } from '../operators/helpers/windows.ts'
import { inferContext, inferModel } from '../operators/inference.ts'
import { zerosAround } from '../operators/rules/pad.ts'
import { rangesOf } from '../operators/rules/slice.ts'
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
  const opset = opsetOf(model)
  const rewriter = new Rewriter(model, { sharesInitializers: false })
  const replaced = new Map<Node, Node>()
  const cut = new Set<Node>()
  for (const node of found) {
    const [pad, slice] = [padOf(node), cutOf(node)]
    const padded = pad ? withZeros(node, pad, infos, opset) : undefined
    const narrowed = slice ? withoutBorder(padded ?? node, node, slice, infos, opset) : undefined
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
function withZeros(node: Node, pad: Node, infos: Infos, opset: number): Node | undefined {
  const window = windowPadsOf(node, infos)
  const context = inferContext(pad, opset, (name) => infos.get(name))
  const zeros = window && zerosAround(context, window.length + 2)
  if (!window || !zeros) return undefined
  // A convolution pads neither samples nor channels.
  const [samples, channels, ...places] = zeros
  if ([samples, channels].some((counts) => counts?.some((count) => count > 0))) return undefined
  const [x = ''] = pad.inputs
  return withPads(
    { ...node, inputs: [x, ...node.inputs.slice(1)] },
    {
      before: window.map(({ pads }, i) => pads.begin + places[i]![0]),
      behind: window.map(({ pads }, i) => pads.end + places[i]![1]),
    },
  )
}

/** The convolution that gives no more than the Slice leaves of `own`, as which `node` is computed. */
function withoutBorder(
  node: Node,
  own: Node,
  slice: Node,
  infos: Infos,
  opset: number,
): Node | undefined {
  const window = windowPadsOf(node, infos)
  const shape = infos.get(own.outputs[0]!)?.shape
  const border = shape && borderOf(slice, shape, infos, opset)
  if (!window || !border) return undefined
  const pads = {
    before: window.map((axis, i) => axis.pads.begin - axis.stride * border.before[i + 2]!),
    behind: window.map((axis, i) => axis.pads.end - axis.stride * border.behind[i + 2]!),
  }
  if ([...pads.before, ...pads.behind].some((count) => count < 0)) return undefined
  return withPads({ ...node, outputs: slice.outputs }, pads)
}

/** How many positions a Slice cuts off; undefined where it does something else. */
function borderOf(slice: Node, shape: Shape, infos: Infos, opset: number): Border | undefined {
  const ranges = rangesOf(inferContext(slice, opset, (name) => infos.get(name)))
  if (!ranges) return undefined
  const [before, behind] = [shape.map(() => 0), shape.map(() => 0)]
  for (const [axis, { start, end, step, length }] of ranges) {
    if (axis < 2 || step !== 1 || length === 0) return undefined
    before[axis] = start
    behind[axis] = Number(shape[axis]) - end
  }
  return { before, behind }
}
