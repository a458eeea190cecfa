/**
 * Gradients of LSTM, GRU and RNN: backpropagation through time, for each direction by itself. The cells
 * (recurrent-cells.ts) give δ, the gradient of what the activations are applied to, for all steps.
 * Then, with the steps of all sequences as the rows of one matrix,
 *
 *   ∂L/∂X = δ·W,   ∂L/∂W = δᵀ·X,   ∂L/∂R = δᵀ·H[t−1],   ∂L/∂B = Σ δ, once for W·x and once for R·h.
 *
 * A sequence that is shorter than the others keeps its last state to the end, so that the steps behind its
 * own end hand the gradient on as it is. What the node gives there is zero, whatever the weights are.
 */
import { intAttribute, stringAttribute } from '../../model/attributes.ts'
import { scalar } from '../../tensor/tensor.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import {
  cannotDifferentiate,
  filled,
  ints,
  knownShape,
  knownSizes,
  range,
  reduce,
  reshape,
  reshapeLike,
  shapeOf,
  slice,
  unsqueeze,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { activationsOf, type RecurrentActivation } from '../helpers/recurrent-activations.ts'
import {
  asRows,
  type Cell,
  type Direction,
  type DirectionGradients,
  type Recurrence,
} from './recurrent-cells.ts'

/** Input positions. */
export const X = 0
export const W = 1
export const R = 2
export const B = 3
export const LENGTHS = 4
export const INITIAL = 5
export const INITIAL_CELL = 6
export const PEEPHOLES = 7

/** What all directions share. T steps, N sequences, D directions, H hidden units. */
interface Layer {
  readonly context: GradientContext
  readonly directions: number
  readonly features: number
  readonly hidden: number
  /** G·H. */
  readonly rows: number
  /** X, [T·N, I], and h[t], [T, D, N, H]. */
  readonly x: string
  readonly y: string
  readonly lengths: string | undefined
  readonly activations: readonly RecurrentActivation[]
}

/** `activations`: those of one direction where the node does not name any. */
export const recurrentGradient =
  (cell: Cell, activations: readonly string[]): GradientRule =>
  (context) => {
    if ([0, 1, 2].every((k) => context.outputGradient(k) === undefined)) return []
    const layer = layerOf(context, activations)
    const directions = range(layer.directions).map((k) => {
      const direction = directionOf(layer, k)
      return { direction, gradients: cell(direction) }
    })
    return inputGradients(layer, directions)
  }

function layerOf(context: GradientContext, defaults: readonly string[]): Layer {
  const { node } = context
  if (intAttribute(node, 'layout', 0) === 1)
    throw cannotDifferentiate(context, 'its batch is first')
  const [[directions, rows, features], [, , hidden]] = [W, R].map((i) =>
    knownSizes(context, knownShape(context, context.input(i)), 'the sizes of its weights'),
  ) as unknown as readonly [readonly [number, number, number], readonly [number, number, number]]
  const activations = activationsOf(
    node,
    range(directions).flatMap(() => defaults),
  )
  if (!activations) throw cannotDifferentiate(context, 'one of its activations is not known')
  const others = Object.fromEntries(node.attributes)
  return {
    context,
    directions,
    features,
    hidden,
    rows,
    activations,
    x: asRows(context, context.input(X), features),
    // Where nobody reads the states of all steps, the node does not give them.
    y: context.output(0) || context.op(node.opType, node.inputs, others),
    lengths: context.has(LENGTHS)
      ? context.op('Cast', [context.input(LENGTHS)], { to: 7 })
      : undefined,
  }
}

/** Entry k of an axis that goes over the directions. */
export function entry(
  { context, directions }: Pick<Layer, 'context' | 'directions'>,
  value: string,
  k: number,
  axis = 0,
): string {
  return directions === 1
    ? context.op('Squeeze', [value, ints(context, [axis])])
    : context.op('Gather', [value, context.constant(scalar('int64', k))], { axis })
}

/** Does direction k read the sequence from its end? */
export const isBackwards = ({ node }: GradientContext, k: number): boolean =>
  k === 1 || stringAttribute(node, 'direction', 'forward') === 'reverse'

function directionOf(layer: Layer, k: number): Direction {
  const { context, hidden, rows, lengths, activations, directions } = layer
  const f = formula(context, layer.x)
  const backwards = isBackwards(context, k)
  const given = (i: number) => (context.has(i) ? entry(layer, context.input(i), k) : undefined)
  const zeros = () => filled(context, [{ of: context.input(X), axis: 1 }, hidden], 0)
  const isRead = lengths && isBefore(layer, lengths, 0)
  const [dY, dH, dC] = [0, 1, 2].map((i) => {
    const gradient = context.outputGradient(i)
    return gradient && entry(layer, gradient, k, i === 0 ? 1 : 0)
  })
  const last = (gradient: string | undefined) => {
    if (gradient === undefined) return zeros()
    return lengths === undefined ? gradient : f.where(isNotEmpty(layer, lengths), gradient, 0)
  }
  const bias = given(B)
  const half = (from: number) => slice(context, bias!, [0], [from], [from + rows])
  const each = activations.length / directions
  return {
    context,
    f,
    backwards,
    hidden,
    x: layer.x,
    w: entry(layer, context.input(W), k),
    r: entry(layer, context.input(R), k),
    biases: bias === undefined ? undefined : [half(0), half(rows)],
    peepholes: given(PEEPHOLES),
    before: statesBefore(layer, entry(layer, layer.y, k, 1), given(INITIAL), zeros, backwards),
    initialCell: () => given(INITIAL_CELL) ?? zeros(),
    isRead,
    activations: activations.slice(k * each, (k + 1) * each),
    dy: isRead && dY ? f.where(isRead, dY, 0) : dY,
    dh: last(dH),
    dc: () => last(dC),
  }
}

/** Which steps t have t + `ahead` within their sequences, [T, N, 1]. */
function isBefore({ context }: Layer, lengths: string, ahead: number): string {
  const [time] = knownShape(context, context.input(X))
  const number = (value: number) => context.constant(scalar('int64', value))
  const steps =
    typeof time === 'number'
      ? number(time + ahead)
      : context.op('Add', [
          context.op('Squeeze', [shapeOf(context, context.input(X), 0, 1)]),
          number(ahead),
        ])
  const positions = context.op('Range', [number(ahead), steps, number(1)])
  return context.op('Less', [
    unsqueeze(context, positions, [1, 2]),
    reshape(context, lengths, [1, -1, 1]),
  ])
}

/** Which sequences have a step at all, [N, 1]: ONNX Runtime gives zeros as the last state of the others. */
const isNotEmpty = ({ context }: Layer, lengths: string): string =>
  context.op('Greater', [reshape(context, lengths, [-1, 1]), context.constant(scalar('int64', 0))])

/** h[t−1] of every step t, where `y` holds h[t]; for the other direction h[t+1]. */
function statesBefore(
  layer: Layer,
  y: string,
  initial: string | undefined,
  zeros: () => string,
  backwards: boolean,
): string {
  const { context, lengths } = layer
  const first = unsqueeze(context, initial ?? zeros(), [0])
  if (!backwards)
    return context.op('Concat', [first, slice(context, y, [0], [0], [-1])], { axis: 0 })
  const others = slice(context, y, [0], [1], [Number.MAX_SAFE_INTEGER])
  const states = context.op('Concat', [others, first], { axis: 0 })
  // Sequences of other lengths begin within, where `y` is zero.
  return lengths === undefined || initial === undefined
    ? states
    : context.op('Where', [isBefore(layer, lengths, 1), states, first])
}

interface Solved {
  readonly direction: Direction
  readonly gradients: DirectionGradients
}

/** One gradient for each input of the node. */
function inputGradients(layer: Layer, solved: readonly Solved[]): readonly (string | undefined)[] {
  const { context, features, hidden, rows } = layer
  const deltas = solved.map(({ gradients }) => asRows(context, gradients.inputs, rows))
  const product = (delta: string, values: string) =>
    context.op('Gemm', [delta, values], { transA: 1 })
  const sums = (value: string, columns: number) =>
    reduce(context, 'Sum', asRows(context, value, columns), [0], false)
  /** [D, …] of the gradients of all directions. */
  const stacked = (
    i: number,
    sizes: readonly number[],
    of: (solved: Solved, k: number) => string,
  ): string | undefined => {
    if (!context.needs(i)) return undefined
    const each = solved.map((one, k) => reshape(context, of(one, k), [1, ...sizes]))
    return each.length === 1 ? each[0]! : context.op('Concat', each, { axis: 0 })
  }
  /** Of all gates, one part after the other. */
  const joined = ({ recurrences }: DirectionGradients, of: (part: Recurrence) => string) => {
    const parts = recurrences.map(of)
    return parts.length === 1 ? parts[0]! : context.op('Concat', parts, { axis: 0 })
  }
  const inputs = () => {
    const parts = deltas.map((delta, k) => context.op('MatMul', [delta, solved[k]!.direction.w]))
    return reshapeLike(
      context,
      parts.reduce((a, b) => context.op('Add', [a, b])),
      context.input(X),
    )
  }
  return [
    context.needs(X) ? inputs() : undefined,
    stacked(W, [rows, features], (_, k) => product(deltas[k]!, layer.x)),
    stacked(R, [rows, hidden], ({ gradients }) =>
      joined(gradients, ({ gates, deltas, states }) =>
        product(asRows(context, deltas, gates * hidden), asRows(context, states, hidden)),
      ),
    ),
    stacked(B, [2 * rows], ({ gradients }) => {
      const forInputs = sums(gradients.inputs, rows)
      const forStates = joined(gradients, ({ gates, deltas }) => sums(deltas, gates * hidden))
      return context.op('Concat', [forInputs, forStates], { axis: 0 })
    }),
    undefined,
    stacked(INITIAL, [-1, hidden], ({ gradients }) => gradients.initial),
    stacked(INITIAL_CELL, [-1, hidden], ({ gradients }) => gradients.initialCell!),
    stacked(PEEPHOLES, [3 * hidden], ({ gradients }) => gradients.peepholes!()),
  ]
}
