/** What a layer of Keras is to this bridge. */
import type { GraphBuilder } from '../../../model/builder.ts'
import type { LazyTensor } from '../../../tensor/tensor.ts'
import type { Json, JsonObject } from '../json.ts'

/** A value of the graph. */
export interface KerasValue {
  readonly name: string
  /** With the batch. */
  readonly rank: number
  /** Whether the channels, last in Keras, are axis 1 here. */
  readonly channelsFirst: boolean
  readonly mask?: Mask | undefined
}

/** A boolean value [batch, steps]: which steps count (`mask_zero`, `Masking`). Its nodes are built when a layer asks. */
export type Mask = () => string

export const maskOf =
  (name: string): Mask =>
  () =>
    name

/** A mask whose nodes are built once. */
export function builtOnce(build: () => string): Mask {
  let name: string | undefined
  return () => {
    name ??= build()
    return name
  }
}

/** What a layer is given to build its nodes. */
export interface LayerContext {
  /** The layer's path in nested models, which names its nodes: `encoder/conv1`. */
  readonly path: string
  readonly kind: string
  readonly config: JsonObject
  readonly graph: GraphBuilder
  /**
   * A variable as an initializer.
   *
   * @param axes for each axis of the initializer, the variable's, or undefined for a new axis of size one; default: as
   *   it is
   */
  weight(variable: string, axes?: readonly (number | undefined)[]): string
  /** A variable as it is, to compute constants from. */
  tensor(variable: string): LazyTensor
  /** An initializer whose numbers the config says: growth may change them, and `sizes` reads them again. */
  constant(name: string, tensor: LazyTensor): string
  /** Says which value an activation of the layer's own is computed from: a new layer may stand before it. */
  beforeActivation(value: string): void
  /** Arguments of the call by name, also those that are no values of the graph (`use_causal_mask`). */
  readonly call: JsonObject
  /** Its other arguments, in order. */
  readonly operands: readonly (KerasValue | Json)[]
  /** The inputs that the call names (`key`, `attention_mask`); those without a name are `inputs` of `build`. */
  readonly named: ReadonlyMap<string, readonly KerasValue[]>
}

export interface KerasLayer {
  /**
   * The names of the layer's variables, in the order in which Keras stores them. Those of layers inside it have
   * their folders before the name: `query_dense/kernel`.
   */
  readonly variables?: (config: JsonObject) => readonly string[]
  /** Those of them that training changes; default: all. */
  readonly trained?: readonly string[]
  /** The nodes; several values where the layer returns several. */
  readonly build: (
    context: LayerContext,
    inputs: readonly KerasValue[],
  ) => KerasValue | readonly KerasValue[]
  /**
   * The mask of the output: that of the first input (`kept`), or what `build` says (`own`). Without either there is none,
   * as where Keras says that a layer does not support masking.
   */
  readonly mask?: 'kept' | 'own'
  /** Fields of the config that follow from the shapes of the variables, or why no config has such shapes. */
  readonly sizes?: (
    dims: (variable: string) => readonly number[],
    config: JsonObject,
    grown: GrownNumbers,
  ) => JsonObject | string
  /**
   * Factors on variables that undo what Keras itself computes from the new sizes (the scale of dot products).
   *
   * @param before dimensions of the variables before growth
   */
  readonly factors?: (
    before: (variable: string) => readonly number[],
    after: (variable: string) => readonly number[],
  ) => Readonly<Record<string, number>>
}

/** Numbers of a layer in the grown ONNX model; undefined where it has none of that name. */
export interface GrownNumbers {
  /** A constant that `build` made. */
  constant(name: string): readonly number[] | undefined
  /** An attribute of the node that is named as the layer. */
  attribute(name: string): number | undefined
}

/** The layers of one family by their classes. */
export type KerasLayers = Readonly<Record<string, KerasLayer>>
