/**
 * Convolutions on images in blocks of channels that compute two rows at once, by minimal filtering (`../../operators/helpers/minimal-filtering.ts`) for the points 0, 1, −1
 * and ∞. With the rows a, b, c, d of an image and a kernel of rows u, v, w,
 *
 *   p = (b + c) ∗ (u + v + w)/2,    q = (c − b) ∗ (u − v + w)/2,
 *   y₀ = (a − c) ∗ u + (p + q),     y₁ = (d − b) ∗ w + (p − q),
 *
 * where ∗ is a convolution along the columns: four rows of multiply-adds in the place of six. A kernel of two rows has three in the place of four,
 *
 *   p = b ∗ (u + v),    y₀ = p − (b − a) ∗ u,    y₁ = p + (c − b) ∗ v.
 *
 * A larger kernel is a sum of such kernels, each two rows below the one before: seven rows are two, two and three. Those of two rows read the same sums of rows, so that each of
 * their three products is one convolution with a kernel of all of them below one another. Dilated rows are paired with those that lie a dilation apart.
 *
 * Unlike larger tiles (`filtered-rows.ts`) this is for what the loss depends on, too. An output row reads no image row beyond its own, so that zeros stay zeros,
 * and where the rows are equal only p is left, and y₀ and y₁ are the same bits: poolings find the equal numbers that they would find without it.
 *
 * Each convolution has its own image, and most add a sum to what they compute, as convolutions in blocks can. No tensor holds all tiles.
 */
import { intsAttribute } from '../../model/attributes.ts'
import { expressionKey } from '../../model/common-subexpressions.ts'
import type { Links } from '../../model/links.ts'
import type { Node } from '../../model/model.ts'
import type { BlockedContext } from '../../operators/contract/facets.ts'
import type { ImageConvolution } from '../../operators/decompositions/convolution-columns.ts'
import { reshapeBlocks } from '../../operators/helpers/blocked.ts'
import { range } from '../../operators/helpers/emission.ts'
import { alongDiagonal, minimalFiltering } from '../../operators/helpers/minimal-filtering.ts'
import { reach } from '../../operators/helpers/windows.ts'
import { int64 } from '../../tensor/tensor.ts'
import { convolveColumns, rowOfTiles, stackedKernels } from './filtered-rows.ts'
import { type PairsOfRows, pairsOfRows, type RowsOfKernel } from './row-tiles.ts'

/**
 * The convolution that the context's node computes, of images in whole blocks, if it pays to compute two rows at once.
 *
 * @param links of the graph that the node is in: of a convolution with a stride of two rows, another node may compute the other ones
 */
export function pairedRows(
  context: BlockedContext,
  convolution: ImageConvolution,
  links: Links,
): readonly string[] | undefined {
  const { channels, filters, groups } = convolution
  const isWhole = [channels, filters].every((count) => (count / groups) % context.block === 0)
  const found = isWhole ? allRows(context.node, convolution, links) : undefined
  const tiling = found && pairsOfRows(found.convolution, found.readers)
  if (!tiling) return undefined
  const rows = new PairOfRows(context, found.convolution, tiling)
  return [found.phase === undefined ? rows.both() : rows.one(found.phase)]
}

class PairOfRows {
  readonly #context: BlockedContext
  readonly #convolution: ImageConvolution
  readonly #tiling: PairsOfRows

  constructor(context: BlockedContext, convolution: ImageConvolution, tiling: PairsOfRows) {
    this.#context = context
    this.#convolution = convolution
    this.#tiling = tiling
  }

  /** Every second row of the output from row 0 or row 1 on. */
  one(phase: 0 | 1): string {
    const { parts } = this.#tiling
    const p = parts.reduce<string | undefined>(
      (sum, part) => this.#products(part, 1, sum),
      undefined,
    )!
    const last = parts.at(-1)!
    const sum =
      last.taps === 2 ? p : this.#emit(phase === 0 ? 'Add' : 'Sub', [p, this.#products(last, 2)])
    return parts.reduce(
      (before, part) => this.#products(part, phase === 0 ? 0 : part.taps, before),
      sum,
    )
  }

  /** All rows of the output. */
  both(): string {
    const { filters, rows, columns } = this.#convolution
    const numbers = this.#tiling.dilation * columns.output * this.#context.block
    const parts = ([0, 1] as const).map((phase) =>
      reshapeBlocks(this.#context, this.one(phase), [-1, 1, numbers]),
    )
    const lines = this.#emit('Concat', parts, { axis: 1 })
    const sizes = [-1, filters, rows.output, columns.output]
    return reshapeBlocks(this.#context, this.#own(lines), sizes)
  }

  /** Without the last rows, where these are beyond the output. */
  #own(lines: string): string {
    const { rows, columns } = this.#convolution
    const { dilation, pairs } = this.#tiling
    const count = 2 * dilation * pairs
    if (rows.output === count) return lines
    const images = reshapeBlocks(this.#context, lines, [
      -1,
      count,
      columns.output * this.#context.block,
    ])
    const [start, end, axis] = [0, rows.output, 1].map((number) =>
      this.#context.constantOf(int64([number])),
    ) as [string, string, string]
    return this.#emit('Slice', [images, start, end, axis])
  }

  /** The products of one point, and what else is given. Every row of the output takes those of point 1 as they are, and with them the bias. */
  #products(part: RowsOfKernel, point: number, sum?: string): string {
    const context = this.#context
    const { groups, columns } = this.#convolution
    const bias = point === 1 && sum === undefined && context.has(2) ? context.plain(2) : ''
    const inputs = [
      this.#image(part, point),
      this.#kernel(part, point),
      ...(sum === undefined ? (bias === '' ? [] : [bias]) : ['', sum]),
    ]
    return convolveColumns(context, inputs, columns, groups, {
      kernel: part.count,
      dilation: this.#tiling.dilation,
    })
  }

  /** The sums of rows that the kernels of a part read: those of pairs, and as many more as there are further kernels. */
  #image({ first, count, taps }: RowsOfKernel, point: number): string {
    const context = this.#context
    const { batch, channels, rows, columns } = this.#convolution
    const { dilation, pairs } = this.#tiling
    const x = context.blocks(0)
    const [height, width] = [rows.input / dilation, dilation * columns.input]
    const blocks = dilation === 1 ? x : reshapeBlocks(context, x, [-1, channels, height, width])
    const images = { batch, blocks, channels, height, width }
    const tiles = pairs + count - 1
    const begin = first - rows.pads.begin / dilation
    const entries = minimalFiltering(2, taps).input[point]!
    const sums = rowOfTiles(context, images, { step: 2, tiles }, entries, begin)
    return dilation === 1
      ? sums
      : reshapeBlocks(context, sums, [-1, channels, dilation * tiles, columns.input])
  }

  /** The kernels of a part below one another: [M, C / groups, count, L] in blocks of filters. */
  #kernel({ first, count, taps }: RowsOfKernel, point: number): string {
    const { rows } = this.#convolution
    const starts = range(count).map((k) => first + 2 * k)
    const matrix = alongDiagonal([minimalFiltering(2, taps).kernel[point]!], starts, rows.kernel)
    return stackedKernels(this.#context, this.#context.filters(1), this.#convolution, matrix)
  }

  #emit(opType: string, inputs: readonly string[], attributes = {}): string {
    return this.#context.emit(opType, inputs, attributes)[0]!
  }
}

interface AllRows {
  /** With every row of the output. */
  readonly convolution: ImageConvolution
  /** The first row of those that the node computes; undefined if it computes all. */
  readonly phase?: 0 | 1
  /** How many convolutions read the same images. */
  readonly readers: number
}

/** The node's convolution with every row of its output; undefined where nobody else computes those that the node leaves out. */
function allRows(node: Node, convolution: ImageConvolution, { uses }: Links): AllRows | undefined {
  const { rows } = convolution
  const { stride, output: count } = rows
  if (stride === 1) return { convolution, readers: 1 }
  // With a dilation, the rows of a pair are not beside each other.
  if (stride > 2 || rows.dilation > 1) return undefined
  const key = keyWithoutPads(node)
  const alike = (uses.get(node.inputs[0]!) ?? []).filter(
    ({ node: other, input }) => input === 0 && keyWithoutPads(other) === key,
  )
  const [top, left] = padsOf(node)
  const tops = alike.flatMap(({ node: other }) => {
    const [own, before, below] = padsOf(other)
    const outputs = Math.floor((own + rows.input + below - reach(rows)) / stride) + 1
    return before === left && outputs === count ? [own] : []
  })
  const begin = tops.includes(top + 1) ? top + 1 : tops.includes(top - 1) ? top : undefined
  if (begin === undefined) return undefined
  const all = { ...rows, stride: 1, pads: { ...rows.pads, begin }, output: stride * count }
  return {
    convolution: { ...convolution, rows: all },
    phase: begin === top ? 0 : 1,
    readers: alike.length / stride,
  }
}

function padsOf(node: Node): readonly [top: number, left: number, bottom: number] {
  const [top = 0, left = 0, bottom = 0] = intsAttribute(node, 'pads') ?? []
  return [top, left, bottom]
}

/** Equal for convolutions that differ in their pads alone. */
function keyWithoutPads({ opType, domain, inputs, attributes }: Node): string | undefined {
  const others = new Map([...attributes].filter(([name]) => name !== 'pads'))
  return expressionKey(opType, domain, inputs, others, 1)
}
