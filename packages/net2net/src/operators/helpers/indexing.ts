/** Positions on axes: bounds of slices, and indices that look entries up. */
import type { Dim } from '../../model/model.ts'
import type { AxesContext } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { InferContext } from '../contract/infer.ts'

/** The bounds as positions on an axis of known size. */
export interface Range {
  readonly start: number
  readonly end: number
  readonly step: number
  readonly length: number
}

export function resolveRange(
  { start, end, step }: Readonly<Record<'start' | 'end' | 'step', number | undefined>>,
  dim: Dim,
): Range | undefined {
  if (start === undefined || end === undefined || !step || typeof dim !== 'number') return undefined
  const clamp = (at: number, low: number, high: number) =>
    Math.min(Math.max(at < 0 ? at + dim : at, low), high)
  const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1]
  const first = clamp(start, step > 0 ? 0 : 0, high)
  const last = end <= -dim - 1 ? low : clamp(end, low, high)
  return { start: first, end: last, step, length: Math.max(0, Math.ceil((last - first) / step)) }
}

/** No axis is that long: a bound that says "from the beginning" or "to the end", whatever the size. */
export const BEYOND = 2 ** 31 - 1

/**
 * Ties a position on an axis of size `dim` to the size of what lies before it. One that was written
 * from the end fixes what lies behind.
 */
export function followPosition(
  context: AxesContext,
  axis: Axis,
  { written, at, dim }: { readonly written: number; readonly at: number; readonly dim: number },
  tie: (before: Axis) => void,
): void {
  if (written < 0) {
    const behind = written > -BEYOND ? context.slice(axis, at, dim) : undefined
    if (behind) context.fix(behind, 'counts from the end of the axis')
    return
  }
  if (at === 0) return
  const before = context.slice(axis, 0, at)
  if (before) tie(before)
  else context.fix(axis, 'cuts the axis inside of a block')
}

/** Why an axis that is looked up by index may not grow. */
export const BY_INDEX = 'picks entries of it by index'

/** The axes of a tensor and of the indices into it, where they run in step; fixed otherwise. */
export function inStep(context: AxesContext, a: Axis, b: Axis, sameSize: boolean): Axis {
  if (sameSize) return context.unify(a, b)
  context.fix(a, BY_INDEX)
  context.fix(b, BY_INDEX)
  return b
}

/** How many axes of the data an index of GatherND or ScatterND covers. */
export function indexDepth(context: InferContext, i = 1): number | undefined {
  const depth = context.shape(i)?.at(-1)
  return typeof depth === 'number' ? depth : undefined
}
