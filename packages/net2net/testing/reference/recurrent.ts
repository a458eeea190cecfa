import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  stringAttribute,
} from '../../src/model/attributes.ts'
import type { Node } from '../../src/model/model.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { elements64, type Kernel, zeros64 } from './kernel.ts'

type Activation = (x: number) => number

/** How many of the node's alphas and betas an activation takes, and what they are by default. */
const activations: Readonly<
  Record<string, readonly [readonly number[], (x: number, a: number, b: number) => number]>
> = {
  sigmoid: [[], (x) => 1 / (1 + Math.exp(-x))],
  tanh: [[], (x) => Math.tanh(x)],
  relu: [[], (x) => Math.max(x, 0)],
  affine: [[1, 0], (x, a, b) => a * x + b],
  leakyrelu: [[0.01], (x, a) => (x < 0 ? a * x : x)],
  thresholdedrelu: [[1], (x, a) => (x > a ? x : 0)],
  scaledtanh: [[1, 1], (x, a, b) => a * Math.tanh(b * x)],
  hardsigmoid: [[0.2, 0.5], (x, a, b) => Math.min(1, Math.max(0, a * x + b))],
  elu: [[1], (x, a) => (x < 0 ? a * (Math.exp(x) - 1) : x)],
  softsign: [[], (x) => x / (1 + Math.abs(x))],
  softplus: [[], (x) => Math.log(1 + Math.exp(x))],
}

function activationsOf(node: Node, names: readonly string[]): readonly Activation[] {
  const given = node.attributes.get('activations')
  const lists = ['activation_alpha', 'activation_beta'].map((name) => [
    ...(floatsAttribute(node, name) ?? []).map(Math.fround),
  ])
  return (given?.type === 'strings' ? given.value : names).map((name) => {
    const [defaults, apply] = activations[name.toLowerCase()]!
    const [a = 0, b = 0] = defaults.map((value, i) => lists[i]!.shift() ?? Math.fround(value))
    return (x) => apply(x, a, b)
  })
}

/** What one step makes of the state (and the cell) of one sequence. */
type Step = (layer: {
  readonly node: Node
  /** (W·x + bias)[row] and (R·h + bias)[row], for any h. */
  readonly inputs: (row: number) => number
  readonly recurrence: (row: number, h?: readonly number[]) => number
  readonly peephole: (row: number) => number
  readonly phi: readonly Activation[]
  readonly size: number
  readonly h: readonly number[]
  readonly c: readonly number[]
}) => { readonly h: readonly number[]; readonly c?: readonly number[] }

const clipTo = (node: Node) => {
  const clip = floatAttribute(node, 'clip', Number.POSITIVE_INFINITY)
  return (x: number) => Math.max(-clip, Math.min(clip, x))
}

const rnn: Step = ({ node, inputs, recurrence, phi, h }) => {
  const clip = clipTo(node)
  return { h: h.map((_, j) => phi[0]!(clip(inputs(j) + recurrence(j)))) }
}

const gru: Step = ({ node, inputs, recurrence, phi, size, h }) => {
  const clip = clipTo(node)
  const isAfter = intAttribute(node, 'linear_before_reset', 0) !== 0
  const gate = (j: number) => phi[0]!(clip(inputs(j) + recurrence(j)))
  const z = h.map((_, j) => gate(j))
  const r = h.map((_, j) => gate(size + j))
  const reset = h.map((value, j) => value * r[j]!)
  return {
    h: h.map((value, j) => {
      const row = 2 * size + j
      const through = isAfter ? r[j]! * recurrence(row) : recurrence(row, reset)
      return (1 - z[j]!) * phi[1]!(clip(inputs(row) + through)) + z[j]! * value
    }),
  }
}

const lstm: Step = ({ node, inputs, recurrence, peephole, phi, size, c }) => {
  const clip = clipTo(node)
  const isCoupled = intAttribute(node, 'input_forget', 0) !== 0
  const at = (gate: number, j: number) => inputs(gate * size + j) + recurrence(gate * size + j)
  const next = c.map((value, j) => {
    const i = phi[0]!(clip(at(0, j) + peephole(j) * value))
    const f = isCoupled ? 1 - i : phi[0]!(clip(at(2, j) + peephole(2 * size + j) * value))
    return f * value + i * phi[1]!(clip(at(3, j)))
  })
  return {
    h: next.map(
      (value, j) => phi[0]!(clip(at(1, j) + peephole(size + j) * value)) * phi[2]!(value),
    ),
    c: next,
  }
}

/** The definition, sequence by sequence and step by step. */
const recurrent =
  (step: Step, gates: number, names: readonly string[]): Kernel =>
  (node, given) => {
    const [X, W, , B, LENGTHS, H0, C0, P] = given
    const [time = 0, batch = 0, features = 0] = X!.dims
    const [directions = 1, rows = 0] = W!.dims
    const size = rows / gates
    const elements = (tensor: Tensor | undefined, i: number) => tensor && elements64(given, i)
    const [x, w, r] = [0, 1, 2].map((i) => elements64(given, i)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    const [b, h0, c0, p] = [elements(B, 3), elements(H0, 5), elements(C0, 6), elements(P, 7)]
    const y = zeros64([time, directions, batch, size])
    const last = zeros64([directions, batch, size])
    const lastCell = zeros64([directions, batch, size])
    const all = activationsOf(node, Array.from({ length: directions }, () => names).flat())
    const each = all.length / directions
    for (let d = 0; d < directions; d++) {
      const isReverse = d === 1 || stringAttribute(node, 'direction', 'forward') === 'reverse'
      for (let n = 0; n < batch; n++) {
        const place = (d * batch + n) * size
        let h: readonly number[] = Array.from({ length: size }, (_, j) => h0?.[place + j] ?? 0)
        let c: readonly number[] = Array.from({ length: size }, (_, j) => c0?.[place + j] ?? 0)
        const length = LENGTHS ? Number(LENGTHS.data[n]) : time
        for (let k = 0; k < length; k++) {
          const t = isReverse ? length - 1 - k : k
          const bias = (row: number) => b?.[d * 2 * rows + row] ?? 0
          const after = step({
            node,
            size,
            h,
            c,
            phi: all.slice(d * each, (d + 1) * each),
            peephole: (row) => p?.[d * 3 * size + row] ?? 0,
            inputs(row) {
              let sum = bias(row)
              for (let i = 0; i < features; i++)
                sum += w[(d * rows + row) * features + i]! * x[(t * batch + n) * features + i]!
              return sum
            },
            recurrence(row, state = h) {
              let sum = bias(rows + row)
              for (let j = 0; j < size; j++) sum += r[(d * rows + row) * size + j]! * state[j]!
              return sum
            },
          })
          h = after.h
          c = after.c ?? c
          for (let j = 0; j < size; j++)
            y.data[((t * directions + d) * batch + n) * size + j] = h[j]!
        }
        for (let j = 0; j < size; j++) {
          // ONNX Runtime gives zeros where a sequence has no step at all, whatever its initial state is.
          last.data[place + j] = length === 0 ? 0 : h[j]!
          lastCell.data[place + j] = length === 0 ? 0 : c[j]!
        }
      }
    }
    return [y, last, lastCell]
  }

export const recurrences = {
  LSTM: recurrent(lstm, 4, ['Sigmoid', 'Tanh', 'Tanh']),
  GRU: recurrent(gru, 3, ['Sigmoid', 'Tanh']),
  RNN: recurrent(rnn, 1, ['Tanh']),
} satisfies Record<string, Kernel>
