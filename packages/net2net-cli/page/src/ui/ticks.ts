/** Where a logarithmic axis has its numbers. */

/**
 * About four to eight round numbers between `low` and `high`, both positive: powers of ten, with 2 and 5
 * times these where there are few, equal steps where the ends are close.
 */
export function logarithmicTicks(low: number, high: number): number[] {
  if (!(low > 0 && high >= low && high < Number.POSITIVE_INFINITY)) return []
  const decades = Math.log10(high / low)
  if (decades < 1) return equalTicks(low, high)
  const factors = decades < 3 ? [1, 2, 5] : [1]
  const every = Math.ceil(decades / 8)
  const first = Math.floor(Math.log10(low))
  const ticks: number[] = []
  for (let exponent = first; exponent <= Math.log10(high); exponent += every)
    for (const factor of factors) ticks.push(Number(`${factor}e${exponent}`))
  return ticks.filter((tick) => tick >= low && tick <= high)
}

export function equalTicks(low: number, high: number): number[] {
  const rough = (high - low) / 7
  if (rough <= low * 1e-9) return [low]
  const exponent = Math.floor(Math.log10(rough))
  const factor = [1, 2, 5, 10].find((each) => Number(`${each}e${exponent}`) >= rough) ?? 10
  const ticks: number[] = []
  // Counted, not added up: sums of steps are not round.
  const scale = 10 ** -exponent
  for (let i = Math.ceil((low * scale) / factor); (i * factor) / scale <= high; i++)
    ticks.push(Number(`${i * factor}e${exponent}`))
  return ticks
}

/** Numbers of an axis as texts of as few digits as tell them apart. `format` gets how many digits it writes. */
export function tickTexts(
  values: readonly (number | null)[],
  format: (value: number, digits: number) => string,
): string[] {
  const shown = values.filter((value) => value !== null)
  for (let digits = 1; ; digits++) {
    const texts = shown.map((value) => format(value, digits))
    if (digits > 15 || new Set(texts).size === new Set(shown).size)
      return values.map((value) => (value === null ? '' : format(value, digits)))
  }
}
