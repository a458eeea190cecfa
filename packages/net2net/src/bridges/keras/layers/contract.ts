/** What a layer of Keras is to this bridge. */
import type { GraphBuilder } from '../../../model/builder.ts'
import type { LazyTensor } from '../../../tensor/tensor.ts'
import type { JsonObject } from '../keras-file.ts'

/** A value of the graph. */
export interface KerasValue {
  readonly name: string
  /** With the batch. */
  readonly rank: number
  /** Whether the channels, last in Keras, are axis 1 here. */
  readonly channelsFirst: boolean
  /** A boolean value [batch, steps]: which steps count (`mask_zero`, `Masking`). */
  readonly mask?: string | undefined
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
  /** Says which value an activation of the layer's own is computed from: a new layer may stand before it. */
  beforeActivation(value: string): void
  /** Named arguments of the call that are no tensors (`use_causal_mask`). */
  readonly call: JsonObject
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

/** The layers of one family by their classes. */
export type KerasLayers = Readonly<Record<string, KerasLayer>>
