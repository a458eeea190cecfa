/**
 * LSTM, GRU, RNN: h[t] = φ(W·x[t] + R·h[t−1] + b) for each of G gates (4, 3 and 1), which are
 * combined element by element. X is [seq, batch, input], W [directions, G·hidden, input], R
 * [directions, G·hidden, hidden], B [directions, 2·G·hidden], P (LSTM) [directions, 3·hidden].
 * https://onnx.ai/onnx/operators/onnx__LSTM.html
 *
 * Growth. The inputs are summed over by W. A hidden unit is copied in the rows of W and R, gate
 * by gate, and by B, P and the initial states; the columns of R sum over it. Copies that start from
 * the same state take the same state at every step: their rows are equal but for what R's columns
 * add to each other's split coefficients and noise, and these sum to what the one column was. So both
 * grow freely.
 *
 * Gradients: see decompositions/recurrent-gradient.ts and lstm-kept-gates.ts.
 */
import { intAttribute, stringAttribute } from '../../model/attributes.ts'
import { unsupported } from '../contract/answers.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, sizeOf } from '../contract/axis.ts'
import type { TrainingRule } from '../contract/facets.ts'
import type { GradientRule } from '../contract/gradient.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { keptGates } from '../decompositions/lstm-kept-gates.ts'
import { gru, lstm, rnn } from '../decompositions/recurrent-cells.ts'
import { recurrentGradient } from '../decompositions/recurrent-gradient.ts'
import { fixAll } from '../helpers/axes-rules.ts'
import { countProduct } from '../helpers/shapes.ts'

const isBatchFirst = (context: Pick<AxesContext, 'node'>) =>
  intAttribute(context.node, 'layout', 0) === 1

/** Y [seq, directions, batch, hidden], then one [directions, batch, hidden] each. */
const infer: InferRule = (context) => {
  const x = context.shape(0)
  const recurrence = context.shape(2)
  const directions =
    stringAttribute(context.node, 'direction', 'forward') === 'bidirectional' ? 2 : 1
  const hidden = intAttribute(context.node, 'hidden_size', undefined) ?? recurrence?.[2] ?? null
  const [sequence, batch] = isBatchFirst(context) ? [x?.[1], x?.[0]] : [x?.[0], x?.[1]]
  const dtype = context.dtype(0)
  const all = isBatchFirst(context)
    ? [batch ?? null, sequence ?? null, directions, hidden]
    : [sequence ?? null, directions, batch ?? null, hidden]
  const last = isBatchFirst(context)
    ? [batch ?? null, directions, hidden]
    : [directions, batch ?? null, hidden]
  return context.node.outputs.map((_, k) => ({ dtype, shape: k === 0 ? all : last }))
}

/** The hidden units of an axis that holds them once for each of `count` gates. */
function hiddenOf(context: AxesContext, axis: Axis, count: number): Axis {
  const size = sizeOf(axis)
  const parts = size === null ? undefined : context.regroup([axis], [count, size / count])
  if (!parts) context.refuse(`has ${count} gates, into which its weight does not divide`)
  context.fix(parts[0]!, 'has one part for each gate')
  return parts[1]!
}

const axesWith =
  (gates: number): AxesRule =>
  (context) => {
    if (isBatchFirst(context)) context.refuse('has its batch first, for which there is no rule yet')
    if (!context.isParameter(1) || !context.isParameter(2))
      context.refuse('is a recurrent layer with computed weights')
    const [sequence, batch, input] = context.axes(0, 3)
    const [w, r] = [context.axes(1), context.axes(2)]
    const directions = 'has weights of their own for each direction'
    fixAll(context, [w[0]!, r[0]!], directions)
    fixAll(context, [sequence!], 'runs along it')
    context.contract([input!, { input: 1, axis: 2 }])
    let hidden = hiddenOf(context, r[1]!, gates)
    const join = (axis: Axis, count: number) => {
      hidden = context.unify(hidden, count === 1 ? axis : hiddenOf(context, axis, count))
    }
    join(w[1]!, gates)
    context.contract([hidden, { input: 2, axis: 2 }])
    for (const [i, count] of [
      [3, 2 * gates],
      [7, 3],
    ] as const)
      if (context.has(i)) {
        const [each, all] = context.axes(i)
        context.fix(each!, directions)
        join(all!, count)
      }
    for (const i of [5, 6])
      if (context.has(i)) {
        const [each, own, units] = context.axes(i)
        context.fix(each!, directions)
        context.unify(batch!, own!)
        join(units!, 1)
      }
    context.sizeAttribute('hidden_size', hidden)
    const direction = () => context.fixed(context.shape(1)?.[0] ?? null, directions)
    return context.node.outputs.map((_, k) => ({
      axes: k === 0 ? [sequence!, direction(), batch!, hidden] : [direction(), batch!, hidden],
    }))
  }

/** Of the products with W and R, at each step of the sequence; those of gates with states are one a unit, and left out. */
const multiplyAdds = (context: InferContext): number | null => {
  const steps = context.shape(0)?.slice(0, 2)
  const [byInput, byState] = [1, 2].map((i) => countProduct([steps, context.shape(i)]))
  return typeof byInput === 'number' && typeof byState === 'number' ? byInput + byState : null
}

/** The gradient needs the states of all steps. */
const inTraining: TrainingRule = ({ node, fresh }) =>
  (node.outputs[0] ?? '') === ''
    ? { nodes: [{ ...node, outputs: [fresh('states'), ...node.outputs.slice(1)] }] }
    : undefined

const lstmGradient = recurrentGradient(lstm, ['Sigmoid', 'Tanh', 'Tanh'])

const cells: Readonly<Record<string, { readonly gates: number; readonly gradient: GradientRule }>> =
  {
    LSTM: { gates: 4, gradient: (context) => keptGates(context) ?? lstmGradient(context) },
    GRU: { gates: 3, gradient: recurrentGradient(gru, ['Sigmoid', 'Tanh']) },
    RNN: { gates: 1, gradient: recurrentGradient(rnn, ['Tanh']) },
  }

export const recurrent: readonly Operator[] = Object.entries(cells).map(
  ([name, { gates, gradient }]): Operator => ({
    name,
    infer,
    axes: axesWith(gates),
    gradient,
    scaling: 'none',
    sign: 'unknown',
    training: { parameters: [1, 2, 3, 7], states: [5, 6], inTraining },
    reads: { numbers: [4] },
    execution: {
      // It has the default activations only.
      wrongOnWebGpu: ({ node }) => node.attributes.has('activations'),
      multiplyAdds,
    },
    growth: {
      layer: {
        weight: (isParameter) => (isParameter(1) ? { input: 1, widthAxis: -1 } : undefined),
        identity: () => unsupported('a recurrent layer cannot be the identity'),
      },
    },
  }),
)
