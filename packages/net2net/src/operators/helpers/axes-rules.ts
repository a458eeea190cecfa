/**
 * Vocabulary of axes rules. A reason is a verb phrase that continues "Conv conv1 …": `sums over the
 * axis`.
 */
import type { Dim } from '../../model/model.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'

/** Fixes several axes for one reason. */
export function fixAll(context: AxesContext, axes: readonly Axis[], reason: string): void {
  for (const axis of axes) context.fix(axis, reason)
}

/** Axes that never grow, with the sizes that inference found for output k. */
export const fixedOutput = (context: AxesContext, reason: string, k = 0): readonly Axis[] =>
  outputShape(context, k).map((dim) => context.fixed(dim, reason))

/** The inferred shape of output k; refuses the node where the rank is not known. */
export const outputShape = (context: AxesContext, k = 0): readonly Dim[] =>
  context.output(k).shape ?? context.refuse('has an output of unknown rank')

/** Output axes are the axes of input 0, for operators with further small inputs too. */
export const sameAxes: AxesRule = (context) => [{ axes: context.axes(0) }]
