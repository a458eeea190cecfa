/** Values in the order of Keras, or with their channels first, as ONNX wants them. */
import type { GraphBuilder } from '../../../model/builder.ts'
import { mustHaveRank } from './config.ts'
import type { KerasValue, LayerContext } from './contract.ts'

export const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
export const firstOrder = (rank: number) => [0, rank - 1, ...range(1, rank - 1)]
export const lastOrder = (rank: number) => [0, ...range(2, rank), 1]

export function channelsFirst(graph: GraphBuilder, value: KerasValue): KerasValue {
  if (value.channelsFirst || value.rank <= 2) return { ...value, channelsFirst: value.rank > 2 }
  const name = graph.node('Transpose', [value.name], { perm: firstOrder(value.rank) })
  return { ...value, name, channelsFirst: true }
}

/** The value in the order that it has in Keras. */
export function asInKeras(graph: GraphBuilder, value: KerasValue): KerasValue {
  if (!value.channelsFirst || value.rank <= 2) return { ...value, channelsFirst: false }
  const name = graph.node('Transpose', [value.name], { perm: lastOrder(value.rank) })
  return { ...value, name, channelsFirst: false }
}

export const hasChannelsFirst = ({ config }: LayerContext): boolean =>
  config.data_format === 'channels_first'

/** The input as an image [batch, channels, …] of `dims` axes: so it lies already where Keras has the channels first. */
export function image(
  context: LayerContext,
  input: KerasValue | undefined,
  dims: number,
): KerasValue {
  const value = mustHaveRank(context, input, dims + 2)
  return (hasChannelsFirst(context) ? asInKeras : channelsFirst)(context.graph, value)
}

/** The place of an axis of Keras in a value as it lies. */
export function axisIn({ rank, channelsFirst: isFirst }: KerasValue, axis: number): number {
  const place = axis < 0 ? axis + rank : axis
  return isFirst ? firstOrder(rank).indexOf(place) : place
}

/** Several values in one order: with the channels first if any has them so. */
export function alike(graph: GraphBuilder, values: readonly KerasValue[]): readonly KerasValue[] {
  const order = values.some((value) => value.channelsFirst) ? channelsFirst : asInKeras
  return values.map((value) => order(graph, value))
}
