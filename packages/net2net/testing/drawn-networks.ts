/**
 * Networks of signals, images and volumes with layers that are drawn at random: sizes, strides, dilations, groups and pads that no network of a paper has,
 * and channels that fill blocks and that do not. For tests only.
 */
import fc from 'fast-check'
import type { Model } from '../src/model/model.ts'
import { float32 } from '../src/tensor/tensor.ts'
import { Net } from './compare-steps.ts'

interface Images {
  readonly value: string
  readonly channels: number
  readonly sizes: readonly number[]
}

interface Kind<T> {
  readonly drawn: fc.Arbitrary<T>
  /** What the layer makes of the images; undefined where it does not fit them. */
  added(net: Net, images: Images, drawn: T): Images | undefined
}

const kind = <T>(drawn: fc.Arbitrary<T>, added: Kind<T>['added']): Kind<T> => ({ drawn, added })

/** One for each axis that images may have. */
const along = <T>(value: fc.Arbitrary<T>) => fc.tuple(value, value, value)

const counts = fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 16, 20, 24, 32, 32, 48)
const most = { channels: 64, positions: 2500 }

const convolution = kind(
  fc.record({
    filters: counts,
    groups: fc.constantFrom(1, 1, 1, 2, 3, 4, 6, 8),
    isDepthwise: fc.integer({ min: 0, max: 4 }).map((drawn) => drawn === 0),
    kernel: fc.oneof(
      along(fc.constantFrom(1, 2, 3, 4, 5)),
      fc.constantFrom(1, 2, 3, 4, 5, 7).map((taps) => [taps, taps, taps] as const),
    ),
    strides: along(fc.constantFrom(1, 1, 1, 2)),
    dilations: along(fc.constantFrom(1, 1, 1, 2)),
    begins: along(fc.nat(3)),
    ends: along(fc.nat(3)),
    hasBias: fc.boolean(),
  }),
  (net, { value, channels, sizes }, drawn) => {
    const possible = channels % drawn.groups === 0 ? drawn.groups : 1
    const groups = drawn.isDepthwise ? channels : possible
    const filters = drawn.isDepthwise ? channels : drawn.filters * groups
    const window = sizes.map((size, i) => {
      const [kernel, stride, dilation] = [drawn.kernel[i]!, drawn.strides[i]!, drawn.dilations[i]!]
      const reach = (kernel - 1) * dilation + 1
      const begin = Math.min(drawn.begins[i]!, reach - 1)
      const end = Math.min(drawn.ends[i]!, reach - 1)
      const given = Math.floor((size + begin + end - reach) / stride) + 1
      return { kernel, stride, dilation, begin, end, given }
    })
    if (window.some(({ given }) => given < 1) || filters > most.channels) return undefined
    const kernel = window.map((axis) => axis.kernel)
    const weight = net.parameter('w', [filters, channels / groups, ...kernel])
    const bias = drawn.hasBias ? [net.parameter('b', [filters])] : []
    const node = net.builder.node('Conv', [value, weight, ...bias], {
      group: groups,
      kernel_shape: kernel,
      strides: window.map((axis) => axis.stride),
      dilations: window.map((axis) => axis.dilation),
      pads: [...window.map((axis) => axis.begin), ...window.map((axis) => axis.end)],
    })
    return { value: node, channels: filters, sizes: window.map((axis) => axis.given) }
  },
)

const transposed = kind(
  fc.record({
    filters: counts,
    kernel: fc.constantFrom(2, 3, 4),
    stride: fc.constantFrom(1, 2),
  }),
  (net, { value, channels, sizes }, { filters, kernel, stride }) => {
    const given = sizes.map((size) => (size - 1) * stride + kernel)
    if (given.reduce((all, size) => all * size, 1) > most.positions) return undefined
    const weight = net.parameter('w', [channels, filters, ...sizes.map(() => kernel)])
    const strides = sizes.map(() => stride)
    const node = net.builder.node('ConvTranspose', [value, weight], { strides })
    return { value: node, channels: filters, sizes: given }
  },
)

const pooling = kind(
  fc.record({
    opType: fc.constantFrom('MaxPool', 'AveragePool'),
    kernel: along(fc.constantFrom(2, 2, 3)),
    strides: along(fc.constantFrom(1, 2, 2)),
    pads: along(fc.nat(1)),
    roundsUp: fc.boolean(),
    countsPads: fc.boolean(),
  }),
  (net, images, drawn) => {
    const window = images.sizes.map((size, i) => {
      const [kernel, stride, pad] = [drawn.kernel[i]!, drawn.strides[i]!, drawn.pads[i]!]
      const steps = (size + 2 * pad - kernel) / stride
      const last = drawn.roundsUp ? Math.ceil(steps) : Math.floor(steps)
      // A window that would start behind the images is left out.
      const given = last * stride < size + pad ? last + 1 : last
      return { kernel, stride, pad, given, fits: size + pad >= kernel }
    })
    if (window.some(({ fits }) => !fits)) return undefined
    const pads = window.map((axis) => axis.pad)
    const value = net.builder.node(drawn.opType, [images.value], {
      kernel_shape: window.map((axis) => axis.kernel),
      strides: window.map((axis) => axis.stride),
      pads: [...pads, ...pads],
      ceil_mode: Number(drawn.roundsUp),
      ...(drawn.opType === 'AveragePool' && { count_include_pad: Number(drawn.countsPads) }),
    })
    return { ...images, value, sizes: window.map((axis) => axis.given) }
  },
)

const activation = kind(
  fc.record({
    opType: fc.constantFrom('Relu', 'Sigmoid', 'Tanh', 'HardSwish', 'LeakyRelu', 'Elu', 'Softplus'),
  }),
  (net, images, { opType }) => ({ ...images, value: net.builder.node(opType, [images.value]) }),
)

const normalization = kind(fc.constant({}), (net, images) => {
  const { value, channels } = images
  const filled = (number: number) =>
    net.builder.constant(float32([channels], new Float32Array(channels).fill(number)), 'statistic')
  const factors = [net.parameter('scale', [channels]), net.parameter('shift', [channels])]
  const inputs = [value, ...factors, filled(0), filled(1)]
  return { ...images, value: net.builder.node('BatchNormalization', inputs) }
})

const residual = kind(fc.record({ kernel: fc.constantFrom(1, 3) }), (net, images, { kernel }) => {
  const branch = same(net, images, images.channels, kernel)
  return { ...images, value: net.relu(net.builder.node('Add', [images.value, branch])) }
})

const gate = kind(fc.record({ units: fc.constantFrom(2, 4, 8) }), (net, images, { units }) => {
  const { value, channels, sizes } = images
  const pooled = net.builder.node('GlobalAveragePool', [value])
  const means = { value: pooled, channels, sizes: sizes.map(() => 1) }
  const hidden = { ...means, value: net.relu(same(net, means, units, 1)), channels: units }
  const opened = net.builder.node('Sigmoid', [same(net, hidden, channels, 1)])
  return { ...images, value: net.builder.node('Mul', [value, opened]) }
})

const branches = kind(
  fc.record({ filters: fc.tuple(counts, counts), keepsInput: fc.boolean() }),
  (net, images, { filters: [first, second], keepsInput }) => {
    const parts = [same(net, images, first, 3), net.relu(same(net, images, second, 1))]
    const all = keepsInput ? [...parts, images.value] : parts
    const channels = first + second + (keepsInput ? images.channels : 0)
    return { ...images, value: net.builder.node('Concat', all, { axis: 1 }), channels }
  },
)

const border = kind(
  fc.record({
    begins: along(fc.nat(2)),
    ends: along(fc.nat(2)),
    mode: fc.constantFrom('constant', 'reflect', 'edge'),
  }),
  (net, images, drawn) => {
    const { value, sizes } = images
    const [begins, ends] = [drawn.begins, drawn.ends].map((list) => list.slice(0, sizes.length))
    // Only what is longer than a border can be reflected in it.
    const mode = sizes.every((size) => size > 2) ? drawn.mode : 'constant'
    const amounts = net.ints(0, 0, ...begins!, 0, 0, ...ends!)
    const given = sizes.map((size, i) => size + begins![i]! + ends![i]!)
    return { ...images, value: net.builder.node('Pad', [value, amounts], { mode }), sizes: given }
  },
)

/** A convolution that keeps the size of the images. */
function same(net: Net, { value, channels, sizes }: Images, filters: number, taps: number): string {
  const weight = net.parameter('w', [filters, channels, ...sizes.map(() => taps)])
  const pads = sizes.flatMap(() => [(taps - 1) / 2, (taps - 1) / 2])
  return net.builder.node('Conv', [value, weight], { pads })
}

const kinds = {
  convolution,
  transposed,
  pooling,
  activation,
  normalization,
  residual,
  gate,
  branches,
  border,
} as const

interface Layer {
  readonly kind: keyof typeof kinds
  readonly drawn: unknown
}

const layerOf = (name: Layer['kind']): fc.Arbitrary<Layer> =>
  fc.record({ kind: fc.constant(name), drawn: kinds[name].drawn as fc.Arbitrary<unknown> })

const layer = fc.oneof(
  { arbitrary: layerOf('convolution'), weight: 5 },
  ...(Object.keys(kinds) as Layer['kind'][]).map((name) => ({
    arbitrary: layerOf(name),
    weight: 1,
  })),
)

/** What a network is made of. Layers that do not fit its images are left out. */
export const drawnNetwork = fc.record({
  channels: fc.constantFrom(1, 3, 4, 8, 16),
  sizes: fc.oneof(
    fc.tuple(fc.integer({ min: 8, max: 80 })),
    fc.tuple(fc.integer({ min: 5, max: 30 }), fc.integer({ min: 5, max: 30 })),
    along(fc.integer({ min: 3, max: 8 })),
  ),
  layers: fc.array(layer, { minLength: 2, maxLength: 6 }),
  batch: fc.constantFrom(1, 2, 3, 8),
})

export type DrawnNetwork = typeof drawnNetwork extends fc.Arbitrary<infer T> ? T : never

/** [N, channels, …sizes] → five classes. */
export function networkOf({ channels, sizes, layers }: DrawnNetwork): Model {
  const net = new Net()
  net.builder.input('input', 'float32', ['batch', channels, ...sizes])
  let images: Images = { value: 'input', channels, sizes }
  for (const { kind: name, drawn } of layers) {
    const { added } = kinds[name] as Kind<unknown>
    images = added(net, images, drawn) ?? images
  }
  const pooled = net.builder.node('GlobalAveragePool', [images.value])
  const means = net.builder.node('Flatten', [pooled])
  const logits = net.builder.node('Gemm', [means, net.parameter('classes', [images.channels, 5])])
  net.builder.output(logits, 'float32', ['batch', 5])
  return net.builder.model()
}
