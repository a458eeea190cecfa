/**
 * What the gradients of LSTM, GRU and RNN have of their own: what each step takes of the gradient, and
 * what it leaves to the step before.
 *
 * The forward pass gives every state h[t]. So the gates of all steps are there again from two products
 * over the whole sequence, x·Wᵀ and h[t−1]·Rᵀ, and what a step multiplies its gradient by, its
 * factors, is computed for all steps at once. What is left to do one after the other is short. δ stands
 * for the gradient of what an activation is applied to.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Emitter, GradientContext } from '../contract/gradient.ts'
import { ints, reduce, reshape, slice } from '../helpers/emission.ts'
import { type Formula, formula } from '../helpers/formula.ts'
import {
  type Activated,
  type RecurrentActivation,
  withClip,
} from '../helpers/recurrent-activations.ts'
import { emitScan } from '../helpers/scan.ts'

/** One direction of a recurrent layer. T steps, N sequences, H hidden units, I inputs, G gates. */
export interface Direction {
  readonly context: GradientContext
  readonly f: Formula
  /** It reads the sequence from its end. */
  readonly backwards: boolean
  readonly hidden: number
  /** [T·N, I]. */
  readonly x: string
  /** [G·H, I] and [G·H, H]. */
  readonly w: string
  readonly r: string
  /** [G·H] each: what is added to W·x, and to R·h. */
  readonly biases: readonly [string, string] | undefined
  /** [3·H], of the input, output and forget gate. */
  readonly peepholes: string | undefined
  /** h[t−1] of every step t, [T, N, H]. */
  readonly before: string
  /** [N, H]. */
  readonly initialCell: () => string
  /** Which steps lie within their sequences, [T, N, 1]; undefined: all do. */
  readonly isRead: string | undefined
  readonly activations: readonly RecurrentActivation[]
  /** ∂L/∂h[t] from outside, [T, N, H]. */
  readonly dy: string | undefined
  /** ∂L/∂ of the last state and of the last cell, [N, H]. */
  readonly dh: string
  readonly dc: () => string
}

export interface Recurrence {
  readonly gates: number
  readonly deltas: string
  readonly states: string
}
export interface DirectionGradients {
  /** δ of what W·x is added to, [T, N, G·H]. */
  readonly inputs: string
  /** δ of what R·h is added to, [T, N, gates · H], and that h: of all gates, or of some after the others. */
  readonly recurrences: readonly Recurrence[]
  /** ∂L/∂ of the initial state and cell. */
  readonly initial: string
  readonly initialCell?: string
  readonly peepholes?: () => string
}

export type Cell = (direction: Direction) => DirectionGradients

// ---------------------------------------------------------- the whole sequence

const gatesOf = ({ context, hidden }: Direction, value: string, from: number, to: number): string =>
  slice(context, value, [0], [from * hidden], [to * hidden])

/** [T, N, k·H] as k gates. */
const apart = ({ context, hidden }: Direction, value: string, count: number): readonly string[] =>
  context.emit(
    'Split',
    [value, ints(context, Array<number>(count).fill(hidden))],
    { axis: 2 },
    { outputs: count },
  )

const beside = (context: GradientContext, ...gates: readonly string[]): string =>
  context.op('Concat', gates, { axis: 2 })

/** A sequence as the rows of a matrix. */
export const asRows = (context: GradientContext, value: string, columns: number): string =>
  reshape(context, value, [-1, columns])

/** a·Bᵀ + c for the rows a of all steps. */
const product = (context: GradientContext, a: string, b: string, c: string | undefined): string =>
  context.op('Gemm', c === undefined ? [a, b] : [a, b, c], { transB: 1 })

/** The rows as [T, N, k·H]. */
const inTime = ({ context, before, hidden }: Direction, rows: string, gates: number): string =>
  reshape(context, rows, [{ of: before, axis: 0 }, { of: before, axis: 1 }, gates * hidden])

/** W·x + R·h[t−1] + b of all gates and steps. */
function affine(direction: Direction, gates: number): string {
  const { context, f, x, w, r, before, biases, hidden } = direction
  const inputs = product(context, x, w, biases && f.add(...biases))
  return inTime(direction, product(context, asRows(context, before, hidden), r, inputs), gates)
}

/** A factor of all steps; `beyond` is what it is where a sequence has ended. */
const within = ({ f, isRead }: Direction, factor: string, beyond: number): string =>
  isRead === undefined ? factor : f.where(isRead, factor, beyond)

/** How much of ∂L/∂h[t] the state before keeps behind the end of its sequence, where sequences end early. */
const keptOf = ({ f, isRead }: Direction): readonly string[] =>
  isRead === undefined ? [] : [f.where(isRead, 0, 1)]

const gateActivations = ({ context, activations }: Direction): readonly RecurrentActivation[] =>
  activations.map((activation) => withClip(activation, context.node))

// ------------------------------------------------------- one step after the other

/** One step back: it is given the whole ∂L/∂h[t], and gives what it leaves to h[t−1] and to other states. */
type Step = (
  emitter: Emitter,
  dh: string,
  factors: readonly string[],
  states: readonly string[],
) => {
  readonly before: string
  readonly states?: readonly string[]
  readonly outputs: readonly string[]
}

/** All steps, from the last to the first. */
function stepsBack(
  { context, backwards, dy, dh }: Direction,
  factors: readonly string[],
  step: Step,
  states: readonly string[] = [],
) {
  const given = dy === undefined ? [] : [dy]
  const stepped = emitScan(context, {
    states: [dh, ...states],
    sequences: [...given, ...factors],
    backwards: !backwards,
    step: (emitter, [later = '', ...own], entries) => {
      const whole = given.length === 0 ? later : emitter.op('Add', [later, entries[0]!])
      const after = step(emitter, whole, entries.slice(given.length), own)
      return { states: [after.before, ...(after.states ?? [])], outputs: after.outputs }
    },
  })
  const [initial = '', ...first] = stepped.states
  return { initial, states: first, outputs: stepped.outputs }
}

/** These gradients, [N, H] each, beside one another, times the factors of as many gates. */
const times = (emitter: Emitter, gradients: readonly string[], factors: string): string =>
  emitter.op('Mul', [emitter.op('Concat', gradients, { axis: 1 }), factors])

const sum = (emitter: Emitter, ...terms: readonly string[]): string =>
  terms.slice(1).reduce((a, b) => emitter.op('Add', [a, b]), terms[0]!)

/** a + b·p, where there are peepholes p. */
const plus = (emitter: Emitter, a: string, b: string, p: string | undefined): string =>
  p === undefined ? a : emitter.op('Add', [a, emitter.op('Mul', [b, p])])

/** h = φ(z). */
export const rnn: Cell = (direction) => {
  const { context, f, r, before } = direction
  const [phi] = gateActivations(direction)
  const z = affine(direction, 1)
  const slope = phi!(context, z).slope()
  const factor = typeof slope === 'number' ? f.add(f.mul(z, 0), slope) : slope
  const { initial, outputs } = stepsBack(
    direction,
    [within(direction, factor, 0), ...keptOf(direction)],
    (emitter, dh, [own = '', ...kept]) => {
      const delta = emitter.op('Mul', [dh, own])
      const rest = kept.map((factor) => emitter.op('Mul', [dh, factor]))
      return { before: sum(emitter, emitter.op('MatMul', [delta, r]), ...rest), outputs: [delta] }
    },
  )
  const [deltas = ''] = outputs
  return { inputs: deltas, recurrences: [{ gates: 1, deltas, states: before }], initial }
}

/**
 * h[t] = (1 − z)·n + z·h[t−1] with n = φ(Wₙ·x + Rₙ·(r·h[t−1]) + b), or, where `linear_before_reset`
 * says so, n = φ(Wₙ·x + b + r·q) with q = Rₙ·h[t−1] + b′.
 */
export const gru: Cell = (direction) =>
  intAttribute(direction.context.node, 'linear_before_reset', 0) === 0
    ? resetBefore(direction)
    : resetAfter(direction)

interface GruGates {
  readonly z: Activated
  readonly r: Activated
  /** W·x + b of the third. */
  readonly inputs: string
  readonly phi: RecurrentActivation
}

/** z and r, from what R·h[t−1] + b is for both. */
function gruGates(direction: Direction, recurrent: readonly string[]): GruGates {
  const { context, f, x, w, biases } = direction
  const [sigma, phi] = gateActivations(direction)
  const rows = product(context, x, w, biases?.[0])
  const [forZ = '', forR = '', inputs = ''] = apart(direction, inTime(direction, rows, 3), 3)
  return {
    z: sigma!(context, f.add(forZ, recurrent[0]!)),
    r: sigma!(context, f.add(forR, recurrent[1]!)),
    inputs,
    phi: phi!,
  }
}

function resetBefore(direction: Direction): DirectionGradients {
  const { context, f, before, hidden, biases } = direction
  const [upper, lower] = [
    gatesOf(direction, direction.r, 0, 2),
    gatesOf(direction, direction.r, 2, 3),
  ]
  const bias = biases?.[1]
  const some = (from: number, to: number) => bias && gatesOf(direction, bias, from, to)
  const rows = product(context, asRows(context, before, hidden), upper, some(0, 2))
  const { z, r, inputs, phi } = gruGates(direction, apart(direction, inTime(direction, rows, 2), 2))
  const reset = f.mul(r.value, before)
  const through = product(context, asRows(context, reset, hidden), lower, some(2, 3))
  const n = phi(context, f.add(inputs, inTime(direction, through, 1)))

  const forN = f.mul(f.sub(1, z.value), n.slope())
  const forZ = f.mul(f.sub(before, n.value), z.slope())
  const forR = f.mul(before, r.slope())
  const { initial, outputs } = stepsBack(
    direction,
    [
      within(direction, forN, 0),
      within(direction, beside(context, forZ, forR), 0),
      within(direction, z.value, 1),
      r.value,
    ],
    (emitter, dh, [forN = '', forBoth = '', z = '', r = '']) => {
      const deltaN = emitter.op('Mul', [dh, forN])
      const toReset = emitter.op('MatMul', [deltaN, lower])
      const deltas = times(emitter, [dh, toReset], forBoth)
      const passed = emitter.op('MatMul', [deltas, upper])
      const before = sum(
        emitter,
        passed,
        emitter.op('Mul', [dh, z]),
        emitter.op('Mul', [toReset, r]),
      )
      return { before, outputs: [deltas, deltaN] }
    },
  )
  const [deltas = '', deltaN = ''] = outputs
  return {
    inputs: beside(context, deltas, deltaN),
    recurrences: [
      { gates: 2, deltas, states: before },
      { gates: 1, deltas: deltaN, states: reset },
    ],
    initial,
  }
}

function resetAfter(direction: Direction): DirectionGradients {
  const { context, f, before, hidden, biases } = direction
  const rows = product(context, asRows(context, before, hidden), direction.r, biases?.[1])
  const recurrent = apart(direction, inTime(direction, rows, 3), 3)
  const { z, r, inputs, phi } = gruGates(direction, recurrent)
  const q = recurrent[2]!
  const n = phi(context, f.add(inputs, f.mul(r.value, q)))

  const forN = f.mul(f.sub(1, z.value), n.slope())
  const forZ = f.mul(f.sub(before, n.value), z.slope())
  const forR = f.mul(f.mul(forN, q), r.slope())
  const all = beside(context, forZ, forR, f.mul(forN, r.value))
  const { initial, outputs } = stepsBack(
    direction,
    [within(direction, all, 0), within(direction, z.value, 1)],
    (emitter, dh, [all = '', z = '']) => {
      const deltas = times(emitter, [dh, dh, dh], all)
      const passed = emitter.op('MatMul', [deltas, direction.r])
      return { before: sum(emitter, passed, emitter.op('Mul', [dh, z])), outputs: [deltas, dh] }
    },
  )
  const [deltas = '', dh = ''] = outputs
  const [deltaZ = '', deltaR = ''] = apart(direction, deltas, 3)
  return {
    inputs: beside(context, deltaZ, deltaR, f.mul(dh, within(direction, forN, 0))),
    recurrences: [{ gates: 3, deltas, states: before }],
    initial,
  }
}

/**
 * c[t−1] of every step t, [T, N, H]. `change` gives what a step keeps of the cell, and what it adds. Without peepholes
 * neither depends on the cell, and both are computed for all steps at once.
 */
function cellsBefore(
  { context, backwards, initialCell, peepholes, isRead }: Direction,
  gates: readonly string[],
  change: (
    emitter: Emitter,
    gates: readonly string[],
    cell: string,
  ) => readonly [kept: string, added: string],
): string {
  const sequences = peepholes === undefined ? change(context, gates, '') : gates
  const { outputs } = emitScan(context, {
    states: [initialCell()],
    sequences: isRead === undefined ? sequences : [...sequences, isRead],
    backwards,
    step: (emitter, [cell = ''], entries) => {
      const { add, mul, where } = formula(emitter, cell)
      const taken = entries.slice(0, sequences.length)
      const [kept, added] =
        peepholes === undefined ? (taken as [string, string]) : change(emitter, taken, cell)
      const next = add(mul(kept, cell), added)
      const ended = entries[sequences.length]
      return { states: [ended === undefined ? next : where(ended, next, cell)], outputs: [cell] }
    },
  })
  return outputs[0]!
}

/**
 * Gates i, o, f and g: c[t] = f·c[t−1] + i·g and h[t] = o·χ(c[t]). With peepholes p, p·c[t−1] is added to what i
 * and f are computed from, and p·c[t] to what o is; with `input_forget`, f = 1 − i.
 *
 * With ∂c[t] = f[t+1]·∂c[t+1] + o·χ′·∂h[t], the gradients are δo = χ·o′·∂h, δi = g·i′·∂c, δf = c[t−1]·f′·∂c and
 * δg = i·g′·∂c. What peepholes add to ∂c are multiples of ∂h and ∂c too, and so they are part of the factors.
 */
export const lstm: Cell = (direction) => {
  const { context, f, before, peepholes, r } = direction
  const [sigma, psi] = gateActivations(direction)
  const [, , chi] = direction.activations
  const isCoupled = intAttribute(context.node, 'input_forget', 0) !== 0
  const [toI = '', toO = '', toF = '', toG = ''] = apart(direction, affine(direction, 4), 4)
  const [peepI, peepO, peepF] = [0, 1, 2].map(
    (k) => peepholes && gatesOf(direction, peepholes, k, k + 1),
  )
  const inputAt = (emitter: Emitter, toI: string, cell: string) =>
    sigma!(emitter, plus(emitter, toI, cell, peepI))
  const forgetAt = (emitter: Emitter, toF: string, cell: string) =>
    sigma!(emitter, plus(emitter, toF, cell, peepF))
  /** How much of the cell is kept. */
  const keptAt = (emitter: Emitter, toF: string, cell: string, input: Activated): string =>
    isCoupled ? formula(emitter, toF).sub(1, input.value) : forgetAt(emitter, toF, cell).value

  const g = psi!(context, toG)
  const cells = cellsBefore(direction, [toI, toF, g.value], (emitter, [toI, toF, g], cell) => {
    const input = inputAt(emitter, toI!, cell)
    return [keptAt(emitter, toF!, cell, input), emitter.op('Mul', [input.value, g!])]
  })
  const input = inputAt(context, toI, cells)
  const kept = keptAt(context, toF, cells, input)
  const cell = f.add(f.mul(kept, cells), f.mul(input.value, g.value))
  const output = sigma!(context, plus(context, toO, cell, peepO))
  const shown = chi!(context, cell)

  const ofO = f.mul(shown.value, output.slope())
  const ofI = f.mul(isCoupled ? f.sub(g.value, cells) : g.value, input.slope())
  const ofF = isCoupled ? f.mul(toF, 0) : f.mul(cells, forgetAt(context, toF, cells).slope())
  const ofG = f.mul(input.value, g.slope())
  const toCell = plus(context, f.mul(output.value, shown.slope()), ofO, peepO)
  const fromCell = plus(context, plus(context, kept, ofI, peepI), ofF, peepF)
  const { initial, states, outputs } = stepsBack(
    direction,
    [
      within(direction, beside(context, ofI, ofO, ofF, ofG), 0),
      within(direction, toCell, 0),
      within(direction, fromCell, 1),
      ...keptOf(direction),
    ],
    (emitter, dh, [all = '', toCell = '', fromCell = '', ...kept], [later = '']) => {
      const dc = sum(emitter, later, emitter.op('Mul', [dh, toCell]))
      const deltas = times(emitter, [dc, dh, dc, dc], all)
      const rest = kept.map((factor) => emitter.op('Mul', [dh, factor]))
      return {
        before: sum(emitter, emitter.op('MatMul', [deltas, r]), ...rest),
        states: [emitter.op('Mul', [dc, fromCell])],
        outputs: [deltas],
      }
    },
    [direction.dc()],
  )
  const [deltas = ''] = outputs
  return {
    inputs: deltas,
    recurrences: [{ gates: 4, deltas, states: before }],
    initial,
    initialCell: states[0]!,
    peepholes() {
      const [deltaI = '', deltaO = '', deltaF = ''] = apart(direction, deltas, 4)
      const sums = [f.mul(deltaI, cells), f.mul(deltaO, cell), f.mul(deltaF, cells)]
      return reduce(context, 'Sum', beside(context, ...sums), [0, 1], false)
    },
  }
}
