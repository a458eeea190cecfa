/** What an operator may be beside its rules: a layer, an activation, something that trains otherwise. */
import type { AttributeLike } from '../../model/attributes.ts'
import type { Node, Shape } from '../../model/model.ts'
import type { Fill } from '../../tensor/fill.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Unsupported } from './answers.ts'
import type { Emitter } from './gradient.ts'
import type { InferContext, ValueInfo } from './infer.ts'
import type { WeightSlicingOf } from './slicing.ts'

// ------------------------------------------------------- scaling and sign

/**
 * How factors on the inputs come out on output 0. `view`: the output holds the elements of input 0,
 * moved but unchanged, so every factor moves with its element. `none`: they do not come out as
 * factors (Exp, Add of one operand), or nobody has said that they do.
 */
export type Scaling = 'view' | ScalesWith | 'none'

/**
 * How the operator scales (homogeneous of degree one in some inputs): where the entries of these are multiplied by positive
 * factors along an axis and the other inputs are as they were, so are the entries of output 0.
 */
export interface ScalesWith {
  /** Each set of inputs that takes the factors together. */
  inputs(node: Node): readonly (readonly number[])[]
  /** Sums come out as sums too: the node is linear in each set, not only |x| or max(0, x). */
  readonly linear: boolean
  /** An entry of the output comes from one input of the set alone (Concat), not from each. */
  readonly joins?: true
  /** As in a view, the output holds the elements of input 0, moved; but factors only come out as told here. */
  readonly moves?: true
}

/**
 * The sign of output 0. `inherited`: it is non-negative where every input is (integers, such as indices, do
 * not count). `unknown`: nothing follows.
 */
export type Sign = 'non-negative' | 'inherited' | 'unknown'

export interface Reads {
  /**
   * Inputs whose axes the axes rule never asks for: numbers (the shape of Reshape, the bounds of Slice),
   * not tensors of which something could grow.
   */
  readonly numbers?: readonly number[]
  /** True if the outputs depend on the shapes of the inputs alone. */
  readonly shapes?: true
  /** An input whose elements are positions along an axis of another: the ids of an embedding. */
  readonly positions?: Positions
  /** How the sizes of output 0 follow from those of input 0, where they are written down or rounded. */
  readonly sizes?: SizesRead
}

export interface SizesRead {
  /**
   * The input that lists the sizes of output 0, which keeps the elements of input 0 in row-major order (Reshape), or the
   * axes of it, aligned at the end (Expand, Resize).
   */
  readonly target?: { readonly input: number; readonly keeps: 'elements' | 'axes' }
  /** True if sizes are divided and rounded, so that two sizes of input 0 may give one. */
  readonly rounds?: true
  /** True if output 0 holds statistics over windows of `kernel_shape`: one over all there is means the whole. */
  readonly window?: true
  /** Inputs that list where axes end, and which axes these are (Slice). */
  readonly ends?: { readonly input: number; readonly axes: number }
}

export interface Positions {
  readonly input: number
  /** The input that is looked into, and the axis. */
  readonly of: number
  axis(node: Node, rank: number): number
}

// ----------------------------------------------------------------- growth

export interface GrowthFacets {
  /** Present if the operator can be a layer: a node with weights of its own. */
  readonly layer?: LayerFacet
  /** Present if the operator is an element-wise activation. */
  readonly activation?: ActivationFacet
  /** Present if the operator normalizes with stored statistics (BatchNormalization). */
  readonly normalization?: NormalizationFacet
  /** True if, with a constant as one operand, the node shifts units: the bias of the layer before. */
  readonly bias?: true
  /** Present if the operator computes statistics over the units of an axis that it calls balanced. */
  readonly statistics?: StatisticsFacet
  /** True if the node subtracts input 1 from input 0. */
  readonly difference?: true
  /** Is the output zero where input 0 is? Need not be said where that follows from `scaling`. */
  readonly keepsZero?: (constant: (i: number) => LazyTensor | undefined) => boolean
  /** What bounds on the inputs say of the output, where it is computed entry by entry. */
  readonly bounds?: BoundsRule
  /** True if output 0 is the sum of all inputs: where all of them but one are zero, it is that one. */
  readonly sum?: true
  /** Random padding of parameters by input position, where 0.1 (vectors) would be absurd. */
  readonly padding?: Readonly<Record<number, number>>
}

/** Numbers between which the entries of a unit lie, whatever the network is given. */
export interface Bounds {
  readonly low: number
  readonly high: number
}

/**
 * The bounds of output 0 from those of the inputs (of missing ones, undefined) at the same place. They hold for what is computed in single
 * precision: a function that is monotone in each input may be taken at their ends, other sums need room for rounding.
 */
export type BoundsRule = (inputs: readonly (Bounds | undefined)[], node: Node) => Bounds | undefined

export interface LayerFacet {
  /**
   * The weight's input position and the output axis that is the layer's width (from the back
   * where negative), or undefined if this node has no weight of its own (a MatMul of two
   * activations).
   */
  weight(
    isParameter: (input: number) => boolean,
    node: Node,
  ): { readonly input: number; readonly widthAxis: number } | undefined
  /** The bias's input position, if the output is a sum of products of the weight's entries with those of the other input, and of it. */
  readonly bias?: (node: Node) => number | undefined
  /**
   * A layer of the same kind that computes the identity on this layer's output, for deepening;
   * the reason where there is none.
   */
  identity(context: IdentityContext): InsertedLayer | Unsupported
  /**
   * Present if the weight's axes from 2 on are a kernel: the attributes with which the node computes the same if zeros are put
   * before and behind it along each of these axes; undefined for an attribute that goes.
   */
  largerKernel?(
    node: Node,
    kernel: readonly number[],
    border: readonly number[],
  ): Readonly<Record<string, AttributeLike | undefined>> | Unsupported
}

export interface IdentityContext {
  readonly node: Node
  readonly opset: number
  /** Shape and type of the value that the new layer takes and gives. */
  readonly value: ValueInfo
  /** Dimensions of the layer's own weight. */
  readonly weightDims: readonly number[]
  /** Its input position (`LayerFacet.weight`), where an operator takes it on either side. */
  readonly weightInput?: number
  /** The size of the new layer's kernel, where it is not that of this one. */
  readonly kernel?: readonly number[] | undefined
}

/**
 * A chain of nodes from one value to another. `$in` and `$out` stand for the two values, `@NAME`
 * for the value NAME of the model, every other name is local to the chain.
 */
export interface InsertedLayer {
  readonly nodes: readonly InsertedNode[]
  readonly parameters: readonly InsertedParameter[]
}
export interface InsertedNode {
  readonly opType: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, AttributeLike>>
}
export interface InsertedParameter {
  /** Local name, as the inserted nodes use it (`weight`, `bias`). */
  readonly name: string
  readonly dims: readonly number[]
  /** What makes the layer the identity. */
  readonly identity: Fill
  /** The ordinary random initialization: the baseline. */
  readonly random: Fill
}

export interface ActivationFacet {
  /** φ(φ(x)) = φ(x), so that φ after an inserted identity changes nothing. */
  idempotent(node: Node, constant: (i: number) => LazyTensor | undefined): boolean
}

/**
 * What becomes of statistics over n units when m − n are added to them that hold no more than the others tell:
 *
 * - `mean` μ: stays where each added unit holds μ; becomes n/m·μ where it holds 0.
 * - `variance` (y = γ·(x − μ)/√(σ² + ε) + β): where each added unit holds μ, σ² becomes n/m·σ². With ε·n/m and γ·√(n/m) y stays, and is β at
 *   the added units.
 * - `square` (y = γ·x/√(mean(x²) + ε)): the same where each added unit holds 0.
 */
export interface StatisticsFacet {
  readonly kind: 'mean' | 'variance' | 'square'
  /** Input positions of γ and β. */
  readonly scale?: number
  readonly shift?: number
  /** The attribute that is ε, and its default. */
  readonly epsilon?: { readonly attribute: string; readonly default: number }
}

export interface NormalizationFacet {
  /** Input positions of the per-channel vectors. */
  readonly scale: number
  readonly shift: number
  readonly mean: number
  readonly variance: number
}

// --------------------------------------------------------------- training

export interface TrainingFacets {
  /** Inputs that hold weights, biases, scales or tables of the operator, where they are constants. */
  readonly parameters?: readonly number[]
  /** Inputs that hold the states a recurrence begins with, which may be learned. */
  readonly states?: readonly number[]
  /**
   * What a constant operand may be that training changes: the bias or the scale of what it meets,
   * or entries of its own (a class token).
   */
  readonly operand?: 'bias' | 'scale' | 'entries'
  /** How the node changes when the model trains (batch statistics, random masks). */
  readonly inTraining?: TrainingRule
  /** True if `inTraining` draws random numbers. */
  readonly draws?: true
  /** The node as it is used after training, where a file may hold it as it trains. */
  readonly forInference?: (node: Node) => Node
  /** Present if the operator turns scores into probabilities, where a loss may have it inside. */
  readonly link?: LinkFacet
  /** Rewrites a node of an older operator set in terms of `EMITTED_OPSET`. */
  readonly upgrade?: UpgradeRule
}

/** A link function: what makes probabilities (or their logarithms) of logits, input 0. */
export interface LinkFacet {
  readonly kind: 'softmax' | 'sigmoid'
  /** For a softmax: the axis that sums to 1. */
  axis?(node: Node, rank: number): number
}

/** Emits what replaces the node in training, where anything does. */
export type TrainingRule = (context: TrainingContext) => TrainingReplacement | undefined
export interface TrainingContext extends Emitter {
  readonly node: Node
  readonly opset: number
  has(i: number): boolean
  input(i: number): string
  /**
   * Input i as it is now, where it is a constant of the model that training updates: its value
   * before the step, or what an earlier node of the same step has made of it. undefined where it
   * is computed.
   */
  stored(i: number): string | undefined
  /** A name that nothing in the graph has. */
  fresh(hint: string): string
  /** A scalar uint32/int64-seeded mask source: the name of a float32 tensor of uniforms shaped like `value`. */
  uniformLike(value: string): string
}
export interface TrainingReplacement {
  /** The nodes that replace this one; they produce the node's own output names. */
  readonly nodes: readonly Node[]
  /** Running averages that each step updates, by the name of the constant that holds them. */
  readonly averages?: ReadonlyMap<string, RunningAverage>
}
/** What a running average moves towards, and how much of it stays: momentum·old + (1 − momentum)·batch. */
export interface RunningAverage {
  readonly batch: string
  readonly momentum: number
}

/** Emits equivalent nodes; returns the names that take the place of the node's outputs. */
export type UpgradeRule = (context: UpgradeContext) => UpgradedNode
export interface UpgradeContext {
  readonly node: Node
  /** Operator-set version of the model that the node comes from. */
  readonly from: number
  shape(i: number): Shape | undefined
  /** Input i, where it is constant. */
  tensor(i: number): LazyTensor | undefined
  /** Adds an initializer and returns its name. */
  constant(tensor: LazyTensor): string
  fresh(hint: string): string
}
/** One node (the common case) or a chain that ends in the node's own outputs. */
export type UpgradedNode = Node | readonly Node[]

// -------------------------------------------------------------- execution

export interface ExecutionFacets {
  /** Which value the output equals, where that is known before the model runs: see passes/fold-constants.ts. */
  readonly sameAs?: SameAsRule
  /** How the node is computed from slices of a large weight. */
  readonly slicing?: WeightSlicingOf
  /** How ONNX Runtime computes the node on images in blocks of channels. */
  readonly blocked?: BlockedRule
  /** The node by operators that ONNX Runtime's CPU has faster kernels of: see passes/cpu-layout/fast-kernels.ts. */
  readonly fastKernels?: FastKernelsRule
  /** True if max-pooling may come first: see lowering/pool-first.ts. */
  readonly poolsFirst?: true
  /** True if the output is computed element by element from inputs that are broadcast to one shape. */
  readonly broadcasts?: true
  /** Whether ONNX Runtime's WebGPU provider computes the node wrongly: see WrongOnWebGpu. */
  readonly wrongOnWebGpu?: WrongOnWebGpu
  /** Multiply-adds of one evaluation; null where a size is not known. */
  readonly multiplyAdds?: (context: InferContext, outputs: readonly ValueInfo[]) => number | null
}

/**
 * Whether ONNX Runtime's WebGPU provider (of the version that this package names) computes the node wrongly: false where it
 * computes what the standard says, or has no kernel. Sizes that are not known may be any. The
 * runtime leaves such nodes to the processor. Found by comparison: docs/lab/webgpu.md.
 */
export type WrongOnWebGpu = (context: InferContext) => boolean

/** The name of a value that all elements of the node's only output equal, up to rounding, whatever is fed; undefined where none is known. */
export type SameAsRule = (context: SameAsContext) => string | undefined
export interface SameAsContext {
  /** With inputs as they are now, where others have been replaced by what they equal. */
  readonly node: Node
  output(): ValueInfo
  info(name: string): ValueInfo
  /** The standard's node of this type that gives a value, where one does. */
  given(name: string, opType: string): Node | undefined
}

/** Emits the node in other operators. Returns the values that take the place of its outputs (a single name for a single output), or undefined to leave the node as it is. */
export type FastKernelsRule = (
  context: FastKernelsContext,
) => string | readonly string[] | undefined
export interface FastKernelsContext extends Emitter {
  readonly node: Node
  readonly opset: number
  has(i: number): boolean
  input(i: number): string
  /** The node that gives input i, where one does, with its inputs as they are now. */
  producer(i: number): Node | undefined
  /** Does nobody else read input i? */
  isReadOnce(i: number): boolean
}

/**
 * Emits the node on blocked images (`passes/cpu-layout/blocked-layout.ts`) and returns the values that hold its outputs: images
 * that fit in blocks, all others as they are. Undefined where it cannot, or where it would not pay.
 */
export type BlockedRule = (context: BlockedContext) => readonly string[] | undefined
export interface BlockedContext extends InferContext, BlockedEmitter {
  output(k: number): ValueInfo
  /** Is input i there in blocks? */
  isBlocked(i: number): boolean
  /** Do convolutions read what the node gives, or what is computed of that element by element or by poolings? */
  isConvolved(): boolean
  /** Is this an image [N, C, H, W] of float32 in whole blocks? */
  fits(info: ValueInfo): boolean
  /** Input i in blocks; converted if need be. */
  blocks(i: number): string
  /** The image of input i in blocks, of which the last one may be filled up; undefined where its channels cannot be. */
  wholeBlocks(i: number): string | undefined
  /** Input i in the order of the standard; converted if need be. */
  plain(i: number): string
  /** How many images input i holds: int64 [1]. */
  batch(i: number): string
  /** Input i, which holds a number for each of so many channels, as a vector. */
  vector(i: number, channels: number): string
  /** The blocked convolution that gives input i, where nothing else reads that. */
  convolution(i: number): BlockedConvolution | undefined
  /** The weight of a convolution that is input i in blocks of filters (`passes/cpu-layout/filter-blocks.ts`); converted if need be. */
  filters(i: number): string
}

/** Adds nodes to the graph in blocks. */
export interface BlockedEmitter {
  /** Channels per block. */
  readonly block: number
  emit(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeLike>> | Node['attributes'],
    /** `blocked`: the operator of the runtime's domain for blocked images. */
    options?: { readonly blocked?: boolean; readonly outputs?: number },
  ): readonly string[]
  constantOf(tensor: LazyTensor): string
}

/** Inputs x, weight and maybe bias and what is added to the result, which an activation may follow. */
export interface BlockedConvolution {
  readonly inputs: readonly string[]
  readonly attributes: Node['attributes']
}
