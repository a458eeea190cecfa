/** Where things of a chart stand, as numbers alone. */

/** `span`, and what of ascending values lies outside it. */
export const reaching = (
  [low, high]: readonly [number, number],
  xs: ArrayLike<number>,
): [number, number] =>
  xs.length === 0 ? [low, high] : [Math.min(low, xs[0]!), Math.max(high, xs[xs.length - 1]!)]

/**
 * Places for names of a height that want to stand at `wanted`, from top to bottom: none above `top`, none below
 * `bottom`, and none on another as long as there is room.
 */
export function apart(
  wanted: readonly number[],
  height: number,
  [top, bottom]: readonly [number, number],
): number[] {
  const places = [...wanted]
  for (let i = 0; i < places.length; i++)
    places[i] = Math.max(places[i]!, i === 0 ? top : places[i - 1]! + height)
  for (let i = places.length - 1; i >= 0; i--)
    places[i] = Math.min(places[i]!, i === places.length - 1 ? bottom : places[i + 1]! - height)
  return places
}
