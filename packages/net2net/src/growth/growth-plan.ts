/**
 * A growth plan: what a growth does to a model, as plain data. It can be printed, stored,
 * replayed, applied to weights and to optimizer slots alike, and drawn. No tensor is in it.
 */
import type { InsertedLayer } from '../operators/contract/facets.ts'
import type { DType } from '../tensor/dtype.ts'
import type { HeldValue } from './solve/held-value.ts'

export interface GrowthPlan {
  readonly version: 1
  /** Seed of every random number that applying the plan draws (noise, random weights). */
  readonly seed: number
  readonly units: readonly GrownUnits[]
  readonly parameters: readonly ParameterChange[]
  readonly sizes: readonly SizeChange[]
  readonly attributes: readonly AttributeChange[]
  /** Left out where there are none. */
  readonly held?: readonly HeldNumber[]
  readonly insertions: readonly Insertion[]
}

/** How new units start: copies of old ones, or the baseline's random padding. */
export type WidenInit = 'net2wider' | 'random-pad'
/**
 * `zero-sum`: exact, sums to zero over the copies of each unit; where noise cannot follow their shares
 * (behind a Relu), unequal shares. `paper`: the seed document's, on the new copies only, not exact.
 * Only for net2wider.
 */
export type NoiseKind = 'zero-sum' | 'paper' | 'none'

/** A set of units that grows as one: a channel group. */
export interface GrownUnits {
  readonly id: string
  /** Layers (node names) whose width these units are. */
  readonly members: readonly string[]
  readonly from: number
  readonly to: number
  readonly init: WidenInit
  /** The replication map: for each new unit, the old unit it copies. Identity on the first `from`. */
  readonly map: readonly number[]
  /** For each new unit, its share of the old unit's outgoing weight; copies' shares sum to 1. */
  readonly shares: readonly number[]
}

/**
 * Along an axis of a parameter, `carried`: gathered. `summed`: gathered and multiplied by the shares,
 * since it is summed over, or since the values computed from it are.
 */
export type AxisRole = 'carried' | 'summed'

/** How the indices of a grown axis follow from the grown units: the axis algebra, written out. */
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
  /** For a clone: the uses that are rewired to it (a node is known by its first output). */
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
  readonly noise?: {
    readonly kind: NoiseKind
    readonly relative: number
    /** The axis along which it sums to zero, where that is not the first that is summed. */
    readonly axis?: number
    /** Set where it is equal on all copies along the other axes, since more follows before the sum. */
    readonly alike?: true
  }
}

/** An element of an integer constant that holds a size. */
export interface SizeChange {
  readonly constant: string
  readonly index: number
  readonly from: number
  readonly to: number
  /** Name of the edited clone, where the constant is shared with nodes that need the old number. */
  readonly clone?: string
  /** The uses that are rewired to the clone. */
  readonly uses?: readonly ConstantUse[]
}

/**
 * A number that nodes compute from sizes, made a constant: a scale by the old size of what has grown,
 * or the size of something that does not grow with it.
 */
export interface HeldNumber extends HeldValue {
  /** The value that held it so far. */
  readonly value: string
  /** Name of the constant: `value`, whose node it replaces, or a new one. */
  readonly to: string
  /** For a new one: the uses that are rewired to it. */
  readonly uses?: readonly ConstantUse[]
}

/** Where a constant is read: a node, known by its first output, and its input. */
export interface ConstantUse {
  readonly node: string
  readonly input: number
}

export interface AttributeChange {
  /** The node, known by its first output. */
  readonly node: string
  readonly attribute: string
  readonly index?: number
  readonly from: number
  readonly to: number
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
