/** Reading the config of a layer, and saying what in it is not supported. */
import { refusedError } from '../../../errors.ts'
import type { GraphBuilder } from '../../../model/builder.ts'
import { quote } from '../../../model/quote.ts'
import { float32 } from '../../../tensor/tensor.ts'
import type { Json, JsonObject } from '../json.ts'
import type { KerasValue, LayerContext } from './contract.ts'

/** What to do with a network that cannot be read here. */
export const exportInstead =
  'Export the model as ONNX (model.export(FILE, format="onnx")) and grow that.'

type Named = Pick<LayerContext, 'path' | 'kind'>

export const refuse = ({ path, kind }: Named, what: string): Error =>
  refusedError(`The layer ${quote(path)} (${kind}) has ${what}, which is not supported.`, {
    where: path,
    hint: exportInstead,
  })

export function numberOf(context: LayerContext, key: string, otherwise?: number): number {
  const value = context.config[key] ?? otherwise
  if (typeof value !== 'number') throw refuse(context, `no number ${quote(key)}`)
  return value
}

export const isNumbers = (value: Json | undefined): value is number[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'number')

/** One number or several, as that many. */
export function numbersOf(
  context: LayerContext,
  key: string,
  count: number,
  otherwise?: number,
): number[] {
  const value = context.config[key] ?? otherwise
  const list = typeof value === 'number' ? Array<number>(count).fill(value) : value
  if (!isNumbers(list) || list.length !== count)
    throw refuse(context, `no ${count} numbers ${quote(key)}`)
  return list
}

/** Whether a setting is on that is on where nothing is said. */
export const has = (config: JsonObject, key: string): boolean => config[key] !== false
/** Whether something is given. */
export const isSet = (value: Json | undefined): boolean =>
  value !== undefined && value !== null && value !== false

export function mustHaveRank(
  context: LayerContext,
  input: KerasValue | undefined,
  rank: number,
): KerasValue {
  if (input?.rank !== rank) throw refuse(context, `an input of ${input?.rank ?? 0} axes`)
  return input
}

/** The axes of a config, one or a list, counted from the front. */
export function axesOf({ config }: LayerContext, rank: number): number[] {
  const { axis = -1 } = config
  const list = isNumbers(axis) ? axis : [typeof axis === 'number' ? axis : -1]
  return list.map((each) => (each < 0 ? each + rank : each)).sort((a, b) => a - b)
}

/** The only axis of a config, counted from the front. */
export function axisOf(context: LayerContext, rank: number): number {
  const [axis, ...others] = axesOf(context, rank)
  if (axis === undefined || others.length > 0 || axis < 0 || axis >= rank)
    throw refuse(context, `the axis ${JSON.stringify(context.config.axis ?? null)}`)
  return axis
}

export const number = (graph: GraphBuilder, value: number): string =>
  graph.constant(float32([], [value]))
