/**
 * Convolutions by Winograd's minimal filtering, where that pays; see `../../operators/decompositions/minimal-filtering.ts`. The
 * gradients take the same tiles, which are then computed once.
 */
import type { Model, Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import {
  convolveByTiles,
  phasesByTiles,
  tilesThatPay,
} from '../../operators/decompositions/minimal-filtering.ts'
import { reshape } from '../../operators/helpers/emission.ts'
import { convolutionOf } from './column-convolutions.ts'
import { phaseConvolutions } from './phased-convolution.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

export function tileConvolutions(model: Model): Model {
  // Those below poolings first, which want the phases of their images.
  const phased = phaseConvolutions(model, 1, (emitter, node, inputs) =>
    byTiles(emitter, node, inputs, phasesByTiles),
  )
  const rewriter = new Rewriter(phased)
  const emitter = new RewritingEmitter(rewriter, phased, 'onnxruntime-wasm')
  for (const node of phased.graph.nodes) {
    const inputs = node.inputs.map((name) => rewriter.value(name))
    const [y] = byTiles(emitter, node, inputs, (...call) => [convolveByTiles(...call)]) ?? []
    if (y === undefined) rewriter.share(node)
    else rewriter.replace(node.outputs[0]!, y)
  }
  return rewriter.model()
}

/** What `convolve` gives, with the bias; undefined for other nodes, and where tiles do not pay. */
function byTiles(
  emitter: Emitter,
  node: Node,
  [x = '', weight = '', bias = '']: readonly string[],
  convolve: (...call: Parameters<typeof convolveByTiles>) => readonly string[],
): readonly string[] | undefined {
  const convolution = convolutionOf(emitter, node)
  const tiling = convolution && tilesThatPay(convolution)
  if (!tiling) return undefined
  const images = convolve(emitter, x, weight, convolution, tiling)
  if (bias === '') return images
  const shift = reshape(emitter, bias, [1, convolution.filters, 1, 1])
  return images.map((image) => emitter.op('Add', [image, shift]))
}
