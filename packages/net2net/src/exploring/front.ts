/** Several objectives at once: what is better in none of them is left behind. All objectives are to be small. */

/** A network's objectives in a fixed order, each to be small. */
export type Point = readonly number[]

/** Whether `a` is nowhere worse than `b` and somewhere better. */
export const dominates = (a: Point, b: Point): boolean =>
  a.every((value, i) => value <= b[i]!) && a.some((value, i) => value < b[i]!)

/** The items that no other one dominates, in their order; of items at one point, the first. */
export function paretoFront<T>(items: readonly T[], pointOf: (item: T) => Point): readonly T[] {
  const points = items.map(pointOf)
  return items.filter(
    (_, i) =>
      !points.some(
        (other, j) => dominates(other, points[i]!) || (j < i && isSame(other, points[i]!)),
      ),
  )
}

const isSame = (a: Point, b: Point): boolean => a.every((value, i) => value === b[i])

/**
 * All items, the best first: layer by layer of nondominated sorting (Deb et al. 2002), and within a layer so that every
 * beginning of the list is spread over the layer: the smallest second objective first, then always the item that is farthest
 * from those before it (the ε-net of Salinas et al., arXiv:2106.12639). With one objective this is sorting. Ties stay in order.
 */
export function bestFirst<T>(items: readonly T[], pointOf: (item: T) => Point): readonly T[] {
  const ordered: T[] = []
  let left = items.map((item) => ({ item, point: pointOf(item) }))
  while (left.length > 0) {
    const layer = left.filter(({ point }) => !left.some((other) => dominates(other.point, point)))
    ordered.push(...spread(layer).map(({ item }) => item))
    const taken = new Set(layer)
    left = left.filter((each) => !taken.has(each))
  }
  return ordered
}

function spread<T extends { readonly point: Point }>(layer: readonly T[]): readonly T[] {
  const [first] = layer
  if (!first) return []
  const ranges = first.point.map((_, i) => {
    const values = layer.map(({ point }) => point[i]!)
    return Math.max(...values) - Math.min(...values) || 1
  })
  const distance = (a: Point, b: Point) =>
    Math.hypot(...a.map((value, i) => (value - b[i]!) / ranges[i]!))
  const by = Math.min(1, first.point.length - 1)
  let next = layer.reduce((best, each) => (each.point[by]! < best.point[by]! ? each : best))
  const chosen: T[] = []
  const nearest = new Map(layer.map((each) => [each, Number.POSITIVE_INFINITY]))
  for (;;) {
    chosen.push(next)
    nearest.delete(next)
    if (nearest.size === 0) return chosen
    let farthest: T | undefined
    for (const [each, before] of nearest) {
      const now = Math.min(before, distance(each.point, next.point))
      nearest.set(each, now)
      if (farthest === undefined || now > nearest.get(farthest)!) farthest = each
    }
    next = farthest!
  }
}
