/**
 * Operations of keras.ops that stand in the config of a model by themselves: what computes masks, and arithmetic of two
 * values or of a value and a number.
 *
 * @see https://keras.io/api/ops/
 */
import { int64 } from '../../../tensor/tensor.ts'
import type { Json } from '../json.ts'
import { alike, asInKeras } from './axes.ts'
import { isNumbers, number, refuse } from './config.ts'
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

/** Whether any (or all) entries along some axes are true. */
const reduced = (opType: 'ReduceMax' | 'ReduceMin'): KerasLayer => ({
  build(context, [input]) {
    const { graph, config, path } = context
    const value = asInKeras(graph, input!)
    const { axis } = config
    const axes = typeof axis === 'number' ? [axis] : axis
    if (!isNumbers(axes)) throw refuse(context, `the axis ${JSON.stringify(axis ?? null)}`)
    const keepdims = config.keepdims === true ? 1 : 0
    const inputs = [
      graph.node('Cast', [value.name], { to: 1 }),
      graph.constant(int64(axes), 'axes'),
    ]
    const found = graph.node(opType, inputs, { keepdims })
    const name = graph.node('Cast', [found], { to: 9 }, { name: path })
    return { name, rank: value.rank - (keepdims === 1 ? 0 : axes.length), channelsFirst: false }
  },
})

/** An operation on each element. */
const unary = (opType: string): KerasLayer => ({
  build: ({ graph, path }, [input]) => ({
    ...input!,
    name: graph.node(opType, [input!.name], {}, { name: path }),
  }),
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
  Any: reduced('ReduceMax'),
  All: reduced('ReduceMin'),
  Negative: unary('Neg'),
  Abs: unary('Abs'),
  Absolute: unary('Abs'),
  Exp: unary('Exp'),
  Sqrt: unary('Sqrt'),
  Relu: unary('Relu'),
  Sigmoid: unary('Sigmoid'),
  Tanh: unary('Tanh'),
}
