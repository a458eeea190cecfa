import { expect, test } from 'vitest'
import { randomStream } from '../../tensor/random.ts'
import { minimalFiltering, mostInputs } from './minimal-filtering.ts'

const sizes = [2, 3, 4, 5, 6, 7].flatMap((r) =>
  [2, 3, 4, 5, 6, 7].filter((m) => m + r - 1 <= mostInputs).map((m) => [m, r] as const),
)

test.each(sizes)('%i outputs of %i taps', (m, r) => {
  const random = randomStream(1, 'filtering', m, r)
  const draw = (count: number) => Array.from({ length: count }, () => random.normal())
  const { output, kernel, input } = minimalFiltering(m, r)
  const times = (rows: readonly (readonly number[])[], vector: readonly number[]) =>
    rows.map((row) => row.reduce((sum, entry, i) => sum + entry * vector[i]!, 0))
  const [pixels, taps] = [draw(m + r - 1), draw(r)]
  const factors = times(kernel, taps)
  const found = times(
    output,
    times(input, pixels).map((value, i) => value * factors[i]!),
  )
  for (const [k, value] of found.entries())
    expect(value).toBeCloseTo(
      taps.reduce((sum, tap, j) => sum + tap * pixels[k + j]!, 0),
      12,
    )
})
