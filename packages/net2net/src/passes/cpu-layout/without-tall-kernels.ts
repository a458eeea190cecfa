/**
 * Gradients of weights by tall kernels (`../../operators/decompositions/conv-weight-tall.ts`) as matrix products, for a processor that has no blocked layout:
 * ONNX Runtime would lay the images out for every channel.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { fastWeightGradient } from '../../operators/decompositions/conv-weight-gradient.ts'
import { slice, transpose } from '../../operators/helpers/emission.ts'
import { inputsRead } from '../../operators/helpers/windows.ts'
import { type ImagesBelow, imagesBelow } from './images-below.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'
import { isTall } from './tall-kernels.ts'

export function withoutTallKernels(model: Model): Model {
  const [links, infos] = [linksOf(model.graph), inferOnce(model)]
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)

  /** The gradient [M, C / groups, K, L] that a node computes, where it is one and its windows lie on the image. */
  const gradientOf = (node: Node): string | undefined => {
    const [samples, filters] = node.inputs.map((name) => infos.get(name)?.shape ?? [])
    if (!isTall(node, filters) || samples?.[0] === 1) return undefined
    const [x, delta] = node.inputs.map((name) => imagesBelow(name, links, infos))
    if (!x || !delta) return undefined
    const window = windowOf(node, x, delta)
    const read = window.map(({ input }) => input)
    if (Math.min(...read) < 1) return undefined
    const [dy, images] = [delta, x].map((found) => rewriter.value(found.images)) as [string, string]
    const isWhole = read.join() === x.sizes.slice(1).join()
    const given = isWhole ? images : slice(emitter, images, [2, 3], [0, 0], read)
    const group = intAttribute(node, 'group', 1)
    return fastWeightGradient(emitter, dy, given, window, group, false)
  }

  let changed = false
  for (const node of model.graph.nodes) {
    const gradient = gradientOf(node)
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
    const read = inputsRead({ kernel, stride, dilation, pads: { begin, end } }, outputs)
    const input = Math.min(given, read)
    return { kernel, stride, dilation, pads: { begin, end: read - input }, input }
  })
}
