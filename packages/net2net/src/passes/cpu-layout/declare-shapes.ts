/**
 * Declares the shapes of all values whose sizes are known, as numbers or as products of symbols. ONNX Runtime knows few sizes behind a Reshape to
 * [−1, …]. When it creates a session, it looks through all free buffers for one of the same size, for each value. A buffer of unknown size is never taken, so
 * they pile up, and the search takes time that grows with the square of the number of nodes (docs/lab/steps-of-any-network.md has the figures).
 *
 * In small graphs the search takes little time, and buffers that wait for a value of their own size are lost to all others. There the shapes are declared
 * of what is copied before entries of it are changed: ONNX Runtime copies nothing where it knows that both sizes are the same.
 */
import { intAttribute } from '../../model/attributes.ts'
import { type Dim, isStandard, type Model, type Node, opsetOf } from '../../model/model.ts'
import type { Lookup, ValueInfo } from '../../operators/contract/infer.ts'
import { filledUp } from '../../operators/helpers/blocked.ts'
import { inferModel, inferNode } from '../../operators/inference.ts'
import { BLOCKED_DOMAIN } from './blocked-layout.ts'
import { withShapes } from './with-shapes.ts'

/** Below, a session takes less than a twentieth of a second longer without shapes, and steps of transformers take 2% longer with them. */
export const fewestNodes = 1000

/** @param block channels per block of the runtime's blocked layout */
export function shapesForPlanning(model: Model, block: number): Model {
  const { nodes } = model.graph
  if (nodes.length >= fewestNodes) return declareShapes(model, block)
  const changing = nodes.filter((node) => isStandard(node, 'ScatterElements', 'ScatterND'))
  const changed = changing.flatMap(({ inputs, outputs }) => [inputs[0]!, ...outputs])
  return changed.length === 0 ? model : declareShapes(model, block, new Set(changed))
}

/** … of a graph of any size, and of all its values, or of these alone. */
export function declareShapes(model: Model, block: number, names?: ReadonlySet<string>): Model {
  const infos = inferModel(model, {
    foreign: (node, lookup) =>
      node.domain === BLOCKED_DOMAIN
        ? [inferInBlocks(node, lookup, opsetOf(model, ''), block)]
        : [],
  })
  const results = new Set(model.graph.outputs.map(({ name }) => name))
  const whole = [...infos].filter(
    ([name, { dtype, shape }]) =>
      dtype && shape && !shape.includes(null) && !results.has(name) && names?.has(name) !== false,
  )
  return withShapes(model, new Map(whole))
}

/** What a node of the blocked layout gives. Blocks have the shape of the image that they hold, with channels that fill the last block. Its convolutions and poolings are those of the standard. */
function inferInBlocks(node: Node, lookup: Lookup, opset: number, block: number): ValueInfo {
  if (!/^Reorder/.test(node.opType)) return inferNode({ ...node, domain: '' }, opset, lookup)[0]!
  const { dtype, shape } = lookup(node.inputs[0]!) ?? {}
  if (shape?.length !== 4) return {}
  const isLast = intAttribute(node, 'channels_last', 0) === 1
  const [batch, ...sizes] = shape as readonly [Dim, Dim, Dim, Dim]
  if (node.opType === 'ReorderOutput') {
    const [, height, width] = sizes
    const channels = intAttribute(node, 'channels', 0)
    const ofImage = isLast ? [height, width, channels] : [channels, height, width]
    return { dtype, shape: [batch, ...ofImage] }
  }
  const [channels, ...positions] = isLast ? [sizes[2], sizes[0], sizes[1]] : sizes
  const filled = typeof channels === 'number' ? filledUp(channels, block) : null
  return { dtype, shape: [batch, filled, ...positions] }
}
