/**
 * What the normalizations share. Over a set A of axes with D elements, let μ be the mean of x, σ²
 * its (biased) variance, r = 1/√(σ² + ε) and x̂ = (x − μ)·r. Then for g = ∂L/∂x̂
 *
 *   ∂L/∂x = r·(g − mean_A(g) − x̂·mean_A(g·x̂)).
 */

import { elementCount } from '../../tensor/tensor.ts'
import type { AxesContext } from '../contract/axes.ts'
import { type Axis, sizeOf } from '../contract/axis.ts'
import type { Emitter } from '../contract/gradient.ts'
import { isStatic } from './elements.ts'
import { range, reduce, reshape, shapeOf, type TargetSize } from './emission.ts'
import { castLike, formula } from './formula.ts'

export interface Standardized {
  /** x̂, of the shape of x. */
  readonly normal: string
  /** r, with axes of size one. */
  readonly factor: string
}

/** x̂ and r over the given axes of x. */
export function standardize(
  emitter: Emitter,
  x: string,
  axes: readonly number[],
  epsilon: number,
): Standardized {
  const { sub, mul, add, div, sqrt } = formula(emitter, x)
  const centred = sub(x, reduce(emitter, 'Mean', x, axes, true))
  const variance = reduce(emitter, 'Mean', mul(centred, centred), axes, true)
  const factor = div(1, sqrt(add(variance, epsilon)))
  return { normal: mul(centred, factor), factor }
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

/** ∂L/∂x from g = ∂L/∂x̂; `slope` is mean_A(g·x̂), where it is there already. */
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

/** Sums over the positions of each channel of each sample, [N, C, 1, …]: of δ, and of δ·x̂. */
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
  const { shape } = emitter.info(normal)
  const over = range(shape!.length, 2)
  const sum = (value: string) => reduce(emitter, 'Sum', value, over, true)
  const sums = { shift: sum(dy), scale: sum(mul(dy, normal)) }
  const positions = shape!.slice(2)
  const size = (value: string) => castLike(emitter, emitter.op('Size', [value]), dy)
  const count = isStatic(positions) ? elementCount(positions) : div(size(dy), size(sums.shift))

  const samples: TargetSize = { of: normal, axis: 0 }
  const members: readonly TargetSize[] = groups === undefined ? [-1, 1] : [groups, -1]
  const gamma = reshape(emitter, scale, [1, ...members])
  const each = reshape(emitter, factor, [samples, groups ?? -1, 1])
  const perChannel = (value: string) => reshape(emitter, value, [samples, -1, ...over.map(() => 1)])
  const mean = (value: string) => {
    const weighted = mul(gamma, reshape(emitter, value, [samples, ...members]))
    const found = mul(each, div(reduce(emitter, 'Mean', weighted, [2], true), count))
    return perChannel(
      groups === undefined ? found : emitter.op('Expand', [found, shapeOf(emitter, gamma)]),
    )
  }
  const direct = mul(dy, perChannel(mul(each, gamma)))
  const gradient = sub(direct, add(mul(normal, mean(sums.scale)), mean(sums.shift)))
  return { gradient, sums }
}

/** Carries the axes of a scale or shift with the last axes of x; those of size one are repeated. */
export function unifyLast(context: AxesContext, i: number, x: readonly Axis[]): void {
  const own = context.axes(i)
  own.forEach((axis, k) => {
    const target = x[k + x.length - own.length]
    if (target && (context.shape(i)?.[k] !== 1 || sizeOf(target) === 1)) context.unify(target, axis)
  })
}
