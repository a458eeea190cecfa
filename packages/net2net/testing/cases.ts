/**
 * Test cases of operators, as data. Each rule file `x.ts` has its cases beside it in `x.cases.ts`; the
 * tests `shapes`, `gradients`, `growth` and `coverage` run over all of them.
 */
import type { RandomStream } from '../src/tensor/random.ts'
import type { GrowthCase } from './bench.ts'
import { vagueShapes } from './draws.ts'
import type { OneNode } from './gradient-check.ts'

/** A node of the operator, with the values of its inputs. */
export interface DrawnNode extends Omit<OneNode, 'op' | 'domain'> {
  /** The outputs that a gradient is checked for; default: every float output. */
  readonly observed?: readonly string[]
}

/** A random node; `index` counts the draws. */
export type Draw = (random: RandomStream, index: number) => DrawnNode

export interface NodeCase {
  /** What is special about these nodes, for the name of the test. */
  readonly what?: string
  readonly draw: Draw
  /** How many nodes are drawn (default 30). */
  readonly draws?: number
  /**
   * The operator is linear in input 0, and no float64 kernel is needed: its responses to unit vectors
   * are the derivatives.
   */
  readonly linear?: true
}

export interface Cases {
  /** Nodes whose inferred shapes and types are those that ONNX Runtime computes. */
  readonly shapes?: Draw
  /** Nodes whose gradients are those of an independent float64 evaluation; their shapes count, too. */
  readonly gradient?: Draw | readonly NodeCase[]
  /** Networks in which a layer grows through the operator, or is refused for a reason. */
  readonly growth?: readonly GrowthCase[]
}

/** By operator: `Conv`, or `com.microsoft.Gelu` where it is not one of the standard's. */
export type OperatorCases = Readonly<Record<string, Cases>>

/** The same nodes, of which some declare symbols or nothing in the place of sizes. */
export const vaguely =
  (draw: Draw): Draw =>
  (random, index) => {
    const node = draw(random, index)
    const data = node.inputs.map((tensor, i) =>
      tensor?.dtype === 'float32' && !node.constants?.includes(i) ? tensor : undefined,
    )
    return { ...node, shapes: vagueShapes(random, index, data) }
  }

/** Declared shapes of input 0 with symbols for a third of its sizes. */
export const someSymbols = (
  random: RandomStream,
  dims: readonly number[],
): DrawnNode['shapes'] & object => ({
  0: dims.map((dim, k) => (random.below(3) === 0 ? `s${k}` : dim)),
})
