/** What a layer is: a function from one symbolic value to another, with parameters of its own. */
import { usageError } from '../errors.ts'
import type { AttributeLike } from '../model/attributes.ts'
import type { GraphBuilder } from '../model/builder.ts'
import { type Fill, fillTensor } from '../tensor/fill.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/** A value inside a network under construction. `dims`: of one sample, without the batch. */
export interface LayerValue {
  readonly name: string
  readonly dims: readonly number[]
  /** Whether it holds ids, whole numbers from 0 on. */
  readonly isIds?: true
}

/** The parameters of a layer are drawn from a random stream of their own, keyed by their name. */
export interface BuildContext {
  /**
   * The layer's own name if it has one, otherwise a free one like `conv2d_1`. Throws a usage
   * error where another layer has that name.
   */
  layerName(given: string | undefined, kind: string): string
  /** Adds a node with one output; both are called `name`. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeLike>>,
    name: string,
  ): string
  /** Adds the parameter `LAYER.role`, filled as described, and returns its name. */
  parameter(layer: string, role: string, dims: readonly number[], fill: Fill): string
  /** Adds a number that is not trained, `LAYER.role`. */
  constant(layer: string, role: string, tensor: LazyTensor): string
}

export interface Layer {
  /** Adds the layer's nodes and returns its output. Throws a usage error for a shape that it cannot take. */
  apply(context: BuildContext, input: LayerValue): LayerValue
  /** Whether a network that begins with it takes ids (int64) instead of float32. */
  readonly takesIds?: true
}

/** @throws usage where one of the sizes is not a whole number from 1 on */
export function mustBeSizes(layer: string, what: string, sizes: readonly number[]): void {
  for (const size of sizes)
    if (!(Number.isSafeInteger(size) && size >= 1))
      throw usageError(`Layer ${layer}: ${what} must be a whole number from 1 on, not ${size}.`, {
        where: layer,
      })
}

/** How a kernel is filled, given its fan-in and fan-out. */
export type Initializer = (fanIn: number, fanOut: number) => Fill

export function buildContext(builder: GraphBuilder, seed: number): BuildContext {
  const { names } = builder
  return {
    layerName(given, kind) {
      if (given === undefined) return names.fresh(kind)
      if (names.has(given))
        throw usageError(`There are two layers called ${given}: layer names must differ.`, {
          where: given,
        })
      names.claim(given)
      return given
    },
    node: (opType, inputs, attributes, name) =>
      builder.node(opType, inputs, attributes, { name, outputs: [name] }),
    parameter(layer, role, dims, fill) {
      const name = `${layer}.${role}`
      return builder.initializer(name, fillTensor(fill, 'float32', dims, seed, 'initialize', name))
    },
    constant: (layer, role, tensor) => builder.initializer(`${layer}.${role}`, tensor),
  }
}
