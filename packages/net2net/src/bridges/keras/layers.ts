/**
 * The layers of Keras: which variables they have, in which order, the ONNX nodes that compute the same, and which
 * fields of their config follow from the shapes of their variables.
 *
 * Keras keeps the channels last. Nodes that ONNX wants with the channels first get them through a Transpose, and values
 * stay so until a layer needs the other order.
 *
 * @see https://keras.io/api/layers/
 */
import { inputError } from '../../errors.ts'
import { float } from '../../model/attributes.ts'
import type { GraphBuilder } from '../../model/builder.ts'
import { quote } from '../../model/quote.ts'
import { float32, int64, type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { isObject, type Json, type JsonObject } from './keras-file.ts'

/** A value of the graph. */
export interface KerasValue {
  readonly name: string
  /** With the batch. */
  readonly rank: number
  /** Whether the channels, last in Keras, are axis 1 here. */
  readonly channelsFirst: boolean
}

/** What a layer is given to build its nodes. */
export interface LayerContext {
  /** The layer's path in nested models, which names its nodes: `encoder/conv1`. */
  readonly path: string
  readonly kind: string
  readonly config: JsonObject
  readonly graph: GraphBuilder
  /**
   * A variable as an initializer.
   *
   * @param axes for each axis of the initializer, the variable's; default: as it is
   */
  weight(variable: string, axes?: readonly number[]): string
  /** A variable as it is, to compute constants from. */
  tensor(variable: string): LazyTensor
  /** Arguments of the call that are no tensors. */
  readonly call: JsonObject
}

export interface KerasLayer {
  /** The names of the layer's variables, in the order in which Keras stores them. */
  readonly variables?: (config: JsonObject) => readonly string[]
  /** Those of them that training changes; default: all. */
  readonly trained?: readonly string[]
  readonly build: (context: LayerContext, inputs: readonly KerasValue[]) => KerasValue
  /** Fields of the config that follow from the shapes of the variables. */
  readonly sizes?: (dims: (variable: string) => readonly number[], config: JsonObject) => JsonObject
}

// Axes -------------------------------------------------------------------------------------------

const firstOrder = (rank: number) => [0, rank - 1, ...range(1, rank - 1)]
const lastOrder = (rank: number) => [0, ...range(2, rank), 1]
const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

export function channelsFirst(graph: GraphBuilder, value: KerasValue): KerasValue {
  if (value.channelsFirst || value.rank <= 2) return { ...value, channelsFirst: value.rank > 2 }
  const name = graph.node('Transpose', [value.name], { perm: firstOrder(value.rank) })
  return { ...value, name, channelsFirst: true }
}

export function channelsLast(graph: GraphBuilder, value: KerasValue): KerasValue {
  if (!value.channelsFirst || value.rank <= 2) return { ...value, channelsFirst: false }
  const name = graph.node('Transpose', [value.name], { perm: lastOrder(value.rank) })
  return { ...value, name, channelsFirst: false }
}

/** The place of an axis of Keras in a value as it lies. */
function axisIn({ rank, channelsFirst: isFirst }: KerasValue, axis: number): number {
  const place = axis < 0 ? axis + rank : axis
  return isFirst ? firstOrder(rank).indexOf(place) : place
}

// Reading a config -------------------------------------------------------------------------------

const refuse = ({ path, kind }: Pick<LayerContext, 'path' | 'kind'>, what: string): Error =>
  inputError(`The layer ${quote(path)} (${kind}) has ${what}, which is not supported.`, {
    where: path,
  })

function numberOf({ config, path, kind }: LayerContext, key: string, otherwise?: number): number {
  const value = config[key] ?? otherwise
  if (typeof value !== 'number') throw refuse({ path, kind }, `no number ${key}`)
  return value
}

/** One number or several, as that many. */
function numbersOf({ config, path, kind }: LayerContext, key: string, count: number): number[] {
  const value = config[key]
  const list = Array.isArray(value)
    ? (value as readonly Json[])
    : Array<Json>(count).fill(value ?? null)
  if (list.length !== count || !list.every((item) => typeof item === 'number'))
    throw refuse({ path, kind }, `${count} numbers ${key} missing`)
  return list as number[]
}

const has = (config: JsonObject, key: string): boolean => config[key] !== false

function mustBeChannelsLast(context: LayerContext): void {
  if (context.config.data_format === 'channels_first') throw refuse(context, 'its channels first')
}

// Activations ------------------------------------------------------------------------------------

type Emit = (context: LayerContext, value: KerasValue) => string

const one =
  (opType: string, attributes: Parameters<GraphBuilder['node']>[2] = {}): Emit =>
  ({ graph }, { name }) =>
    graph.node(opType, [name], attributes)

const number = (graph: GraphBuilder, value: number): string => graph.constant(float32([], [value]))

const activations: Readonly<Record<string, Emit>> = {
  linear: (_, { name }) => name,
  relu: one('Relu'),
  relu6: ({ graph }, { name }) => graph.node('Clip', [name, number(graph, 0), number(graph, 6)]),
  sigmoid: one('Sigmoid'),
  tanh: one('Tanh'),
  softmax: ({ graph }, value) => graph.node('Softmax', [value.name], { axis: axisIn(value, -1) }),
  log_softmax: ({ graph }, value) =>
    graph.node('LogSoftmax', [value.name], { axis: axisIn(value, -1) }),
  softplus: one('Softplus'),
  softsign: one('Softsign'),
  elu: one('Elu', { alpha: float(1) }),
  selu: one('Selu', { alpha: float(1.6732631921768188), gamma: float(1.0507010221481323) }),
  exponential: one('Exp'),
  silu: ({ graph }, { name }) => graph.node('Mul', [name, graph.node('Sigmoid', [name])]),
  swish: (context, value) => activations.silu!(context, value),
  mish: ({ graph }, { name }) =>
    graph.node('Mul', [name, graph.node('Tanh', [graph.node('Softplus', [name])])]),
  gelu: ({ graph }, { name }) => {
    const scaled = graph.node('Mul', [name, number(graph, Math.SQRT1_2)])
    const erf = graph.node('Add', [graph.node('Erf', [scaled]), number(graph, 1)])
    return graph.node('Mul', [graph.node('Mul', [name, erf]), number(graph, 0.5)])
  },
  leaky_relu: one('LeakyRelu', { alpha: float(0.2) }),
  hard_sigmoid: one('HardSigmoid', { alpha: float(1 / 6), beta: float(0.5) }),
  hard_silu: one('HardSwish'),
  hard_swish: one('HardSwish'),
}

/** The activation of a config, by name or as the object into which Keras serializes functions. */
function activate(context: LayerContext, value: KerasValue, key = 'activation'): KerasValue {
  const given = context.config[key] ?? 'linear'
  const name = isObject(given) ? (given.config ?? given.class_name) : given
  const emit =
    typeof name === 'string' && Object.hasOwn(activations, name) ? activations[name] : undefined
  if (!emit) throw refuse(context, `the activation ${quote(JSON.stringify(name ?? null))}`)
  return { ...value, name: emit(context, value) }
}

// Families ---------------------------------------------------------------------------------------

const kernelAndBias = (config: JsonObject, ...kernels: string[]): string[] =>
  has(config, 'use_bias') ? [...kernels, 'bias'] : kernels

/** Attributes of a window; `same` pads as TensorFlow does. */
function windowOf(context: LayerContext, kernel: readonly number[], dims: number) {
  mustBeChannelsLast(context)
  const { padding } = context.config
  const strides = numbersOf(context, 'strides', dims)
  if (padding !== 'same' && padding !== 'valid' && !(padding === 'causal' && dims === 1))
    throw refuse(context, `the padding ${quote(String(padding))}`)
  return { kernel_shape: kernel, strides, auto_pad: padding === 'same' ? 'SAME_UPPER' : 'VALID' }
}

/** A convolution over `dims` axes: Keras keeps its kernel as [...kernel, input channels / groups, filters]. */
const convolution = (dims: number): KerasLayer => ({
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes: (of) => ({ filters: of('kernel').at(-1)! }),
  build(context, [input]) {
    const value = channelsFirst(context.graph, mustHaveRank(context, input, dims + 2))
    const kernel = numbersOf(context, 'kernel_size', dims)
    const dilations = numbersOf(context, 'dilation_rate', dims)
    const { auto_pad, ...window } = windowOf(context, kernel, dims)
    // Causal: everything that is padded lies before the sequence.
    const pads = { pads: [dilations[0]! * (kernel[0]! - 1), 0] }
    const weight = context.weight('kernel', [dims + 1, dims, ...range(0, dims)])
    const bias = has(context.config, 'use_bias') ? [context.weight('bias')] : []
    const name = context.graph.node(
      'Conv',
      [value.name, weight, ...bias],
      {
        ...window,
        ...(context.config.padding === 'causal' ? pads : { auto_pad }),
        dilations,
        group: numberOf(context, 'groups', 1),
      },
      { name: context.path },
    )
    return activate(context, { ...value, name })
  },
})

const depthwise: KerasLayer = {
  variables: (config) => kernelAndBias(config, 'kernel'),
  build(context, [input]) {
    const value = channelsFirst(context.graph, mustHaveRank(context, input, 4))
    const name = depthwiseNode(context, value, 'kernel', context.path)
    const bias = has(context.config, 'use_bias') ? addBias(context, name, 4) : name
    return activate(context, { ...value, name: bias })
  },
}

/** Keras keeps the kernel as [height, width, channels, multiplier]; ONNX has one group per channel. */
function depthwiseNode(context: LayerContext, value: KerasValue, variable: string, name: string) {
  const [height = 1, width = 1, channels = 1, multiplier = 1] = context.tensor(variable).dims
  if (multiplier !== 1) throw refuse(context, `a depth multiplier of ${multiplier}`)
  const weight = context.weight(variable, [2, 3, 0, 1])
  const window = windowOf(context, [height, width], 2)
  const dilations = numbersOf(context, 'dilation_rate', 2)
  return context.graph.node(
    'Conv',
    [value.name, weight],
    { ...window, dilations, group: channels },
    { name },
  )
}

/** Adds a bias along the channels of a value that has them first. */
function addBias(context: LayerContext, name: string, rank: number): string {
  const shape = context.graph.constant(int64([-1, ...Array<number>(rank - 2).fill(1)]), 'shape')
  const bias = context.graph.node('Reshape', [context.weight('bias'), shape])
  return context.graph.node('Add', [name, bias])
}

const separable: KerasLayer = {
  variables: (config) => kernelAndBias(config, 'depthwise_kernel', 'pointwise_kernel'),
  sizes: (of) => ({ filters: of('pointwise_kernel').at(-1)! }),
  build(context, [input]) {
    const value = channelsFirst(context.graph, mustHaveRank(context, input, 4))
    const depth = depthwiseNode(context, value, 'depthwise_kernel', `${context.path}/depthwise`)
    const bias = has(context.config, 'use_bias') ? [context.weight('bias')] : []
    const weight = context.weight('pointwise_kernel', [3, 2, 0, 1])
    const name = context.graph.node(
      'Conv',
      [depth, weight, ...bias],
      { kernel_shape: [1, 1] },
      { name: context.path },
    )
    return activate(context, { ...value, name })
  },
}

const transposed: KerasLayer = {
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes: (of) => ({ filters: of('kernel')[2]! }),
  build(context, [input]) {
    const value = channelsFirst(context.graph, mustHaveRank(context, input, 4))
    const kernel = numbersOf(context, 'kernel_size', 2)
    const window = windowOf(context, kernel, 2)
    const dilations = numbersOf(context, 'dilation_rate', 2)
    if (context.config.output_padding !== null && context.config.output_padding !== undefined)
      throw refuse(context, 'an output padding')
    if (window.strides.some((stride, k) => kernel[k]! < stride) || dilations.some((d) => d !== 1))
      throw refuse(context, 'strides larger than its kernel, or a dilation')
    const weight = context.weight('kernel', [3, 2, 0, 1])
    const bias = has(context.config, 'use_bias') ? [context.weight('bias')] : []
    const name = context.graph.node('ConvTranspose', [value.name, weight, ...bias], window, {
      name: context.path,
    })
    return activate(context, { ...value, name })
  },
}

const dense: KerasLayer = {
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes: (of) => ({ units: of('kernel')[1]! }),
  build(context, [input]) {
    const { graph } = context
    if (context.config.lora_rank !== null && context.config.lora_rank !== undefined)
      throw refuse(context, 'a LoRA adapter')
    const value = channelsLast(graph, input!)
    const weight = context.weight('kernel')
    const isBiased = has(context.config, 'use_bias')
    if (value.rank === 2) {
      const bias = isBiased ? [context.weight('bias')] : []
      const name = graph.node('Gemm', [value.name, weight, ...bias], {}, { name: context.path })
      return activate(context, { ...value, name })
    }
    const product = graph.node('MatMul', [value.name, weight], {}, { name: context.path })
    const name = isBiased ? graph.node('Add', [product, context.weight('bias')]) : product
    return activate(context, { ...value, name })
  },
}

const pooling = (opType: 'MaxPool' | 'AveragePool', dims: number): KerasLayer => ({
  build(context, [input]) {
    const value = channelsFirst(context.graph, mustHaveRank(context, input, dims + 2))
    const window = windowOf(context, numbersOf(context, 'pool_size', dims), dims)
    const name = context.graph.node(opType, [value.name], window, { name: context.path })
    return { ...value, name }
  },
})

const globalPooling = (
  opType: 'GlobalAveragePool' | 'GlobalMaxPool',
  dims: number,
): KerasLayer => ({
  build(context, [input]) {
    mustBeChannelsLast(context)
    const value = channelsFirst(context.graph, mustHaveRank(context, input, dims + 2))
    const name = context.graph.node(opType, [value.name], {}, { name: context.path })
    if (context.config.keepdims === true) return { ...value, name }
    return {
      name: context.graph.node('Flatten', [name], { axis: 1 }),
      rank: 2,
      channelsFirst: false,
    }
  },
})

const batchNormalization: KerasLayer = {
  variables: (config) => [
    ...(has(config, 'scale') ? ['gamma'] : []),
    ...(has(config, 'center') ? ['beta'] : []),
    'moving_mean',
    'moving_variance',
  ],
  trained: ['gamma', 'beta'],
  build(context, [input]) {
    const { graph, config } = context
    const value = channelsFirst(graph, input!)
    const axis = lastAxis(config.axis)
    if (axis !== -1 && axis !== value.rank - 1)
      throw refuse(context, `the axis ${JSON.stringify(config.axis)}`)
    const count = context.tensor('moving_mean').dims[0]!
    const filled = (number: number) =>
      graph.constant(float32([count], Array<number>(count).fill(number)))
    const name = graph.node(
      'BatchNormalization',
      [
        value.name,
        has(config, 'scale') ? context.weight('gamma') : filled(1),
        has(config, 'center') ? context.weight('beta') : filled(0),
        context.weight('moving_mean'),
        context.weight('moving_variance'),
      ],
      {
        epsilon: float(numberOf(context, 'epsilon')),
        momentum: float(numberOf(context, 'momentum', 0.99)),
      },
      { name: context.path },
    )
    return { ...value, name }
  },
}

const layerNormalization: KerasLayer = {
  variables: (config) => [
    ...(has(config, 'scale') || config.rms_scaling === true ? ['gamma'] : []),
    ...(has(config, 'center') && config.rms_scaling !== true ? ['beta'] : []),
  ],
  build(context, [input]) {
    const { graph, config } = context
    const value = channelsLast(graph, input!)
    const axis = lastAxis(config.axis)
    if (axis !== -1 && axis !== value.rank - 1)
      throw refuse(context, `the axis ${JSON.stringify(config.axis)}`)
    if (config.rms_scaling === true || !has(config, 'scale'))
      throw refuse(context, 'no scale or RMS scaling')
    const bias = has(config, 'center') ? [context.weight('beta')] : []
    const name = graph.node(
      'LayerNormalization',
      [value.name, context.weight('gamma'), ...bias],
      { axis: -1, epsilon: float(numberOf(context, 'epsilon')) },
      { name: context.path },
    )
    return { ...value, name }
  },
}

const lastAxis = (axis: Json | undefined): number | undefined => {
  const only = Array.isArray(axis) && axis.length === 1 ? (axis[0] as Json) : axis
  return typeof only === 'number' ? only : undefined
}

/** Several inputs, element by element. */
const merging = (emit: (graph: GraphBuilder, names: readonly string[]) => string): KerasLayer => ({
  build(context, inputs) {
    const { graph } = context
    if (inputs.length < 2) throw refuse(context, `${inputs.length} inputs`)
    const isFirst = inputs.some((input) => input.channelsFirst)
    const rank = inputs[0]!.rank
    if (inputs.some((input) => input.rank !== rank))
      throw refuse(context, 'inputs of different ranks')
    const same = inputs.map((input) => (isFirst ? channelsFirst : channelsLast)(graph, input))
    return {
      ...same[0]!,
      name: emit(
        graph,
        same.map(({ name }) => name),
      ),
    }
  },
})

const fold =
  (opType: string) =>
  (graph: GraphBuilder, [first, ...others]: readonly string[]): string =>
    others.reduce((sum, other) => graph.node(opType, [sum, other]), first!)

const concatenate: KerasLayer = {
  build(context, inputs) {
    const { graph } = context
    const isFirst = inputs.some((input) => input.channelsFirst)
    const same = inputs.map((input) => (isFirst ? channelsFirst : channelsLast)(graph, input))
    const axis = axisIn(same[0]!, numberOf(context, 'axis', -1))
    const name = graph.node(
      'Concat',
      same.map((input) => input.name),
      { axis },
      { name: context.path },
    )
    return { ...same[0]!, name }
  },
}

/** Layers that do something only while they are trained. */
const passing: KerasLayer = { build: (_, [input]) => input! }

const dropout: KerasLayer = {
  build({ graph, config, path }, [input]) {
    const rate = typeof config.rate === 'number' ? config.rate : 0
    const name = graph.node('Dropout', [input!.name, number(graph, rate)], {}, { name: path })
    return { ...input!, name }
  },
}

const flatten: KerasLayer = {
  build({ graph, path }, [input]) {
    const value = channelsLast(graph, input!)
    if (value.rank === 2) return value
    return {
      name: graph.node('Flatten', [value.name], { axis: 1 }, { name: path }),
      rank: 2,
      channelsFirst: false,
    }
  },
}

const reshape: KerasLayer = {
  build(context, [input]) {
    const { graph, config } = context
    const target = config.target_shape
    if (!Array.isArray(target) || !target.every((size) => typeof size === 'number'))
      throw refuse(context, 'no target shape')
    const value = channelsLast(graph, input!)
    const shape = graph.initializer(
      `${context.path}/target_shape`,
      int64([0, ...(target as number[])]),
    )
    const name = graph.node('Reshape', [value.name, shape], {}, { name: context.path })
    return { name, rank: target.length + 1, channelsFirst: false }
  },
}

const permute: KerasLayer = {
  build(context, [input]) {
    const value = channelsLast(context.graph, input!)
    const perm = [0, ...numbersOf(context, 'dims', value.rank - 1)]
    return {
      ...value,
      name: context.graph.node('Transpose', [value.name], { perm }, { name: context.path }),
    }
  },
}

const padding = (sign: 1 | -1, key: string): KerasLayer => ({
  build(context, [input]) {
    const { graph, config } = context
    mustBeChannelsLast(context)
    const value = channelsFirst(graph, mustHaveRank(context, input, 4))
    const pairs = (config[key] as readonly (readonly number[])[]) ?? []
    if (!Array.isArray(pairs) || pairs.length !== 2) throw refuse(context, `no ${key}`)
    const [[top = 0, bottom = 0] = [], [left = 0, right = 0] = []] = pairs
    const pads = [0, 0, top, left, 0, 0, bottom, right].map((size) => sign * size)
    const name = graph.node(
      'Pad',
      [value.name, graph.constant(int64(pads), 'pads')],
      { mode: 'constant' },
      { name: context.path },
    )
    return { ...value, name }
  },
})

const upSampling: KerasLayer = {
  build(context, [input]) {
    const { graph, config } = context
    mustBeChannelsLast(context)
    const value = channelsFirst(graph, mustHaveRank(context, input, 4))
    const scales = graph.constant(float32([4], [1, 1, ...numbersOf(context, 'size', 2)]), 'scales')
    const isNearest = config.interpolation === 'nearest'
    if (!isNearest && config.interpolation !== 'bilinear')
      throw refuse(context, `the interpolation ${quote(String(config.interpolation))}`)
    const attributes = isNearest
      ? { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
      : { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }
    const name = graph.node('Resize', [value.name, '', scales], attributes, { name: context.path })
    return { ...value, name }
  },
}

const relu: KerasLayer = {
  build(context, [input]) {
    const { graph, config, path } = context
    const slope = typeof config.negative_slope === 'number' ? config.negative_slope : 0
    const most = typeof config.max_value === 'number' ? config.max_value : undefined
    if ((config.threshold ?? 0) !== 0 || (most !== undefined && slope !== 0))
      throw refuse(context, 'a threshold, or a largest value with a slope')
    const { name } = input!
    const result =
      most !== undefined
        ? graph.node('Clip', [name, number(graph, 0), number(graph, most)], {}, { name: path })
        : slope !== 0
          ? graph.node('LeakyRelu', [name], { alpha: float(slope) }, { name: path })
          : graph.node('Relu', [name], {}, { name: path })
    return { ...input!, name: result }
  },
}

const leakyRelu: KerasLayer = {
  build(context, [input]) {
    const { graph, config, path } = context
    const alpha = config.negative_slope ?? config.alpha ?? 0.3
    if (typeof alpha !== 'number') throw refuse(context, 'no slope')
    return {
      ...input!,
      name: graph.node('LeakyRelu', [input!.name], { alpha: float(alpha) }, { name: path }),
    }
  },
}

const pRelu: KerasLayer = {
  variables: () => ['alpha'],
  build(context, [input]) {
    const value = channelsLast(context.graph, input!)
    const slope = context.weight('alpha')
    return {
      ...value,
      name: context.graph.node('PRelu', [value.name, slope], {}, { name: context.path }),
    }
  },
}

const elu: KerasLayer = {
  build(context, [input]) {
    const alpha = numberOf(context, 'alpha', 1)
    return {
      ...input!,
      name: context.graph.node(
        'Elu',
        [input!.name],
        { alpha: float(alpha) },
        { name: context.path },
      ),
    }
  },
}

const softmax: KerasLayer = {
  build(context, [input]) {
    const axis = axisIn(input!, lastAxis(context.config.axis) ?? -1)
    return {
      ...input!,
      name: context.graph.node('Softmax', [input!.name], { axis }, { name: context.path }),
    }
  },
}

const activation: KerasLayer = { build: (context, [input]) => activate(context, input!) }

const rescaling: KerasLayer = {
  build(context, [input]) {
    const { graph, config } = context
    const value = channelsLast(graph, input!)
    const constant = (given: Json | undefined, otherwise: number) => {
      const numbers = Array.isArray(given)
        ? (given as number[])
        : [typeof given === 'number' ? given : otherwise]
      return graph.constant(float32(numbers.length === 1 ? [] : [numbers.length], numbers))
    }
    const scaled = graph.node('Mul', [value.name, constant(config.scale, 1)])
    return {
      ...value,
      name: graph.node('Add', [scaled, constant(config.offset, 0)], {}, { name: context.path }),
    }
  },
}

const normalization: KerasLayer = {
  variables: () => ['mean', 'variance', 'count'],
  trained: [],
  build(context, [input]) {
    const { graph, config } = context
    const value = channelsLast(graph, input!)
    if (config.invert === true) throw refuse(context, 'invert')
    const axis = lastAxis(config.axis)
    if (axis !== -1 && axis !== value.rank - 1)
      throw refuse(context, `the axis ${JSON.stringify(config.axis)}`)
    const mean = toNumbers(context.tensor('mean'))
    const deviation = toNumbers(context.tensor('variance')).map((variance) =>
      Math.max(Math.sqrt(variance), 1e-7),
    )
    const centred = graph.node('Sub', [value.name, graph.constant(float32([mean.length], mean))])
    const divisor = graph.constant(float32([deviation.length], deviation))
    return { ...value, name: graph.node('Div', [centred, divisor], {}, { name: context.path }) }
  },
}

const embedding: KerasLayer = {
  variables: () => ['embeddings'],
  sizes: (of) => ({ input_dim: of('embeddings')[0]!, output_dim: of('embeddings')[1]! }),
  build(context, [input]) {
    const { graph, config } = context
    if (config.mask_zero === true) throw refuse(context, 'a mask (mask_zero)')
    const ids = graph.node('Cast', [input!.name], { to: 7 })
    const name = graph.node(
      'Gather',
      [context.weight('embeddings'), ids],
      { axis: 0 },
      { name: context.path },
    )
    return { name, rank: input!.rank + 1, channelsFirst: false }
  },
}

function mustHaveRank(
  context: LayerContext,
  input: KerasValue | undefined,
  rank: number,
): KerasValue {
  if (input?.rank !== rank) throw refuse(context, `an input of ${input?.rank ?? 0} axes`)
  return input
}

/** Every layer that is understood, by its class. */
export const kerasLayers: Readonly<Record<string, KerasLayer>> = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv2DTranspose: transposed,
  DepthwiseConv2D: depthwise,
  SeparableConv2D: separable,
  Dense: dense,
  Embedding: embedding,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  Normalization: normalization,
  MaxPooling1D: pooling('MaxPool', 1),
  MaxPooling2D: pooling('MaxPool', 2),
  MaxPooling3D: pooling('MaxPool', 3),
  AveragePooling1D: pooling('AveragePool', 1),
  AveragePooling2D: pooling('AveragePool', 2),
  AveragePooling3D: pooling('AveragePool', 3),
  GlobalAveragePooling1D: globalPooling('GlobalAveragePool', 1),
  GlobalAveragePooling2D: globalPooling('GlobalAveragePool', 2),
  GlobalMaxPooling1D: globalPooling('GlobalMaxPool', 1),
  GlobalMaxPooling2D: globalPooling('GlobalMaxPool', 2),
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  ZeroPadding2D: padding(1, 'padding'),
  Cropping2D: padding(-1, 'cropping'),
  UpSampling2D: upSampling,
  Add: merging(fold('Add')),
  Subtract: merging(fold('Sub')),
  Multiply: merging(fold('Mul')),
  Maximum: merging((graph, names) => graph.node('Max', names)),
  Minimum: merging((graph, names) => graph.node('Min', names)),
  Average: merging((graph, names) => graph.node('Mean', names)),
  Concatenate: concatenate,
  Activation: activation,
  ReLU: relu,
  LeakyReLU: leakyRelu,
  PReLU: pRelu,
  ELU: elu,
  Softmax: softmax,
  Dropout: dropout,
  SpatialDropout1D: passing,
  SpatialDropout2D: passing,
  GaussianNoise: passing,
  GaussianDropout: passing,
  ActivityRegularization: passing,
  Rescaling: rescaling,
}
