/** Question 3: which operators compute the gradients of your inputs? */
import type { AttributeLike } from '../../model/attributes.ts'
import type { Graph, Node } from '../../model/model.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { ValueInfo } from './infer.ts'

/**
 * Which decompositions may be emitted. `standard` is plain ONNX for any runtime; the others add what
 * that runtime has beyond the standard or computes faster.
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

/** What one gradient leaves for others that read the same value: the same numbers in cheaper forms. */
export interface ValueHints {
  /** The four values that hold this image's 2 × 2 phases, in row order. */
  readonly phases?: readonly string[]
  /** Values that are cheaper than the phases, and of which each phase is a sum. */
  readonly phaseTerms?: PhaseTerms
  /** A smaller image with the same sum per channel, over batch and positions. */
  readonly sums?: string
  /** The value is zero but for some entries along one axis, which another value holds. */
  readonly placed?: Placed
  /** The value is the gradient of what was multiplied by a factor that is smaller. */
  readonly scaled?: Scaled
  /** A value with the same elements, in order, in another shape. */
  readonly reshaped?: string
  /** A value that holds the same numbers, computed on the way to a gradient: it takes the place of this one. */
  readonly same?: string
}

/** Phases of an image as sums of values that have been computed. */
export interface PhaseTerms {
  readonly values: readonly string[]
  /** The factor of each value in each phase: [phases, values]. */
  readonly factors: readonly (readonly number[])[]
}

export interface Scaled {
  /** ∂L/∂(value · factor). */
  readonly gradient: string
  readonly value: string
  readonly factor: string
}

/** Entries [start, end) of an axis of `size`. */
export interface Placed {
  readonly value: string
  readonly axis: number
  readonly start: number
  readonly end: number
  readonly size: number
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
  /** Leaves hints for the readers of this value. */
  hint(name: string, hints: ValueHints): void
  /** The hints that were left for a value; none is promised. */
  hintOf(name: string): ValueHints
}

export interface GradientContext extends Emitter {
  readonly node: Node
  readonly opset: number
  has(i: number): boolean
  /** Names of the node's inputs and outputs. */
  input(i: number): string
  output(k: number): string
  /** The node of the forward graph that gives this value, where one does. */
  producerOf(name: string): Node | undefined
  /** Gradient of the loss with respect to output k; undefined where nothing depends on it. */
  outputGradient(k: number): string | undefined
  /** Whether the gradient of input i is needed. */
  needs(i: number): boolean
  /**
   * Gradients of the inputs through other nodes: `write` emits what computes the node's outputs anew. One
   * per input, as a rule gives them.
   */
  through(write: () => readonly string[]): readonly (string | undefined)[]
  /**
   * A graph for a node that runs one (the body of a Scan). `build` is given names of its inputs, of which
   * `inputs` says what is known, and returns its outputs. It may read values of the graph around it.
   */
  subgraph(
    inputs: readonly ValueInfo[],
    build: (emitter: Emitter, inputs: readonly string[]) => readonly string[],
  ): Graph
}

/** Returns one name per input; undefined where there is no gradient or none is needed. */
export type GradientRule = (context: GradientContext) => readonly (string | undefined)[]
