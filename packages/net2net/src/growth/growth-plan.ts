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
  /** Residual blocks that are there once more. */
  readonly repeated?: readonly Repetition[]
  /** Layers and blocks that computed the identity, and are there no more. */
  readonly removed?: readonly Removal[]
  readonly kernels?: readonly KernelChange[]
  /** Low-rank adapters of weights. */
  readonly adapters?: readonly Adapter[]
}

/** What options of growth may be, the default first. */
export const growthChoices = {
  widenInit: ['net2wider', 'random-pad', 'gradmax'],
  noise: ['zero-sum', 'paper', 'none'],
  deepenInit: ['net2deeper', 'random-init'],
  block: ['identity', 'residual'],
  copy: ['interleave', 'stack'],
  start: ['zero', 'identity'],
} as const
type Choice<Option extends keyof typeof growthChoices> = (typeof growthChoices)[Option][number]

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

/**
 * How new units start: copies of old ones; the baseline's random padding; or in-weights for which the gradient of their
 * out-weights, which are zero, is largest (GradMax, arXiv:2201.05125).
 */
export type WidenInit = Choice<'widenInit'>
/**
 * What the weights, biases and scales of an added unit are: zeros, random numbers with the standard deviation of the old
 * ones, the mean of the old ones, those of the unit that the replication map names, or values that the plan lists.
 */
export type AddedStart = 'zero' | 'random' | 'mean' | 'copy' | 'values'
/**
 * `zero-sum`: exact, sums to zero over the copies of each unit; where noise cannot follow the split
 * (behind a Relu), unequal split coefficients. `paper`: the Keras example's, on the new copies only, not
 * exact. Only for net2wider.
 */
export type NoiseKind = Choice<'noise'>
/** How inserted layers start: they compute the identity, or the baseline's random numbers. */
export type DeepenInit = Choice<'deepenInit'>
/** What is inserted: a layer like the one before, or a residual block. */
export type InsertedBlock = Choice<'block'>
/** Where copies of neighbouring blocks go: each behind its original (a a′ b b′), or all behind the last (a b a′ b′). */
export type CopyOrder = Choice<'copy'>
/** How copies of blocks add nothing: their last weights are zero, or a gate of zeros stands behind them. */
export type CopyStart = Choice<'start'>

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
  readonly init: 'net2wider' | 'random-pad' | 'added'
  /** The replication map: for each new unit, the old unit that it copies. Identity on the first `from`. */
  readonly map: readonly number[]
  /** For each new unit its split coefficient α; over the copies of an old unit they add up to 1. */
  readonly split: readonly number[]
  /**
   * Where units are merged (`to` < `from`): for each old unit the new one that takes its place, -1 for none. What is
   * split is added up over the old units of a new one; what is copied is that of the unit in `map`.
   */
  readonly merged?: readonly number[]
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
    /** For `values`: the entries of added units along the copied axis, row-major. */
    readonly values?: readonly number[]
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
  readonly init: DeepenInit
  readonly dtype: DType
  /** Names in the model of the chain's parameters and inner values. */
  readonly names: Readonly<Record<string, string>>
  readonly layer: InsertedLayer
}

/**
 * A copy of residual blocks, behind the last of them. It adds nothing to the stream at first: what its branches end with is
 * zero, or multiplied by a gate of zeros.
 */
export interface Repetition {
  /** What is repeated, as a user calls it: modules, or layers whose blocks they are. */
  readonly blocks: readonly string[]
  /** What the names of the copy have in addition (`_copy1`): behind a block's name where they hold one. */
  readonly mark: string
  /** The stream's value behind the blocks. The copy takes over its name, so that consumers stay. */
  readonly value: string
  /** The name of what that value was before: the copy's input. */
  readonly source: string
  /** The stream's value before the blocks: where the copied nodes read it, the copies read `source`. */
  readonly input: string
  /** The nodes that are copied, in their order; a node is known by its first output. */
  readonly nodes: readonly { readonly node: string; readonly name: string }[]
  /** By the values that these nodes compute, the names of those of the copies. */
  readonly values: Readonly<Record<string, string>>
  readonly parameters: readonly RepeatedParameter[]
  readonly gates: readonly Gate[]
}

/** A parameter of the copy. */
export interface RepeatedParameter {
  /** The constant that the copied nodes read. */
  readonly name: string
  readonly to: string
  readonly dims: readonly number[]
  /** Copied, or zero. */
  readonly start: 'copied' | 'zero'
  /** Where the copied nodes read the constant, and the copies this parameter. */
  readonly uses: readonly ConstantUse[]
}

/** Zeros by which the result of a branch is multiplied in the copy (ReZero, arXiv:2003.04887; LayerScale, arXiv:2103.17239). */
export interface Gate {
  /** The operand of a sum, in the block that is copied. */
  readonly use: ConstantUse
  readonly name: string
  /** Name of the product. */
  readonly value: string
  readonly dims: readonly number[]
  readonly dtype: DType
}

/** Nodes between two values that were the same. */
export interface Removal {
  /** The layer, or one of the block. */
  readonly name: string
  /** The nodes, by their first outputs. */
  readonly nodes: readonly string[]
  readonly from: string
  /** What read this value reads `from`. */
  readonly to: string
}

/** A kernel that gets zeros around it, and what its layers pad for that. */
export interface KernelChange {
  /** The constant, and where the larger one goes: elsewhere, if others read it as it was. */
  readonly name: string
  readonly to: string
  readonly uses?: readonly ConstantUse[]
  readonly before: readonly number[]
  /** Zeros before and behind, along each axis from 2 on. */
  readonly border: readonly number[]
  readonly layers: readonly {
    /** The node, by its first output. */
    readonly node: string
    readonly name: string
    /** null for an attribute that goes. */
    readonly attributes: Readonly<Record<string, readonly number[] | null>>
  }[]
}

/**
 * A low-rank adapter (LoRA, arXiv:2106.09685): layers read W + s · L·R in the place of the weight W, which is taken as a matrix of its
 * first axis and all others. Of the factors, B is on the side of the output and zero at first, A random.
 */
export interface Adapter {
  /** The layers that read the weight. */
  readonly layers: readonly string[]
  readonly weight: string
  readonly uses: readonly ConstantUse[]
  readonly dims: readonly number[]
  readonly dtype: DType
  readonly rank: number
  /** s = α / rank. */
  readonly scale: number
  /** Names of L [rows, rank] and R [rank, columns], and which of them is B. */
  readonly left: string
  readonly right: string
  readonly zero: 'left' | 'right'
  /** Names of the nodes and of what they compute. */
  readonly names: {
    readonly product: string
    readonly scaled: string
    readonly shaped: string
    readonly sum: string
  }
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
