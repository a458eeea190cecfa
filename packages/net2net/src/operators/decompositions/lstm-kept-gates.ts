/**
 * The gradient of an LSTM whose forward pass keeps its gates. The runtime's kernel gives none of them, so that the general
 * form (recurrent-gradient.ts) computes all a second time. Here a Scan takes the place of the kernel, and gives what the
 * way back needs as it goes: with c[t] = f·c[t−1] + i·g, h[t] = o·χ and χ = tanh c[t],
 *
 *   ∂c[t] = f[t+1]·∂c[t+1] + (o − h·χ)·∂h[t],
 *   δi = (i·g)·(1 − i)·∂c,   δo = h·(1 − o)·∂h,   δf = (f·c[t−1])·(1 − f)·∂c,   δg = (i − (i·g)·g)·∂c.
 *
 * A step multiplies h[t−1], x[t] and 1 below each other by R, W and the biases beside each other, and the gradients of all three are one product
 * over all steps. Wide inputs are multiplied by W before the steps instead: the sums of all gates and steps are written and read again then.
 *
 * Both directions take their steps at once: a step has half the nodes then, and each of the products of the two has a thread. Everything lies in the
 * order of the steps, in which direction 1 goes from the end, and axis D is the first one of states and weights, and the second one of what has all
 * steps. Shapes are told as for one direction, which has no such axis.
 *
 * States are [H, N] and gates [4·H, N], with the batch last: R is the first factor of the products in the steps, which the
 * runtime reads as it is, and the second one, which it repacks, is no larger than a state. Gates are rows that lie together.
 */
import { floatAttribute, intAttribute } from '../../model/attributes.ts'
import { elementCount, int64, type LazyTensor, scalar } from '../../tensor/tensor.ts'
import type { Emitter, GradientContext, GradientRule } from '../contract/gradient.ts'
import { costs, positionsOf, zerosPutApart } from '../helpers/costs.ts'
import {
  batchedProduct,
  filled,
  ints,
  range,
  reshape,
  reshapeLike,
  shapeOf,
  slice,
  transpose,
  unsqueeze,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { hasActivations } from '../helpers/recurrent-activations.ts'
import { emitScan } from '../helpers/scan.ts'
import {
  B,
  entry,
  INITIAL,
  INITIAL_CELL,
  isBackwards,
  LENGTHS,
  PEEPHOLES,
  R,
  W,
  X,
} from './recurrent-gradient.ts'

/** T steps, N sequences, D directions, I features, H hidden units. */
interface Layer {
  readonly context: GradientContext
  readonly directions: number
  readonly features: number
  readonly hidden: number
  /** X as [T, I, N], with a last row of ones where there are biases. */
  readonly x: string
  /** The axis of the rows of states and weights: behind that of the directions, where there are two. */
  readonly rows: 0 | 1
}

/** The forward pass: gates and states of all steps, [T, H, N], and states before and after, [H, N]. */
interface Kept {
  /** [4·H, H]. */
  readonly r: string
  readonly gates: Readonly<Record<'i' | 'o' | 'f' | 'g', string>>
  /** i·g, f·c[t−1], tanh c[t] and h[t]. */
  readonly added: string
  readonly remembered: string
  readonly shown: string
  readonly states: string
  /** What each step multiplied by R, W and the biases: h[t−1], x[t] and a row of ones, [T, H + I + 1, N]. */
  readonly factors: string
  readonly last: string
  readonly lastCell: string
}

/** The nodes of a step that takes the place of one of the kernel, beyond those that a step of the cells alone has. */
const moreNodes = 6

/**
 * The gradient in this form: undefined where the layer is not a plain LSTM, or where its gates cost less to compute again than
 * a step takes nodes.
 */
export function keptGates(context: GradientContext): ReturnType<GradientRule> | undefined {
  const { node } = context
  const [x, w, r] = [X, W, R].map((i) => context.info(context.input(i)))
  const [directions, rows, features] = w?.shape ?? []
  const batch = x?.shape?.[1]
  const isPlain =
    context.target === 'onnxruntime-cpu' &&
    x?.dtype === 'float32' &&
    [LENGTHS, PEEPHOLES].every((i) => !context.has(i)) &&
    intAttribute(node, 'layout', 0) === 0 &&
    intAttribute(node, 'input_forget', 0) === 0 &&
    floatAttribute(node, 'clip', undefined) === undefined &&
    hasActivations(node, ['Sigmoid', 'Tanh', 'Tanh'])
  const sizes = [directions, rows, features, r?.shape?.[2]]
  if (!isPlain || batch === undefined || !sizes.every((size) => typeof size === 'number'))
    return undefined
  const [count, gateRows, width, hidden] = sizes as [number, number, number, number]
  const again = positionsOf(batch) * count * gateRows * (width + hidden) * costs.product
  if (again < moreNodes * costs.stepNode) return undefined
  if ([0, 1, 2].every((k) => context.outputGradient(k) === undefined)) return []

  const columns = transpose(context, context.input(X), [0, 2, 1])
  const ones = () => filled(context, [{ of: columns, axis: 0 }, 1, { of: columns, axis: 2 }], 1)
  const layer: Layer = {
    context,
    directions: count,
    features: width,
    hidden,
    x: context.has(B) ? context.op('Concat', [columns, ones()], { axis: 1 }) : columns,
    rows: count === 1 ? 0 : 1,
  }
  const kept = forward(layer)
  takePlaces(layer, kept)
  return inputGradients(layer, back(layer, kept))
}

/** Without the axis of the directions, where there is one direction only. */
const own = (layer: Layer, value: string, axis = 0): string =>
  layer.directions === 1 ? entry(layer, value, 0, axis) : value

/** Exchanges the last two axes of states or weights, or of those of all steps. */
function turned({ context, rows }: Layer, value: string, ofSteps = false): string {
  const axes = range(rows + (ofSteps ? 1 : 0))
  return transpose(context, value, [...axes, axes.length + 1, axes.length])
}

function forward(layer: Layer): Kept {
  const { context, directions, features, hidden, rows } = layer
  const r = own(layer, context.input(R))
  const gateRows = 4 * hidden
  const biases = () => {
    const bias = own(layer, context.input(B))
    const half = (from: number) => slice(context, bias, [rows], [from], [from + gateRows])
    return unsqueeze(context, formula(context, bias).add(half(0), half(gateRows)), [rows + 1])
  }
  const ofInputs = [own(layer, context.input(W)), ...(context.has(B) ? [biases()] : [])]
  const inSteps = features * costs.stepProduct < costs.sums
  const weights = beside(context, inSteps ? [r, ...ofInputs] : ofInputs, rows + 1)
  const state = (i: number) =>
    context.has(i) ? turned(layer, own(layer, context.input(i))) : zeros(layer)
  // As both directions read it, [T, D, I, N].
  const x = directions === 1 ? layer.x : context.op('Gather', [layer.x, order(layer)])
  const { states, outputs } = emitScan(context, {
    states: [state(INITIAL), state(INITIAL_CELL)],
    sequences: [inSteps ? x : context.op('MatMul', [weights, x])],
    backwards: isBackwards(context, 0),
    step(emitter, [h = '', c = ''], [given = '']) {
      const { add, mul, sigmoid, tanh } = formula(emitter, h)
      const factor = inSteps ? beside(emitter, [h, given], rows) : h
      const product = () => emitter.op('MatMul', [inSteps ? weights : r, factor])
      const withInputs = () =>
        directions === 1 ? emitter.op('Gemm', [r, h, given]) : add(product(), given)
      const sums = inSteps ? product() : withInputs()
      const sizes = ints(emitter, [hidden, hidden, hidden, hidden])
      const apart = emitter.emit('Split', [sums, sizes], { axis: rows }, { outputs: 4 })
      // Each by itself: where one activation follows the product, the runtime fuses them, with a slower kernel of it.
      const [i = '', o = '', f = ''] = apart.slice(0, 3).map((gate) => sigmoid(gate))
      const g = tanh(apart[3]!)
      const remembered = mul(f, c)
      const added = mul(i, g)
      const cell = add(remembered, added)
      const shown = tanh(cell)
      const outputs = [i, o, f, g, added, remembered, shown, factor]
      return { states: [mul(o, shown), cell], outputs }
    },
  })
  const [i = '', o = '', f = '', g = '', added = '', remembered = '', shown = ''] = outputs
  const factor = outputs.at(-1)!
  return {
    r,
    gates: { i, o, f, g },
    added,
    remembered,
    shown,
    states: formula(context, o).mul(o, shown),
    factors: inSteps ? factor : beside(context, [factor, x], rows + 1),
    last: states[0]!,
    lastCell: states[1]!,
  }
}

const beside = (emitter: Emitter, values: readonly string[], axis: number): string =>
  values.length === 1 ? values[0]! : emitter.op('Concat', values, { axis })

/** The steps of both directions in their order, [T, 2]: those of direction 1 count from the end, by negative numbers. */
function order({ context, x }: Layer, isFirstAgain = false): string {
  const [steps = null] = context.info(x).shape ?? []
  if (typeof steps === 'number') {
    const each = [...range(steps), ...(isFirstAgain ? [0] : [])]
    const pairs = each.flatMap((step) => [step, -1 - step])
    return context.constant(int64(pairs, [each.length, 2]))
  }
  const number = (value: number) => context.constant(scalar('int64', value))
  const end = context.op('Squeeze', [shapeOf(context, x, 0, 1)])
  const ahead = unsqueeze(context, context.op('Range', [number(0), end, number(1)]), [1])
  const signed = context.op('Mul', [ahead, ints(context, [1, -1])])
  return context.op('Add', [signed, ints(context, [0, -1])])
}

/** Of what both directions gave, [T, D, …] or [T, D, rows, …], the entries of these steps at these places, which the axes behind the first one have. */
function gathered({ context }: Layer, value: string, steps: string, places: LazyTensor): string {
  const { shape = [] } = context.info(value)
  const size = elementCount(places.dims)
  const [time, axes] = [shape[0], Math.max(2, places.dims.length)]
  const rest = range(shape.length, axes).map((axis) => ({ of: value, axis }))
  const entries = reshape(context, value, [typeof time === 'number' ? time * size : -1, ...rest])
  const before = context.op('Mul', [steps, context.constant(scalar('int64', size))])
  const indices = context.op('Add', [before, context.constant(places)])
  return context.op('Gather', [entries, indices])
}

/** From the order of the steps into that of time, or the other way. */
const reordered = (layer: Layer, value: string): string =>
  layer.directions === 1 ? value : gathered(layer, value, order(layer), int64([0, 1]))

/** [rows, T, N] from [T, rows, N], of both directions in the order of time. The first step may come once more, behind the others. */
function rowsFirst(layer: Layer, value: string, rows: number, isFirstAgain = false): string {
  const { context, directions } = layer
  if (directions === 2) {
    const steps = unsqueeze(context, transpose(context, order(layer, isFirstAgain), [1, 0]), [1])
    return gathered(layer, value, steps, int64(range(2 * rows), [2, rows, 1]))
  }
  if (!isFirstAgain) return transpose(context, value, [1, 0, 2])
  const steps = context.info(value).shape![0] as number
  const places = range(rows).flatMap((row) => [
    ...range(steps).map((step) => step * rows + row),
    row,
  ])
  const entries = reshape(context, value, [steps * rows, -1])
  return context.op('Gather', [entries, ints(context, places)])
}

/** What was computed here is what the node gives. */
function takePlaces(layer: Layer, kept: Kept): void {
  const { context, directions } = layer
  const place = (output: number, axis: number, value: () => string) => {
    if (context.output(output) === '') return
    const same = directions === 1 ? unsqueeze(context, value(), [axis]) : value()
    context.hint(context.output(output), { same })
  }
  place(0, 1, () => turned(layer, reordered(layer, kept.states), true))
  place(1, 0, () => turned(layer, kept.last))
  place(2, 0, () => turned(layer, kept.lastCell))
}

/** ∂L/∂ of what the layer read. */
interface Solved {
  /** δ of all gates, [4·H, T·N]. */
  readonly deltas: string
  /** Of R, W and the biases beside each other, [4·H, H + I + 1]. */
  readonly weights: string
  /** Of the first state and cell, [H, N]. */
  readonly initial: string
  readonly initialCell: string
}

function back(layer: Layer, kept: Kept): Solved {
  const { context, rows } = layer
  const { gates, added, remembered, shown, states } = kept
  const { sub, mul } = formula(context, states)
  const [dy, dh, dc] = [0, 1, 2].map((output) => {
    const gradient = context.outputGradient(output)
    if (gradient === undefined) return undefined
    const ofSteps = output === 0
    const columns = turned(layer, own(layer, gradient, ofSteps ? 1 : 0), ofSteps)
    return ofSteps ? reordered(layer, columns) : columns
  })
  const nothing = () => zeros(layer)
  /** a·(1 − b). */
  const without = (a: string, b: string) => sub(a, mul(a, b))
  const weights = turned(layer, kept.r)
  const scanned = emitScan(context, {
    states: [dh ?? nothing(), dc ?? nothing()],
    sequences: [
      without(added, gates.i),
      without(states, gates.o),
      without(remembered, gates.f),
      sub(gates.i, mul(added, gates.g)),
      sub(gates.o, mul(states, shown)),
      gates.f,
      ...(dy === undefined ? [] : [dy]),
    ],
    backwards: !isBackwards(context, 0),
    step(emitter, [later = '', laterCell = ''], entries) {
      const [toI = '', toO = '', toF = '', toG = '', toCell = '', stays = '', own] = entries
      const { add, mul } = formula(emitter, later)
      const ofState = own === undefined ? later : add(later, own)
      const ofCell = add(laterCell, mul(ofState, toCell))
      const each = [mul(ofCell, toI), mul(ofState, toO), mul(ofCell, toF), mul(ofCell, toG)]
      const deltas = emitter.op('Concat', each, { axis: rows })
      const before = emitter.op('MatMul', [weights, deltas])
      return { states: [before, mul(ofCell, stays)], outputs: [deltas] }
    },
  })
  return {
    ...products(layer, scanned.outputs[0]!, kept.factors),
    initial: scanned.states[0]!,
    initialCell: scanned.states[1]!,
  }
}

/**
 * δ of all steps as a matrix, and its product with what the steps multiplied. Where lines of the two would collide in the cache, another step lies
 * behind them: of δ the first one again, of the other factor zeros.
 */
function products(
  layer: Layer,
  deltas: string,
  factors: string,
): Pick<Solved, 'deltas' | 'weights'> {
  const { context, directions, features, hidden } = layer
  const [gateRows, read] = [4 * hidden, hidden + features + (context.has(B) ? 1 : 0)]
  const { shape = [] } = context.info(deltas)
  const [steps = null, batch = null] = [shape[0], shape.at(-1)]
  const samples = positionsOf(batch)
  const apart =
    typeof steps === 'number' && zerosPutApart(steps * samples, samples) && !context.needs(X)
  const both = directions === 1 ? [] : [directions]
  const inLines = (value: string, rows: number) => reshape(context, value, [...both, rows, -1])
  const lines = inLines(rowsFirst(layer, deltas, gateRows, apart), gateRows)
  const ends = [...both.map(() => 0), 0, 1, 0]
  const pads = () => ints(context, [...ends.map(() => 0), ...ends])
  const others = rowsFirst(layer, factors, read)
  const factor = inLines(apart ? context.op('Pad', [others, pads()]) : others, read)
  const weights =
    directions === 1
      ? context.op('Gemm', [lines, factor], { transB: 1 })
      : batchedProduct(context, lines, factor)
  return { deltas: lines, weights }
}

const zeros = ({ context, directions, hidden, x }: Layer): string =>
  filled(context, [...(directions === 1 ? [] : [directions]), hidden, { of: x, axis: 2 }], 0)

/** One gradient for each input of the node. */
function inputGradients(layer: Layer, solved: Solved): readonly (string | undefined)[] {
  const { context, directions, features, hidden, rows } = layer
  const { deltas, weights, initial, initialCell } = solved
  const gateRows = 4 * hidden
  const needed = (i: number, sizes: readonly number[], value: () => string): string | undefined =>
    context.needs(i) ? reshape(context, value(), [directions, ...sizes]) : undefined
  const sequence = () => {
    const w = own(layer, context.input(W))
    // Below each other, so that the product adds what the directions give.
    const below = (value: string, columns: number) =>
      directions === 1 ? value : reshape(context, value, [directions * gateRows, columns])
    const product = context.op('Gemm', [below(deltas, -1), below(w, features)], { transA: 1 })
    return reshapeLike(context, product, context.input(X))
  }
  const part = (from: number, to: number) => slice(context, weights, [rows + 1], [from], [to])
  return [
    context.needs(X) ? sequence() : undefined,
    needed(W, [gateRows, features], () => part(hidden, hidden + features)),
    needed(R, [gateRows, hidden], () => part(0, hidden)),
    needed(B, [2 * gateRows], () => {
      const last = hidden + features
      const sizes = directions === 1 ? [gateRows] : [directions, gateRows]
      const sums = reshape(context, part(last, last + 1), sizes)
      return context.op('Concat', [sums, sums], { axis: rows })
    }),
    undefined,
    needed(INITIAL, [-1, hidden], () => turned(layer, initial)),
    needed(INITIAL_CELL, [-1, hidden], () => turned(layer, initialCell)),
  ]
}
