/**
 * The gradient of a convolution's weight in the forms that ONNX Runtime computes fast, most of them matrix products, for images [N, C, H, W]:
 *
 *   ∂L/∂w[m, c, k, l] = Σ_{n, i, j} δ[n, m, i, j] · x[n, c, i·s + k·d − p, j·t + l·e − q]
 *
 * **By patches**, where C·K·L is small (first layers): a convolution with one-hot kernels lays the
 * window of every output out as channels; δ times that, summed over all positions. With padding, rows are gathered in its place.
 *
 * **By shifts** (`conv-weight-shifts.ts`), for stride 1 along the rows; images that are large beside the
 * weight one by one (`conv-weight-images.ts`).
 *
 * **By columns** (`convolution-columns.ts`), where the images are small beside the weight, and for several groups and strides along the rows.
 *
 * **By tiles** (`minimal-filtering.ts`), in WebAssembly, where multiplications cost more than memory.
 *
 * **By tall kernels** (`conv-weight-tall.ts`), where images of x or δ are in blocks of channels and nothing of the above is much cheaper, and for depthwise
 * convolutions: with the images below each other, a convolution of x by δ gives all taps, summed over the batch.
 */
import { elementCount, float32 } from '../../tensor/tensor.ts'
import { type Emitter, isCpu, type PhaseTerms } from '../contract/gradient.ts'
import { positionsOf } from '../helpers/costs.ts'
import { ints, range, reshape, slice, transpose, unsqueeze } from '../helpers/emission.ts'
import { transposed } from '../helpers/minimal-filtering.ts'
import { inputsRead, isPointwise, type KnownWindowAxis, singleTap } from '../helpers/windows.ts'
import { productOverPositions, tapsOfImages, weightGradientByImages } from './conv-weight-images.ts'
import {
  batchOf,
  joined,
  type Layer,
  shiftsPay,
  weightGradientByShifts,
} from './conv-weight-shifts.ts'
import {
  isDepthwise,
  tallKernelsPay,
  tapsApartFit,
  weightGradientByTallKernels,
} from './conv-weight-tall.ts'
import {
  columnsPay,
  imageConvolution,
  type SizedAxis,
  weightGradientByColumns,
} from './convolution-columns.ts'
import { tilesThatPay, weightGradientByTiles } from './minimal-filtering.ts'
import {
  linesTimes,
  pairsOfPlanes,
  planesFirst,
  stackedPlanes,
  tilesOfPlanes,
} from './volume-planes.ts'

/** Patches beyond this many channels cost more than they save. */
const mostPatchChannels = 64

/** Columns beyond this many elements (256 MB) take more memory than they are worth. */
const mostColumnElements = 2 ** 26

/**
 * ∂L/∂w [M, C / groups, K, L] (or with one or three spatial axes, for signals and volumes), or undefined where no form
 * holds: sizes that are not known, other types than float32, columns that take too much memory.
 *
 * @param inBlocks may it count on images in blocks of channels? Depthwise convolutions do in any case.
 */
export function fastWeightGradient(
  emitter: Emitter,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
  groups: number,
  inBlocks = true,
): string | undefined {
  if (window.length === 1) {
    const asImage = (value: string) => unsqueeze(emitter, value, [2])
    const row: KnownWindowAxis = { ...singleTap, input: 1 }
    const images = [asImage(dy), asImage(x)] as const
    const found = fastWeightGradient(emitter, ...images, [row, window[0]!], groups)
    return found && emitter.op('Squeeze', [found, ints(emitter, [2])])
  }
  if (window.length === 3) return byPlanes(emitter, dy, x, window, groups)
  const convolution = imageConvolution(emitter, x, dy, window, groups)
  if (!convolution) return undefined
  const { batch, channels, rows, columns } = convolution
  const tiling = emitter.target === 'onnxruntime-wasm' ? tilesThatPay(convolution) : undefined
  if (tiling) return weightGradientByTiles(emitter, dy, x, convolution, tiling)
  const positions = positionsOf(batch) * rows.output * columns.output
  const fit = (numbers: number) => numbers * positions <= mostColumnElements
  const fits = fit(channels * rows.kernel * columns.kernel)
  const byColumns = () => (fits ? weightGradientByColumns(emitter, dy, x, convolution) : undefined)
  const layer: Layer = { ...convolution, emitter, x, dy }
  if (isDepthwise(layer) && emitter.target === 'onnxruntime-cpu')
    return weightGradientByTallKernels(layer)
  const fewTaps = channels * rows.kernel * columns.kernel <= mostPatchChannels
  if (fewTaps && groups === 1) {
    if (!gatheringPays(layer)) return byPatches(layer)
    if (inBlocks && tapsApartFit(layer)) return weightGradientByTallKernels(layer)
    return isDense(layer) ? tapsOfImages(layer) : byPatches(layer)
  }
  if (columnsPay(convolution)) return byColumns()
  // Products of whole images copy nothing where there is one tap.
  const isPoint = rows.kernel * columns.kernel === 1
  const tallPays = () => inBlocks && tallKernelsPay(layer, fits)
  if (!isPoint && tallPays()) return weightGradientByTallKernels(layer)
  const byImages = weightGradientByImages(layer, fit)
  if (byImages !== undefined) return byImages
  if (isPoint && tallPays()) return weightGradientByTallKernels(layer)
  if (groups > 1) return byColumns()
  return rows.stride === 1 && (!fits || shiftsPay(layer))
    ? weightGradientByShifts(layer, positions)
    : byColumns()
}

/** Volumes: the planes that an output reads are images, and so are those of δ. See `volume-planes.ts`. */
function byPlanes(
  emitter: Emitter,
  dy: string,
  x: string,
  [depth, ...window]: readonly KnownWindowAxis[],
  groups: number,
): string | undefined {
  const sizes = [x, dy].map((value) => emitter.info(value).shape?.slice(1) ?? [null])
  const areKnown = sizes.flat().every((size) => typeof size === 'number')
  if (!depth || !areKnown || emitter.info(x).dtype !== 'float32') return undefined
  const [[channels = 0, input = 0] = [], [filters = 0, output = 0] = []] =
    sizes as readonly (readonly number[])[]
  const axis: SizedAxis = { ...depth, input, output }
  const kernel = window.map((along) => along.kernel)
  const planes = (value: string) => transpose(emitter, value, planesFirst)
  const images = (value: string): string => {
    const [, , ...dims] = emitter.info(value).shape as readonly number[]
    return reshape(emitter, value, [-1, ...dims])
  }
  const gradient = (read: string) =>
    fastWeightGradient(emitter, images(planes(dy)), read, window, groups)
  if (groups > 1 || !isCpu(emitter.target))
    return tapByTap(emitter, planes(x), axis, (read) => gradient(images(read)))
  const convolution = { depth: axis, channels, filters, kernel }
  const pairs = emitter.target === 'onnxruntime-cpu' ? pairsOfPlanes(convolution) : undefined
  if (!pairs) {
    const found = gradient(stackedPlanes(emitter, images(planes(x)), axis))
    if (found === undefined) return undefined
    const apart = reshape(emitter, found, [-1, depth.kernel, channels, ...kernel])
    return transpose(emitter, apart, planesFirst)
  }
  const count = pairs.kernel.length
  const deltas = tilesOfPlanes(emitter, transposed(pairs.output), planes(dy), count)
  const tiles = tilesOfPlanes(emitter, pairs.input, planes(x), count)
  const found = fastWeightGradient(emitter, deltas, tiles, window, count)
  if (found === undefined) return undefined
  const weight = [filters, channels, ...kernel]
  const taps = linesTimes(emitter, transposed(pairs.kernel), found, elementCount(weight))
  return transpose(emitter, reshape(emitter, taps, [depth.kernel, ...weight]), [1, 2, 0, 3, 4])
}

/** A gradient for each plane of the kernel, from the planes of x that it reads, [N, D′, C, H, W]. */
function tapByTap(
  emitter: Emitter,
  planes: string,
  depth: SizedAxis,
  gradient: (read: string) => string | undefined,
): string | undefined {
  const behind = Math.max(0, inputsRead(depth, depth.output) - depth.input)
  const pads = [0, depth.pads.begin, 0, 0, 0, 0, behind, 0, 0, 0]
  const padded = pads.some((count) => count > 0)
    ? emitter.op('Pad', [planes, ints(emitter, pads)])
    : planes
  const parts: string[] = []
  for (const tap of range(depth.kernel)) {
    const from = tap * depth.dilation
    const to = from + (depth.output - 1) * depth.stride + 1
    const part = gradient(slice(emitter, padded, [1], [from], [to], [depth.stride]))
    if (part === undefined) return undefined
    parts.push(unsqueeze(emitter, part, [2]))
  }
  return joined(emitter, parts, 2)
}

// ----------------------------------------------------------------- patches

/**
 * Are rows of x that are gathered cheaper than windows that a convolution lays out? They are where windows reach over the edge of the image,
 * which convolutions compute one by one. Measured in native code alone.
 */
const gatheringPays = ({ emitter, dy, columns }: Layer): boolean =>
  emitter.target === 'onnxruntime-cpu' &&
  emitter.hintOf(dy).phases === undefined &&
  columns.pads.begin + columns.pads.end > 0

const isDense = ({ rows, columns }: Layer): boolean => rows.stride === 1 && columns.stride === 1

function byPatches(layer: Layer): string {
  const { emitter, dy, channels, filters, rows, columns } = layer
  const dims = [filters, channels, rows.kernel, columns.kernel]
  const phases = emitter.hintOf(dy).phaseTerms
  const plain = [rows, columns].every((axis) => axis.stride === 1 && axis.dilation === 1)
  if (phases !== undefined && plain) return byPhasedPatches(layer, phases)
  const patches = laidOut(layer, [rows, columns], rows.output * columns.output)
  const delta = reshape(emitter, dy, [batchOf(dy), filters, rows.output * columns.output])
  const product = productOverPositions(emitter, delta, patches)
  return emitter.op('Reshape', [product, ints(emitter, dims)])
}

/**
 * δ given as its 2 × 2 phases, which are sums of what has been computed: the windows of the four outputs of a phase cell lie within one window
 * that is larger by one; from the products with its taps, those of each phase are picked and added.
 */
function byPhasedPatches(layer: Layer, { values, factors }: PhaseTerms): string {
  const { emitter, channels, filters, rows, columns } = layer
  const [tall, wide] = [rows.kernel + 1, columns.kernel + 1]
  const cells = [rows, columns].map((axis) => ({ ...axis, kernel: axis.kernel + 1, stride: 2 }))
  const positions = (rows.output * columns.output) / 4
  const patches = laidOut(layer, cells, positions)
  const taps = channels * tall * wide
  const products = values.map((value) => {
    const delta = reshape(emitter, value, [batchOf(value), filters, positions])
    return reshape(emitter, productOverPositions(emitter, delta, patches), [filters, taps])
  })
  const kernel = rows.kernel * columns.kernel
  const pick = new Float32Array(values.length * taps * channels * kernel)
  for (const phase of range(4))
    for (const c of range(channels))
      for (const k of range(rows.kernel))
        for (const l of range(columns.kernel)) {
          const tap = (c * tall + k + (phase >> 1)) * wide + l + (phase & 1)
          const target = c * kernel + k * columns.kernel + l
          for (const [term, factor] of factors[phase]!.entries())
            pick[(term * taps + tap) * channels * kernel + target]! += factor
        }
  const picked = emitter.op('MatMul', [
    emitter.op('Concat', products, { axis: 1 }),
    emitter.constant(float32([values.length * taps, channels * kernel], pick)),
  ])
  return reshape(emitter, picked, [filters, channels, rows.kernel, columns.kernel])
}

/** The windows of all outputs as channels: [N, C·K·L, positions]. */
function laidOut(
  { emitter, x, channels }: Layer,
  window: readonly KnownWindowAxis[],
  positions: number,
): string {
  const flat = (images: string, count: number) =>
    reshape(emitter, images, [batchOf(x), count, positions])
  if (window.every(isPointwise)) return flat(x, channels)
  const count = channels * window[0]!.kernel * window[1]!.kernel
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
  return flat(patches, count)
}
