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
 * States are [H, N] and gates [4·H, N], with the batch last: R is the first factor of the products in the steps, which the
 * runtime reads as it is, and the second one, which it repacks, is no larger than a state. Gates are rows that lie together.
 */
import { floatAttribute, intAttribute } from '../../model/attributes.ts'
import type { Emitter, GradientContext, GradientRule } from '../contract/gradient.ts'
import { costs, positionsOf, zerosPutApart } from '../helpers/costs.ts'
import {
  filled,
  ints,
  range,
  reshape,
  reshapeLike,
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
}

/** The forward pass of one direction: gates and states of all steps, [T, H, N], and states before and after, [H, N]. */
interface Kept {
  readonly backwards: boolean
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
  const again = positionsOf(batch) * gateRows * (width + hidden) * costs.product
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
  }
  const kept = range(count).map((k) => forward(layer, k))
  takePlaces(layer, kept)
  return inputGradients(layer, kept)
}

function forward(layer: Layer, k: number): Kept {
  const { context, hidden, x } = layer
  const r = entry(layer, context.input(R), k)
  const own = entry(layer, context.input(W), k)
  const rows = 4 * hidden
  const biases = () => {
    const bias = entry(layer, context.input(B), k)
    const half = (from: number) => slice(context, bias, [0], [from], [from + rows])
    return unsqueeze(context, formula(context, bias).add(half(0), half(rows)), [1])
  }
  const ofInputs = [own, ...(context.has(B) ? [biases()] : [])]
  const inSteps = layer.features * costs.stepProduct < costs.sums
  const weights = beside(context, inSteps ? [r, ...ofInputs] : ofInputs, 1)
  const state = (i: number) =>
    context.has(i) ? transpose(context, entry(layer, context.input(i), k), [1, 0]) : zeros(layer)
  const backwards = isBackwards(context, k)
  const { states, outputs } = emitScan(context, {
    states: [state(INITIAL), state(INITIAL_CELL)],
    sequences: [inSteps ? x : context.op('MatMul', [weights, x])],
    backwards,
    step(emitter, [h = '', c = ''], [given = '']) {
      const { add, mul, sigmoid, tanh } = formula(emitter, h)
      const factor = inSteps ? beside(emitter, [h, given], 0) : h
      const sums = inSteps
        ? emitter.op('MatMul', [weights, factor])
        : emitter.op('Gemm', [r, h, given])
      const sizes = ints(emitter, [hidden, hidden, hidden, hidden])
      const apart = emitter.emit('Split', [sums, sizes], { axis: 0 }, { outputs: 4 })
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
    backwards,
    r,
    gates: { i, o, f, g },
    added,
    remembered,
    shown,
    states: formula(context, o).mul(o, shown),
    factors: inSteps ? factor : beside(context, [factor, x], 1),
    last: states[0]!,
    lastCell: states[1]!,
  }
}

const beside = (emitter: Emitter, values: readonly string[], axis: number): string =>
  values.length === 1 ? values[0]! : emitter.op('Concat', values, { axis })

/** What was computed here is what the node gives. */
function takePlaces({ context }: Layer, kept: readonly Kept[]): void {
  const place = (k: number, axis: number, of: (kept: Kept) => string) => {
    if (context.output(k) === '') return
    const each = kept.map((one) => unsqueeze(context, of(one), [axis]))
    const same = each.length === 1 ? each[0]! : context.op('Concat', each, { axis })
    context.hint(context.output(k), { same })
  }
  place(0, 1, ({ states }) => transpose(context, states, [0, 2, 1]))
  place(1, 0, ({ last }) => transpose(context, last, [1, 0]))
  place(2, 0, ({ lastCell }) => transpose(context, lastCell, [1, 0]))
}

/** ∂L/∂ of what one direction read. */
interface Solved {
  /** δ of all gates, [4·H, T·N]. */
  readonly deltas: string
  /** Of R, W and the biases beside each other, [4·H, H + I + 1]. */
  readonly weights: string
  /** Of the first state and cell, [H, N]. */
  readonly initial: string
  readonly initialCell: string
}

function back(layer: Layer, kept: Kept, k: number): Solved {
  const { context } = layer
  const { gates, added, remembered, shown, states, backwards } = kept
  const { sub, mul } = formula(context, states)
  const [dy, dh, dc] = [0, 1, 2].map((output) => {
    const gradient = context.outputGradient(output)
    if (gradient === undefined) return undefined
    const own = entry(layer, gradient, k, output === 0 ? 1 : 0)
    return transpose(context, own, output === 0 ? [0, 2, 1] : [1, 0])
  })
  const nothing = () => zeros(layer)
  /** a·(1 − b). */
  const without = (a: string, b: string) => sub(a, mul(a, b))
  const turned = transpose(context, kept.r, [1, 0])
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
    backwards: !backwards,
    step(emitter, [later = '', laterCell = ''], entries) {
      const [toI = '', toO = '', toF = '', toG = '', toCell = '', stays = '', own] = entries
      const { add, mul } = formula(emitter, later)
      const ofState = own === undefined ? later : add(later, own)
      const ofCell = add(laterCell, mul(ofState, toCell))
      const each = [mul(ofCell, toI), mul(ofState, toO), mul(ofCell, toF), mul(ofCell, toG)]
      const deltas = emitter.op('Concat', each, { axis: 0 })
      const before = emitter.op('MatMul', [turned, deltas])
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
  { context, features, hidden }: Layer,
  deltas: string,
  factors: string,
): Pick<Solved, 'deltas' | 'weights'> {
  const [gateRows, read] = [4 * hidden, hidden + features + (context.has(B) ? 1 : 0)]
  const [steps, , batch = null] = context.info(deltas).shape ?? []
  const rowsFirst = (value: string) => transpose(context, value, [1, 0, 2])
  const inLines = (value: string, rows: number) => reshape(context, value, [rows, -1])
  const product = (a: string, b: string) => context.op('Gemm', [a, inLines(b, read)], { transB: 1 })
  const samples = positionsOf(batch)
  const apart =
    typeof steps === 'number' && zerosPutApart(steps * samples, samples) && !context.needs(X)
  if (!apart) {
    const lines = inLines(rowsFirst(deltas), gateRows)
    return { deltas: lines, weights: product(lines, rowsFirst(factors)) }
  }
  const order = range(gateRows).flatMap((row) => [
    ...range(steps).map((step) => step * gateRows + row),
    row,
  ])
  const moved = context.op('Gather', [inLines(deltas, steps * gateRows), ints(context, order)])
  const lines = inLines(moved, gateRows)
  const padded = context.op('Pad', [rowsFirst(factors), ints(context, [0, 0, 0, 0, 1, 0])])
  return { deltas: lines, weights: product(lines, padded) }
}

const zeros = ({ context, hidden, x }: Layer): string =>
  filled(context, [hidden, { of: x, axis: 2 }], 0)

/** One gradient for each input of the node. */
function inputGradients(layer: Layer, kept: readonly Kept[]): readonly (string | undefined)[] {
  const { context, features, hidden } = layer
  const solved = kept.map((one, k) => back(layer, one, k))
  const rows = 4 * hidden
  /** [D, …] of the gradients of all directions. */
  const stacked = (
    i: number,
    sizes: readonly number[],
    of: (solved: Solved) => string,
  ): string | undefined => {
    if (!context.needs(i)) return undefined
    const each = solved.map((one) => reshape(context, of(one), [1, ...sizes]))
    return each.length === 1 ? each[0]! : context.op('Concat', each, { axis: 0 })
  }
  const sequence = () => {
    const parts = solved.map(({ deltas }, k) =>
      context.op('Gemm', [deltas, entry(layer, context.input(W), k)], { transA: 1 }),
    )
    const sum = parts.reduce((a, b) => context.op('Add', [a, b]))
    return reshapeLike(context, sum, context.input(X))
  }
  const part = (value: string, from: number, to: number) => slice(context, value, [1], [from], [to])
  return [
    context.needs(X) ? sequence() : undefined,
    stacked(W, [rows, features], ({ weights }) => part(weights, hidden, hidden + features)),
    stacked(R, [rows, hidden], ({ weights }) => part(weights, 0, hidden)),
    stacked(B, [2 * rows], ({ weights }) => {
      const last = hidden + features
      const sums = reshape(context, part(weights, last, last + 1), [rows])
      return context.op('Concat', [sums, sums], { axis: 0 })
    }),
    undefined,
    stacked(INITIAL, [-1, hidden], ({ initial }) => transpose(context, initial, [1, 0])),
    stacked(INITIAL_CELL, [-1, hidden], (one) => transpose(context, one.initialCell, [1, 0])),
  ]
}
