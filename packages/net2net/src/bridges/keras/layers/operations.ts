/**
 * Operations of keras.ops that stand in the config of a model by themselves: arithmetic of two values or of a value and a
 * number, functions of each element, sums and other reductions, entries and slices, and what computes masks.
 *
 * @see https://keras.io/api/ops/
 */
import { float } from '../../../model/attributes.ts'
import { int64 } from '../../../tensor/tensor.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'
import { activated } from './activate.ts'
import { alike, asInKeras, range } from './axes.ts'
import { axisOf, isNumbers, number, numberOf, refuse } from './config.ts'
import type { KerasLayer, KerasLayers, KerasValue, LayerContext } from './contract.ts'

const isValue = (item: KerasValue | Json | undefined): item is KerasValue =>
  typeof item === 'object' && item !== null && 'channelsFirst' in item

/** Both operands, given in order or as x1 and x2: a value and another, or a number. */
function operandsOf(context: LayerContext): readonly (KerasValue | number)[] {
  const { operands, named, call } = context
  return ['x1', 'x2'].map((name, i) => {
    const item = operands[i] ?? named.get(name)?.[0] ?? call[name]
    if (isValue(item) || typeof item === 'number') return item
    throw refuse(context, `the operand ${JSON.stringify(item ?? null)}`)
  })
}

/** An operation on two operands; `asFloat`: numbers are compared whatever their types are. */
const binary = (opType: string, form?: 'as floats' | 'not'): KerasLayer => ({
  build(context) {
    const { graph, path } = context
    const operands = operandsOf(context)
    const values = operands.filter((item) => typeof item !== 'number')
    const rank = Math.max(...values.map((value) => value.rank))
    // Broadcast counts axes from the last: what has fewer lies in the order of Keras.
    const isSame = values.every((value) => value.rank === rank)
    const placed = isSame ? alike(graph, values) : values.map((value) => asInKeras(graph, value))
    const queue = [...placed]
    const names = operands.map((item) => {
      const name = typeof item === 'number' ? number(graph, item) : queue.shift()!.name
      return form !== undefined && typeof item !== 'number'
        ? graph.node('Cast', [name], { to: 1 })
        : name
    })
    const result = graph.node(opType, names, {}, { name: path })
    const name = form === 'not' ? graph.node('Not', [result]) : result
    return { name, rank, channelsFirst: placed[0]!.channelsFirst }
  },
})

const logical = (opType: string): KerasLayer => ({
  build(context) {
    const [first, second] = operandsOf(context)
    if (!isValue(first) || !isValue(second)) throw refuse(context, 'a number as an operand')
    const { graph, path } = context
    const [one, other] = [first, second].map((value) => asInKeras(graph, value))
    const name = graph.node(opType, [one!.name, other!.name], {}, { name: path })
    return { name, rank: Math.max(first.rank, second.rank), channelsFirst: false }
  },
})

/** The axes of a reduction: one, several, or without a word all. */
function reducedAxes(context: LayerContext, rank: number): number[] {
  const { axis = null, initial = null } = context.config
  if (initial !== null) throw refuse(context, `the initial value ${JSON.stringify(initial)}`)
  if (axis === null) return range(0, rank)
  const axes = typeof axis === 'number' ? [axis] : axis
  if (!isNumbers(axes)) throw refuse(context, `the axis ${JSON.stringify(axis)}`)
  return axes
}

/** A sum, say, along some axes. */
const reduced = (opType: string): KerasLayer => ({
  build(context, [input]) {
    const { graph, config, path } = context
    const value = asInKeras(graph, input!)
    const axes = reducedAxes(context, value.rank)
    const keepdims = config.keepdims === true ? 1 : 0
    const inputs = [value.name, graph.constant(int64(axes), 'axes')]
    const name = graph.node(opType, inputs, { keepdims }, { name: path })
    return { name, rank: value.rank - (keepdims === 1 ? 0 : axes.length), channelsFirst: false }
  },
})

/** Whether any (or all) entries along some axes are true. */
const tested = (opType: 'ReduceMax' | 'ReduceMin'): KerasLayer => ({
  build(context, [input]) {
    const { graph, path } = context
    const numbers = { ...input!, name: graph.node('Cast', [input!.name], { to: 1 }) }
    const found = reduced(opType).build({ ...context, path: `${path}/number` }, [numbers])
    const value = found as KerasValue
    return { ...value, name: graph.node('Cast', [value.name], { to: 9 }, { name: path }) }
  },
})

/** `x[:, 0]`, `x[..., 1:3]`: an entry or a slice of each axis. */
const getItem: KerasLayer = {
  build(context, [input]) {
    const { graph, path, operands, call } = context
    const value = asInKeras(graph, input!)
    const key = (operands[1] ?? call.key) as Json
    const items = Array.isArray(key) ? (key as readonly Json[]) : [key]
    const slices = items.map((item) => (isObject(item) ? sliceIn(context, item) : item))
    if (items.length > value.rank || typeof slices[0] === 'number') throw refuseKey(context, key)
    let { name, rank } = value
    let axis = 0
    for (const item of slices) {
      if (typeof item === 'number') {
        const at = graph.constant(int64([item], []), 'index')
        name = graph.node('Gather', [name, at], { axis })
        rank--
        continue
      }
      if (!isNumbers(item)) throw refuseKey(context, key)
      const [start, stop, step] = item as [number, number, number]
      if (start !== 0 || stop !== END || step !== 1) {
        const bounds = [start, stop, axis, step].map((each) => graph.constant(int64([each]), 'at'))
        name = graph.node('Slice', [name, ...bounds])
      }
      axis++
    }
    return { name: graph.node('Identity', [name], {}, { name: path }), rank, channelsFirst: false }
  },
}

/** Behind any axis. */
const END = 2 ** 31 - 1

/** Start, end and step of a slice. */
function sliceIn(context: LayerContext, item: JsonObject): number[] {
  const { start = null, stop = null, step = null } = isObject(item.config) ? item.config : {}
  const slice = [start ?? 0, stop ?? END, step ?? 1]
  if (item.class_name === '__slice__' && isNumbers(slice) && slice[2]! > 0) return slice
  throw refuseKey(context, item)
}

const refuseKey = (context: LayerContext, key: Json): Error =>
  refuse(context, `the key ${JSON.stringify(key ?? null)?.slice(0, 100)}`)

/** An operation on each element. */
const unary = (opType: string): KerasLayer => ({
  build: ({ graph, path }, [input]) => ({
    ...input!,
    name: graph.node(opType, [input!.name], {}, { name: path }),
  }),
})

/** One of several nodes. */
const composed = (emit: (context: LayerContext, name: string) => string): KerasLayer => ({
  build: (context, [input]) => ({ ...input!, name: emit(context, input!.name) }),
})

/** A number of the config as an attribute. */
const withAlpha = (opType: string, key: string, otherwise: number): KerasLayer =>
  composed((context, name) =>
    context.graph.node(
      opType,
      [name],
      { alpha: float(numberOf(context, key, otherwise)) },
      { name: context.path },
    ),
  )

/** An operation that is an activation without settings. */
const asActivation = (name: string): KerasLayer => ({
  build: (context, [input]) => activated(context, input!, name),
})

/** 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))). */
const approximateGelu = ({ graph }: LayerContext, x: string): string => {
  const times = (a: string, b: string | number) =>
    graph.node('Mul', [a, typeof b === 'number' ? number(graph, b) : b])
  const inner = graph.node('Add', [x, times(times(times(x, x), x), 0.044715)])
  const tanh = graph.node('Tanh', [times(inner, Math.sqrt(2 / Math.PI))])
  return times(times(x, 0.5), graph.node('Add', [tanh, number(graph, 1)]))
}

const gelu: KerasLayer = {
  build: (context, [input]) =>
    context.config.approximate === false
      ? activated(context, input!, 'gelu')
      : { ...input!, name: approximateGelu(context, input!.name) },
}

const normalized = (opType: string): KerasLayer => ({
  build(context, [input]) {
    const { graph, path } = context
    const value = asInKeras(graph, input!)
    const axis = axisOf(context, value.rank)
    return { ...value, name: graph.node(opType, [value.name], { axis }, { name: path }) }
  },
})

export const operations: KerasLayers = {
  Add: binary('Add'),
  Subtract: binary('Sub'),
  Multiply: binary('Mul'),
  Divide: binary('Div'),
  TrueDivide: binary('Div'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Equal: binary('Equal', 'as floats'),
  NotEqual: binary('Equal', 'not'),
  Greater: binary('Greater', 'as floats'),
  GreaterEqual: binary('GreaterOrEqual', 'as floats'),
  Less: binary('Less', 'as floats'),
  LessEqual: binary('LessOrEqual', 'as floats'),
  LogicalAnd: logical('And'),
  LogicalOr: logical('Or'),
  LogicalNot: unary('Not'),
  Any: tested('ReduceMax'),
  All: tested('ReduceMin'),
  Sum: reduced('ReduceSum'),
  Mean: reduced('ReduceMean'),
  Max: reduced('ReduceMax'),
  Min: reduced('ReduceMin'),
  Amax: reduced('ReduceMax'),
  Amin: reduced('ReduceMin'),
  GetItem: getItem,
  Negative: unary('Neg'),
  Abs: unary('Abs'),
  Absolute: unary('Abs'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Sin: unary('Sin'),
  Cos: unary('Cos'),
  Erf: unary('Erf'),
  Sqrt: unary('Sqrt'),
  Rsqrt: composed(({ graph }, x) => graph.node('Reciprocal', [graph.node('Sqrt', [x])])),
  Reciprocal: unary('Reciprocal'),
  Square: composed(({ graph, path }, x) => graph.node('Mul', [x, x], {}, { name: path })),
  Power: binary('Pow'),
  Relu: unary('Relu'),
  Sigmoid: unary('Sigmoid'),
  Tanh: unary('Tanh'),
  Relu6: asActivation('relu6'),
  Silu: asActivation('silu'),
  Softplus: asActivation('softplus'),
  Softsign: asActivation('softsign'),
  LogSigmoid: asActivation('log_sigmoid'),
  Gelu: gelu,
  Elu: withAlpha('Elu', 'alpha', 1),
  LeakyRelu: withAlpha('LeakyRelu', 'negative_slope', 0.2),
  Softmax: normalized('Softmax'),
  LogSoftmax: normalized('LogSoftmax'),
}
