/** Models of one convolution, with random parameters. For tests only. */
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { normalTensor } from './gradient-check.ts'

export interface Axis {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly begin: number
  readonly end: number
  /** Of the image. */
  readonly size: number
}

export interface Convolution {
  readonly channels: number
  readonly filters: number
  readonly groups?: number
  readonly axes: readonly Axis[]
  readonly hasBias?: boolean
}

/** The convolution from x [n, C, …] to y, of which the batch is open. */
export function convolutionModel(
  { channels, filters, groups = 1, axes, hasBias = false }: Convolution,
  random: RandomStream,
): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['n', channels, ...axes.map(({ size }) => size)])
  const kernel = axes.map((axis) => axis.kernel)
  const weight = normalTensor(random, [filters, channels / groups, ...kernel], { scale: 0.1 })
  const bias = hasBias ? [builder.constant(normalTensor(random, [filters]), 'b')] : []
  const attributes = {
    kernel_shape: kernel,
    strides: axes.map((axis) => axis.stride),
    dilations: axes.map((axis) => axis.dilation),
    pads: [...axes.map((axis) => axis.begin), ...axes.map((axis) => axis.end)],
    group: groups,
  }
  const inputs = ['x', builder.constant(weight), ...bias]
  builder.nodeOutputs('Conv', inputs, attributes, { outputs: ['y'] })
  builder.output('y', 'float32')
  return builder.model()
}
