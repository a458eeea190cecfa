/**
 * Poolings with `ceil_mode` whose last window would start behind their input. The standard leaves that window out; the shape inference that ONNX Runtime
 * loads a model with counts it, and refuses nodes that know better. Pads that reach no further than the other windows give the same without `ceil_mode`.
 *
 * https://onnx.ai/onnx/operators/onnx__MaxPool.html, …/onnx__AveragePool.html, …/onnx__LpPool.html
 */
import { attributes, intAttribute } from '../model/attributes.ts'
import { isStandard, type Model, type Node } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import {
  allKnown,
  ceilMode,
  inputsRead,
  outputSize,
  poolKernel,
  windowOf,
} from '../operators/helpers/windows.ts'
import { inferModel } from '../operators/inference.ts'

const isRoundedUp = (node: Node): boolean =>
  isStandard(node, 'MaxPool', 'AveragePool', 'LpPool') && ceilMode(node)

/** The same function; the model itself where no such window is known. */
export function withoutDroppedWindows(model: Model): Model {
  if (!model.graph.nodes.some(isRoundedUp)) return model
  const infos = inferModel(model)
  const nodes = model.graph.nodes.map((node) => (isRoundedUp(node) ? ended(node, infos) : node))
  return { ...model, graph: { ...model.graph, nodes } }
}

/** The pooling with pads that end with its last window; itself where a size is not known, or no window is left out. */
function ended(node: Node, infos: ReadonlyMap<string, ValueInfo>): Node {
  const sizes = infos.get(node.inputs[0]!)?.shape?.slice(2)
  const window = sizes ? windowOf(node, poolKernel(node), sizes) : []
  const outputs = window.map((axis) => outputSize(axis, node, true))
  if (!allKnown(window) || !outputs.every((count) => typeof count === 'number')) return node
  // How much further the pads reach than the last window.
  const beyond = window.map(
    (axis, i) => Number(axis.input) + axis.pads.end - inputsRead(axis, outputs[i]!),
  )
  if (!beyond.some((count) => count > 0)) return node
  // An average that counts the pads does not count what is behind them, where windows along another axis may end.
  const countsPads = intAttribute(node, 'count_include_pad', 0) === 1
  const roundsUp = countsPads && beyond.some((count) => count < 0)
  const less = beyond.map((count) => (roundsUp ? Math.max(0, count) : count))
  const pads = [
    ...window.map((axis) => axis.pads.begin),
    ...window.map((axis, i) => Math.max(0, axis.pads.end - less[i]!)),
  ]
  const kept = [...node.attributes].filter(([name]) => name !== 'auto_pad')
  const changed = attributes({ pads, ceil_mode: roundsUp ? 1 : 0 })
  return { ...node, attributes: new Map([...kept, ...changed]) }
}
