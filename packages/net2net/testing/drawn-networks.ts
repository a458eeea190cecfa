/**
 * Networks of signals, images and volumes with layers that are drawn at random: sizes, strides, dilations, groups and pads that no network of a paper has,
 * and channels that fill blocks and that do not. For tests only.
 */
import fc from 'fast-check'
import type { Model } from '../src/model/model.ts'
import { float32 } from '../src/tensor/tensor.ts'
import { Net } from './compare-steps.ts'

/** One for each axis that an image may have. */
const along = <T>(value: fc.Arbitrary<T>) => fc.tuple(value, value, value)

const counts = fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 16, 20, 24, 32, 32, 48)
const pads = along(fc.nat(3))

const layers = {
  convolution: fc.record({
    filters: counts,
    groups: fc.constantFrom(1, 1, 1, 2, 3, 4, 6, 8),
    isDepthwise: fc.integer({ min: 0, max: 4 }).map((drawn) => drawn === 0),
    kernel: fc.oneof(
      along(fc.constantFrom(1, 2, 3, 4, 5)),
      fc.constantFrom(1, 2, 3, 4, 5, 7).map((taps) => [taps, taps, taps] as const),
    ),
    strides: along(fc.constantFrom(1, 1, 1, 2)),
    dilations: along(fc.constantFrom(1, 1, 1, 2)),
    begins: pads,
    ends: pads,
    hasBias: fc.boolean(),
  }),
  transposed: fc.record({
    filters: counts,
    kernel: fc.constantFrom(2, 3, 4),
    stride: fc.constantFrom(1, 2),
  }),
  pooling: fc.record({
    opType: fc.constantFrom('MaxPool', 'AveragePool'),
    kernel: along(fc.constantFrom(2, 2, 3)),
    strides: along(fc.constantFrom(1, 2, 2)),
    begins: along(fc.nat(1)),
    roundsUp: fc.boolean(),
    countsPads: fc.boolean(),
  }),
  activation: fc.record({
    opType: fc.constantFrom('Relu', 'Sigmoid', 'Tanh', 'HardSwish', 'LeakyRelu', 'Elu', 'Softplus'),
  }),
  normalization: fc.constant({}),
  residual: fc.record({ kernel: fc.constantFrom(1, 3) }),
  gate: fc.record({ units: fc.constantFrom(2, 4, 8) }),
  branches: fc.record({ filters: fc.tuple(counts, counts), keepsInput: fc.boolean() }),
  border: fc.record({
    begins: along(fc.nat(2)),
    ends: along(fc.nat(2)),
    mode: fc.constantFrom('constant', 'reflect', 'edge'),
  }),
} as const

type Layers = {
  readonly [K in keyof typeof layers]: (typeof layers)[K] extends fc.Arbitrary<infer T> ? T : never
}
type Layer = {
  readonly [K in keyof Layers]: { readonly kind: K; readonly drawn: Layers[K] }
}[keyof Layers]

const layer: fc.Arbitrary<Layer> = fc.oneof(
  { arbitrary: kindOf('convolution'), weight: 5 },
  ...(Object.keys(layers) as (keyof Layers)[]).map((kind) => ({
    arbitrary: kindOf(kind),
    weight: 1,
  })),
)

function kindOf(kind: keyof Layers): fc.Arbitrary<Layer> {
  return (layers[kind] as fc.Arbitrary<unknown>).map((drawn) => ({ kind, drawn }) as Layer)
}

/** What a network is made of: layers that do not fit its images are left out. */
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

interface Images {
  readonly value: string
  readonly channels: number
  readonly sizes: readonly number[]
}

/** [N, channels, …sizes] → five classes. */
export function networkOf({ channels, sizes, layers: drawn }: DrawnNetwork): Model {
  const net = new Net()
  net.builder.input('input', 'float32', ['batch', channels, ...sizes])
  let images: Images = { value: 'input', channels, sizes }
  for (const one of drawn) images = added(net, images, one) ?? images
  const pooled = net.builder.node('GlobalAveragePool', [images.value])
  const means = net.builder.node('Flatten', [pooled])
  const logits = net.builder.node('Gemm', [means, net.parameter('classes', [images.channels, 5])])
  net.builder.output(logits, 'float32', ['batch', 5])
  return net.builder.model()
}

/** What the layer makes of the images; undefined where it does not fit them. */
function added(net: Net, images: Images, { kind, drawn }: Layer): Images | undefined {
  const { builder } = net
  const { value, channels, sizes } = images
  const ofAll = <T>(values: readonly T[]) => values.slice(0, sizes.length)
  switch (kind) {
    case 'convolution': {
      const groups = drawn.isDepthwise ? channels : channels % drawn.groups === 0 ? drawn.groups : 1
      const filters = drawn.isDepthwise ? channels : drawn.filters * groups
      const [kernel, strides, dilations] = [drawn.kernel, drawn.strides, drawn.dilations].map(ofAll)
      const reach = kernel!.map((taps, i) => (taps - 1) * dilations![i]! + 1)
      const [begins, ends] = [drawn.begins, drawn.ends].map((list) =>
        ofAll(list).map((count, i) => Math.min(count, reach[i]! - 1)),
      )
      const given = sizes.map(
        (size, i) => Math.floor((size + begins![i]! + ends![i]! - reach[i]!) / strides![i]!) + 1,
      )
      if (given.some((size) => size < 1) || filters > 64) return undefined
      const weight = net.parameter('w', [filters, channels / groups, ...kernel!])
      const bias = drawn.hasBias ? [net.parameter('b', [filters])] : []
      const pads = [...begins!, ...ends!]
      const window = { kernel_shape: kernel!, strides: strides!, dilations: dilations!, pads }
      const node = builder.node('Conv', [value, weight, ...bias], { ...window, group: groups })
      return { value: node, channels: filters, sizes: given }
    }
    case 'transposed': {
      const { filters, kernel, stride } = drawn
      const given = sizes.map((size) => (size - 1) * stride + kernel)
      if (given.reduce((all, size) => all * size, 1) > 2500) return undefined
      const weight = net.parameter('w', [channels, filters, ...sizes.map(() => kernel)])
      const strides = sizes.map(() => stride)
      const node = builder.node('ConvTranspose', [value, weight], { strides })
      return { value: node, channels: filters, sizes: given }
    }
    case 'pooling': {
      const { opType, roundsUp, countsPads } = drawn
      const [kernel, strides, begins] = [drawn.kernel, drawn.strides, drawn.begins].map(ofAll)
      if (sizes.some((size, i) => size + begins![i]! < kernel![i]!)) return undefined
      const node = builder.node(opType, [value], {
        kernel_shape: kernel!,
        strides: strides!,
        pads: [...begins!, ...begins!],
        ceil_mode: roundsUp ? 1 : 0,
        ...(opType === 'AveragePool' && { count_include_pad: countsPads ? 1 : 0 }),
      })
      const given = sizes.map((size, i) => {
        const steps = (size + 2 * begins![i]! - kernel![i]!) / strides![i]!
        const last = roundsUp ? Math.ceil(steps) : Math.floor(steps)
        // A window that would start behind the image is left out.
        return last * strides![i]! < size + begins![i]! ? last + 1 : last
      })
      return { ...images, value: node, sizes: given }
    }
    case 'activation':
      return { ...images, value: builder.node(drawn.opType, [value]) }
    case 'normalization': {
      const [zeros, ones] = [0, 1].map((number) =>
        builder.constant(float32([channels], new Float32Array(channels).fill(number)), 'statistic'),
      )
      const inputs = [value, net.parameter('scale', [channels]), net.parameter('shift', [channels])]
      return { ...images, value: builder.node('BatchNormalization', [...inputs, zeros!, ones!]) }
    }
    case 'residual': {
      const branch = same(net, images, channels, drawn.kernel)
      return { ...images, value: net.relu(builder.node('Add', [value, branch])) }
    }
    case 'gate': {
      const means = {
        value: builder.node('GlobalAveragePool', [value]),
        channels,
        sizes: sizes.map(() => 1),
      }
      const hidden = net.relu(same(net, means, drawn.units, 1))
      const raised = same(net, { ...means, value: hidden, channels: drawn.units }, channels, 1)
      return { ...images, value: builder.node('Mul', [value, builder.node('Sigmoid', [raised])]) }
    }
    case 'branches': {
      const [first, second] = drawn.filters
      const parts = [same(net, images, first, 3), net.relu(same(net, images, second, 1))]
      const all = drawn.keepsInput ? [...parts, value] : parts
      const joined = builder.node('Concat', all, { axis: 1 })
      const filters = first + second + (drawn.keepsInput ? channels : 0)
      return { ...images, value: joined, channels: filters }
    }
    case 'border': {
      const mode = sizes.every((size) => size > 2) ? drawn.mode : 'constant'
      const [begins, ends] = [drawn.begins, drawn.ends].map(ofAll)
      const amounts = net.ints(0, 0, ...begins!, 0, 0, ...ends!)
      const given = sizes.map((size, i) => size + begins![i]! + ends![i]!)
      return { ...images, value: builder.node('Pad', [value, amounts], { mode }), sizes: given }
    }
  }
}

/** A convolution that keeps the size of the images. */
function same(net: Net, { value, channels, sizes }: Images, filters: number, taps: number): string {
  const weight = net.parameter('w', [filters, channels, ...sizes.map(() => taps)])
  const pads = sizes.flatMap(() => [(taps - 1) / 2, (taps - 1) / 2])
  return net.builder.node('Conv', [value, weight], { pads })
}
