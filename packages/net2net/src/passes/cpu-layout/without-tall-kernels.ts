/**
 * Gradients of weights by tall kernels (`../../operators/decompositions/conv-weight-tall.ts`) as matrix products, for a processor that has no blocked layout:
 * ONNX Runtime would lay the images out for every channel.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { fastWeightGradient } from '../../operators/decompositions/conv-weight-gradient.ts'
import { slice, transpose } from '../../operators/helpers/emission.ts'
import { inferModel } from '../../operators/inference.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'
import { type ImagesBelow, imagesBelow } from './tall-kernels.ts'

export function withoutTallKernels(model: Model): Model {
  const [links, infos] = [linksOf(model.graph), inferModel(model)]
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  let changed = false
  for (const node of model.graph.nodes) {
    const isTall =
      node.opType === 'Conv' &&
      node.domain === '' &&
      infos.get(node.inputs[1] ?? '')?.shape?.[1] === 1 &&
      infos.get(node.inputs[0] ?? '')?.shape?.[0] !== 1
    const [x, delta] = isTall ? node.inputs.map((name) => imagesBelow(name, links, infos)) : []
    const window = x && delta ? windowOf(node, x, delta) : []
    const read = window.map(({ input }) => input)
    // Not where a window lies beside the image.
    if (!x || !delta || Math.min(...read) < 1) {
      rewriter.share(node)
      continue
    }
    const images = rewriter.value(x.images)
    const isWhole = read.join() === x.sizes.slice(1).join()
    const gradient = fastWeightGradient(
      emitter,
      rewriter.value(delta.images),
      isWhole ? images : slice(emitter, images, [2, 3], [0, 0], read),
      window,
      intAttribute(node, 'group', 1),
      false,
    )
    if (gradient === undefined) rewriter.share(node)
    else {
      rewriter.replace(node.outputs[0]!, transpose(emitter, gradient, [1, 0, 2, 3]))
      changed = true
    }
  }
  return changed ? rewriter.model() : model
}

/** The window of the convolution whose weight has the gradient that `node` computes, with as many taps as that has, and what it reads of x. */
function windowOf(node: Node, x: ImagesBelow, delta: ImagesBelow) {
  const list = (name: string) => intsAttribute(node, name) ?? []
  const pads = list('pads')
  return [0, 1].map((axis) => {
    const [dilation = 1, stride = 1] = [list('strides')[axis], list('dilations')[axis]]
    const [begin = 0, end = 0] = [pads[axis], pads[axis + 2]]
    const [given, outputs] = [x.sizes[axis + 1]!, delta.sizes[axis + 1]!]
    // Along the rows, x has as many as the steps of the kernel together.
    const beyond = axis === 0 ? stride - 1 : given - 1 - stride * (outputs - 1)
    const kernel = Math.floor((beyond + begin + end) / dilation) + 1
    const read = (outputs - 1) * stride + (kernel - 1) * dilation + 1 - begin
    const input = Math.min(given, read)
    return { kernel, stride, dilation, pads: { begin, end: read - input }, input }
  })
}
