/**
 * Convolutions.
 *
 * @see https://keras.io/api/layers/convolution_layers/
 */
import { quote } from '../../../model/quote.ts'
import { int64 } from '../../../tensor/tensor.ts'
import type { JsonObject } from '../json.ts'
import { activate } from './activate.ts'
import { image, range } from './axes.ts'
import { has, isSet, numberOf, numbersOf, refuse } from './config.ts'
import type { KerasLayer, KerasLayers, KerasValue, LayerContext } from './contract.ts'

export const kernelAndBias = (config: JsonObject, ...kernels: string[]): string[] =>
  has(config, 'use_bias') ? [...kernels, 'bias'] : kernels

/** The name and bias of a node that is the layer. */
const biasOf = (context: LayerContext): string[] =>
  has(context.config, 'use_bias') ? [context.weight('bias')] : []

/** Strides, dilations and pads of a window; `same` pads as TensorFlow does, more at the end. */
export function windowOf(context: LayerContext, kernel: readonly number[], dims: number) {
  const { padding = 'valid' } = context.config
  const strides = numbersOf(context, 'strides', dims, 1)
  const dilations = numbersOf(context, 'dilation_rate', dims, 1)
  const window = { kernel_shape: kernel, strides, dilations }
  const reach = kernel.map((size, k) => dilations[k]! * (size - 1))
  if (padding === 'same' && dilations.some((dilation) => dilation > 1)) {
    // ONNX Runtime computes no pads of a dilated window; Keras strides none.
    const begin = reach.map((size) => Math.floor(size / 2))
    return { ...window, pads: [...begin, ...reach.map((size, k) => size - begin[k]!)] }
  }
  if (padding === 'same') return { ...window, auto_pad: 'SAME_UPPER' }
  if (padding === 'valid') return { ...window, auto_pad: 'VALID' }
  // Causal: everything that is padded lies before the sequence.
  if (padding === 'causal' && dims === 1) return { ...window, pads: [reach[0]!, 0] }
  throw refuse(context, `the padding ${quote(padding)}`)
}

/** Keras keeps the kernel as [...kernel, input channels / groups, filters]. */
const kernelOrder = (dims: number) => [dims + 1, dims, ...range(0, dims)]

const convolution = (dims: number): KerasLayer => ({
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes: (of, { groups }, grown) => ({
    filters: of('kernel').at(-1)!,
    ...(groups !== undefined && { groups: grown.attribute('group') ?? groups }),
  }),
  build(context, [input]) {
    const value = image(context, input, dims)
    const kernel = numbersOf(context, 'kernel_size', dims)
    const name = context.graph.node(
      'Conv',
      [value.name, context.weight('kernel', kernelOrder(dims)), ...biasOf(context)],
      { ...windowOf(context, kernel, dims), group: numberOf(context, 'groups', 1) },
      { name: context.path },
    )
    return activate(context, { ...value, name })
  },
})

/** One group per channel; Keras keeps the kernel as [...kernel, channels, multiplier]. */
function depthwiseNode(
  context: LayerContext,
  value: KerasValue,
  variable: string,
  dims: number,
  name: string,
): string {
  const sizes = context.tensor(variable).dims
  const [channels = 1, multiplier = 1] = sizes.slice(dims)
  const window = windowOf(context, sizes.slice(0, dims), dims)
  const weight =
    multiplier === 1
      ? context.weight(variable, [dims, dims + 1, ...range(0, dims)])
      : // Keras numbers the outputs by channel and multiplier.
        context.graph.node('Reshape', [
          context.weight(variable, [dims, dims + 1, ...range(0, dims)]),
          context.graph.constant(int64([-1, 1, ...sizes.slice(0, dims)]), 'shape'),
        ])
  return context.graph.node('Conv', [value.name, weight], { ...window, group: channels }, { name })
}

/** Adds a bias along axis 1. */
function addBias(context: LayerContext, name: string, dims: number): string {
  if (!has(context.config, 'use_bias')) return name
  const bias = context.weight('bias', [0, ...Array<undefined>(dims).fill(undefined)])
  return context.graph.node('Add', [name, bias])
}

const depthwise = (dims: number): KerasLayer => ({
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes: (of) => ({ depth_multiplier: of('kernel').at(-1)! }),
  build(context, [input]) {
    const value = image(context, input, dims)
    const name = depthwiseNode(context, value, 'kernel', dims, context.path)
    return activate(context, { ...value, name: addBias(context, name, dims) })
  },
})

const separable = (dims: number): KerasLayer => ({
  variables: (config) => kernelAndBias(config, 'depthwise_kernel', 'pointwise_kernel'),
  sizes: (of) => ({
    filters: of('pointwise_kernel').at(-1)!,
    depth_multiplier: of('depthwise_kernel').at(-1)!,
  }),
  build(context, [input]) {
    const value = image(context, input, dims)
    const path = `${context.path}/depthwise`
    const depth = depthwiseNode(context, value, 'depthwise_kernel', dims, path)
    const name = context.graph.node(
      'Conv',
      [depth, context.weight('pointwise_kernel', kernelOrder(dims)), ...biasOf(context)],
      { kernel_shape: Array<number>(dims).fill(1) },
      { name: context.path },
    )
    return activate(context, { ...value, name })
  },
})

/**
 * What is cut off a transposed convolution that reaches `reach` entries far; a negative `end` is what is missing there.
 * `same` undoes what TensorFlow pads, so that the output is the input times the stride.
 */
function cutOf(reach: number, stride: number, padding: 'same' | 'valid', extra?: number) {
  if (padding === 'valid') return { begin: 0, end: -(extra ?? Math.max(stride - reach, 0)) }
  const cut = reach - (extra === undefined ? stride : (reach % 2) + extra)
  const begin = Math.max(Math.floor(cut / 2), 0)
  return { begin, end: cut - begin }
}

/** Keras keeps the kernel as [...kernel, filters, input channels], and pads as the gradient of a convolution does. */
const transposed = (dims: number): KerasLayer => ({
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes: (of) => ({ filters: of('kernel')[dims]! }),
  build(context, [input]) {
    const { config } = context
    const value = image(context, input, dims)
    const kernel = numbersOf(context, 'kernel_size', dims)
    const { strides, dilations } = windowOf(context, kernel, dims)
    const { padding = 'valid' } = config
    if (padding !== 'same' && padding !== 'valid')
      throw refuse(context, `the padding ${quote(padding)}`)
    const extra = isSet(config.output_padding)
      ? numbersOf(context, 'output_padding', dims)
      : undefined
    const cuts = kernel.map((size, k) =>
      cutOf(dilations[k]! * (size - 1) + 1, strides[k]!, padding, extra?.[k]),
    )
    const attributes = {
      kernel_shape: kernel,
      strides,
      dilations,
      pads: [...cuts.map(({ begin }) => begin), ...cuts.map(({ end }) => Math.max(end, 0))],
      output_padding: cuts.map(({ end }) => Math.max(-end, 0)),
    }
    const name = context.graph.node(
      'ConvTranspose',
      [value.name, context.weight('kernel', kernelOrder(dims)), ...biasOf(context)],
      attributes,
      { name: context.path },
    )
    return activate(context, { ...value, name })
  },
})

export const convolutions: KerasLayers = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv1DTranspose: transposed(1),
  Conv2DTranspose: transposed(2),
  Conv3DTranspose: transposed(3),
  DepthwiseConv1D: depthwise(1),
  DepthwiseConv2D: depthwise(2),
  SeparableConv1D: separable(1),
  SeparableConv2D: separable(2),
}
