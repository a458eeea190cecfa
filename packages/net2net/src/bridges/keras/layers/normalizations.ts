/**
 * Normalizations, by stored statistics or by those of the sample, and what scales inputs.
 *
 * @see https://keras.io/api/layers/normalization_layers/
 */
import { float } from '../../../model/attributes.ts'
import type { GraphBuilder } from '../../../model/builder.ts'
import { float32, int64 } from '../../../tensor/tensor.ts'
import type { Json, JsonObject } from '../json.ts'
import { asInKeras, channelsFirst, range } from './axes.ts'
import { axesOf, axisOf, has, isNumbers, number, numberOf, refuse } from './config.ts'
import type { KerasLayer, KerasLayers, KerasValue, LayerContext } from './contract.ts'

const scaleAndShift = (config: JsonObject): string[] => [
  ...(has(config, 'scale') ? ['gamma'] : []),
  ...(has(config, 'center') ? ['beta'] : []),
]

/** The value with the axis that Keras normalizes as axis 1; undefined where that is another. */
function withChannelsAt1(context: LayerContext, input: KerasValue): KerasValue {
  const axis = axisOf(context, input.rank)
  if (axis === input.rank - 1) return channelsFirst(context.graph, input)
  if (axis === 1) return asInKeras(context.graph, input)
  throw refuse(context, `the axis ${JSON.stringify(context.config.axis ?? null)}`)
}

/** A vector along axis 1 of a value of that rank. */
const alongChannels = (context: LayerContext, variable: string, rank: number): string =>
  context.weight(variable, [0, ...Array<undefined>(rank - 2).fill(undefined)])

const filled = (graph: GraphBuilder, count: number, value: number): string =>
  graph.constant(float32([count], Array<number>(count).fill(value)))

const batchNormalization: KerasLayer = {
  variables: (config) => [...scaleAndShift(config), 'moving_mean', 'moving_variance'],
  trained: ['gamma', 'beta'],
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    if (config.renorm === true) throw refuse(context, 'renormalization')
    const value = withChannelsAt1(context, input!)
    const count = context.tensor('moving_mean').dims[0]!
    const inputs = [
      value.name,
      has(config, 'scale') ? context.weight('gamma') : filled(graph, count, 1),
      has(config, 'center') ? context.weight('beta') : filled(graph, count, 0),
      context.weight('moving_mean'),
      context.weight('moving_variance'),
    ]
    const attributes = {
      epsilon: float(numberOf(context, 'epsilon', 1e-3)),
      momentum: float(numberOf(context, 'momentum', 0.99)),
    }
    return { ...value, name: graph.node('BatchNormalization', inputs, attributes, { name: path }) }
  },
}

/** The mean over some axes, which stay as axes of size one. */
const meanOver = (graph: GraphBuilder, name: string, axes: readonly number[]): string =>
  graph.node('ReduceMean', [name, graph.constant(int64(axes), 'axes')], { keepdims: 1 })

/** x / √(mean(x²) + ε) */
function overRootMeanSquare(context: LayerContext, name: string, axes: readonly number[]): string {
  const { graph } = context
  const square = meanOver(graph, graph.node('Mul', [name, name]), axes)
  const epsilon = number(graph, numberOf(context, 'epsilon', 1e-3))
  return graph.node('Div', [name, graph.node('Sqrt', [graph.node('Add', [square, epsilon])])])
}

/** A variable of the shape of some axes, against a value that has further ones behind the first of them. */
const alongAxes = (
  context: LayerContext,
  variable: string,
  axes: readonly number[],
  rank: number,
) =>
  context.weight(
    variable,
    range(axes[0] ?? rank, rank).map((axis) => {
      const place = axes.indexOf(axis)
      return place < 0 ? undefined : place
    }),
  )

const layerNormalization: KerasLayer = {
  variables: scaleAndShift,
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    const value = asInKeras(graph, input!)
    const { rank } = value
    const axes = axesOf(context, rank)
    if (config.rms_scaling === true) throw refuse(context, 'RMS scaling')
    const isEnd = axes.every((axis, i) => axis === rank - axes.length + i)
    const center = has(config, 'center')
    if (isEnd && has(config, 'scale')) {
      const bias = center ? [context.weight('beta')] : []
      const attributes = { axis: axes[0]!, epsilon: float(numberOf(context, 'epsilon', 1e-3)) }
      const inputs = [value.name, context.weight('gamma'), ...bias]
      const name = graph.node('LayerNormalization', inputs, attributes, { name: path })
      return { ...value, name }
    }
    const centred = graph.node('Sub', [value.name, meanOver(graph, value.name, axes)])
    const unit = overRootMeanSquare(context, centred, axes)
    const scaled = has(config, 'scale')
      ? graph.node('Mul', [unit, alongAxes(context, 'gamma', axes, rank)])
      : unit
    const name = center
      ? graph.node('Add', [scaled, alongAxes(context, 'beta', axes, rank)])
      : scaled
    return { ...value, name }
  },
}

const rmsNormalization: KerasLayer = {
  variables: () => ['scale'],
  build(context, [input]) {
    const { graph, path } = context
    const value = asInKeras(graph, input!)
    const axes = axesOf(context, value.rank)
    const unit = overRootMeanSquare(context, value.name, axes)
    const scale = alongAxes(context, 'scale', axes, value.rank)
    return { ...value, name: graph.node('Mul', [unit, scale], {}, { name: path }) }
  },
}

/** Statistics of each group of channels, which ONNX computes as those of instances. */
const groupNormalization: KerasLayer = {
  variables: scaleAndShift,
  sizes: (_, __, grown) => ({ groups: grown.constant('grouped')![1]! }),
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    const value = withChannelsAt1(context, input!)
    const given = numberOf(context, 'groups', 32)
    const [vector] = scaleAndShift(config)
    if (vector === undefined && given === -1) throw refuse(context, 'no scale and no shift')
    const groups = given === -1 ? context.tensor(vector!).dims[0]! : given
    const shape = context.constant('grouped', int64([0, groups, -1]))
    const grouped = graph.node('Reshape', [value.name, shape])
    const unit = graph.node(
      'InstanceNormalization',
      [grouped, filled(graph, groups, 1), filled(graph, groups, 0)],
      { epsilon: float(numberOf(context, 'epsilon', 1e-3)) },
    )
    let name = graph.node('Reshape', [unit, graph.node('Shape', [value.name])], {}, { name: path })
    if (has(config, 'scale'))
      name = graph.node('Mul', [name, alongChannels(context, 'gamma', value.rank)])
    if (has(config, 'center'))
      name = graph.node('Add', [name, alongChannels(context, 'beta', value.rank)])
    return { ...value, name }
  },
}

const unitNormalization: KerasLayer = {
  mask: 'kept',
  build(context, [input]) {
    const { graph, path } = context
    const value = asInKeras(graph, input!)
    const axes = graph.constant(int64(axesOf(context, value.rank)), 'axes')
    const square = graph.node('ReduceSum', [graph.node('Mul', [value.name, value.name]), axes])
    const norm = graph.node('Sqrt', [graph.node('Max', [square, number(graph, 1e-12)])])
    return { ...value, name: graph.node('Div', [value.name, norm], {}, { name: path }) }
  },
}

/** A setting: one number, or one for each channel. */
const settingOf = (context: LayerContext, key: string, otherwise: number): string => {
  const given = flatNumbers(context.config[key])
  const numbers = isNumbers(given) ? given : [typeof given === 'number' ? given : otherwise]
  return context.constant(key, float32(numbers.length === 1 ? [] : [numbers.length], numbers))
}

/** Settings of one number per channel, which grow with the channels. */
const settings =
  (...keys: readonly string[]): NonNullable<KerasLayer['sizes']> =>
  (_, config, grown) =>
    Object.fromEntries(
      keys.flatMap((key) => (Array.isArray(config[key]) ? [[key, grown.constant(key)!]] : [])),
    )

const rescaling: KerasLayer = {
  sizes: settings('scale', 'offset'),
  mask: 'kept',
  build(context, [input]) {
    const { graph, path } = context
    const value = asInKeras(graph, input!)
    const scaled = graph.node('Mul', [value.name, settingOf(context, 'scale', 1)])
    const inputs = [scaled, settingOf(context, 'offset', 0)]
    return { ...value, name: graph.node('Add', inputs, {}, { name: path }) }
  },
}

/** (x − mean) / √variance, with the statistics of the data that the layer was adapted to. */
const normalization: KerasLayer = {
  variables: ({ mean }) => (isGiven(mean) ? [] : ['mean', 'variance', 'count']),
  trained: [],
  sizes: settings('mean', 'variance'),
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    const value = asInKeras(graph, input!)
    const axes = config.axis === null ? [] : axesOf(context, value.rank)
    const statistic = (name: 'mean' | 'variance') =>
      isGiven(config[name])
        ? settingOf(context, name, 0)
        : alongAxes(context, name, axes, value.rank)
    if (isGiven(config.mean) && axes.length > 0 && axes.join() !== `${value.rank - 1}`)
      throw refuse(context, `the axis ${JSON.stringify(config.axis)}`)
    const least = number(graph, 1e-7)
    const deviation = graph.node('Max', [graph.node('Sqrt', [statistic('variance')]), least])
    const name =
      config.invert === true
        ? graph.node(
            'Add',
            [graph.node('Mul', [value.name, deviation]), statistic('mean')],
            {},
            { name: path },
          )
        : graph.node(
            'Div',
            [graph.node('Sub', [value.name, statistic('mean')]), deviation],
            {},
            { name: path },
          )
    return { ...value, name }
  },
}

const isGiven = (value: Json | undefined): boolean => value !== null && value !== undefined
const flatNumbers = (value: Json | undefined): Json | undefined =>
  Array.isArray(value) ? ((value as readonly Json[]).flat(8) as Json) : value

export const normalizations: KerasLayers = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  GroupNormalization: groupNormalization,
  UnitNormalization: unitNormalization,
  Normalization: normalization,
  Rescaling: rescaling,
}
