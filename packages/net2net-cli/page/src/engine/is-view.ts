/**
 * Whether samples of one shape hold the same numbers in the same order as samples of another: one channel more or less, or pixels in
 * one row. [1, 28, 28] is [28, 28, 1] is [784].
 */
export function isView(from: readonly number[], to: readonly number[]): boolean {
  const count = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1)
  const flat = (sizes: readonly number[]) => String(sizes.filter((size) => size !== 1))
  return (
    count(from) === count(to) && (flat(from) === flat(to) || from.length === 1 || to.length === 1)
  )
}
