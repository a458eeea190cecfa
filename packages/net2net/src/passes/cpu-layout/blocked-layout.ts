/**
 * Images in blocks of channels. ONNX Runtime's fastest convolutions on the CPU hold b channels of
 * a pixel together: [N, C, H, W] lies in memory as [N, C/b, H, W, b] (its domain
 * `com.microsoft.nchwc`; b depends on the processor). It converts graphs with constant weights by
 * itself, but not ones whose weights are inputs, as in a training step: this pass does.
 *
 * Each operator says in its own file how it computes blocks from blocks (`ExecutionFacets.blocked`). Values
 * are converted where the two kinds of node meet, once each, and only where somebody reads them.
 */
import { type AttributeLike, attributes } from '../../model/attributes.ts'
import { ancestors, capturedValues, type Links, linksOf } from '../../model/links.ts'
import { isStandard, type Model, type Node, opsetOf } from '../../model/model.ts'
import type {
  BlockedContext,
  BlockedConvolution,
  BlockedEmitter,
} from '../../operators/contract/facets.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { blockedElementwise, filledChannels, filledUp } from '../../operators/helpers/blocked.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { operatorOf } from '../../operators/table.ts'
import { int64 } from '../../tensor/tensor.ts'
import { BlockedFilters } from './blocked-filters.ts'
import { givesChannelsLast, takesChannelsLast } from './channels-last.ts'
import { convolutionOf } from './column-convolutions.ts'
import type { StateInBlocks } from './filter-blocks.ts'
import { filteredRows } from './filtered-rows.ts'
import { imagesBelow } from './images-below.ts'
import { inferOnce } from './infer-once.ts'
import { pairedRows } from './paired-rows.ts'
import { planeProductOf } from './plane-products.ts'
import { Rewriter } from './rewriter.ts'
import { valuesInBlocks } from './state-in-blocks.ts'
import { type BlockedImages, tallKernels } from './tall-kernels.ts'
import { withShapes } from './with-shapes.ts'

export const BLOCKED_DOMAIN = 'com.microsoft.nchwc'

type Entries = Readonly<Record<string, AttributeLike>>

/**
 * @param block channels per block: what the runtime uses on this machine
 * @param states inputs that are fed what the output `NAME.next` gave: where it pays, these are in blocks of filters
 * @param exact outputs; in what they depend on, equal numbers stay equal
 */
export function blockLayout(
  model: Model,
  block: number,
  states: ReadonlySet<string> = new Set(),
  exact: Iterable<string> = model.graph.outputs.map(({ name }) => name),
): { readonly model: Model; readonly inBlocks: StateInBlocks } {
  return new BlockedGraph(model, block, states, exact).rewrite()
}

class BlockedGraph {
  readonly #model: Model
  readonly #block: number
  readonly #infos: ReadonlyMap<string, ValueInfo>
  readonly #rewriter: Rewriter
  /** Value of the model → the value that holds its blocks. */
  readonly #blocks = new Map<string, string>()
  /** Images that were made of ones whose channels come last → these. */
  readonly #last = new Map<string, string>()
  /** Images that convolutions read, or what is computed of them element by element. */
  readonly #convolved: ReadonlySet<string>
  /** Values that exist in the order of the standard. */
  readonly #plain: Set<string>
  readonly #links: Links
  readonly #results: ReadonlySet<string>
  /** Blocks → the convolution that gives them. */
  readonly #convolutions = new Map<string, BlockedConvolution>()
  readonly #states: ReadonlySet<string>
  readonly #exact: ReadonlySet<Node>
  readonly #filters: BlockedFilters

  constructor(model: Model, block: number, states: ReadonlySet<string>, exact: Iterable<string>) {
    this.#model = model
    this.#block = block
    this.#infos = inferOnce(model)
    this.#rewriter = new Rewriter(model)
    const { graph } = model
    this.#links = linksOf(graph)
    this.#results = new Set(graph.outputs.map(({ name }) => name))
    this.#states = states
    this.#exact = new Set(ancestors(graph.nodes, exact))
    this.#convolved = convolvedImages(graph.nodes)
    this.#filters = new BlockedFilters(
      valuesInBlocks(model, this.#links, this.#infos, block, states),
      this.#links,
      this.#infos,
      this.#emitter,
      (name) => this.#rewriter.value(name),
    )
    const given = [...graph.inputs.map((input) => input.name), ...graph.initializers.keys()]
    this.#plain = new Set(['', ...given.filter((name) => !this.#filters.has(name))])
  }

  rewrite(): { readonly model: Model; readonly inBlocks: StateInBlocks } {
    const { nodes, outputs } = this.#model.graph
    for (const node of nodes) {
      const [output = ''] = node.outputs
      const gradient = this.#filters.gradient(output)
      if (gradient !== undefined) this.#rewriter.replace(output, gradient)
      else if (this.#filters.takes(node)) this.#rewriter.share(node)
      else this.#layOut(node)
    }
    for (const { name } of outputs) if (!this.#filters.has(name)) this.#asPlain(name)
    const names = new Set([...this.#states].filter((name) => this.#filters.has(name)))
    return {
      model: withShapes(this.#rewriter.model(), this.#infos),
      inBlocks: { names, block: this.#block },
    }
  }

  #layOut(node: Node): void {
    if (this.#fromBlocksToLast(node)) return
    this.#noteChannelsLast(node)
    if (this.#multiplyPlanes(node)) return
    const context = this.#context(node)
    const tall = tallKernels(context, (name) => this.#stacked(name))
    if (tall?.taps) this.#filters.setTaps(node.outputs[0]!, tall.taps)
    const values = tall
      ? [tall.gradient]
      : (this.#filtered(context) ?? operatorOf(node)?.execution?.blocked?.(context))
    if (values) {
      for (const [k, name] of node.outputs.entries()) this.#hold(name, values[k]!)
      return
    }
    // Blocks have the shape of the image.
    if (operatorOf(node)?.reads?.shapes) this.#rewriter.share(this.#onBlocks(node))
    else {
      for (const name of capturedValues(node)) this.#asPlain(name)
      this.#rewriter.share({ ...node, inputs: node.inputs.map((name) => this.#asPlain(name)) })
    }
    for (const name of node.outputs) this.#plain.add(name)
  }

  /** A product with the planes of images, in blocks, if the images are in blocks or a convolution reads what it gives. */
  #multiplyPlanes(node: Node): boolean {
    const found = planeProductOf(node, this.#links, this.#infos, this.#block)
    const [output = ''] = node.outputs
    if (!found || !(this.#blocks.has(found.image) || this.#convolved.has(output))) return false
    const { matrix, image, lines, elements } = found
    const factor = this.#rewriter.reshape(this.#asBlocks(image), [-1, lines, elements])
    const [product = ''] = this.#rewriter.emit('MatMul', [this.#asPlain(matrix), factor])
    const [, ...sizes] = this.#infos.get(output)!.shape as readonly number[]
    this.#hold(output, this.#rewriter.reshape(product, [-1, ...sizes]))
    return true
  }

  /** Images in blocks, as ones whose channels come last. */
  #fromBlocksToLast(node: Node): boolean {
    const { images, last } = givesChannelsLast(node, this.#links, this.#infos) ?? {}
    if (images === undefined || last === undefined) return false
    const given = this.#last.get(images)
    if (given !== undefined && this.#alike(given, last))
      this.#rewriter.replace(last, this.#asPlain(given))
    else {
      const blocks = this.#blocks.get(images)
      const info = this.#infos.get(images) ?? {}
      if (blocks === undefined || isPixel(info)) return false
      const channels = info.shape![1] as number
      const [image = ''] = this.#reorder('ReorderOutput', blocks, { channels, channels_last: 1 })
      const [, ...sizes] = this.#infos.get(last)!.shape as readonly number[]
      const value = sizes.length === 3 ? image : this.#rewriter.reshape(image, [-1, ...sizes])
      this.#rewriter.replace(last, value)
    }
    this.#plain.add(last)
    return true
  }

  /** Notes where images come from whose channels came last. They count as in blocks where a convolution reads them. */
  #noteChannelsLast(node: Node): void {
    const { images, last } = takesChannelsLast(node, this.#links, this.#infos) ?? {}
    if (images === undefined || last === undefined) return
    const info = this.#infos.get(images) ?? {}
    if (!this.#fits(info) || isPixel(info)) return
    this.#last.set(images, last)
    if (this.#convolved.has(images)) this.#asBlocks(images)
  }

  #alike(a: string, b: string): boolean {
    const [one, other] = [a, b].map((name) => this.#infos.get(name)?.shape)
    return areSame(one, other)
  }

  /** A convolution whose rows are filtered: two at a time, if an exact output depends on it. */
  #filtered(context: BlockedContext): readonly string[] | undefined {
    const info = (name: string) => this.#infos.get(name) ?? {}
    const convolution = convolutionOf({ info }, context.node)
    if (!convolution) return undefined
    return this.#exact.has(context.node)
      ? pairedRows(context, convolution, this.#links)
      : filteredRows(context, convolution)
  }

  #onBlocks(node: Node): Node {
    const inputs = node.inputs.map((name) =>
      this.#plain.has(name) ? name : (this.#blocks.get(name) ?? name),
    )
    return { ...node, inputs }
  }

  /** Takes what a rule has emitted for a value of the model. Images of a single pixel are the same in both orders. */
  #hold(name: string, value: string): void {
    const info = this.#infos.get(name) ?? {}
    const inBlocks = this.#fits(info)
    if (inBlocks) this.#blocks.set(name, value)
    if (inBlocks && !isPixel(info)) return
    this.#rewriter.replace(name, value)
    this.#plain.add(name)
  }

  #fits({ dtype, shape }: ValueInfo): boolean {
    const channels = shape?.[1]
    return (
      dtype === 'float32' &&
      shape?.length === 4 &&
      typeof channels === 'number' &&
      channels % this.#block === 0
    )
  }

  /** Makes sure that the value exists in the order of the standard. */
  #asPlain(name: string): string {
    if (this.#filters.has(name)) return this.#filters.plain(name)
    const blocks = this.#blocks.get(name)
    if (blocks !== undefined && !this.#plain.has(name)) {
      const channels = this.#infos.get(name)!.shape![1] as number
      this.#rewriter.define(
        { opType: 'ReorderOutput', domain: BLOCKED_DOMAIN, inputs: [blocks], outputs: [name] },
        { channels },
      )
      this.#plain.add(name)
    }
    return this.#rewriter.value(name)
  }

  #asBlocks(name: string): string {
    let blocks = this.#blocks.get(name)
    if (blocks === undefined) {
      const value = this.#rewriter.value(name)
      const info = this.#infos.get(name) ?? {}
      blocks = isPixel(info) ? value : (this.#fromLast(name) ?? this.#reordered(value))
      this.#blocks.set(name, blocks)
    }
    return blocks
  }

  #fromLast(name: string): string | undefined {
    const last = this.#last.get(name)
    if (last === undefined) return undefined
    const [, channels, height, width] = this.#infos.get(name)!.shape as readonly number[]
    const isWhole = this.#infos.get(last)?.shape?.length === 4
    const value = this.#asPlain(last)
    const images = isWhole ? value : this.#rewriter.reshape(value, [-1, height!, width!, channels!])
    return this.#reorder('ReorderInput', images, { channels_last: 1 })[0]
  }

  /** A value with an element for each channel as a vector, as it was before axes of size one were added. */
  #asVector(name: string, channels: number): string {
    const isVector = (value: string) => {
      const shape = this.#infos.get(value)?.shape
      return shape?.length === 1 && shape[0] === channels
    }
    if (isVector(name)) return this.#asPlain(name)
    const producer = this.#links.producers.get(name)
    const [source = ''] = producer?.inputs ?? []
    if (/^(Unsqueeze|Reshape)$/.test(producer?.opType ?? '') && isVector(source))
      return this.#asPlain(source)
    const sizes = this.#rewriter.constant(int64([channels]), 'blocked')
    return this.#rewriter.emit('Reshape', [this.#asPlain(name), sizes])[0]!
  }

  /** The first size of the value, of an input of the graph where one has it too: equal nodes are one then. */
  #batchOf(name: string): string {
    const sizes = (value: string) => this.#infos.get(value)?.shape ?? []
    const [batch = null] = sizes(name)
    if (typeof batch === 'number') return this.#rewriter.constant(int64([batch]), 'blocked')
    const inputs = this.#model.graph.inputs.map((input) => input.name)
    const given = inputs.find((input) => batch !== null && sizes(input)[0] === batch)
    const value = given ?? this.#asBlocks(name)
    return this.#rewriter.emit('Shape', [value], { start: 0, end: 1 })[0]!
  }

  /** What `imagesBelow` finds, in whole blocks. */
  #stacked(name: string): BlockedImages | undefined {
    const found = imagesBelow(name, this.#links, this.#infos)
    const whole = found && this.#wholeBlocks(found.images)
    return whole && { ...found, ...whole, count: () => this.#batchOf(found.images) }
  }

  /** The image in whole blocks that this one is, or is the first channels of: see `filled-channels.ts`, or as ONNX Runtime fills them up. */
  #wholeBlocks(image: string): { channels: number; blocks: () => string } | undefined {
    const found = (name: string, blocks: () => string) => {
      const info = this.#infos.get(name) ?? {}
      return this.#fits(info) ? { channels: info.shape![1] as number, blocks } : undefined
    }
    /** What the rule of the node makes of blocks, where the node is of this type and its rule holds. */
    const made = (node: Node | undefined, opType: string) =>
      node?.opType === opType
        ? operatorOf(node)?.execution?.blocked?.(this.#context(node))?.[0]
        : undefined
    const own = found(image, () => this.#asBlocks(image))
    if (own) return own
    const cut = this.#links.producers.get(image)
    if (made(cut, 'Slice') !== undefined) {
      const [whole = ''] = cut!.inputs
      return found(whole, () => this.#asBlocks(whole))
    }
    for (const { node } of this.#links.uses.get(image) ?? []) {
      const filled = made(node, 'Pad')
      if (filled !== undefined) return found(node.outputs[0]!, () => filled)
    }
    return this.#filledUp(image)
  }

  #filledUp(image: string): { channels: number; blocks: () => string } | undefined {
    const info = this.#infos.get(image) ?? {}
    const channels = info.shape?.[1]
    const isFilled = typeof channels === 'number' && channels % filledChannels === 0
    const isImage = info.dtype === 'float32' && info.shape?.length === 4
    if (!isImage || !isFilled || isPixel(info)) return undefined
    const whole = filledUp(channels, this.#block)
    return { channels: whole, blocks: () => this.#reordered(this.#rewriter.value(image)) }
  }

  #reordered(image: string): string {
    return this.#reorder('ReorderInput', image)[0]!
  }

  #reorder(opType: string, image: string, entries: Entries = {}): readonly string[] {
    return this.#rewriter.emit(opType, [image], entries, { domain: BLOCKED_DOMAIN })
  }

  get #emitter(): BlockedEmitter {
    return {
      block: this.#block,
      emit: (opType, inputs, entries = {}, { blocked = false, outputs: count = 1 } = {}) => {
        const domain = blocked ? BLOCKED_DOMAIN : ''
        const outputs = this.#rewriter.emit(opType, inputs, entries, { domain, outputs: count })
        if (blocked && opType === 'Conv')
          this.#convolutions.set(outputs[0]!, {
            inputs,
            attributes: entries instanceof Map ? entries : attributes(entries as Entries),
          })
        return outputs
      },
      constantOf: (tensor) => this.#rewriter.constant(tensor, 'blocked'),
    }
  }

  #context(node: Node): BlockedContext {
    const name = (i: number) => node.inputs[i] ?? ''
    const info = (i: number) => this.#infos.get(name(i)) ?? {}
    return {
      node,
      opset: opsetOf(this.#model, node.domain),
      has: (i) => name(i) !== '',
      dtype: (i) => info(i).dtype,
      shape: (i) => info(i).shape,
      elements: (i) => elementsOf(info(i)),
      constant: (i) => info(i).constant,
      output: (k) => this.#infos.get(node.outputs[k] ?? '') ?? {},
      isBlocked: (i) => this.#blocks.has(name(i)),
      isConvolved: () => node.outputs.some((output) => this.#convolved.has(output)),
      fits: (value) => this.#fits(value),
      blocks: (i) => this.#asBlocks(name(i)),
      wholeBlocks: (i) => this.#wholeBlocks(name(i))?.blocks(),
      plain: (i) => this.#asPlain(name(i)),
      batch: (i) => this.#batchOf(name(i)),
      vector: (i, channels) => this.#asVector(name(i), channels),
      convolution: (i) =>
        this.#results.has(name(i)) || this.#links.uses.get(name(i))?.length !== 1
          ? undefined
          : this.#convolutions.get(this.#blocks.get(name(i)) ?? ''),
      filters: (i) => this.#filters.weight(name(i), (value) => this.#asPlain(value)),
      ...this.#emitter,
    }
  }
}

/** What convolutions read first, and what is read to compute that element by element or by poolings. */
function convolvedImages(nodes: readonly Node[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const node of nodes.toReversed()) {
    const { execution, reads } = operatorOf(node) ?? {}
    const isElementwise = execution?.blocked === blockedElementwise
    const isPooling = execution?.blocked && reads?.sizes?.window && node.outputs.length === 1
    if (isStandard(node, 'Conv')) found.add(node.inputs[0]!)
    else if ((isElementwise || isPooling) && node.outputs.some((name) => found.has(name)))
      for (const name of node.inputs) found.add(name)
  }
  return found
}

/** Is it an image of a single pixel, in which nothing has to be moved? */
const isPixel = ({ shape }: ValueInfo): boolean =>
  shape?.length === 4 && shape[2] === 1 && shape[3] === 1
