/**
 * A growth plan: what a growth does to a model, as plain data. It can be printed, stored,
 * replayed, applied to weights and to optimizer slots alike, and drawn. No tensor is in it.
 */
import type { IntegerEdit, NodeCopies } from '../model/edit.ts'
import type { ConstantUse } from '../model/links.ts'
import type { InsertedLayer } from '../operators/contract/facets.ts'
import type { DType } from '../tensor/dtype.ts'
import type { KnownNumbers } from '../tensor/known-numbers.ts'

export interface GrowthPlan {
  /** 2 where units are only copied and layers inserted; 3 where units are added. */
  readonly version: 2 | 3
  /** Seed of every random number that applying the plan draws (noise, random weights). */
  readonly seed: number
  readonly units: readonly GrownUnits[]
  readonly parameters: readonly ParameterChange[]
  /** Computations of sizes that several readers shared which now need other numbers. */
  readonly copied: readonly NodeCopies[]
  /** Sizes that the model writes down: elements of integer constants, and attributes. */
  readonly integers: readonly IntegerChange[]
  readonly pinned: readonly PinnedNumber[]
  readonly positions: readonly PositionsChange[]
  readonly inserted: readonly Insertion[]
  /** Axes of the graph's inputs and outputs that grow. */
  readonly declared?: readonly DeclaredAxis[]
  /** Attributes of nodes with other numbers, such as the ε of a norm over more units. */
  readonly floats?: readonly FloatChange[]
  /** Names that are appended to those of the classes. */
  readonly classes?: readonly string[]
}

/** A floating-point attribute of a node, which is known by its first output. */
export interface FloatChange {
  readonly node: string
  readonly attribute: string
  readonly from: number
  readonly to: number
}

/** An axis of an input or output of the graph, whose new entries lie behind the old ones. */
export interface DeclaredAxis {
  readonly kind: 'input' | 'output'
  readonly name: string
  readonly axis: number
  readonly from: number
  readonly to: number
  /** How this axis of all was found, where the user named the value alone. */
  readonly why?: string
}

/** How new units start: copies of old ones, or the baseline's random padding. */
export type WidenInit = 'net2wider' | 'random-pad'
/**
 * What the weights, biases and scales of an added unit are: zeros, random numbers with the standard deviation of the old
 * ones, the mean of the old ones, or those of the unit that the replication map names.
 */
export type AddedStart = 'zero' | 'random' | 'mean' | 'copy'
/**
 * `zero-sum`: exact, sums to zero over the copies of each unit; where noise cannot follow the split
 * (behind a Relu), unequal split coefficients. `paper`: the Keras example's, on the new copies only, not
 * exact. Only for net2wider.
 */
export type NoiseKind = 'zero-sum' | 'paper' | 'none'

/** The units of one channel group, which grow as one. */
export interface GrownUnits {
  readonly id: string
  /** Layers (node names) whose width these units are. */
  readonly members: readonly string[]
  readonly from: number
  readonly to: number
  /**
   * `added`: the new units are no copies but units of their own. What they compute is read with weights of zero, which
   * is a split coefficient of zero.
   */
  readonly init: WidenInit | 'added'
  /** The replication map: for each new unit, the old unit that it copies. Identity on the first `from`. */
  readonly map: readonly number[]
  /** For each new unit its split coefficient α; over the copies of an old unit they add up to 1. */
  readonly split: readonly number[]
}

/**
 * Along an axis of a parameter, `copied`: gathered by the replication map. `split`: gathered and multiplied
 * by the split coefficients, since the axis is contracted, or since values computed from it are.
 */
export type AxisRole = 'copied' | 'split'

/** How the indices of a grown axis follow from the grown units: the axis expression, written out. */
export type AxisMap =
  /** `role`: where it differs from that of the axis (the queries among queries, keys and values). */
  | { readonly units: string; readonly role?: AxisRole }
  | { readonly keep: number }
  | { readonly sum: readonly AxisMap[] }
  | { readonly product: readonly AxisMap[] }

export interface ParameterChange {
  /** The constant that is read: an initializer, or the output of a Constant node. */
  readonly name: string
  /** Where the grown tensor goes; differs from `name` where a shared constant had to be cloned. */
  readonly to: string
  /** For a clone: the uses that are rewired to it. */
  readonly uses?: readonly ConstantUse[]
  readonly before: readonly number[]
  readonly after: readonly number[]
  readonly axes: readonly {
    readonly axis: number
    readonly map: AxisMap
    readonly role: AxisRole
  }[]
  /** Value of new entries of a vector under random padding (default 0.1); otherwise N(0, 0.1²). */
  readonly padding?: number
  /**
   * Of the entries of added units along a copied axis: what they begin with, and what is added to that. `read`: what they
   * begin with along a split axis, where added units hold zero and nothing need be; otherwise they are zero there.
   */
  readonly added?: {
    readonly start: AddedStart
    readonly shift?: number
    readonly read?: 'random'
  }
  /** A factor on all entries. */
  readonly factor?: number
  readonly noise?: {
    readonly kind: NoiseKind
    readonly relative: number
    /** The axis along which it sums to zero, where that is not the first that is split. */
    readonly axis?: number
    /** Set where it is equal on all copies along the other axes, since more follows before the sum. */
    readonly alike?: true
  }
}

export type IntegerChange = IntegerEdit

/**
 * A number that nodes compute from sizes, made a constant: a scale by the old size of what has grown,
 * or the size of something that does not grow with it.
 */
export interface PinnedNumber extends KnownNumbers {
  /** The value that held it so far. */
  readonly value: string
  /** Name of the constant: `value`, whose node it replaces, or a new one. */
  readonly to: string
  /** For a new one: the uses that are rewired to it. */
  readonly uses?: readonly ConstantUse[]
}

/** A constant that lists the positions 0, 1, 2, … of a tensor in row-major order, with another shape. */
export interface PositionsChange {
  readonly name: string
  /** Differs from `name` where others read the list as it was. */
  readonly to: string
  readonly uses?: readonly ConstantUse[]
  readonly before: readonly number[]
  readonly after: readonly number[]
}

/** A chain of new nodes between a value and its consumers. */
export interface Insertion {
  /** Name of the layer that is deepened, and of the one that is new. */
  readonly after: string
  readonly name: string
  /** The value that the chain takes over: its end bears this name, so that consumers stay. */
  readonly value: string
  /** The name of what that value was before: the chain's input. */
  readonly source: string
  readonly init: 'net2deeper' | 'random-init'
  readonly dtype: DType
  /** Names in the model of the chain's parameters and inner values. */
  readonly names: Readonly<Record<string, string>>
  readonly layer: InsertedLayer
}

/** The roles of the units on an axis, which itself has the given one. */
export function rolesIn(map: AxisMap, role: AxisRole): ReadonlySet<AxisRole> {
  if ('units' in map) return new Set([map.role ?? role])
  if ('keep' in map) return new Set()
  return new Set(('sum' in map ? map.sum : map.product).flatMap((part) => [...rolesIn(part, role)]))
}

/** Size of an axis when each group of units has the size that `sizeOf` gives it. */
export function sizeWith(map: AxisMap, sizeOf: (units: string) => number): number {
  if ('units' in map) return sizeOf(map.units)
  if ('keep' in map) return map.keep
  if ('sum' in map) return map.sum.reduce((size, part) => size + sizeWith(part, sizeOf), 0)
  return map.product.reduce((size, part) => size * sizeWith(part, sizeOf), 1)
}
