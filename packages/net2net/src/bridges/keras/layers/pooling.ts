/**
 * Poolings.
 *
 * @see https://keras.io/api/layers/pooling_layers/
 */
import { int64 } from '../../../tensor/tensor.ts'
import { asInKeras, hasChannelsFirst, image } from './axes.ts'
import { numbersOf } from './config.ts'
import type { KerasLayer, KerasLayers, KerasValue, LayerContext, Mask } from './contract.ts'
import { windowOf } from './convolutions.ts'

const pooling = (opType: 'MaxPool' | 'AveragePool', dims: number): KerasLayer => ({
  build(context, [input]) {
    const value = image(context, input, dims)
    const { dilations: _, ...window } = windowOf(
      context,
      numbersOf(context, 'pool_size', dims),
      dims,
    )
    const name = context.graph.node(opType, [value.name], window, { name: context.path })
    return { ...value, name }
  },
})

const globalPooling = (
  opType: 'GlobalAveragePool' | 'GlobalMaxPool',
  dims: number,
): KerasLayer => ({
  build(context, [input]) {
    const isMasked = input?.mask !== undefined && opType === 'GlobalAveragePool' && dims === 1
    if (isMasked) return maskedMean(context, input, input.mask!)
    const value = image(context, input, dims)
    const name = context.graph.node(opType, [value.name], {}, { name: context.path })
    return context.config.keepdims === true ? { ...value, name } : flat(context, name)
  },
})

const flat = ({ graph }: LayerContext, name: string): KerasValue => ({
  name: graph.node('Flatten', [name], { axis: 1 }),
  rank: 2,
  channelsFirst: false,
})

/** The mean of the steps that count. */
function maskedMean(context: LayerContext, input: KerasValue, mask: Mask): KerasValue {
  const { graph, config, path } = context
  const value = asInKeras(graph, input)
  const [steps, features] = hasChannelsFirst(context) ? [2, 1] : [1, 2]
  const alongSteps = graph.constant(int64([steps]), 'axes')
  const axes = graph.constant(int64([features]), 'axes')
  const weights = graph.node('Unsqueeze', [graph.node('Cast', [mask()], { to: 1 }), axes])
  const keepdims = config.keepdims === true ? 1 : 0
  const sum = (name: string) => graph.node('ReduceSum', [name, alongSteps], { keepdims })
  const total = sum(graph.node('Mul', [value.name, weights]))
  const name = graph.node('Div', [total, sum(weights)], {}, { name: path })
  return { name, rank: keepdims === 1 ? 3 : 2, channelsFirst: false }
}

/** One entry for each number of axes; Keras has older names for the same. */
const family = (
  names: readonly string[],
  make: (dims: number) => KerasLayer,
): [string, KerasLayer][] =>
  [1, 2, 3].flatMap((dims) =>
    names.map((name): [string, KerasLayer] => [`${name}${dims}D`, make(dims)]),
  )

export const poolings: KerasLayers = Object.fromEntries([
  ...family(['MaxPooling', 'MaxPool'], (dims) => pooling('MaxPool', dims)),
  ...family(['AveragePooling', 'AvgPool'], (dims) => pooling('AveragePool', dims)),
  ...family(['GlobalAveragePooling', 'GlobalAvgPool'], (dims) =>
    globalPooling('GlobalAveragePool', dims),
  ),
  ...family(['GlobalMaxPooling', 'GlobalMaxPool'], (dims) => globalPooling('GlobalMaxPool', dims)),
])
