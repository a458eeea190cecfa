/** Timing on a machine that others use too: contestants take turns, and only ratios are compared. */
import os from 'node:os'

/** Milliseconds of one run: by the clock, and of all processors together, where that is known. */
export interface Run {
  readonly wall: number
  readonly processor: number
}
export interface Contestant {
  readonly name: string
  run(times: number): Promise<readonly Run[]>
}

/** What several rounds found, or several starts. */
export interface Summary {
  readonly median: number
  /** The first and third quartile of rounds, or the least and the greatest of starts. */
  readonly range: readonly [number, number]
}

/** Milliseconds per run: over the rounds' medians. */
export interface Timing extends Summary {
  readonly name: string
  readonly runs: number
  /** Median of each round, in order: what ratios are taken of. */
  readonly rounds: readonly number[]
  /** The same in processor time, which tells more where others use the machine. */
  readonly processor: readonly number[]
  /** How many rounds were left out because somebody disturbed them. */
  readonly disturbed: number
}

export const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)]!
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at))
}
export const median = (values: readonly number[]): number => quantile(values, 0.5)
const ofRounds = (values: readonly number[]): Summary => ({
  median: median(values),
  range: [quantile(values, 0.25), quantile(values, 0.75)],
})

/** A round in which a contestant takes so many times its median tells of the machine, not of the contestant. */
const disturbance = 3

/**
 * Every round runs each contestant `times` times, in turn and from a changing start. The first run
 * of a turn only warms caches and threads and does not count. Rounds that somebody disturbed are left
 * out for all, and counted.
 */
export async function interleave(
  contestants: readonly Contestant[],
  { rounds, times }: { readonly rounds: number; readonly times: number },
): Promise<readonly Timing[]> {
  const medians = contestants.map((): number[] => [])
  const processor = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < contestants.length; turn++) {
      const i = (round + turn) % contestants.length
      const runs = (await contestants[i]!.run(times + 1)).slice(1)
      medians[i]!.push(median(runs.map((run) => run.wall)))
      processor[i]!.push(median(runs.map((run) => run.processor)))
    }
  const usual = medians.map(median)
  const quiet = Array.from({ length: rounds }, (_, round) =>
    medians.every((own, i) => own[round]! <= disturbance * usual[i]!),
  )
  const kept = (values: readonly number[]) => values.filter((_, round) => quiet[round])
  return contestants.map(({ name }, i) => ({
    name,
    ...ofRounds(kept(medians[i]!)),
    runs: kept(medians[i]!).length * times,
    rounds: kept(medians[i]!),
    processor: kept(processor[i]!),
    disturbed: quiet.filter((isQuiet) => !isQuiet).length,
  }))
}

type Clock = 'rounds' | 'processor'

/** How many times as fast `b` is as `a`, round by round: what slows one round slows both. */
export const speedup = (a: Timing, b: Timing, of: Clock = 'rounds'): Summary =>
  ofRounds(a[of].map((time, i) => time / b[of][i]!))

/**
 * The same program in another process may be a quarter slower or faster for as long as that lives, so that rounds of one start
 * say little: of several starts, each with all contestants, the median counts.
 */
export class Starts {
  readonly #starts: (readonly Timing[])[] = []

  add(timings: readonly Timing[]): void {
    this.#starts.push(timings)
  }

  /** How many rounds were left out. */
  get disturbed(): number {
    return this.#starts.reduce((sum, [first]) => sum + (first?.disturbed ?? 0), 0)
  }

  of(name: string): Summary {
    return ofStarts(this.#each(name))
  }

  /** The contestant among these that is the fastest by its median over the starts. */
  fastest(names: readonly string[]): string {
    return names.reduce((a, b) => (this.of(b).median < this.of(a).median ? b : a))
  }

  /** How many times as fast `b` is as `a`, start by start. */
  speedup(a: string, b: string, of: Clock = 'rounds'): Summary {
    const others = this.#each(b)
    return ofStarts(this.#each(a).map((timing, i) => speedup(timing, others[i]!, of)))
  }

  #each(name: string): readonly Timing[] {
    return this.#starts.map((timings) => timings.find((timing) => timing.name === name)!)
  }
}

/** Of a single start, what its rounds found. */
function ofStarts(starts: readonly Summary[]): Summary {
  if (starts.length === 1) return starts[0]!
  const medians = starts.map((start) => start.median)
  return { median: median(medians), range: [Math.min(...medians), Math.max(...medians)] }
}

/** Of the square matrices whose product steps are compared with. */
export const gemmSize = 1024

/** A contestant in this process. */
export const contestant = (name: string, once: () => Promise<unknown> | unknown): Contestant => ({
  name,
  async run(times) {
    const found: Run[] = []
    for (let i = 0; i < times; i++) {
      const used = process.cpuUsage()
      const start = performance.now()
      await once()
      const wall = performance.now() - start
      const { user, system } = process.cpuUsage(used)
      found.push({ wall, processor: (user + system) / 1000 })
    }
    return found
  },
})

/** How many processors others keep busy, over a second in which this process only waits. */
export async function busyProcessors(milliseconds = 1000): Promise<number> {
  const spent = () =>
    os.cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0)
  const before = spent()
  const start = performance.now()
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
  return (spent() - before) / (performance.now() - start)
}
