/**
 * Which weights a training step may hold in the order in which its convolutions read them (`filter-blocks.ts`). A gradient by tall kernels comes in
 * that order, up to whole blocks; an update takes it element by element, with slots in the same order. So weights are moved on their way into a training and out
 * of it, and not three times in every step.
 *
 * From a gradient, this follows all that is computed element by element, forwards and backwards. It holds if that begins at nothing but the state and
 * gradients, and ends at nothing but the next state, sums over everything, and convolutions.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Links, Use } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { blockedElementwise } from '../../operators/helpers/blocked.ts'
import { operatorOf } from '../../operators/table.ts'
import { imagesBelow } from './images-below.ts'
import { isByColumns } from './tall-kernels.ts'
import { isView, putsChannelsFirst } from './views.ts'

/** Of one training step. */
export interface ValuesInBlocks {
  /** Values in blocks of filters. */
  readonly values: ReadonlySet<string>
  /** Nodes that take them as they lie. */
  readonly nodes: ReadonlySet<Node>
  /** Gradients in blocks of filters. */
  readonly gradients: ReadonlyMap<string, WeightGradient>
}

/** Where a gradient comes from, and the sizes [M, C, K, L] of the weight. */
export interface WeightGradient {
  /** The convolution's result, [C, M, K or more, L or more]. */
  readonly taps: string
  readonly sizes: readonly [filters: number, channels: number, rows: number, columns: number]
  /** Does a Slice cut off what is more? */
  readonly isCut: boolean
}

/**
 * @param block channels per block of the runtime's blocked layout
 * @param states names of the graph's inputs that are fed what the output `NAME.next` gave
 */
export function valuesInBlocks(
  model: Model,
  links: Links,
  infos: ReadonlyMap<string, ValueInfo>,
  block: number,
  states: ReadonlySet<string>,
): ValuesInBlocks {
  const values = new Set<string>()
  const nodes = new Set<Node>()
  if (states.size === 0) return { values, nodes, gradients: new Map() }
  const search = new Search(model, links, infos, block, states)
  for (const gradient of search.gradients.keys()) {
    const found = values.has(gradient) ? undefined : search.from(gradient)
    for (const name of found?.values ?? []) values.add(name)
    for (const node of found?.nodes ?? []) nodes.add(node)
  }
  return { values, nodes, gradients: search.gradients }
}

class Search {
  /** By the name of the value that has the weight's shape. */
  readonly gradients: ReadonlyMap<string, WeightGradient>
  readonly #infos: ReadonlyMap<string, ValueInfo>
  readonly #block: number
  readonly #states: ReadonlySet<string>
  readonly #links: Links
  readonly #results: ReadonlySet<string>

  constructor(
    model: Model,
    links: Links,
    infos: ReadonlyMap<string, ValueInfo>,
    block: number,
    states: ReadonlySet<string>,
  ) {
    this.#infos = infos
    this.#block = block
    this.#states = states
    this.#links = links
    this.#results = new Set(model.graph.outputs.map(({ name }) => name))
    const found = model.graph.nodes.map((node) => this.#gradientOf(node))
    this.gradients = new Map(found.filter((gradient) => gradient !== undefined))
  }

  #shape(name: string) {
    return this.#infos.get(name)?.shape ?? []
  }

  /** The gradient of a weight that the convolution gives, after what brings it into the weight's shape. */
  #gradientOf(node: Node): readonly [string, WeightGradient] | undefined {
    const find = (name: string) => this.#images(name)
    if (!isByColumns(node, this.#block, (name) => this.#shape(name), find)) return undefined
    const [taps = ''] = node.outputs
    const cut = this.#only(taps, (use) => isStandard(use, 'Slice'))
    const turned = this.#only(cut?.outputs[0] ?? taps, putsChannelsFirst)
    if (!turned) return undefined
    const sized = this.#only(turned.outputs[0]!, isView)
    const sizes = this.#shape(sized?.outputs[0] ?? '')
    if (!sized || sizes.length !== 4 || !sizes.every((size) => typeof size === 'number'))
      return undefined
    // Rows of taps that were channels of the images (`conv-weight-tall.ts`) become taps here: their numbers come in another order.
    const [channels, filters] = this.#shape(taps)
    if (sizes[0] !== filters || sizes[1] !== channels) return undefined
    let last = sized
    for (let next: Node | undefined = sized; next; next = this.#only(last.outputs[0]!, isView))
      last = next
    const known = sizes as readonly unknown[] as WeightGradient['sizes']
    return [last.outputs[0]!, { taps, sizes: known, isCut: cut !== undefined }]
  }

  /** Images below each other in whole blocks. */
  #images(name: string) {
    const found = imagesBelow(name, this.#links, this.#infos)
    const [channels = 0] = found?.sizes ?? []
    const isFloat = this.#infos.get(found?.images ?? '')?.dtype === 'float32'
    return found && isFloat && channels % this.#block === 0 ? { ...found, channels } : undefined
  }

  /** The one node that reads the value, if it is such a one. */
  #only(name: string, isSuch: (node: Node) => boolean): Node | undefined {
    const [use, ...others] = this.#links.uses.get(name) ?? []
    const isOnly = use && others.length === 0 && !this.#results.has(name)
    return isOnly && isSuch(use.node) ? use.node : undefined
  }

  /** What has to be in blocks of filters for this gradient to be; undefined where that does not hold. */
  from(gradient: string) {
    const shape = String(this.#shape(gradient))
    const values = new Set([gradient])
    const nodes = new Set<Node>()
    const take = (node: Node) => {
      nodes.add(node)
      const own = [...node.inputs, ...node.outputs]
      for (const name of own) if (String(this.#shape(name)) === shape) values.add(name)
    }
    // A set goes on with what is added to it meanwhile.
    for (const value of values) {
      const producer = this.#links.producers.get(value)
      if (!this.#states.has(value) && !this.gradients.has(value)) {
        if (!producer || !this.#isElementwise(producer, shape)) return undefined
        take(producer)
      }
      for (const use of this.#links.uses.get(value) ?? []) {
        const sums = this.#summing(use.node)
        if (this.#isElementwise(use.node, shape)) take(use.node)
        else if (sums) for (const node of sums) nodes.add(node)
        else if (!isRead(use)) return undefined
      }
    }
    const next = (name: string) => `${name}.next`
    const kept = [...values].filter((name) => this.#states.has(name))
    const isClosed =
      kept.every((name) => values.has(next(name))) &&
      [...values].every(
        (name) => !this.#results.has(name) || kept.some((state) => next(state) === name),
      )
    return isClosed ? { values, nodes } : undefined
  }

  /** Does the node compute values of this shape from such ones and from single numbers, element by element? */
  #isElementwise(node: Node, shape: string): boolean {
    const { blocked, broadcasts } = operatorOf(node)?.execution ?? {}
    const isOne = broadcasts || blocked === blockedElementwise || isStandard(node, 'Cast')
    const isFit = (name: string) => {
      const own = this.#infos.get(name)?.shape
      return own?.every((size) => size === 1) === true || String(own) === shape
    }
    return isOne && [...node.inputs, ...node.outputs].every((name) => name === '' || isFit(name))
  }

  /** The nodes that sum up everything that this one takes, in which the order does not matter; undefined where something else comes of it. */
  #summing(node: Node): readonly Node[] | undefined {
    if (!isStandard(node, 'ReduceSum', 'Reshape')) return undefined
    if (node.opType === 'ReduceSum' && node.inputs.length === 1 && !node.attributes.has('axes'))
      return intAttribute(node, 'noop_with_empty_axes', 0) === 0 ? [node] : undefined
    const [output = ''] = node.outputs
    const uses = this.#links.uses.get(output) ?? []
    const found = uses.map((use) => (use.input === 0 ? this.#summing(use.node) : undefined))
    const isRead = uses.length > 0 && !this.#results.has(output)
    return isRead && found.every((nodes) => nodes !== undefined)
      ? [node, ...found.flat()]
      : undefined
  }
}

/** Does a convolution read the value as its weight, or what gives it another shape? */
const isRead = ({ node, input }: Use): boolean =>
  (isStandard(node, 'Conv') && input === 1) || (input === 0 && isView(node))
