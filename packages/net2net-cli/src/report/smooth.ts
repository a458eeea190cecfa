/** Exponential moving average over about a fortieth of the values, without its start's bias. */
export function smoothed(values: readonly number[]): readonly number[] {
  const decay = 1 - 1 / Math.max(4, values.length / 40)
  let sum = 0
  let weight = 0
  return values.map((value) => {
    sum = sum * decay + value
    weight = weight * decay + 1
    return sum / weight
  })
}
