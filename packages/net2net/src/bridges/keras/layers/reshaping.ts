/**
 * Layers that move, pad and repeat elements.
 *
 * @see https://keras.io/api/layers/reshaping_layers/
 */
import { quote } from '../../../model/quote.ts'
import { float32, int64 } from '../../../tensor/tensor.ts'
import type { Json } from '../json.ts'
import { asInKeras, image, range } from './axes.ts'
import { isNumbers, mustHaveRank, numberOf, numbersOf, refuse } from './config.ts'
import type { KerasLayer, KerasLayers, LayerContext } from './contract.ts'

const flatten: KerasLayer = {
  build(context, [input]) {
    const { graph, config, path } = context
    const value = asInKeras(graph, input!)
    const { rank } = value
    // Keras flattens images with their channels first as if they were last.
    const perm = [0, ...range(2, rank), 1]
    const isFirst = config.data_format === 'channels_first' && rank > 2
    const name = isFirst ? graph.node('Transpose', [value.name], { perm }) : value.name
    if (rank === 2) return value
    return {
      name: graph.node('Flatten', [name], { axis: 1 }, { name: path }),
      rank: 2,
      channelsFirst: false,
    }
  },
}

const reshape: KerasLayer = {
  sizes: (_, __, grown) => ({ target_shape: grown.constant('target_shape')!.slice(1) }),
  build(context, [input]) {
    const { graph, config } = context
    const target = config.target_shape
    if (!isNumbers(target)) throw refuse(context, 'no target shape')
    const value = asInKeras(graph, input!)
    const shape = context.constant('target_shape', int64([0, ...target]))
    const name = graph.node('Reshape', [value.name, shape], {}, { name: context.path })
    return { name, rank: target.length + 1, channelsFirst: false }
  },
}

const permute: KerasLayer = {
  build(context, [input]) {
    const { graph, path } = context
    const value = asInKeras(graph, input!)
    const perm = [0, ...numbersOf(context, 'dims', value.rank - 1)]
    return { ...value, name: graph.node('Transpose', [value.name], { perm }, { name: path }) }
  },
}

const repeatVector: KerasLayer = {
  build(context, [input]) {
    const { graph, path } = context
    const value = mustHaveRank(context, input, 2)
    const count = numberOf(context, 'n')
    const column = graph.node('Unsqueeze', [value.name, graph.constant(int64([1]), 'axes')])
    const repeats = graph.constant(int64([1, count, 1]), 'repeats')
    const name = graph.node('Tile', [column, repeats], {}, { name: path })
    return { name, rank: 3, channelsFirst: false }
  },
}

/** For each axis how much lies before and behind: one number, one per axis, or pairs. */
function pairsOf(context: LayerContext, key: string, dims: number): [number, number][] {
  const given = context.config[key]
  const list: readonly Json[] =
    typeof given === 'number'
      ? Array<Json>(dims).fill(given)
      : dims === 1 && isNumbers(given)
        ? [given]
        : ((given as readonly Json[] | undefined) ?? [])
  const pairs = Array.isArray(list)
    ? list.map((pair: Json) => (typeof pair === 'number' ? [pair, pair] : pair))
    : []
  if (pairs.length !== dims || !pairs.every((pair) => isNumbers(pair) && pair.length === 2))
    throw refuse(context, `no ${quote(key)} of ${dims} axes`)
  return pairs as [number, number][]
}

const padding = (sign: 1 | -1, key: string, dims: number): KerasLayer => ({
  build(context, [input]) {
    const { graph, path } = context
    const value = image(context, input, dims)
    const pairs = pairsOf(context, key, dims)
    const pads = [0, 1].flatMap((end) => [0, 0, ...pairs.map((pair) => sign * pair[end]!)])
    const inputs = [value.name, graph.constant(int64(pads), 'pads')]
    return { ...value, name: graph.node('Pad', inputs, { mode: 'constant' }, { name: path }) }
  },
})

const upSampling = (dims: number): KerasLayer => ({
  build(context, [input]) {
    const { graph, config, path } = context
    const value = image(context, input, dims)
    const sizes = numbersOf(context, 'size', dims)
    const scales = graph.constant(float32([dims + 2], [1, 1, ...sizes]), 'scales')
    const { interpolation = 'nearest' } = config
    if (interpolation !== 'nearest' && interpolation !== 'bilinear')
      throw refuse(context, `the interpolation ${quote(interpolation)}`)
    const attributes =
      interpolation === 'nearest'
        ? { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
        : { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }
    const name = graph.node('Resize', [value.name, '', scales], attributes, { name: path })
    return { ...value, name }
  },
})

export const reshapings: KerasLayers = {
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  RepeatVector: repeatVector,
  ZeroPadding1D: padding(1, 'padding', 1),
  ZeroPadding2D: padding(1, 'padding', 2),
  ZeroPadding3D: padding(1, 'padding', 3),
  Cropping1D: padding(-1, 'cropping', 1),
  Cropping2D: padding(-1, 'cropping', 2),
  Cropping3D: padding(-1, 'cropping', 3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
}
