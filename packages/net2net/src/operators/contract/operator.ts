/**
 * What an operator must tell us. Each operator lives in a file of its own (or of its family of
 * look-alikes) and answers three questions with small declarative rules; the generic drivers
 * (shape inference, the growth solver, backward) know no operator by name.
 */
import type { AttributeLike } from '../../model/attributes.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import type { DType } from '../../tensor/dtype.ts'
import type { Fill } from '../../tensor/fill.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Axis } from './axis.ts'
import type { LinearFormOf } from './slicing.ts'

/** An honest "no": the rule cannot exist or does not exist yet, and why. */
export interface Unsupported {
  readonly unsupported: string
}
export const unsupported = (reason: string): Unsupported => ({ unsupported: reason })

/** The output has no gradient by its nature (integers, shapes, comparisons). */
export const none = 'none'

export interface Operator {
  readonly name: string
  /** '' is the standard's own domain. */
  readonly domain?: string
  /** 1. What are the shapes and types of your outputs? */
  readonly infer: InferRule | Unsupported
  /** 2. How do the axes of your tensors relate? */
  readonly axes: AxesRule | Unsupported
  /** 3. Which operators compute the gradients of your inputs? */
  readonly gradient: GradientRule | typeof none | Unsupported

  /** Present if the operator can be a layer: a node with weights of its own. */
  readonly layer?: LayerFacet
  /** Present if the operator is an element-wise activation. */
  readonly activation?: ActivationFacet
  /** Present if the operator turns scores into probabilities, where a loss may have it inside. */
  readonly link?: LinkFacet
  /** True if, with a constant as one operand, the node shifts units: the bias of the layer before. */
  readonly bias?: true
  /** Inputs that hold weights, biases, scales or tables of the operator, where they are constants. */
  readonly parameters?: readonly number[]
  /**
   * What a constant operand may be that training changes: the bias or the scale of what it meets,
   * or entries of its own (a class token).
   */
  readonly operand?: 'bias' | 'scale' | 'entries'
  /** What is known of the sign of the (first) output. Default: nothing. */
  readonly sign?: 'non-negative' | 'inherited'
  /** Random padding of parameters by input position, where 0.1 (vectors) would be absurd. */
  readonly padding?: Readonly<Record<number, number>>
  /** True if the output holds the elements of the first input, moved but unchanged. */
  readonly view?: true
  /** How factors on the inputs come out on the output; a view passes them on by itself. */
  readonly homogeneous?: HomogeneityFacet
  /** True if the outputs depend on the shapes of the inputs alone. */
  readonly shapesOnly?: true
  /** How the node is computed from slices of a large weight. */
  readonly linear?: LinearFormOf
  /** Multiply-adds of one evaluation; null where a size is not known. */
  readonly multiplyAdds?: (context: InferContext, outputs: readonly ValueInfo[]) => number | null
  /** How the node changes when the model trains (batch statistics, random masks). */
  readonly training?: TrainingRule
  /** The node as it serves, where a file may hold it as it trains. */
  readonly serving?: (node: Node) => Node
  /** Rewrites a node of an older operator set in terms of `EMITTED_OPSET`. */
  readonly upgrade?: UpgradeRule
  /** True if the operator normalizes with stored statistics (BatchNormalization). */
  readonly normalization?: NormalizationFacet
  /** How ONNX Runtime computes the node on images in blocks of channels. */
  readonly blocked?: BlockedRule
  /** True if max-pooling may come first: see lowering/pool-first.ts. */
  readonly poolsFirst?: true
}

// ---------------------------------------------------------------- 1. infer

/** What is known of a value without running the model. */
export interface ValueInfo {
  readonly dtype?: DType | undefined
  /** undefined: the rank is unknown. */
  readonly shape?: Shape | undefined
  /**
   * The elements of a small integer tensor that holds sizes (the output of Shape, say), row-major:
   * numbers, symbolic dimensions, or null.
   */
  readonly elements?: readonly Dim[] | undefined
  /** The tensor itself, where the value is constant. */
  readonly constant?: LazyTensor | undefined
  /** The four values that hold this image's 2 × 2 phases, in row order. */
  readonly phases?: readonly string[] | undefined
  /** A smaller image with the same sum per channel, over batch and positions. */
  readonly sums?: string | undefined
}

export interface InferContext {
  readonly node: Node
  /** Operator-set version of the node's domain. */
  readonly opset: number
  /** Is input i given (present and not '')? */
  has(i: number): boolean
  dtype(i: number): DType | undefined
  shape(i: number): Shape | undefined
  /** Elements of an integer input that holds sizes: from a constant or by propagation. */
  elements(i: number): readonly Dim[] | undefined
  constant(i: number): LazyTensor | undefined
}

/** Returns one entry per output; throws `Net2NetError` for a node that contradicts itself. */
export type InferRule = (context: InferContext) => readonly ValueInfo[]

// ----------------------------------------------------------------- 2. axes

/** What the axes rule says of one element of an integer tensor that holds sizes. */
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
}

export interface AxesOutput {
  readonly axes: readonly Axis[]
  readonly elements?: readonly AxisElement[] | undefined
}

/**
 * Rules describe relations; they never look at what is being grown. An axis that a rule does not
 * mention in its result and does not freeze is free to grow.
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
  same(a: Axis, b: Axis): Axis
  /**
   * Axis k of the weight at input i is summed against `axis`: its slices take shares. Every
   * other axis of a weight is carried. Freezes `axis` if the input is not a weight.
   */
  contract(i: number, k: number, axis: Axis): void
  /**
   * These axes are one axis, over which the products of entries (of one value: the entries) are summed.
   * Copies would be counted several times, so one of the values must hold shares: a constant, or what
   * growth/shares.ts finds. `does` says in a message what happens where none is a weight.
   */
  sumProducts(factors: readonly FactorAxis[], does: string): void
  /** Of the axis that this entry is a part of, nothing else is read. */
  pick(entry: Axis): void
  freeze(axis: Axis, reason: string): void
  /** Exact only if every unit of the axis has equally many copies (means, norms). */
  equalCopies(axis: Axis, reason: string): void
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
  /** Gives the node up: everything that touches it is frozen, for this reason. */
  refuse(reason: string): never
}

/** Returns one entry per output. */
export type AxesRule = (context: AxesContext) => readonly AxesOutput[]

// ------------------------------------------------------------- 3. gradient

/**
 * Which forms may be emitted. `standard` is plain ONNX for any runtime; the others add what that
 * runtime has beyond the standard or computes faster.
 */
export type Target = 'standard' | 'onnxruntime-cpu' | 'onnxruntime-wasm' | 'onnxruntime-webgpu'

/** ONNX Runtime on a processor: in Node, or in WebAssembly. */
export const isCpu = (target: Target): boolean =>
  target === 'onnxruntime-cpu' || target === 'onnxruntime-wasm'

export interface EmitOptions {
  /** How many outputs (default 1). */
  readonly outputs?: number
  readonly domain?: string
  /** What is known of the outputs, for an operator that is not in the table. */
  readonly infos?: readonly ValueInfo[]
}

/** Emits nodes of opset `EMITTED_OPSET` (or of the model's own, where that is newer). */
export interface Emitter {
  readonly target: Target
  emit(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeLike>>,
    options?: EmitOptions,
  ): readonly string[]
  /** Emits a node with one output. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeLike>>,
    domain?: string,
  ): string
  /** A constant; equal constants may share one initializer. */
  constant(tensor: LazyTensor): string
  /** What is known of any value, emitted ones included. */
  info(name: string): ValueInfo
}

export interface GradientContext extends Emitter {
  readonly node: Node
  readonly opset: number
  has(i: number): boolean
  /** Names of the node's inputs and outputs. */
  input(i: number): string
  output(k: number): string
  /** Gradient of the loss with respect to output k; undefined where nothing depends on it. */
  outputGradient(k: number): string | undefined
  /** Does anybody want the gradient of input i? */
  needs(i: number): boolean
}

/** Returns one name per input; undefined where there is none or nobody needs it. */
export type GradientRule = (context: GradientContext) => readonly (string | undefined)[]

// ------------------------------------------------------------------ facets

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
  /**
   * A layer of the same kind that computes the identity on this layer's output, for deepening;
   * the reason where there is none.
   */
  identity(context: IdentityContext): InsertedLayer | Unsupported
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

/**
 * Homogeneity of degree one in some inputs: where the entries of these are multiplied by positive
 * factors along an axis and the other inputs are as they were, so are the entries of output 0.
 */
export interface HomogeneityFacet {
  /** Each set of inputs that takes the factors together. */
  inputs(node: Node): readonly (readonly number[])[]
  /** Sums come out as sums too: the node is linear in each set, not only |x| or max(0, x). */
  readonly linear: boolean
  /** An entry of the output comes from one input of the set alone (Concat), not from each. */
  readonly joins?: true
}

export interface ActivationFacet {
  /** φ(φ(x)) = φ(x), so that φ after an inserted identity changes nothing. */
  idempotent(node: Node, constant: (i: number) => LazyTensor | undefined): boolean
}

/** A link function: what makes probabilities (or their logarithms) of logits, input 0. */
export interface LinkFacet {
  readonly kind: 'softmax' | 'sigmoid'
  /** For a softmax: the axis that sums to 1. */
  axis?(node: Node, rank: number): number
}

export interface NormalizationFacet {
  /** Input positions of the per-channel vectors. */
  readonly scale: number
  readonly shift: number
  readonly mean: number
  readonly variance: number
}

/** Emits what replaces the node in training, where anything does; see `Operator.training`. */
export type TrainingRule = (context: TrainingContext) => TrainingForm | undefined
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
  /** A scalar uint32/int64-seeded mask source: the name of a float32 tensor of uniforms shaped like `value`. */
  uniformLike(value: string): string
}
export interface TrainingForm {
  /** The nodes that replace this one; they produce the node's own output names. */
  readonly nodes: readonly Node[]
  /** Values that replace parameters after each step (running statistics): parameter → value. */
  readonly updates?: ReadonlyMap<string, string>
}

/**
 * Emits the node on blocked images (`lowering/blocked-layout.ts`) and returns the values that hold
 * its outputs' blocks; undefined where it cannot, or where it would not pay.
 */
export type BlockedRule = (context: BlockedContext) => readonly string[] | undefined
export interface BlockedContext extends InferContext {
  /** Channels per block. */
  readonly block: number
  output(k: number): ValueInfo
  /** Is input i there in blocks? */
  isBlocked(i: number): boolean
  /** Is this an image [N, C, H, W] of float32 in whole blocks? */
  fits(info: ValueInfo): boolean
  /** Input i in blocks; converted if need be. */
  blocks(i: number): string
  /** Input i in the order of the standard; converted if need be. */
  plain(i: number): string
  emit(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeLike>> | Node['attributes'],
    /** `blocked`: the operator of the runtime's domain for blocked images. */
    options?: { readonly blocked?: boolean; readonly outputs?: number },
  ): readonly string[]
  constantOf(tensor: LazyTensor): string
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
