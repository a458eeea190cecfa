/**
 * Several values into one.
 *
 * @see https://keras.io/api/layers/merging_layers/
 */
import type { GraphBuilder } from '../../../model/builder.ts'
import { float32, int64 } from '../../../tensor/tensor.ts'
import { alike, asInKeras, axisIn, range } from './axes.ts'
import { isNumbers, numberOf, refuse } from './config.ts'
import {
  builtOnce,
  type KerasLayer,
  type KerasLayers,
  type KerasValue,
  type Mask,
} from './contract.ts'

/** A step counts that counts in any; where one has no mask, none has. */
function anyMask(graph: GraphBuilder, values: readonly KerasValue[]): Mask | undefined {
  const masks = values.flatMap(({ mask }) => (mask === undefined ? [] : [mask]))
  if (masks.length < values.length) return undefined
  return builtOnce(() => {
    const names = [...new Set(masks.map((mask) => mask()))]
    return names.reduce((one, other) => graph.node('Or', [one, other]))
  })
}

/** Several inputs, element by element. */
const merging = (opType: string, form: 'binary' | 'variadic' = 'binary'): KerasLayer => ({
  mask: 'own',
  build(context, inputs) {
    const { graph, path } = context
    if (inputs.length < 2) throw refuse(context, `${inputs.length} inputs`)
    const rank = inputs[0]!.rank
    if (inputs.some((input) => input.rank !== rank))
      throw refuse(context, 'inputs of different ranks')
    const values = alike(graph, inputs)
    const [first, ...others] = values.map(({ name }) => name) as [string, ...string[]]
    const name =
      form === 'variadic'
        ? graph.node(opType, [first, ...others], {}, { name: path })
        : others.reduce(
            (sum, other, i) =>
              graph.node(opType, [sum, other], {}, i === others.length - 1 ? { name: path } : {}),
            first,
          )
    return { ...values[0]!, name, mask: anyMask(graph, inputs) }
  },
})

const concatenate: KerasLayer = {
  mask: 'own',
  build(context, inputs) {
    const { graph } = context
    const values = alike(graph, inputs)
    const { rank } = values[0]!
    const place = numberOf(context, 'axis', -1)
    const axis = axisIn(values[0]!, place)
    const names = values.map((value) => value.name)
    const name = graph.node('Concat', names, { axis }, { name: context.path })
    const masks = inputs.flatMap(({ mask }) => (mask === undefined ? [] : [mask]))
    if (masks.length === 0) return { ...values[0]!, name }
    // Joined along its features a step counts that counts in any, and in each that has no mask.
    const isLast = (place < 0 ? place + rank : place) === rank - 1
    const mask =
      isLast && masks.length === inputs.length
        ? anyMask(graph, inputs)
        : isLast
          ? undefined
          : builtOnce(() =>
              graph.node(
                'Concat',
                masks.map((each) => each()),
                { axis: place < 0 ? place + rank : place },
              ),
            )
    if (!isLast && masks.length < inputs.length)
      throw refuse(context, 'inputs of which only some are masked')
    return { ...values[0]!, name, mask }
  },
}

/** Sums of products over one axis of each: [batch, rest of the one, rest of the other]. */
const dot: KerasLayer = {
  build(context, inputs) {
    const { graph, config } = context
    if (inputs.length !== 2) throw refuse(context, `${inputs.length} inputs`)
    const [a, b] = inputs.map((input) => asInKeras(graph, input)) as [KerasValue, KerasValue]
    const { axes } = config
    const given = isNumbers(axes) ? axes : typeof axes === 'number' ? [axes, axes] : undefined
    if (given?.length !== 2) throw refuse(context, `the axes ${JSON.stringify(axes ?? null)}`)
    const placeOf = (value: KerasValue, axis: number) => (axis < 0 ? axis + value.rank : axis)
    const [left, right] = [placeOf(a, given[0]!), placeOf(b, given[1]!)]
    const unit = (value: KerasValue, axis: number) => {
      if (config.normalize !== true) return value.name
      const square = graph.node('ReduceSum', [
        graph.node('Mul', [value.name, value.name]),
        graph.constant(int64([axis]), 'axes'),
      ])
      const least = graph.constant(float32([], [1e-12]), 'least')
      return graph.node('Div', [
        value.name,
        graph.node('Sqrt', [graph.node('Max', [square, least])]),
      ])
    }
    const letters = (value: KerasValue, axis: number, from: number) =>
      range(0, value.rank).map((k) =>
        k === 0 ? 'a' : k === axis ? 'z' : String.fromCharCode(from + k),
      )
    const [one, other] = [letters(a, left, 97), letters(b, right, 109)]
    const result = [...one, ...other.slice(1)].filter((letter) => letter !== 'z')
    const equation = `${one.join('')},${other.join('')}->${result.join('')}`
    const product = graph.node(
      'Einsum',
      [unit(a, left), unit(b, right)],
      { equation },
      { name: context.path },
    )
    if (result.length > 1) return { name: product, rank: result.length, channelsFirst: false }
    const name = graph.node('Unsqueeze', [product, graph.constant(int64([1]), 'axes')])
    return { name, rank: 2, channelsFirst: false }
  },
}

export const merges: KerasLayers = {
  Add: merging('Add'),
  Subtract: merging('Sub'),
  Multiply: merging('Mul'),
  Maximum: merging('Max', 'variadic'),
  Minimum: merging('Min', 'variadic'),
  Average: merging('Mean', 'variadic'),
  Concatenate: concatenate,
  Dot: dot,
}
