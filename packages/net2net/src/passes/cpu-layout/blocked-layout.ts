/**
 * Images in blocks of channels. ONNX Runtime's fastest convolutions on the CPU hold b channels of
 * a pixel together: [N, C, H, W] lies in memory as [N, C/b, H, W, b] (its domain
 * `com.microsoft.nchwc`; b depends on the processor). It converts graphs with constant weights by
 * itself, but not ones whose weights are inputs, as in a training step: this pass does.
 *
 * Each operator says in its own file how it computes blocks from blocks (`ExecutionFacets.blocked`). Values
 * are converted where the two kinds of node meet, once each, and only where somebody reads them.
 */
import { capturedValues } from '../../model/links.ts'
import { type Model, type Node, opsetOf } from '../../model/model.ts'
import type { BlockedContext } from '../../operators/contract/facets.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { inferModel } from '../../operators/inference.ts'
import { operatorOf } from '../../operators/table.ts'
import { Rewriter } from './rewriter.ts'

export const BLOCKED_DOMAIN = 'com.microsoft.nchwc'

/** @param block channels per block: what the runtime uses on this machine */
export function blockLayout(model: Model, block: number): Model {
  return new BlockedGraph(model, block).rewrite()
}

class BlockedGraph {
  readonly #model: Model
  readonly #block: number
  readonly #infos: ReadonlyMap<string, ValueInfo>
  readonly #rewriter: Rewriter
  /** Value of the model → the value that holds its blocks. */
  readonly #blocks = new Map<string, string>()
  /** Values that exist in the order of the standard. */
  readonly #plain: Set<string>

  constructor(model: Model, block: number) {
    this.#model = model
    this.#block = block
    this.#infos = inferModel(model)
    this.#rewriter = new Rewriter(model)
    const { graph } = model
    this.#plain = new Set([
      '',
      ...graph.inputs.map((input) => input.name),
      ...graph.initializers.keys(),
    ])
  }

  rewrite(): Model {
    const { nodes, outputs } = this.#model.graph
    for (const node of nodes) {
      const blocks = operatorOf(node)?.execution?.blocked?.(this.#context(node))
      if (blocks) {
        for (const [k, name] of node.outputs.entries()) this.#blocks.set(name, blocks[k]!)
        continue
      }
      for (const name of [...node.inputs, ...capturedValues(node)]) this.#asPlain(name)
      this.#rewriter.keep(node)
      for (const name of node.outputs) this.#plain.add(name)
    }
    for (const { name } of outputs) this.#asPlain(name)
    return this.#rewriter.model()
  }

  /** Makes sure that the value exists in the order of the standard. */
  #asPlain(name: string): string {
    const blocks = this.#blocks.get(name)
    if (blocks !== undefined && !this.#plain.has(name)) {
      const channels = this.#infos.get(name)!.shape![1] as number
      this.#rewriter.define(
        { opType: 'ReorderOutput', domain: BLOCKED_DOMAIN, inputs: [blocks], outputs: [name] },
        { channels },
      )
      this.#plain.add(name)
    }
    return name
  }

  #asBlocks(name: string): string {
    let blocks = this.#blocks.get(name)
    if (blocks === undefined) {
      blocks = this.#rewriter.emit('ReorderInput', [name], {}, { domain: BLOCKED_DOMAIN })[0]!
      this.#blocks.set(name, blocks)
    }
    return blocks
  }

  #context(node: Node): BlockedContext {
    const name = (i: number) => node.inputs[i] ?? ''
    const info = (i: number) => this.#infos.get(name(i)) ?? {}
    return {
      node,
      opset: opsetOf(this.#model, node.domain),
      block: this.#block,
      has: (i) => name(i) !== '',
      dtype: (i) => info(i).dtype,
      shape: (i) => info(i).shape,
      elements: (i) => info(i).elements,
      constant: (i) => info(i).constant,
      output: (k) => this.#infos.get(node.outputs[k] ?? '') ?? {},
      isBlocked: (i) => this.#blocks.has(name(i)),
      fits: ({ dtype, shape }) => {
        const channels = shape?.[1]
        return (
          dtype === 'float32' &&
          shape?.length === 4 &&
          typeof channels === 'number' &&
          channels % this.#block === 0
        )
      },
      blocks: (i) => this.#asBlocks(name(i)),
      plain: (i) => this.#asPlain(name(i)),
      emit: (opType, inputs, entries = {}, { blocked = false, outputs = 1 } = {}) =>
        this.#rewriter.emit(opType, inputs, entries, {
          domain: blocked ? BLOCKED_DOMAIN : '',
          outputs,
        }),
      constantOf: (tensor) => this.#rewriter.constant(tensor, 'blocked'),
    }
  }
}
