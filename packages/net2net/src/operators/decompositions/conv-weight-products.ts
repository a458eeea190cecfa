/**
 * The gradient of a convolution's weight as matrix products, for images [N, C, H, W]:
 *
 *   ∂L/∂w[m, c, k, l] = Σ_{n, i, j} δ[n, m, i, j] · x[n, c, i·s + k·d − p, j·t + l·e − q]
 *
 * **By patches**, where C·K·L is small (first layers): a convolution with one-hot kernels lays the
 * window of every output out as channels; δ times that, summed over all positions.
 *
 * **By shifts**, for stride 1 along the rows: put r = i + k·d − p for the row of x. Then
 *
 *   ∂L/∂w[m, c, k, l] = Σ_{n, r, j} B[k, m, n, r, j] · A[l, c, n, r, j]
 *
 * with A the L versions of x shifted along the columns and B the K versions of δ shifted along the
 * rows, zero where they leave the image. With channels before images, K products
 * [L·C, N·H·W] × [N·H·W, M] give every tap; K + L shifted copies stand in for the K·L of the usual
 * im2col. The columns are shifted by a product with a 0/1 matrix, exact to the bit.
 *
 * By patches, where the products are small beside their factors, each image has one of its own, and
 * the sum over the batch is a product with a row of ones: it is bound by memory alone.
 */
import type { Dim } from '../../model/model.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { ints, range, reshape, slice, type TargetSize, transpose } from '../helpers/emission.ts'
import type { KnownWindowAxis } from '../helpers/windows.ts'

/** Patches beyond this many channels cost more than they save. */
const mostPatchChannels = 64
/** Images wider than this are shifted by slices: the 0/1 matrix grows with the width. */
const widestProduct = 64

interface Layer {
  readonly emitter: Emitter
  readonly x: string
  readonly dy: string
  readonly channels: number
  readonly filters: number
  readonly rows: SizedAxis
  readonly columns: SizedAxis
}
interface SizedAxis extends KnownWindowAxis {
  readonly input: number
  readonly output: number
}

/** ∂L/∂w [M, C, K, L], or undefined where neither form holds (groups, row strides, no image). */
export function weightGradientByProducts(
  emitter: Emitter,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
  group: number,
): string | undefined {
  const given = emitter.info(x)
  const channels = given.shape?.[1]
  const delta = emitter.info(dy).shape
  const filters = delta?.[1]
  const [rows, columns] = window.map((axis, i) => sized(axis, delta?.[i + 2] ?? null))
  if (
    group !== 1 ||
    window.length !== 2 ||
    given.dtype !== 'float32' ||
    typeof channels !== 'number' ||
    typeof filters !== 'number' ||
    !rows ||
    !columns
  )
    return undefined
  const layer: Layer = { emitter, x, dy, channels, filters, rows, columns }
  if (channels * rows.kernel * columns.kernel <= mostPatchChannels) return byPatches(layer)
  return rows.stride === 1 ? byShifts(layer) : undefined
}

const sized = (axis: KnownWindowAxis, output: Dim): SizedAxis | undefined =>
  typeof axis.input === 'number' && typeof output === 'number'
    ? { ...axis, input: axis.input, output }
    : undefined

const batchOf = (of: string): TargetSize => ({ of, axis: 0 })

// ----------------------------------------------------------------- patches

function byPatches(layer: Layer): string {
  const { emitter, dy, channels, filters, rows, columns } = layer
  const dims = [filters, channels, rows.kernel, columns.kernel]
  const phases = emitter.hintOf(dy).phases
  const plain = [rows, columns].every((axis) => axis.stride === 1 && axis.dilation === 1)
  if (phases !== undefined && plain) return byPhasedPatches(layer, phases)
  const patches = laidOut(layer, [rows, columns], rows.output * columns.output)
  const delta = reshape(emitter, dy, [batchOf(dy), filters, rows.output * columns.output])
  const product = productOverPositions(emitter, delta, patches)
  return emitter.op('Reshape', [product, ints(emitter, dims)])
}

/**
 * δ given as its 2 × 2 phases: the windows of the four outputs of a phase cell lie within one window
 * that is larger by one; from the products with its taps, those of each phase are picked and added.
 */
function byPhasedPatches(layer: Layer, phases: readonly string[]): string {
  const { emitter, channels, filters, rows, columns } = layer
  const [tall, wide] = [rows.kernel + 1, columns.kernel + 1]
  const cells = [rows, columns].map((axis) => ({ ...axis, kernel: axis.kernel + 1, stride: 2 }))
  const positions = (rows.output * columns.output) / 4
  const patches = laidOut(layer, cells, positions)
  const taps = channels * tall * wide
  const products = phases.map((phase) => {
    const delta = reshape(emitter, phase, [batchOf(phase), filters, positions])
    return reshape(emitter, productOverPositions(emitter, delta, patches), [filters, taps])
  })
  const kernel = rows.kernel * columns.kernel
  const pick = new Float32Array(4 * taps * channels * kernel)
  for (const phase of range(4))
    for (const c of range(channels))
      for (const k of range(rows.kernel))
        for (const l of range(columns.kernel)) {
          const tap = (c * tall + k + (phase >> 1)) * wide + l + (phase & 1)
          const target = c * kernel + k * columns.kernel + l
          pick[(phase * taps + tap) * channels * kernel + target] = 1
        }
  const picked = emitter.op('MatMul', [
    emitter.op('Concat', products, { axis: 1 }),
    emitter.constant(float32([4 * taps, channels * kernel], pick)),
  ])
  return reshape(emitter, picked, [filters, channels, rows.kernel, columns.kernel])
}

/** The windows of all outputs as channels: [N, C·K·L, positions]. */
function laidOut(
  { emitter, x, channels }: Layer,
  window: readonly KnownWindowAxis[],
  positions: number,
): string {
  const field = window[0]!.kernel * window[1]!.kernel
  const count = channels * field
  // Kernel number c·K·L + t is one at channel c and tap t: an identity matrix, reshaped.
  const oneHot = new Float32Array(count * count)
  for (const i of range(count)) oneHot[i * count + i] = 1
  const dims = [count, channels, window[0]!.kernel, window[1]!.kernel]
  const patches = emitter.op('Conv', [x, emitter.constant(float32(dims, oneHot))], {
    kernel_shape: window.map((axis) => axis.kernel),
    strides: window.map((axis) => axis.stride),
    dilations: window.map((axis) => axis.dilation),
    pads: [...window.map((axis) => axis.pads.begin), ...window.map((axis) => axis.pads.end)],
  })
  return reshape(emitter, patches, [batchOf(x), count, positions])
}

// ------------------------------------------------------------------ shifts

function byShifts(layer: Layer): string {
  const { emitter, channels, filters, rows, columns } = layer
  const shifted = shiftedColumns(layer)
  // ONNX Runtime repacks the second factor of a product: better the smaller one.
  const tapsFirst = columns.kernel * channels > filters
  const taps = [columns.kernel, channels]
  const products = shiftedRows(layer).map((delta) => {
    const factors = tapsFirst ? [shifted, delta] : [delta, shifted]
    const product = emitter.op('Gemm', factors, { transB: 1 })
    return reshape(emitter, product, [1, ...(tapsFirst ? [...taps, filters] : [filters, ...taps])])
  })
  const all = products.length === 1 ? products[0]! : emitter.op('Concat', products, { axis: 0 })
  return reshape(emitter, transpose(emitter, all, tapsFirst ? [3, 2, 0, 1] : [1, 3, 0, 2]), [
    filters,
    channels,
    rows.kernel,
    columns.kernel,
  ])
}

const byChannel = (emitter: Emitter, images: string): string =>
  transpose(emitter, images, [1, 0, 2, 3])

/** A: x for every tap along the columns, [L·C, N·H·W′] for outputs of width W′. */
function shiftedColumns({ emitter, x, channels, columns }: Layer): string {
  const { kernel, stride, dilation, pads, input, output } = columns
  const flat = [kernel * channels, -1]
  const images = byChannel(emitter, x)
  if (kernel === 1 && stride === 1 && pads.begin === 0 && pads.end === 0)
    return reshape(emitter, images, flat)
  if (input > widestProduct) {
    const padding = ints(emitter, [0, 0, 0, pads.begin, 0, 0, 0, pads.end])
    const padded = emitter.op('Pad', [images, padding])
    const shifted = range(kernel).map((l) =>
      slice(
        emitter,
        padded,
        [3],
        [l * dilation],
        [l * dilation + (output - 1) * stride + 1],
        [stride],
      ),
    )
    const all = kernel === 1 ? shifted[0]! : emitter.op('Concat', shifted, { axis: 0 })
    return reshape(emitter, all, flat)
  }
  const moves = new Float32Array(kernel * input * output)
  for (const l of range(kernel))
    for (const j of range(output)) {
      const from = j * stride + l * dilation - pads.begin
      if (from >= 0 && from < input) moves[(l * input + from) * output + j] = 1
    }
  const lines = reshape(emitter, images, [1, -1, input])
  const matrix = emitter.constant(float32([kernel, input, output], moves))
  return reshape(emitter, emitter.op('MatMul', [lines, matrix]), flat)
}

/** B: δ for each tap along the rows, [M, N·H·W′], at the rows of x that it meets. */
function shiftedRows({ emitter, dy, filters, rows, columns }: Layer): readonly string[] {
  const width = columns.output
  const size = rows.output * width
  const given = reshape(emitter, byChannel(emitter, dy), [filters, batchOf(dy), size])
  const offsets = range(rows.kernel).map((k) => k * rows.dilation - rows.pads.begin)
  const above = Math.max(0, ...offsets)
  const below = Math.max(0, ...offsets.map((offset) => rows.input - offset - rows.output))
  const zeros = (lines: number) => (lines === 0 ? [] : [zerosBeside(emitter, given, lines * width)])
  const parts = [...zeros(above), given, ...zeros(below)]
  const extended = parts.length === 1 ? given : emitter.op('Concat', parts, { axis: 2 })
  const total = above + rows.output + below
  const from = (start: number): string =>
    start === 0 && total === rows.input
      ? extended
      : slice(emitter, extended, [2], [start * width], [(start + rows.input) * width])
  return offsets.map((offset) => {
    const meeting = offset === 0 && rows.input === rows.output ? given : from(above - offset)
    return reshape(emitter, meeting, [filters, -1])
  })
}

// ---------------------------------------------------------------- products

/** Σ_{n, p} a[n, i, p] · b[n, j, p], shaped [I, J] or anything with as many elements. */
function productOverPositions(emitter: Emitter, a: string, b: string): string {
  const [batch, i] = emitter.info(a).shape as readonly [Dim, number]
  const j = emitter.info(b).shape![1] as number
  const dtype = emitter.info(a).dtype
  const single = emitter.emit(
    'FusedMatMul',
    [a, b],
    { transB: 1 },
    {
      domain: 'com.microsoft',
      infos: [{ dtype, shape: [batch, i, j] }],
    },
  )[0]!
  const flat = reshape(emitter, single, [batchOf(a), i * j])
  return emitter.op('MatMul', [onesRow(emitter, a), flat])
}

/** [1, N] of ones for the batch of `value`. */
function onesRow(emitter: Emitter, value: string): string {
  const batch = emitter.info(value).shape![0]!
  return filled(
    emitter,
    [1, batch],
    () => [ints(emitter, [1]), emitter.op('Shape', [value], { start: 0, end: 1 })],
    1,
  )
}

/** [A, B, length] of zeros for a value [A, B, …]. */
function zerosBeside(emitter: Emitter, value: string, length: number): string {
  const outer = emitter.info(value).shape!.slice(0, 2)
  return filled(
    emitter,
    [...outer, length],
    () => [emitter.op('Shape', [value], { start: 0, end: 2 }), ints(emitter, [length])],
    0,
  )
}

/** A constant where the size is known, otherwise filled when the graph runs. */
function filled(
  emitter: Emitter,
  dims: readonly Dim[],
  sizes: () => readonly string[],
  value: number,
): string {
  if (dims.every((dim) => typeof dim === 'number'))
    return emitter.constant(float32(dims, new Float32Array(elementCount(dims)).fill(value)))
  const shape = emitter.op('Concat', sizes(), { axis: 0 })
  return emitter.op('ConstantOfShape', [shape], { value: float32([1], [value]) })
}
