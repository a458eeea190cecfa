/**
 * Convolutions whose weights are large beside their images become products of matrices; see
 * `../../operators/decompositions/convolution-columns.ts`. The gradient of the weight takes the same
 * columns, which are then computed once. Only for weights that change from run to run: constant ones
 * are brought into the blocked layout when the session is created.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import {
  columnsPay,
  convolveByColumns,
  type ImageConvolution,
  imageConvolution,
} from '../../operators/decompositions/convolution-columns.ts'
import { allKnown, kernelShape, windowOf } from '../../operators/helpers/windows.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

export function columnConvolutions(model: Model): Model {
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  const fed = new Set(model.graph.inputs.map((input) => input.name))
  let changed = false
  for (const node of model.graph.nodes) {
    const convolution = fed.has(node.inputs[1] ?? '') ? convolutionOf(emitter, node) : undefined
    if (convolution && columnsPay(convolution)) {
      const [x = '', weight = '', bias] = node.inputs.map((name) => rewriter.value(name))
      const y = convolveByColumns(emitter, x, weight, bias || undefined, convolution)
      rewriter.replace(node.outputs[0]!, y)
      changed = true
    } else rewriter.share(node)
  }
  return changed ? rewriter.model() : model
}

/** The convolution of images that a node computes. */
export function convolutionOf(
  emitter: Pick<Emitter, 'info'>,
  node: Node,
): ImageConvolution | undefined {
  const [x = '', weight = ''] = node.inputs
  if (node.opType !== 'Conv' || node.domain !== '') return undefined
  const image = emitter.info(x).shape
  const kernel = kernelShape(node, emitter.info(weight).shape?.slice(2))
  if (!image || !kernel) return undefined
  const window = windowOf(node, kernel, image.slice(2))
  return allKnown(window)
    ? imageConvolution(emitter, x, node.outputs[0]!, window, intAttribute(node, 'group', 1))
    : undefined
}
