import { floatAttribute, intAttribute, intsAttribute } from '../../src/model/attributes.ts'
import { elementCount } from '../../src/tensor/tensor.ts'
import { elements64, indices, type Kernel, tensor64, zeros64 } from './kernel.ts'

interface Moments {
  readonly mean: number
  readonly variance: number
}

/** Mean and (biased) variance. */
function momentsOf(values: Iterable<number>): Moments {
  const all = [...values]
  const mean = all.reduce((a, b) => a + b, 0) / all.length
  const variance = all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length
  return { mean, variance }
}

/** Normalizes blocks of `size` neighbours; `affine` maps (value, position in the tensor). */
function normalizeBlocks(
  x: Float64Array,
  size: number,
  epsilon: number,
  affine: (value: number, position: number) => number,
): { readonly y: Float64Array; readonly moments: readonly Moments[] } {
  const y = new Float64Array(x.length)
  const moments: Moments[] = []
  for (let start = 0; start < x.length; start += size) {
    const block = momentsOf(x.subarray(start, start + size))
    moments.push(block)
    const factor = 1 / Math.sqrt(block.variance + epsilon)
    for (let i = start; i < start + size; i++) y[i] = affine((x[i]! - block.mean) * factor, i)
  }
  return { y, moments }
}

const epsilonOf = (node: Parameters<Kernel>[0]) =>
  Math.fround(floatAttribute(node, 'epsilon', 1e-5))

/** https://onnx.ai/onnx/operators/onnx__LayerNormalization.html */
const layerNormalization: Kernel = (node, inputs) => {
  const { dims } = inputs[0]!
  const axis = (intAttribute(node, 'axis', -1) + dims.length) % dims.length
  const size = elementCount(dims.slice(axis))
  const scale = elements64(inputs, 1)
  const bias = inputs[2] ? elements64(inputs, 2) : undefined
  const { y, moments } = normalizeBlocks(elements64(inputs, 0), size, epsilonOf(node), (v, i) => {
    return v * scale[(i % size) % scale.length]! + (bias?.[(i % size) % bias.length] ?? 0)
  })
  const statistics = dims.map((dim, a) => (a < axis ? dim : 1))
  const factor = (m: Moments) => 1 / Math.sqrt(m.variance + epsilonOf(node))
  return [
    tensor64(dims, y),
    tensor64(
      statistics,
      Float64Array.from(moments, (m) => m.mean),
    ),
    tensor64(statistics, Float64Array.from(moments, factor)),
  ]
}

/** https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html */
const instanceNormalization: Kernel = (node, inputs) => {
  const { dims } = inputs[0]!
  const area = elementCount(dims.slice(2))
  const [scale, bias] = [elements64(inputs, 1), elements64(inputs, 2)]
  const channel = (i: number) => Math.floor(i / area) % dims[1]!
  const { y } = normalizeBlocks(elements64(inputs, 0), area, epsilonOf(node), (v, i) => {
    return v * scale[channel(i)]! + bias[channel(i)]!
  })
  return [tensor64(dims, y)]
}

/** https://onnx.ai/onnx/operators/onnx__GroupNormalization.html (scale per group before 21) */
const groupNormalization: Kernel = (node, inputs) => {
  const { dims } = inputs[0]!
  const groups = intAttribute(node, 'num_groups', 1)
  const area = elementCount(dims.slice(2))
  const size = (dims[1]! / groups) * area
  const [scale, bias] = [elements64(inputs, 1), elements64(inputs, 2)]
  const perScale = (dims[1]! / scale.length) * area
  const position = (i: number) => Math.floor(i / perScale) % scale.length
  const { y } = normalizeBlocks(elements64(inputs, 0), size, epsilonOf(node), (v, i) => {
    return v * scale[position(i)]! + bias[position(i)]!
  })
  return [tensor64(dims, y)]
}

/** https://onnx.ai/onnx/operators/onnx__BatchNormalization.html, both modes. */
const batchNormalization: Kernel = (node, inputs) => {
  const { dims } = inputs[0]!
  const x = elements64(inputs, 0)
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => elements64(inputs, i))
  const channels = dims[1] ?? 1
  const area = elementCount(dims.slice(2))
  const channel = (i: number) => Math.floor(i / area) % channels
  const training = intAttribute(node, 'training_mode', 0) === 1
  const used = Array.from({ length: channels }, (_, c) =>
    training
      ? momentsOf(x.filter((_value, i) => channel(i) === c))
      : { mean: mean![c]!, variance: variance![c]! },
  )
  const y = zeros64(dims)
  x.forEach((value, i) => {
    const c = channel(i)
    const { mean: m, variance: v } = used[c]!
    y.data[i] = ((value - m) / Math.sqrt(v + epsilonOf(node))) * scale![c]! + bias![c]!
  })
  if (!training) return [y]
  const momentum = Math.fround(floatAttribute(node, 'momentum', 0.9))
  const running = (old: Float64Array, of: (m: Moments) => number) =>
    tensor64(
      [channels],
      old.map((value, c) => value * momentum + of(used[c]!) * (1 - momentum)),
    )
  return [y, running(mean!, (m) => m.mean), running(variance!, (m) => m.variance)]
}

/** https://onnx.ai/onnx/operators/onnx__LRN.html */
const localResponse: Kernel = (node, inputs) => {
  const { dims } = inputs[0]!
  const x = elements64(inputs, 0)
  const size = intAttribute(node, 'size', 1)
  const alpha = Math.fround(floatAttribute(node, 'alpha', 1e-4))
  const beta = Math.fround(floatAttribute(node, 'beta', 0.75))
  const bias = Math.fround(floatAttribute(node, 'bias', 1))
  const area = elementCount(dims.slice(2))
  const channels = dims[1]!
  const y = zeros64(dims)
  x.forEach((value, i) => {
    const c = Math.floor(i / area) % channels
    let squares = 0
    const first = Math.max(0, c - Math.floor((size - 1) / 2))
    const last = Math.min(channels - 1, c + Math.ceil((size - 1) / 2))
    for (let k = first; k <= last; k++) squares += x[i + (k - c) * area]! ** 2
    y.data[i] = value / (bias + (alpha / size) * squares) ** beta
  })
  return [y]
}

/** Mean and deviation of all that agrees in the axes that are not named. */
const meanVariance: Kernel = (node, inputs) => {
  const { dims } = inputs[0]!
  const x = elements64(inputs, 0)
  const named = (intsAttribute(node, 'axes') ?? [0, 2, 3]).map((axis) =>
    axis < 0 ? axis + dims.length : axis,
  )
  const groups = new Map<string, number[]>()
  const y = zeros64(dims)
  let position = 0
  for (const index of indices(dims)) {
    const key = index.filter((_, axis) => !named.includes(axis)).join()
    groups.set(key, [...(groups.get(key) ?? []), position++])
  }
  for (const positions of groups.values()) {
    const { mean, variance } = momentsOf(positions.map((i) => x[i]!))
    for (const i of positions) y.data[i] = (x[i]! - mean) / (Math.sqrt(variance) + 1e-9)
  }
  return [y]
}

export const normalizations = {
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LRN: localResponse,
  MeanVarianceNormalization: meanVariance,
} satisfies Record<string, Kernel>
