/**
 * Smooths a curve by itself: at each value the line that fits its neighbours best, near ones counting most (Cleveland 1979, local
 * regression of degree 1). Unlike an average over what came before, it does not lag: where a curve falls, its end stands
 * where the values stand, so that no drop or rise appears between two curves that the values do not have.
 *
 * The neighbourhood is about a twentieth of the values, at least 9 and at most 201. A value that is not finite counts for nothing.
 */
export function smoothed(values: readonly number[]): readonly number[] {
  const reach = Math.min(100, Math.max(4, Math.round(values.length / 40)))
  return values.map((value, at) => {
    // At an end, as many values are looked at as in the middle: fewer would follow single ones.
    const from = Math.max(0, Math.min(at - reach, values.length - 1 - 2 * reach))
    const to = Math.min(values.length - 1, Math.max(at + reach, 2 * reach))
    const width = Math.max(at - from, to - at) + 1
    let [weights, xs, ys, xxs, xys] = [0, 0, 0, 0, 0]
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = from; i <= to; i++) {
      const y = values[i]!
      if (!Number.isFinite(y)) continue
      const x = i - at
      const weight = (1 - (Math.abs(x) / width) ** 3) ** 3
      least = Math.min(least, y)
      most = Math.max(most, y)
      weights += weight
      xs += weight * x
      ys += weight * y
      xxs += weight * x * x
      xys += weight * x * y
    }
    const spread = weights * xxs - xs * xs
    if (weights === 0) return value
    if (spread <= 1e-9 * weights * weights) return ys / weights
    // Where a curve bends much, the line may leave what its neighbours have: losses are never below 0.
    return Math.min(most, Math.max(least, (xxs * ys - xs * xys) / spread))
  })
}
