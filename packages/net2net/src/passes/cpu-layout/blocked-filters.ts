/** Weights in blocks of filters (`filter-blocks.ts`), as nodes: where they come from, and where they are wanted in the order of the standard. */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Links } from '../../model/links.ts'
import { isStandard, type Node } from '../../model/model.ts'
import type { BlockedEmitter } from '../../operators/contract/facets.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { reshapeBlocks } from '../../operators/helpers/blocked.ts'
import { range } from '../../operators/helpers/emission.ts'
import { elementCount, int64, toNumbers } from '../../tensor/tensor.ts'
import type { ValuesInBlocks, WeightGradient } from './state-in-blocks.ts'
import type { BlockedTaps } from './tall-kernels.ts'
import { viewed } from './views.ts'

type Infos = ReadonlyMap<string, ValueInfo>

const transpose = ({ emit }: BlockedEmitter, value: string, perm: readonly number[]) =>
  emit('Transpose', [value], { perm })[0]!

/** The values of a graph that are in blocks of filters, under their own names. */
export class BlockedFilters {
  readonly #values: ValuesInBlocks
  readonly #links: Links
  readonly #infos: Infos
  readonly #emitter: BlockedEmitter
  readonly #valueNow: (name: string) => string
  /** Results of convolutions with tall kernels → their taps. */
  readonly #taps = new Map<string, BlockedTaps>()

  /** @param valueNow the value that stands for a name of the graph in the one that is emitted */
  constructor(
    values: ValuesInBlocks,
    links: Links,
    infos: Infos,
    emitter: BlockedEmitter,
    valueNow: (name: string) => string,
  ) {
    this.#values = values
    this.#links = links
    this.#infos = infos
    this.#emitter = emitter
    this.#valueNow = valueNow
  }

  has(name: string): boolean {
    return this.#values.values.has(name)
  }

  /** Does the node take values as they lie? */
  takes(node: Node): boolean {
    return this.#values.nodes.has(node)
  }

  /** Remembers what a tall kernel gives. */
  setTaps(result: string, taps: BlockedTaps): void {
    this.#taps.set(result, taps)
  }

  /** A gradient in blocks of filters, if it is one. */
  gradient(name: string): string | undefined {
    const gradient = this.has(name) ? this.#values.gradients.get(name) : undefined
    const taps = gradient && this.#taps.get(gradient.taps)
    return taps && gradientInBlocks(this.#emitter, taps, gradient, this.#dims(name))
  }

  /** A value in the order of the standard. */
  plain(name: string): string {
    return plainFilters(this.#emitter, this.#valueNow(name), this.#dims(name))
  }

  /** The weight of a convolution in blocks of filters: as it is there, or turned round from one that is, or brought into these. */
  weight(name: string, asPlain: (name: string) => string): string {
    const dims = this.#dims(name)
    const own = viewed(name, this.#links.producers, (value) => this.has(value))
    const sizes = this.#dims(own)
    const isOwn = this.has(own) && sizes[0] === dims[0] && sizes[1] === dims[1]
    if (isOwn && sizes.length === dims.length) return this.#valueNow(own)
    const blocks = isOwn ? this.#valueNow(own) : (this.#turned(name) ?? this.#made(name, asPlain))
    return reshapeBlocks(this.#emitter, blocks, dims)
  }

  #turned(name: string): string | undefined {
    const turned = turnedWeight(name, this.#links, this.#infos)
    if (!turned || !this.has(turned.source)) return undefined
    const { source, taps } = turned
    return turnedBlocks(this.#emitter, this.#valueNow(source), this.#dims(source), taps)
  }

  /** With fewer channels than a block, in blocks of filters alone. */
  #made(name: string, asPlain: (name: string) => string): string {
    const { block, emit } = this.#emitter
    const [filters, channels, ...kernel] = this.#dims(name) as [number, number, ...number[]]
    const field = elementCount(kernel)
    // The filters are blocked as if they were the channels of an image: rows of a block move, not elements. A single tap
    // stays where it is.
    const inOrder = channels < block || field === 1
    const tapsFirst = inOrder ? undefined : this.#tapsFirst(name)
    const given = asPlain(tapsFirst ?? name)
    const image = reshapeBlocks(this.#emitter, given, [1, filters, field, channels])
    const inner = emit('ReorderInput', [image], {}, { blocked: true })[0]!
    if (inOrder) return inner
    const moved = (dims: readonly number[], perm: readonly number[]) =>
      transpose(this.#emitter, reshapeBlocks(this.#emitter, inner, dims), perm)
    const [outer, count] = [filters / block, channels / block]
    return tapsFirst === undefined
      ? moved([outer, count, block, field, block], [0, 1, 3, 2, 4])
      : moved([outer, field, count, block ** 2], [0, 2, 1, 3])
  }

  /** The value [filters, taps, channels] that a Transpose and a Reshape made the weight of. */
  #tapsFirst(name: string): string | undefined {
    const { producers } = this.#links
    const shaped = producers.get(name)
    const turned = producers.get(shaped?.inputs[0] ?? '')
    if (!shaped || !turned || !isStandard(shaped, 'Reshape') || !isStandard(turned, 'Transpose'))
      return undefined
    const [source = ''] = turned.inputs
    const [given, weight] = [source, name].map((value) => this.#dims(value))
    const isWeight =
      permOf(turned) === '0,2,1' && given?.[0] === weight?.[0] && given?.[2] === weight?.[1]
    return isWeight ? source : undefined
  }

  #dims(name: string): readonly number[] {
    return (this.#infos.get(name)?.shape ?? []) as readonly number[]
  }
}

/** The gradient of shape `dims` of what a tall kernel gives: whole blocks change places. */
function gradientInBlocks(
  emitter: BlockedEmitter,
  taps: BlockedTaps,
  { sizes, isCut }: WeightGradient,
  dims: readonly number[],
): string {
  const [filters, channels, rows, columns] = sizes
  const pairs = emitter.block ** 2
  const [outer, count] = [filters / emitter.block, channels / emitter.block]
  const whole = isCut
    ? firstTaps(emitter, taps, count * outer, [rows, columns * pairs])
    : taps.value
  const blocks = reshapeBlocks(emitter, whole, [count, outer, rows * columns * pairs])
  const inOrder = count === 1 || outer === 1 ? blocks : transpose(emitter, blocks, [1, 0, 2])
  return reshapeBlocks(emitter, inOrder, dims)
}

/** Of so many pairs of blocks, the first rows and numbers of a row. */
function firstTaps(
  emitter: BlockedEmitter,
  { value, columns }: BlockedTaps,
  count: number,
  wanted: readonly [rows: number, numbers: number],
): string {
  const ints = (values: readonly number[]) => emitter.constantOf(int64(values))
  const lines = reshapeBlocks(emitter, value, [count, -1, columns * emitter.block ** 2])
  return emitter.emit('Slice', [lines, ints([0, 0]), ints(wanted), ints([1, 2])])[0]!
}

/** A weight that was turned round for the gradient of its convolution's input: [C, M, …] with taps of w [M, C, …] in any order. */
interface TurnedWeight {
  readonly source: string
  readonly taps: readonly number[]
}

/** Of which weight the value was made by exchanging filters and channels and taking taps, if it was. */
function turnedWeight(name: string, { producers }: Links, infos: Infos): TurnedWeight | undefined {
  const shape = (value: string) => infos.get(value)?.shape ?? []
  const given = (value: string) => viewed(value, producers)
  const made = (value: string, opType: string) => {
    const node = producers.get(value)
    return node && isStandard(node, opType) ? node : undefined
  }
  const [channels, filters] = shape(name)
  const swapped = made(given(name), 'Transpose')
  const isLast = permOf(swapped) === '0,2,1'
  const taken = isLast ? made(swapped!.inputs[0]!, 'Gather') : undefined
  const rows = taken ? made(given(taken.inputs[0]!), 'Transpose') : swapped
  if (permOf(rows) !== '1,0') return undefined
  const source = given(rows!.inputs[0]!)
  const [m, c, ...kernel] = shape(source)
  const field = elementCount(kernel.map(Number))
  const isWeight =
    m === filters &&
    c === channels &&
    shape(rows!.inputs[0]!).join() === `${m},${Number(c) * field}`
  if (!isWeight) return undefined
  if (!taken) return field === 1 ? { source, taps: [0] } : undefined
  const indices = infos.get(taken.inputs[1]!)?.constant
  const isByTaps =
    intAttribute(taken, 'axis', 0) === 1 &&
    shape(taken.inputs[0]!).join() === `${c},${field},${m}` &&
    indices?.dims.length === 1
  return isByTaps ? { source, taps: toNumbers(indices).map(Number) } : undefined
}

const permOf = (node: Node | undefined) => String(node && intsAttribute(node, 'perm'))

/** A weight [M, C, …] in blocks as [C, M, taps] in blocks, one pair of blocks a row: every pair of blocks is transposed, and whole ones change places. */
function turnedBlocks(
  emitter: BlockedEmitter,
  blocks: string,
  [filters, channels, ...kernel]: readonly number[],
  taps: readonly number[],
): string {
  const { block } = emitter
  const [outer, count, field] = [filters! / block, channels! / block, elementCount(kernel)]
  const images = reshapeBlocks(emitter, blocks, [outer * count * field, block, 1, block])
  const exchanged = emitter.emit('ReorderInput', [images], {}, { blocked: true })[0]!
  const pairs = reshapeBlocks(emitter, exchanged, [outer * count * field, block ** 2])
  const order = range(count).flatMap((c) =>
    range(outer).flatMap((m) => taps.map((tap) => (m * count + c) * field + tap)),
  )
  return emitter.emit('Gather', [pairs, emitter.constantOf(int64(order))])[0]!
}

/** A weight [M, C, …] in blocks in the order of the standard. */
function plainFilters(emitter: BlockedEmitter, blocks: string, dims: readonly number[]): string {
  const { block } = emitter
  const [filters, channels, ...kernel] = dims as [number, number, ...number[]]
  const [outer, count, field] = [filters / block, channels / block, elementCount(kernel)]
  const apart = reshapeBlocks(emitter, blocks, [outer * count, field, block, block])
  const rows = field === 1 ? apart : transpose(emitter, apart, [0, 2, 1, 3])
  const image = reshapeBlocks(emitter, rows, [1, filters, channels, field])
  const plain = emitter.emit('ReorderOutput', [image], { channels: filters }, { blocked: true })
  return reshapeBlocks(emitter, plain[0]!, dims)
}
