/** Question 1: what are the shapes and types of your outputs? */
import type { Dim, Graph, Node, Shape } from '../../model/model.ts'
import type { DType } from '../../tensor/dtype.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'

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
}

/** What is known of a value, by its name. */
export type Lookup = (name: string) => ValueInfo | undefined

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
  /** The outputs of a subgraph of the node, from what is known of its inputs; absent outside of shape inference. */
  outputsOf?(graph: Graph, inputs: readonly ValueInfo[]): readonly ValueInfo[]
}

/** Returns one entry per output; throws `Net2NetError` for a node that contradicts itself. */
export type InferRule = (context: InferContext) => readonly ValueInfo[]
