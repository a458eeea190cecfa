/**
 * Whether a series of losses rises, told apart from noise: the test of trend of Mann (Econometrica 13, 1945) and Kendall (Rank Correlation
 * Methods, 1948), one-sided. It counts the pairs of which the later value is larger. Where there is no trend, every order of the values is
 * as likely as any other, however large or skewed their noise is; the chance of so many rising pairs is then known exactly.
 */

/** Fewer values than these say nothing of a trend: even all in order they are too likely. */
export const fewestValues = 5

/** How likely a mistake may be where noise is all there is. */
export const level = 0.05

/** Up to so many values chances are exact; for more, a bound on them is. */
const mostExact = 60

/** The chance that values without a trend rise as these do; 1 for no values. */
export function chanceOfRise(values: readonly number[]): number {
  let last = 1
  for (const chance of chancesOfRise(values)) last = chance
  return last
}

/** The chance that at least so many of n values lie on one side that each of them takes as likely as the other: the sign test. */
export function chanceOfMajority(count: number, n: number): number {
  let chances = [1]
  for (let i = 0; i < n; i++)
    chances = Array.from(
      { length: i + 2 },
      (_, k) => ((chances[k] ?? 0) + (chances[k - 1] ?? 0)) / 2,
    )
  return chances.slice(count).reduce((sum, each) => sum + each, 0)
}

export interface ShownRise {
  /** How many of the values show it. */
  readonly values: number
  readonly chance: number
}

/**
 * The first moment at which a series that is looked at again with each value has been shown to rise; undefined where it has not. All
 * looks together are wrong at most as often as `level` says (Bonferroni): the one at n values has the share 4 / (n (n − 1)) of it,
 * and from five values on these add up to 1.
 */
export function firstRise(values: readonly number[]): ShownRise | undefined {
  let n = 0
  for (const chance of chancesOfRise(values)) {
    n++
    const share = ((fewestValues - 1) / (n * (n - 1))) * level
    if (n >= fewestValues && chance <= share) return { values: n, chance }
  }
  return undefined
}

/** The chance of the first value's rise, of the first two values', and so on. */
function* chancesOfRise(values: readonly number[]): Generator<number, void> {
  /** The chance of each number of rising pairs. */
  let chances = [1]
  /** Rising pairs less falling ones; pairs of equal values are neither, which makes the test no less strict. */
  let balance = 0
  for (const [i, value] of values.entries()) {
    for (const earlier of values.slice(0, i)) balance += Math.sign(value - earlier)
    const n = i + 1
    const pairs = (n * i) / 2
    if (n > mostExact) {
      // The balance is a sum of independent, uniform terms: no heavier in its tail than a normal number of its variance.
      const variance = (pairs * (2 * n + 5)) / 9
      yield balance > 0 ? Math.exp(-(balance ** 2) / (2 * variance)) : 1
      continue
    }
    chances = withOneMore(chances, n)
    const rising = Math.ceil((balance + pairs) / 2)
    yield chances.slice(rising).reduce((sum, each) => sum + each, 0)
  }
}

/** The last of n values is larger than any number of the others, from 0 to n − 1, with the same chance. */
function withOneMore(chances: readonly number[], n: number): number[] {
  const next = Array<number>(chances.length + n - 1).fill(0)
  for (const [rising, chance] of chances.entries())
    for (let more = 0; more < n; more++) next[rising + more]! += chance / n
  return next
}
