/** What an optimizer is: slots per parameter, and one update in terms of them. */
import type { Emitter } from '../../../operators/contract/gradient.ts'
import { float32 } from '../../../tensor/tensor.ts'
import type { Schedule } from '../../schedules.ts'

export interface Slot {
  /** The slot of parameter P is called `P.NAME`. */
  readonly name:
    | 'momentum'
    | 'm'
    | 'v'
    | 'rows'
    | 'columns'
    | 'step'
    | 'accumulator'
    | 'ema'
    | 'accumulated'
    | 'batches'
  /**
   * Shaped like its parameter, one number, or a mean of such a tensor: `rows` over the last axis, `columns` over the one before,
   * which then have size 1.
   */
  readonly shape: 'parameter' | 'scalar' | 'rows' | 'columns'
  /** Which parameters have it: those that the optimizer takes for matrices, or the others. Default: all. */
  readonly of?: 'matrices' | 'others'
  /** Starts as zeros, or as a copy of the parameter. */
  readonly initial: 'zero' | 'parameter'
  /**
   * How it grows with its parameter: with this power of the gradient (of a unit that is copied, each
   * copy has a share of the gradient), as the parameter itself, or not at all.
   */
  readonly grows: 0 | 1 | 2 | 'like-parameters' | 'not'
  /** True where it is in units of the learning rate, and changes with it at growth. */
  readonly holdsRate?: true
  /** Where it is NaN or infinite after a step, so is the parameter: one need not look at both. */
  readonly shows?: true
}

/** What an optimizer may tell parameters apart by. */
export interface ParameterKind {
  readonly dims: readonly number[]
  /** Of a layer between others: no table of which entries are looked up, and not of the last layers before the output. */
  readonly isHidden: boolean
}

/** What a parameter's slot is called in the state. */
export const slotName = (parameter: string, slot: Slot['name']): string => `${parameter}.${slot}`

export interface UpdateContext {
  readonly emitter: Emitter
  readonly parameter: string
  /** What the update is made from: clipped where gradients are, gathered where the optimizer does that. */
  readonly gradient: string
  /** True where `gradient` has been multiplied by the `gradientScale` of the rule. */
  readonly isScaled?: boolean
  /** A float scalar, or a tensor of the parameter's rank that it broadcasts with. */
  readonly learningRate: string
  /** True for a parameter that the optimizer takes for a matrix. */
  readonly isMatrix?: boolean
  /** False for a parameter that weight decay leaves alone. */
  readonly decays?: boolean
  /** Current values of the parameter's slots. */
  slot(name: Slot['name']): string
  /** What `Optimizer.scalars` gave, where it was called for several parameters together. */
  readonly scalars?: Scalars
}

/** Numbers by name, or vectors with a number for each of several parameters. */
export type Scalars = Readonly<Record<string, string>>

export interface Update {
  /** The parameter's next value. */
  readonly parameter: string
  /** The next value of every slot. */
  readonly slots: Readonly<Partial<Record<Slot['name'], string>>>
}

/** A gradient of more than one batch, and the next values of the slots that it is gathered in. */
export interface Gathered {
  readonly gradient: string
  readonly slots: Update['slots']
}

export interface Optimizer {
  readonly name: string
  readonly learningRate: Schedule
  /** Everything that decides the updates, as plain data: for records and checkpoints. */
  readonly settings: Readonly<Record<string, number | boolean | string>>
  readonly slots: readonly Slot[]
  /** Where matrices have an update of their own: is it one? */
  isMatrix?(parameter: ParameterKind): boolean
  /** True where an update depends on more than its element, so that parameters cannot be joined. */
  readonly isWhole?: true
  /**
   * The gradient that an update is made from, where it is not that of the batch alone. It comes first: what is clipped is
   * this, over all parameters.
   */
  gather?(context: UpdateContext): Gathered
  /**
   * What an update takes from slots of one number. These may be vectors, with a number for each of several parameters. What has
   * the name of a slot is its next value.
   */
  scalars?(emitter: Emitter, slot: UpdateContext['slot']): Scalars
  readonly update: UpdateRule
}

export interface UpdateRule {
  (context: UpdateContext): Update
  /**
   * What it multiplies the gradient by before anything else, where it reads the gradient no other way: the learning rate, or a number. All
   * gradients are linear in that of the loss, so that a step can multiply this one alone (`UpdateContext.isScaled`). Whoever puts a
   * rule of their own around this one is given gradients as they are.
   */
  readonly gradientScale?: 'learning-rate' | number
}

/** A rule that multiplies gradients so. */
export const ruleScaledBy = (
  gradientScale: NonNullable<UpdateRule['gradientScale']>,
  rule: (context: UpdateContext) => Update,
): UpdateRule => Object.assign((context: UpdateContext) => rule(context), { gradientScale })

/** The slots that a parameter has. */
export const slotsOf = ({ slots }: Optimizer, isMatrix: boolean): readonly Slot[] =>
  slots.filter(({ of }) => of === undefined || (of === 'matrices') === isMatrix)

/** Elementary arithmetic on float values and numbers. */
export function arithmetic(emitter: Emitter) {
  const operand = (x: string | number) =>
    typeof x === 'number' ? emitter.constant(float32([], [x])) : x
  const binary = (op: string) => (a: string | number, b: string | number) =>
    emitter.op(op, [operand(a), operand(b)])
  return {
    add: binary('Add'),
    sub: binary('Sub'),
    mul: binary('Mul'),
    div: binary('Div'),
    pow: binary('Pow'),
    sqrt: (x: string) => emitter.op('Sqrt', [x]),
  }
}

/** The gradient times `scale`, which is what `UpdateRule.gradientScale` says, with L2 regularization: s·g + s·λ·w. */
export function scaledGradient(
  context: UpdateContext,
  scale: string | number,
  weightDecay = 0,
): string {
  const { emitter, gradient, parameter, isScaled = false, decays = true } = context
  const { add, mul } = arithmetic(emitter)
  const scaled = isScaled ? gradient : mul(gradient, scale)
  if (weightDecay === 0 || !decays) return scaled
  const share = typeof scale === 'number' ? scale * weightDecay : mul(scale, weightDecay)
  return add(scaled, mul(parameter, share))
}

/** L2 regularization: the gradient of λ/2 · |w|² added to the loss's. */
export function withWeightDecay(
  { emitter, gradient, parameter, decays = true }: UpdateContext,
  weightDecay: number,
): string {
  if (weightDecay === 0 || !decays) return gradient
  const { add, mul } = arithmetic(emitter)
  return add(gradient, mul(parameter, weightDecay))
}
