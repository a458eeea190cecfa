import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomStream } from '../tensor/random.ts'
import { Exploration, type RungRunner } from './exploration.ts'
import { bestFirst, dominates, paretoFront } from './front.ts'
import { type ExplorationRecord, keyOf, type RungJob, type RungOutcome } from './records.ts'
import type { SearchSettings } from './search.ts'

/** An outcome that the job alone decides: deeper and larger networks are better; a few jobs go wrong. */
function outcomeOf(job: RungJob, seed: number): RungOutcome {
  const random = randomStream(seed, job.network, job.rung)
  if (job.growth && random.uniform() < 0.1) return { kind: 'exhausted' }
  if (random.uniform() < 0.05) return { kind: 'failed', message: 'diverged' }
  if (job.growth && random.uniform() < 0.05) return { kind: 'beyond', limit: 'latency', value: 9 }
  const parameters = 100 + Math.round(50 * job.network * random.uniform())
  return {
    kind: 'trained',
    loss: random.uniform() / (1 + job.rung) + 10 / parameters,
    trainLoss: 0,
    parameters,
    ...(job.growth ? { grown: { deepen: [`${job.network}`] } } : {}),
    multiplyAdds: 10 * parameters,
    size: 4 * parameters,
    step: job.until,
    digest: `${keyOf(job)}`,
    seconds: 0,
  }
}

/** Ends jobs in an order that `order` draws, and notes which ran at once. */
function runnerOf(seed: number, order: number) {
  const random = randomStream(order, 'order')
  const running = new Set<string>()
  let most = 0
  const runner: RungRunner = {
    async run(job) {
      expect(running.has(String(job.network)), 'one network, two workers').toBe(false)
      running.add(String(job.network))
      most = Math.max(most, running.size)
      const waits = random.below(20)
      for (let i = 0; i < waits; i++) await Promise.resolve()
      running.delete(String(job.network))
      return outcomeOf(job, seed)
    },
  }
  return { runner, most: () => most }
}

interface Run {
  readonly jobs: number
  readonly order: number
  readonly records?: readonly ExplorationRecord[]
  readonly follow?: readonly ExplorationRecord[]
  /** Stop (as a kill does) after so many records more. */
  readonly until?: number
}

class Killed extends Error {}

async function explored(settings: SearchSettings, seed: number, run: Run) {
  const { jobs, order, records = [], follow, until = Number.POSITIVE_INFINITY } = run
  const written: ExplorationRecord[] = [...records]
  const { runner, most } = runnerOf(seed, order)
  const exploration = new Exploration(settings, {
    runner,
    jobs,
    follow,
    journal: {
      records,
      append: async (record) => {
        if (written.length - records.length >= until) throw new Killed()
        written.push(record)
      },
    },
  })
  try {
    for await (const _event of exploration);
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
  return { written, most: most(), exploration }
}

const timeless = (records: readonly ExplorationRecord[]): unknown =>
  JSON.parse(JSON.stringify(records, (key, value) => (key === 'seconds' ? undefined : value)))

const settingsArbitrary: fc.Arbitrary<SearchSettings> = fc.record({
  seed: fc.nat(1000),
  rungs: fc.record({ steps: fc.integer({ min: 1, max: 50 }), factor: fc.constantFrom(2, 3, 4) }),
  objectives: fc.constantFrom({}, { against: [] }, { against: ['parameters', 'size'] as const }),
  randomShare: fc.constantFrom(0, 0.25, 1),
  budget: fc.record({ trials: fc.integer({ min: 1, max: 40 }) }),
})

describe('asynchronous successive halving', () => {
  test('only the best of a rung go on, and all that may do', () =>
    fc.assert(
      fc.asyncProperty(settingsArbitrary, fc.nat(), fc.nat(), async (settings, seed, order) => {
        const { exploration } = await explored(settings, seed, { jobs: 3, order })
        const factor = settings.rungs!.factor!
        const rungs = exploration.networks.map((network) => network.rungs)
        for (let rung = 0; ; rung++) {
          const reached = rungs.filter((each) => each[rung]?.kind === 'trained').length
          const promoted = rungs.filter((each) => each.length > rung + 1).length
          if (reached === 0) break
          // At the end at least as many as may: networks may have been better when there were fewer.
          expect(promoted).toBeGreaterThanOrEqual(Math.floor(reached / factor))
          expect(promoted).toBeLessThanOrEqual(reached)
        }
        expect(exploration.spent.trials).toBeLessThanOrEqual(settings.budget.trials!)
      }),
      { numRuns: 40 },
    ))

  test('when a network goes on, it is among the best 1/η that reached its rung', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), async (seed, order) => {
        const settings: SearchSettings = {
          objectives: { against: [] },
          rungs: { factor: 3 },
          budget: { trials: 30 },
        }
        const { written } = await explored(settings, seed, { jobs: 2, order })
        const losses = new Map<string, number>()
        for (const record of written) {
          if (record.kind === 'finish' && record.outcome.kind === 'trained')
            losses.set(keyOf(record), record.outcome.loss)
          if (record.kind !== 'start' || record.job.rung === 0) continue
          const { network, rung } = record.job
          const below = [...losses].filter(([key]) => key.endsWith(`@${rung - 1}`))
          const better = below.filter(([, loss]) => loss < losses.get(`${network}@${rung - 1}`)!)
          expect(better.length).toBeLessThan(Math.floor(below.length / 3))
        }
      }),
      { numRuns: 40 },
    ))

  test('one job at a time: killed after any record, it ends as if nothing had happened', () =>
    fc.assert(
      fc.asyncProperty(
        settingsArbitrary,
        fc.nat(),
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }),
        async (settings, seed, kills) => {
          const whole = await explored(settings, seed, { jobs: 1, order: 0 })
          let records: readonly ExplorationRecord[] = []
          for (const until of kills)
            records = (await explored(settings, seed, { jobs: 1, order: until, records, until }))
              .written
          const isDone = records.at(-1)?.kind === 'end'
          if (!isDone)
            records = (await explored(settings, seed, { jobs: 1, order: 1, records })).written
          expect(timeless(records)).toEqual(timeless(whole.written))
        },
      ),
      { numRuns: 40 },
    ))

  test('many jobs, killed and gone on: its journal, followed with any number of jobs, gives the same', () =>
    fc.assert(
      fc.asyncProperty(
        settingsArbitrary,
        fc.nat(),
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 4 }),
        async (settings, seed, kills, jobs) => {
          let records: readonly ExplorationRecord[] = []
          for (const until of [...kills, Number.POSITIVE_INFINITY])
            if (records.at(-1)?.kind !== 'end')
              records = (await explored(settings, seed, { jobs: 3, order: until, records, until }))
                .written
          const follow = records
          const again = await explored(settings, seed, { jobs, order: 5, follow })
          expect(timeless(again.written)).toEqual(timeless(records))
        },
      ),
      { numRuns: 40 },
    ))

  test('as many run at a time as are asked for', async () => {
    const settings = { budget: { trials: 30 } }
    expect((await explored(settings, 1, { jobs: 4, order: 2 })).most).toBe(4)
  })

  test('a journal of other settings is refused', async () => {
    const { written } = await explored({ seed: 1, budget: { trials: 3 } }, 1, { jobs: 1, order: 0 })
    const other = { seed: 2, budget: { trials: 3 } }
    await expect(explored(other, 1, { jobs: 1, order: 0, records: written })).rejects.toThrow(
      /other settings/,
    )
    await expect(
      explored({ seed: 1, rungs: { steps: 7 }, budget: { trials: 3 } }, 1, {
        jobs: 1,
        order: 0,
        follow: written,
      }),
    ).rejects.toThrow(/other settings/)
  })

  test('with more budget, an exploration that has ended goes on', async () => {
    const settings = { seed: 4, budget: { trials: 5 } }
    const { written } = await explored(settings, 1, { jobs: 1, order: 0 })
    const more = { seed: 4, budget: { trials: 12 } }
    const { exploration } = await explored(more, 1, { jobs: 1, order: 0, records: written })
    expect(exploration.spent.trials).toBe(12)
  })
})

describe('fronts', () => {
  const points = fc.array(
    fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 2, maxLength: 2 }),
    {
      minLength: 1,
      maxLength: 25,
    },
  )
  const same = (point: readonly number[]) => point

  test('nothing dominates what is on the front, and everything else is dominated or there already', () =>
    fc.assert(
      fc.property(points, (all) => {
        const front = paretoFront(all, same)
        for (const point of front) expect(all.some((other) => dominates(other, point))).toBe(false)
        for (const point of all)
          expect(
            front.some((other) => dominates(other, point) || String(other) === String(point)),
          ).toBe(true)
        expect(new Set(front.map(String)).size).toBe(front.length)
      }),
    ))

  test('the best come first: no item comes before one that dominates it, and none is lost', () =>
    fc.assert(
      fc.property(points, (all) => {
        const ordered = bestFirst(all, same)
        expect([...ordered].sort()).toEqual([...all].sort())
        for (const [i, point] of ordered.entries())
          for (const later of ordered.slice(i + 1)) expect(dominates(later, point)).toBe(false)
        const least = Math.min(...all.map(([first]) => first!))
        expect(ordered[0]![0]).toBe(least)
      }),
    ))

  test('with one objective, the order is that of its values', () =>
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        expect(bestFirst(values, (value) => [value])).toEqual([...values].sort((a, b) => a - b))
      }),
    ))
})
