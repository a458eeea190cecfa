/** The layers. Options and defaults are Keras's; the layout is NCHW, as everywhere in ONNX. */
import { usageError } from '../errors.ts'
import { float } from '../model/attributes.ts'
import { elementCount, scalar } from '../tensor/tensor.ts'
import { type Activation, activate } from './activations.ts'
import { glorotUniform, ones, randomUniform, zeros } from './initializers.ts'
import {
  type BuildContext,
  type Initializer,
  type Layer,
  type LayerValue,
  mustBeSizes,
} from './layer.ts'
import { type Padding, type Pair, pair, windowGeometry } from './window.ts'

export interface Named {
  /** Default: the kind of layer, numbered. */
  readonly name?: string
}

export interface KernelOptions extends Named {
  /** Default: none. */
  readonly activation?: Activation
  readonly useBias?: boolean
  /** Default: Glorot-uniform. */
  readonly kernelInitializer?: Initializer
  /** Default: zeros. */
  readonly biasInitializer?: Initializer
}

export interface Conv2dOptions extends KernelOptions {
  /** Default 1. */
  readonly strides?: Pair
  /** Default 'valid'. */
  readonly padding?: Padding
  readonly dilation?: Pair
  readonly groups?: number
}

/** The dims of an image value [channels, height, width]; refuses anything else. */
function imageDims(layer: string, { dims }: LayerValue): readonly [number, number, number] {
  if (dims.length !== 3)
    throw usageError(
      `Layer ${layer} takes images [channels, height, width], but its input is [${dims}].`,
      { where: layer },
    )
  return dims as readonly [number, number, number]
}

/**
 * 2-D convolution: weight [filters, channels / groups, kernel height, kernel width], bias [filters].
 * https://onnx.ai/onnx/operators/onnx__Conv.html
 */
export const conv2d = (filters: number, kernelSize: Pair, options: Conv2dOptions = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'conv2d')
    const [channels, ...size] = imageDims(name, input)
    const { groups = 1, padding = 'valid' } = options
    mustBeSizes(name, 'filters and groups', [filters, groups])
    if (channels % groups !== 0 || filters % groups !== 0)
      throw usageError(
        `Layer ${name}: ${channels} channels and ${filters} filters do not divide into ${groups} groups.`,
        { where: name },
      )
    const kernel = pair(kernelSize)
    const strides = pair(options.strides ?? 1)
    const dilations = pair(options.dilation ?? 1)
    const geometry = windowGeometry(name, size, { kernel, strides, dilations, padding })
    const inputs = kernelParameters(
      context,
      name,
      [filters, channels / groups, ...kernel],
      [(channels / groups) * kernel[0] * kernel[1], filters * kernel[0] * kernel[1]],
      filters,
      options,
    )
    const output = context.node(
      'Conv',
      [input.name, ...inputs],
      { kernel_shape: kernel, strides, dilations, pads: geometry.pads, group: groups },
      name,
    )
    return activate(context, name, options.activation ?? 'linear', {
      name: output,
      dims: [filters, ...geometry.size],
    })
  },
})

/**
 * Fully connected layer on vectors: weight [units, inputs], bias [units].
 * https://onnx.ai/onnx/operators/onnx__Gemm.html
 */
export const dense = (units: number, options: KernelOptions = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'dense')
    if (input.dims.length !== 1)
      throw usageError(
        `Layer ${name} takes vectors, but its input is [${input.dims}]: put flatten() before it.`,
        { where: name },
      )
    mustBeSizes(name, 'units', [units])
    const width = input.dims[0]!
    const inputs = kernelParameters(context, name, [units, width], [width, units], units, options)
    const output = context.node('Gemm', [input.name, ...inputs], { transB: 1 }, name)
    return activate(context, name, options.activation ?? 'linear', { name: output, dims: [units] })
  },
})

function kernelParameters(
  context: BuildContext,
  name: string,
  dims: readonly number[],
  [fanIn, fanOut]: readonly [number, number],
  width: number,
  options: KernelOptions,
): readonly string[] {
  const { useBias = true, kernelInitializer = glorotUniform, biasInitializer = zeros } = options
  const weight = context.parameter(name, 'weight', dims, kernelInitializer(fanIn, fanOut))
  if (!useBias) return [weight]
  return [weight, context.parameter(name, 'bias', [width], biasInitializer(fanIn, fanOut))]
}

export interface PoolOptions extends Named {
  /** Default: the pool size, so that windows do not overlap. */
  readonly strides?: Pair
  readonly padding?: Padding
}

const pool =
  (kind: string, opType: string, attributes: Readonly<Record<string, number>>) =>
  (poolSize: Pair = 2, options: PoolOptions = {}): Layer => ({
    apply(context, input) {
      const name = context.layerName(options.name, kind)
      const [channels, ...size] = imageDims(name, input)
      const kernel = pair(poolSize)
      const strides = pair(options.strides ?? poolSize)
      const { padding = 'valid' } = options
      const geometry = windowGeometry(name, size, { kernel, strides, dilations: [1, 1], padding })
      const output = context.node(
        opType,
        [input.name],
        { kernel_shape: kernel, strides, pads: geometry.pads, ...attributes },
        name,
      )
      return { name: output, dims: [channels, ...geometry.size] }
    },
  })

/** https://onnx.ai/onnx/operators/onnx__MaxPool.html */
export const maxPool2d = pool('max_pool2d', 'MaxPool', {})
/** Padding does not count in the mean. https://onnx.ai/onnx/operators/onnx__AveragePool.html */
export const averagePool2d = pool('average_pool2d', 'AveragePool', { count_include_pad: 0 })

/** The mean over height and width: [channels, height, width] → [channels]. */
export const globalAveragePool2d = (options: Named = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'global_average_pool2d')
    const [channels] = imageDims(name, input)
    const mean = context.node('GlobalAveragePool', [input.name], {}, name)
    const output = context.node('Flatten', [mean], {}, `${name}.flatten`)
    return { name: output, dims: [channels] }
  },
})

/** One vector per sample. */
export const flatten = (options: Named = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'flatten')
    const output = context.node('Flatten', [input.name], { axis: 1 }, name)
    return { name: output, dims: [elementCount(input.dims)] }
  },
})

export interface EmbeddingOptions extends Named {
  /** Default: uniform on ±0.05, as Keras. */
  readonly kernelInitializer?: Initializer
}

/**
 * A vector for each id: weight [ids, units], [length] → [length, units]. The first layer of a network, whose input is int64 then.
 * https://onnx.ai/onnx/operators/onnx__Gather.html
 */
export const embedding = (ids: number, units: number, options: EmbeddingOptions = {}): Layer => ({
  takesIds: true,
  apply(context, input) {
    const name = context.layerName(options.name, 'embedding')
    mustBeSizes(name, 'ids and units', [ids, units])
    if (!input.isIds) throw usageError(`Layer ${name} takes ids: put it first.`, { where: name })
    const { kernelInitializer = randomUniform() } = options
    const weight = context.parameter(name, 'weight', [ids, units], kernelInitializer(ids, units))
    const output = context.node('Gather', [weight, input.name], {}, name)
    return { name: output, dims: [...input.dims, units] }
  },
})

export interface BatchNormOptions extends Named {
  /** How much of the running statistics stays at each step; default 0.99. */
  readonly momentum?: number
  /** Added to the variance; default 1e-3. */
  readonly epsilon?: number
}

/**
 * Batch normalization over the channels: `weight` (scale), `bias` (shift), `running_mean` and
 * `running_var`. https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
 */
export const batchNorm = (options: BatchNormOptions = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'batch_norm')
    const vector = [input.dims[0]!]
    const parameter = (role: string, initializer: Initializer) =>
      context.parameter(name, role, vector, initializer(1, 1))
    const output = context.node(
      'BatchNormalization',
      [
        input.name,
        parameter('weight', ones),
        parameter('bias', zeros),
        parameter('running_mean', zeros),
        parameter('running_var', ones),
      ],
      { epsilon: float(options.epsilon ?? 1e-3), momentum: float(options.momentum ?? 0.99) },
      name,
    )
    return { name: output, dims: input.dims }
  },
})

/** Drops a fraction `rate` of the values in training and nothing otherwise. */
export const dropout = (rate: number, options: Named = {}): Layer => ({
  apply(context, input) {
    const name = context.layerName(options.name, 'dropout')
    if (!(rate >= 0 && rate < 1))
      throw usageError(`Layer ${name}: the rate must be in [0, 1), not ${rate}.`, { where: name })
    const ratio = context.constant(name, 'ratio', scalar('float32', rate))
    const output = context.node('Dropout', [input.name, ratio], {}, name)
    return { name: output, dims: input.dims }
  },
})
