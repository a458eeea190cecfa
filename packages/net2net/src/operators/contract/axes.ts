/** Question 2: how do the axes of your tensors relate? */
import type { Dim } from '../../model/model.ts'
import type { Axis } from './axis.ts'
import type { InferContext, ValueInfo } from './infer.ts'

/** What entries that are appended to an axis must be so that what is computed from the old ones stays. */
export type Appended = 'entries' | 'unlikely'

/** What the axes rule knows of one element of an integer tensor that holds sizes. */
export type AxisElement =
  /**
   * It is computed from the size of this axis, and follows when the axis grows: the size itself, or
   * ⌊(size + plus) / divisor⌋, an equal part of it.
   */
  | {
      readonly kind: 'size'
      readonly axis: Axis
      readonly plus?: number
      readonly divisor?: number
    }
  /** It is this number, taken from an element of a constant that a plan can edit. */
  | { readonly kind: 'value'; readonly value: number; readonly origin?: ElementOrigin }
  | { readonly kind: 'unknown' }

export interface ElementOrigin {
  /** Name of the constant value, and the (flat) position in it. */
  readonly name: string
  readonly index: number
  /** Where the constant was first read (the node by its first output), for cloning it there. */
  readonly use?: { readonly node: string; readonly input: number }
}

/** An axis of an input. */
export interface FactorAxis {
  readonly input: number
  readonly axis: number
  /** Of the axis only this part (the size of a head among heads times size). */
  readonly part?: Axis
}

/** What a node that computes attention has: heads of queries, and those of keys and values that they share. */
export interface AttentionAxes {
  readonly heads: Axis
  readonly keyValueHeads: Axis
  /** Of queries and keys, which is summed over, and of values. */
  readonly headSize: Axis
  readonly valueSize: Axis
}

export interface AxesOutput {
  readonly axes: readonly Axis[]
  readonly elements?: readonly AxisElement[] | undefined
}

/**
 * Rules describe relations; they never look at what is being grown. An axis that a rule does not
 * mention in its result and does not fix is free to grow.
 */
export interface AxesContext extends InferContext {
  /** What shape inference found for output k. */
  output(k: number): ValueInfo
  /** Is input i a weight: a constant, or computed from constants alone? */
  isParameter(i: number): boolean
  /**
   * The axes of input i. Where nobody knows its rank but the rule does, they are axes that never
   * grow; without a rank the node is refused.
   */
  axes(i: number, rank?: number): readonly Axis[]
  axisElements(i: number): readonly AxisElement[] | undefined

  /** A new axis that may grow: `what` names it in messages ("units of Conv conv1"). */
  unit(size: Dim, what: string): Axis
  /** A new axis that never grows, and why. */
  fixed(size: Dim, reason: string): Axis
  /** Both axes are one and the same: they grow together, in the same order. */
  unify(a: Axis, b: Axis): Axis
  /**
   * The factors have one axis in common, over which the products of their entries (of one factor: the
   * entries) are summed. Copies of a unit would be counted several times, so the entries of one of
   * the inputs must take split coefficients: those of a weight, or else of a value that the growth
   * solver finds. An `Axis` among the factors is one that cannot take them, because the operator is not linear
   * in it. `does` says what the node does where none of the inputs is a weight.
   */
  contract(factors: readonly (FactorAxis | Axis)[], does?: string): void
  /** Of the axis that this entry is a part of, nothing else is read. */
  selectEntry(entry: Axis): void
  /**
   * The axis may not grow by copies, and why. `appended`: entries behind the old ones leave these as they
   * were, whatever the new ones hold (`entries`), or where they are far below the old ones (`unlikely`).
   */
  fix(axis: Axis, reason: string, appended?: Appended): void
  /** The node is exact only if every unit of the axis has equally many copies (means, norms). */
  balanced(axis: Axis, reason: string): void
  /** The part [start, end) of an axis; undefined where it cannot be taken apart. */
  slice(axis: Axis, start: number, end: number): Axis | undefined
  /**
   * The same elements, regrouped to the given sizes (Reshape): splits and joins factors.
   * undefined where the sizes do not divide. An axis among the sizes stands for itself: where a
   * rule knows which axis an entry is (a copied dimension, a size from Shape), it says so.
   */
  regroup(axes: readonly Axis[], sizes: readonly (Dim | Axis)[]): readonly Axis[] | undefined
  /** Element k of the integer input i is the size of `axis`: a plan edits it when that grows. */
  sizeElement(i: number, k: number, axis: Axis): void
  /** So is attribute `name` (entry `k` of it, for a list). */
  sizeAttribute(name: string, axis: Axis, k?: number): void
  /** The node takes `value` for attribute `name`, which it has not, because of the size of `axis`: a plan writes it where that grows. */
  defaultAttribute(name: string, value: number, axis: Axis): void
  /** The node computes attention: input by input its queries, keys and values, and their axes. */
  attends(inputs: readonly number[], axes: AttentionAxes): void
  /**
   * The constant at input i has one axis for each of these, and lists all their positions 0, 1, 2, … in
   * row-major order: a plan lists them anew where the axes grow.
   */
  listsPositions(i: number, axes: readonly Axis[]): void
  /** Gives the node up: everything that touches it is fixed, for this reason. */
  refuse(reason: string): never
}

/** Returns one entry per output. */
export type AxesRule = (context: AxesContext) => readonly AxesOutput[]
