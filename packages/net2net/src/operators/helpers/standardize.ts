/**
 * What the normalizations share. Over a set A of axes with D elements, let μ be the mean of x, σ²
 * its (biased) variance, r = 1/√(σ² + ε) and x̂ = (x − μ)·r. Then for g = ∂L/∂x̂
 *
 *   ∂L/∂x = r·(g − mean_A(g) − x̂·mean_A(g·x̂)).
 *
 * x̂ need not be computed: with c = x − μ, x̂·mean_A(g·x̂) = c·(r²·mean_A(g·c)).
 */

import { intAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, sizeOf } from '../contract/axis.ts'
import { type Emitter, isCpu } from '../contract/gradient.ts'
import { sumTo } from './broadcast.ts'
import { inRows, rowsOf, sumsOfRows } from './channel-rows.ts'
import { areSame, productOf, quotient } from './dims.ts'
import { range, reduce, reshape, reshapeLike, type TargetSize } from './emission.ts'
import { castLike, formula } from './formula.ts'
import { axisPosition } from './shapes.ts'
import { overFirstAxes } from './sums-over-rows.ts'

export interface Standardized {
  /** x̂, of the shape of x. */
  readonly normal: string
  /** r, with axes of size one. */
  readonly factor: string
}

/** x − μ, of the shape of x, and r. */
export interface Centred {
  readonly centred: string
  readonly factor: string
}

/** x − μ, x̂ and r over the given axes of x. */
export function standardize(
  emitter: Emitter,
  x: string,
  axes: readonly number[],
  epsilon: number,
): Standardized & Centred {
  const { sub, mul, add, div, sqrt } = formula(emitter, x)
  const centred = sub(x, reduce(emitter, 'Mean', x, axes, true))
  const variance = reduce(emitter, 'Mean', mul(centred, centred), axes, true)
  const factor = div(1, sqrt(add(variance, epsilon)))
  return { normal: mul(centred, factor), centred, factor }
}

/**
 * r over the given axes, where x̂ is there already: with A = mean_A(x̂·x) = σ²·r, r is the positive root of ε·r² + A·r = 1.
 * A is σ or less, however far the mean is from 0.
 */
export function factorOf(
  emitter: Emitter,
  x: string,
  normal: string,
  axes: readonly number[],
  epsilon: number,
): string {
  const { mul, add, div, sqrt } = formula(emitter, x)
  const a = reduce(emitter, 'Mean', mul(normal, x), axes, true)
  return div(2, add(a, sqrt(add(mul(a, a), 4 * epsilon))))
}

/** ∂L/∂x from g = ∂L/∂x̂; `slope` is mean_A(g·x̂), where it is there already. `normal` may be c, with r²·mean_A(g·c) for a slope. */
export function standardizeGradient(
  emitter: Emitter,
  g: string,
  { normal, factor }: Standardized,
  axes: readonly number[],
  slope = reduce(emitter, 'Mean', formula(emitter, g).mul(g, normal), axes, true),
): string {
  const { sub, mul } = formula(emitter, g)
  const mean = reduce(emitter, 'Mean', g, axes, true)
  return mul(factor, sub(sub(g, mean), mul(normal, slope)))
}

/**
 * ∂L/∂γ = Σ r·p over the axes that γ does not have, from p = δ·(x − μ) and r. On ONNX Runtime's CPU the sum of rows is a product with the row
 * of their factors.
 */
export function scaleGradient(
  emitter: Emitter,
  product: string,
  factor: string,
  scale: string,
): string {
  const [shape = [], own = []] = [product, scale].map((name) => emitter.info(name).shape)
  const count = shape.length - own.length
  const isProduct = isCpu(emitter.target) && areSame(shape.slice(count), own)
  const sums = isProduct ? overFirstAxes(emitter, 'Sum', product, count, factor) : undefined
  return sums ?? sumTo(emitter, formula(emitter, product).mul(product, factor), product, scale)
}

/** Sums over the positions of each channel of each sample, [N·C, 1]: of δ, and of δ·x̂. */
export interface ChannelSums {
  readonly shift: string
  readonly scale: string
}

/**
 * ∂L/∂x [N, C, …] for γ·x̂ + β with γ per channel and x̂ over the positions of G groups of channels. With a = Σ δ and b = Σ δ·x̂ over the
 * positions of each channel, which give the gradients of β and γ too, and means over the channels of a group,
 *
 *   ∂L/∂x = r·γ·δ − x̂·r·mean(γ·b)/P − r·mean(γ·a)/P.
 *
 * All of this is computed on rows: since r differs from sample to sample, images in blocks of channels have no kernels for it.
 *
 * @param groups undefined where each channel is a group
 */
export function channelwiseGradient(
  emitter: Emitter,
  dy: string,
  { normal, factor }: Standardized,
  scale: string,
  groups: number | undefined,
): { readonly gradient: string; readonly sums: ChannelSums } {
  const { add, sub, mul, div } = formula(emitter, dy)
  const [, channels = null, ...positions] = emitter.info(normal).shape!
  const count = productOf(positions)
  const [delta, x] = [inRows(emitter, dy), inRows(emitter, normal)]
  const column = (value: string) => reshape(emitter, value, [-1, 1])
  // As the gradient of a shift sums it up, so that there is one such sum.
  const shift = column(reduce(emitter, 'Sum', dy, range(positions.length + 2, 2), true))
  const sums = { shift, scale: sumsOfRows(emitter, mul(delta, x)) }

  const samples: TargetSize = { of: normal, axis: 0 }
  const parts = groups ?? channels
  const part: TargetSize = typeof parts === 'number' ? parts : { of: normal, axis: 1 }
  const members = quotient([channels], [parts])
  const grouped = (value: string, length: Dim) =>
    reshape(emitter, value, [samples, part, typeof length === 'number' ? length : -1])
  const size = (value: string) => castLike(emitter, emitter.op('Size', [value]), dy)
  const gamma = reshape(emitter, scale, [1, part, -1])
  const each = grouped(factor, 1)
  const share = div(gamma, typeof count === 'number' ? count : div(size(dy), size(sums.shift)))
  const mean = (value: string) => {
    const weighted = mul(share, grouped(value, members))
    const found = groups === undefined ? weighted : reduce(emitter, 'Mean', weighted, [2], true)
    return column(mul(each, found))
  }
  const whole = productOf([members, count])
  const groupRows = (rows: string) => rowsOf(emitter, grouped(rows, whole), whole)
  const along = add(mul(groupRows(x), mean(sums.scale)), mean(sums.shift))
  const direct = mul(delta, column(mul(each, gamma)))
  return { gradient: reshapeLike(emitter, sub(groupRows(direct), along), dy), sums }
}

/** Carries the axes of a scale or shift with the last axes of x; those of size one are repeated. */
export function unifyLast(context: AxesContext, i: number, x: readonly Axis[]): void {
  const own = context.axes(i)
  own.forEach((axis, k) => {
    const target = x[k + x.length - own.length]
    if (target && (context.shape(i)?.[k] !== 1 || sizeOf(target) === 1)) context.unify(target, axis)
  })
}

/** The first of the axes that a node normalizes over, up to the last one. */
export const firstNormalized = (node: Node, rank: number): number =>
  axisPosition(intAttribute(node, 'axis', -1), rank)

/** Growth of what a node normalizes over its last axes, and then multiplies and shifts by its other inputs. */
export const normalizedAxes =
  (reason: string): AxesRule =>
  (context) => {
    const x = context.axes(0)
    const first = firstNormalized(context.node, x.length)
    for (const axis of x.slice(first)) context.balanced(axis, reason)
    for (const i of [1, 2].filter((i) => context.has(i))) unifyLast(context, i, x)
    const single = (axis: Axis, k: number) => (k < first ? axis : context.fixed(1, reason))
    return context.node.outputs.map((_, k) => ({ axes: k === 0 ? x : x.map(single) }))
  }
