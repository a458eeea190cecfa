/** Timing on a machine that others use too: contestants take turns, and only ratios are compared. */

export interface Contestant {
  readonly name: string
  /** Runs so many times; returns milliseconds per run. */
  run(times: number): Promise<readonly number[]>
}

export interface Timing {
  readonly name: string
  /** Milliseconds per run: median over the rounds' medians, and their first and third quartile. */
  readonly median: number
  readonly quartiles: readonly [number, number]
  readonly runs: number
  /** Median of each round, in order: what ratios are taken of. */
  readonly rounds: readonly number[]
}

export interface Ratio {
  readonly median: number
  readonly quartiles: readonly [number, number]
}

export const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)]!
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at))
}
export const median = (values: readonly number[]): number => quantile(values, 0.5)
const quartilesOf = (values: readonly number[]) =>
  [quantile(values, 0.25), quantile(values, 0.75)] as const

/**
 * Every round runs each contestant `times` times, in turn and from a changing start. The first run
 * of a turn only warms caches and threads and does not count.
 */
export async function interleave(
  contestants: readonly Contestant[],
  { rounds, times }: { readonly rounds: number; readonly times: number },
): Promise<readonly Timing[]> {
  const medians = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < contestants.length; turn++) {
      const i = (round + turn) % contestants.length
      medians[i]!.push(median((await contestants[i]!.run(times + 1)).slice(1)))
    }
  return contestants.map(({ name }, i) => ({
    name,
    median: median(medians[i]!),
    quartiles: quartilesOf(medians[i]!),
    runs: rounds * times,
    rounds: medians[i]!,
  }))
}

/** How many times as fast `b` is as `a`, round by round: what slows one round slows both. */
export function speedup(a: Timing, b: Timing): Ratio {
  const ratios = a.rounds.map((time, i) => time / b.rounds[i]!)
  return { median: median(ratios), quartiles: quartilesOf(ratios) }
}

/** A contestant in this process. */
export const contestant = (name: string, once: () => Promise<unknown> | unknown): Contestant => ({
  name,
  async run(times) {
    const found: number[] = []
    for (let i = 0; i < times; i++) {
      const start = performance.now()
      await once()
      found.push(performance.now() - start)
    }
    return found
  },
})
