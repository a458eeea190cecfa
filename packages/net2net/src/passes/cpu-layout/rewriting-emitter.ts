/** Lets decompositions emit into a graph that is being rewritten. */
import { type AttributeLike, attributes } from '../../model/attributes.ts'
import { type Model, opsetOf } from '../../model/model.ts'
import type { EmitOptions, Emitter, Target, ValueHints } from '../../operators/contract/gradient.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { inferNode } from '../../operators/inference.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import type { Rewriter } from './rewriter.ts'

export class RewritingEmitter implements Emitter {
  readonly target: Target
  readonly #rewriter: Rewriter
  readonly #opset: number
  readonly #infos: Map<string, ValueInfo>

  constructor(rewriter: Rewriter, model: Model, target: Target = 'onnxruntime-cpu') {
    this.target = target
    this.#rewriter = rewriter
    this.#opset = opsetOf(model)
    this.#infos = new Map(inferOnce(model))
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
