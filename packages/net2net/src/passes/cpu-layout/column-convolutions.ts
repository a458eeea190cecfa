/**
 * Convolutions whose weights are large beside their images become products of matrices; see
 * `../../operators/decompositions/convolution-columns.ts`. The gradient of the weight takes the same
 * columns, which are then computed once. Only for weights that change from run to run: constant ones
 * are brought into the blocked layout when the session is created.
 */
import { type AttributeLike, attributes, intAttribute } from '../../model/attributes.ts'
import { type Model, type Node, opsetOf } from '../../model/model.ts'
import type { EmitOptions, Emitter, Target, ValueHints } from '../../operators/contract/gradient.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import {
  columnsPay,
  convolveByColumns,
  type ImageConvolution,
  imageConvolution,
} from '../../operators/decompositions/convolution-columns.ts'
import { allKnown, kernelShape, windowOf } from '../../operators/helpers/windows.ts'
import { inferModel, inferNode } from '../../operators/inference.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'

export function columnConvolutions(model: Model): Model {
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  const fed = new Set(model.graph.inputs.map((input) => input.name))
  let changed = false
  for (const node of model.graph.nodes) {
    const convolution = variableConvolution(emitter, node, fed)
    if (convolution && columnsPay(convolution)) {
      const [x = '', weight = '', bias] = node.inputs.map((name) => rewriter.value(name))
      const y = convolveByColumns(emitter, x, weight, bias || undefined, convolution)
      rewriter.replace(node.outputs[0]!, y)
      changed = true
    } else rewriter.share(node)
  }
  return changed ? rewriter.model() : model
}

/** The convolution of a node whose weight is fed. */
function variableConvolution(
  emitter: Emitter,
  node: Node,
  fed: ReadonlySet<string>,
): ImageConvolution | undefined {
  const [x = '', weight = ''] = node.inputs
  if (node.opType !== 'Conv' || node.domain !== '' || !fed.has(weight)) return undefined
  const image = emitter.info(x).shape
  const kernel = kernelShape(node, emitter.info(weight).shape?.slice(2))
  if (!image || !kernel) return undefined
  const window = windowOf(node, kernel, image.slice(2))
  return allKnown(window)
    ? imageConvolution(emitter, x, node.outputs[0]!, window, intAttribute(node, 'group', 1))
    : undefined
}

/** Emits into a graph that is being rewritten. */
class RewritingEmitter implements Emitter {
  readonly target: Target = 'onnxruntime-cpu'
  readonly #rewriter: Rewriter
  readonly #opset: number
  readonly #infos: Map<string, ValueInfo>

  constructor(rewriter: Rewriter, model: Model) {
    this.#rewriter = rewriter
    this.#opset = opsetOf(model)
    this.#infos = new Map(inferModel(model))
  }

  emit(
    opType: string,
    inputs: readonly string[],
    entries: Readonly<Record<string, AttributeLike>> = {},
    { domain = '', outputs: count = 1, infos }: EmitOptions = {},
  ): readonly string[] {
    const outputs = this.#rewriter.emit(opType, inputs, entries, { domain, outputs: count })
    const [first = ''] = outputs
    if (this.#infos.has(first)) return outputs
    const node = { name: first, opType, domain, inputs, outputs, attributes: attributes(entries) }
    const found = infos ?? inferNode(node, this.#opset, (name) => this.#infos.get(name))
    for (const [k, name] of outputs.entries()) this.#infos.set(name, found[k] ?? {})
    return outputs
  }

  op(...[opType, inputs, entries, domain]: Parameters<Emitter['op']>): string {
    return this.emit(opType, inputs, entries, domain === undefined ? {} : { domain })[0]!
  }

  constant(tensor: LazyTensor): string {
    const name = this.#rewriter.constant(tensor, 'constant')
    this.#infos.set(name, { dtype: tensor.dtype, shape: tensor.dims, constant: tensor })
    return name
  }

  info(name: string): ValueInfo {
    return this.#infos.get(name) ?? {}
  }

  /** Hints are for gradients, which are there already. */
  hint(): void {}

  hintOf(): ValueHints {
    return {}
  }
}
