/**
 * The gradient of a convolution's weight by shifts of wide images, image by image: as in `conv-weight-shifts.ts`, with a product for
 * each image and each tap along the columns,
 *
 *   ∂L/∂w[m, c, k, l] = Σ_n Σ_{r, j} B[n, m, k, r, j] · A[l, n, c, r, j].
 *
 * Neither factor brings its channels before the images, and the versions of x are not joined. In return there is a sum over
 * the images, which is small where they are large.
 */
import type { Emitter } from '../contract/gradient.ts'
import { costs, zerosPutApart } from '../helpers/costs.ts'
import { batchedProduct, filled, ints, range, reshape } from '../helpers/emission.ts'
import {
  batchOf,
  computedColumns,
  joined,
  type Layer,
  shifted,
  widestProduct,
} from './conv-weight-shifts.ts'
import type { SizedAxis } from './convolution-columns.ts'

/**
 * Does what is not copied cost more than the sum over the images, and what products compute in vain that have few columns? Measured in
 * native code alone.
 */
export function imageProductsPay({ emitter, channels, filters, rows, columns }: Layer): boolean {
  const [tall, wide] = [rows.kernel, columns.kernel]
  const positions = rows.input * columns.output
  const notCopied = (wide * channels + channels + filters) * positions
  const summed = tall * wide * filters * channels
  const ofShifts = Math.min(
    tall * wide * channels * computedColumns(filters),
    tall * filters * computedColumns(wide * channels),
  )
  const computed = tall * wide * filters * computedColumns(channels) - ofShifts
  return (
    emitter.target === 'onnxruntime-cpu' &&
    columns.input > widestProduct &&
    columns.stride === 1 &&
    costs.matrix * notCopied > costs.sums * summed + costs.product * computed * positions
  )
}

/** ∂L/∂w [M, C, K, L] of a convolution with stride 1. */
export function weightGradientByImages(layer: Layer): string {
  const { emitter, x, dy, channels, filters, rows, columns } = layer
  const { kernel, dilation, pads, input, output } = columns
  // One row of zeros behind each line, where lines would share the places of the cache.
  const apart = zerosPutApart(rows.input * output, output) ? 1 : 0
  const lines = rows.input + apart
  const deltas = reshape(emitter, shiftedRows(layer, lines), [
    batchOf(dy),
    filters * rows.kernel,
    lines * output,
  ])
  const taps = range(kernel).map((l) => {
    const moved = shifted(emitter, x, pads.begin - l * dilation, { input, output }, apart)
    const images = reshape(emitter, moved, [batchOf(x), channels, lines * output])
    const product = productOverPositions(emitter, deltas, images)
    return reshape(emitter, product, [filters, rows.kernel, 1, channels])
  })
  const field = rows.kernel * kernel
  const tapped = reshape(emitter, joined(emitter, taps, 2), [filters, field, channels])
  const ordered = emitter.op('Einsum', [tapped], { equation: 'mtc->mct' })
  return reshape(emitter, ordered, [filters, channels, rows.kernel, kernel])
}

/** B: the rows of δ that each tap along the rows meets at each of so many rows of x, [N, M, K·rows, W′]. Gather moves whole rows, with all threads. */
function shiftedRows({ emitter, dy, rows, columns }: Layer, lines: number): string {
  const places = range(rows.kernel).flatMap((tap) => rowsMet(rows, tap, lines))
  if (places.length === rows.output && places.every((place, row) => place === row)) return dy
  const withZeros = shifted(emitter, dy, 0, { input: columns.output, output: columns.output }, 1)
  return emitter.op('Gather', [withZeros, ints(emitter, places)], { axis: 2 })
}

/** The row of δ that a tap meets at each row of x; that of zeros, which is the last one, where it meets none. */
const rowsMet = ({ input, output, dilation, pads }: SizedAxis, tap: number, lines: number) =>
  range(lines).map((row) => {
    const place = row - tap * dilation + pads.begin
    return row < input && place >= 0 && place < output ? place : output
  })

/**
 * Σ_{n, p} a[n, i, p] · b[n, j, p], shaped [I, J]. Each image has a product of its own, and the sum over the batch is a product with a
 * row of ones: it is bound by memory alone.
 */
export function productOverPositions(emitter: Emitter, a: string, b: string): string {
  const [i, j] = [a, b].map((factor) => emitter.info(factor).shape![1] as number)
  const flat = reshape(emitter, batchedProduct(emitter, a, b), [batchOf(a), i! * j!])
  return emitter.op('MatMul', [filled(emitter, [1, batchOf(a)], 1), flat])
}
