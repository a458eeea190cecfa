/** A small Keras-like builder of networks. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { checked, number, text } from '../arguments.ts'
import * as activations from './activations.ts'
import * as branches from './combine.ts'
import * as plain from './layers.ts'
import * as networks from './sequential.ts'

export type { Activation } from './activations.ts'
export * as initializers from './initializers.ts'
export type { Initializer, Layer } from './layer.ts'
export type {
  BatchNormOptions,
  Conv2dOptions,
  EmbeddingOptions,
  KernelOptions,
  Named,
  PoolOptions,
} from './layers.ts'
export type { SequentialOptions } from './sequential.ts'
export type { Padding, Pair } from './window.ts'

const pair = kind.either('a number, or [height, width]', number, kind.numbers)
const named = { name: text }
const kernel = {
  ...named,
  activation: text,
  useBias: kind.flag,
  kernelInitializer: kind.callback,
  biasInitializer: kind.callback,
}
const pool = {
  poolSize: kind.optional(pair),
  options: kind.options<plain.PoolOptions>({ ...named, strides: pair, padding: text }),
}
const layers = kind.listOf('a list of layers', kind.object('a layer', 'apply', 'function'))
const options = kind.options<plain.Named>(named)

/**
 * 2-D convolution: weight [filters, channels / groups, kernel height, kernel width], bias [filters].
 * https://onnx.ai/onnx/operators/onnx__Conv.html
 */
export const conv2d = checked('conv2d', plain.conv2d, {
  filters: number,
  kernelSize: pair,
  options: kind.options<plain.Conv2dOptions>({
    ...kernel,
    strides: pair,
    padding: text,
    dilation: pair,
    groups: number,
  }),
})

/**
 * Fully connected layer on vectors: weight [units, inputs], bias [units].
 * https://onnx.ai/onnx/operators/onnx__Gemm.html
 */
export const dense = checked('dense', plain.dense, {
  units: number,
  options: kind.options<plain.KernelOptions>(kernel),
})

/**
 * A vector for each id: weight [ids, units], [length] → [length, units]. The first layer of a network, whose input is int64 then.
 * https://onnx.ai/onnx/operators/onnx__Gather.html
 */
export const embedding = checked('embedding', plain.embedding, {
  ids: number,
  units: number,
  options: kind.options<plain.EmbeddingOptions>({ ...named, kernelInitializer: kind.callback }),
})

/** https://onnx.ai/onnx/operators/onnx__MaxPool.html */
export const maxPool2d = checked('maxPool2d', plain.maxPool2d, pool)

/** Padding does not count in the mean. https://onnx.ai/onnx/operators/onnx__AveragePool.html */
export const averagePool2d = checked('averagePool2d', plain.averagePool2d, pool)

/** The mean over height and width: [channels, height, width] → [channels]. */
export const globalAveragePool2d = checked('globalAveragePool2d', plain.globalAveragePool2d, {
  options,
})

/** One vector per sample. */
export const flatten = checked('flatten', plain.flatten, { options })

/**
 * Batch normalization over the channels: `weight` (scale), `bias` (shift), `running_mean` and
 * `running_var`. https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
 */
export const batchNorm = checked('batchNorm', plain.batchNorm, {
  options: kind.options<plain.BatchNormOptions>({ ...named, momentum: number, epsilon: number }),
})

/** Drops a fraction `rate` of the values in training and nothing otherwise. */
export const dropout = checked('dropout', plain.dropout, { rate: number, options })

/** An activation as a layer of its own. */
export const activation = checked('activation', activations.activation, { kind: text, options })
export const relu = checked('relu', activations.relu, { options })
export const softmax = checked('softmax', activations.softmax, { options })

/** The sum of branches that all start at the input; an empty branch is the input itself. */
export const add = checked('add', branches.add, {
  branches: kind.listOf('a list of branches', layers),
  options,
})

/** `body(x) + shortcut(x)`; without a shortcut `body(x) + x` (He et al. 2016). */
export const residual = checked('residual', branches.residual, {
  body: layers,
  shortcut: kind.optional(layers),
  options,
})

/** The branches side by side along the channels. */
export const concatenate = checked('concatenate', branches.concatenate, {
  branches: kind.listOf('a list of branches', layers),
  options,
})

/**
 * A network of layers, one after the other, as an ONNX model: float32 input `input` [batch, …] (int64
 * where it begins with an embedding),
 * output `output` [batch, …]. Parameters are called `LAYER.weight`, `LAYER.bias`.
 *
 * @throws Net2NetError (usage), naming the layer, where a layer does not fit its input or a name is taken
 */
export const sequential = checked('sequential', networks.sequential, {
  layers,
  options: kind.options<networks.SequentialOptions>(
    { seed: number, name: text },
    { input: kind.numbers },
  ),
})
