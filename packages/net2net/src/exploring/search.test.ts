import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomStream } from '../tensor/random.ts'
import { Exploration, type RungRunner } from './exploration.ts'
import { bestFirst, dominates, paretoFront } from './front.ts'
import { pointOf } from './objectives.ts'
import {
  type ExplorationRecord,
  keyOf,
  type NetworkAtRung,
  type RungJob,
  type RungOutcome,
  type Trained,
} from './records.ts'
import { Search, type SearchSettings } from './search.ts'

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

/** All rungs that were begun, what came of them, and how high each is among those of all networks. */
function heightsOf(
  records: readonly ExplorationRecord[],
  { rungs: { children } = {} }: SearchSettings,
) {
  const rungs = new Map<string, { readonly job: RungJob; readonly trained?: Trained }>()
  for (const record of records) {
    if (record.kind === 'start') rungs.set(keyOf(record.job), { job: record.job })
    if (record.kind === 'finish' && record.outcome.kind === 'trained')
      rungs.set(keyOf(record), { ...rungs.get(keyOf(record))!, trained: record.outcome })
  }
  const heightOf = ({ network, rung }: NetworkAtRung): number => {
    const { growth } = rungs.get(keyOf({ network, rung: 0 }))!.job
    return rung + (growth && children !== 'first' ? heightOf(growth.parent) : 0)
  }
  return { rungs, heightOf }
}

const stepsAt = ({ rungs: { steps = 200, factor = 3 } = {} }: SearchSettings, height: number) =>
  Math.round(steps * factor ** height)

const totalCost = (ended: readonly { readonly job: RungJob; readonly trained: Trained }[]) =>
  ended.reduce((sum, { job, trained }) => sum + job.steps * trained.multiplyAdds!, 0)

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
        const { exploration, written } = await explored(settings, seed, { jobs: 3, order })
        const { factor = 3 } = settings.rungs!
        const { rungs, heightOf } = heightsOf(written, settings)
        const reached = [...rungs].flatMap(([key, { job, trained }]) =>
          trained ? [{ key, job, trained, height: heightOf(job) }] : [],
        )
        const most = totalCost(reached) / (factor - 1)
        for (const height of new Set(reached.map((each) => each.height))) {
          const here = reached.filter((each) => each.height === height)
          const best = bestFirst(here, ({ trained }) => pointOf(trained, settings.objectives!))
          for (const { job, trained } of best.slice(0, Math.floor(here.length / factor))) {
            const next = { network: job.network, rung: job.rung + 1 }
            const cost = stepsAt(settings, height + 1) - stepsAt(settings, height)
            // At the end, only what would take too much of all compute has not gone on.
            if (!rungs.has(keyOf(next))) expect(cost * trained.multiplyAdds!).toBeGreaterThan(most)
          }
        }
        expect(exploration.spent.trials).toBeLessThanOrEqual(settings.budget.trials!)
      }),
      { numRuns: 40 },
    ))

  test('when a network goes on, it is among the best 1/η that reached its rung, and takes no more than 1/η of all compute', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), async (seed, order) => {
        const settings: SearchSettings = {
          objectives: { against: [] },
          rungs: { factor: 3 },
          budget: { trials: 30 },
        }
        const { written } = await explored(settings, seed, { jobs: 2, order })
        const { rungs, heightOf } = heightsOf(written, settings)
        const ended = new Map<string, { readonly job: RungJob; readonly trained: Trained }>()
        const lastGrowth = written.findLastIndex(
          (record) => record.kind === 'start' && record.job.growth,
        )
        for (const [i, record] of written.entries()) {
          const key = record.kind === 'finish' ? keyOf(record) : ''
          const { job, trained } = rungs.get(key) ?? {}
          if (job && trained) ended.set(key, { job, trained })
          if (record.kind !== 'start' || record.job.rung === 0) continue
          const { network, rung, steps } = record.job
          const { trained: before } = ended.get(keyOf({ network, rung: rung - 1 }))!
          const height = heightOf(record.job) - 1
          const below = [...ended.values()].filter((each) => heightOf(each.job) === height)
          const better = below.filter((each) => each.trained.loss < before.loss)
          expect(better.length).toBeLessThan(Math.floor(below.length / 3))
          // Where nothing can grow any more, the rest is theirs.
          if (i < lastGrowth)
            expect(steps * before.multiplyAdds!).toBeLessThanOrEqual(
              totalCost([...ended.values()]) / 2,
            )
        }
      }),
      { numRuns: 40 },
    ))

  test('a child begins at the rung of its parent, which takes it 1/η of the steps', () =>
    fc.assert(
      fc.asyncProperty(settingsArbitrary, fc.nat(), async (settings, seed) => {
        const { written } = await explored(settings, seed, { jobs: 1, order: 0 })
        const { rungs, heightOf } = heightsOf(written, settings)
        for (const { job } of rungs.values()) {
          const height = heightOf(job)
          const whole = stepsAt(settings, height)
          expect(job.steps).toBe(
            job.rung > 0
              ? whole - stepsAt(settings, height - 1)
              : stepsAt(settings, Math.max(0, height - 1)),
          )
          if (job.rung > 0)
            expect(job.until - job.steps).toBe(
              rungs.get(keyOf({ network: job.network, rung: job.rung - 1 }))!.job.until,
            )
        }
      }),
      { numRuns: 40 },
    ))

  test('a budget of time or steps is kept, and no rung takes what its children would need', () =>
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('seconds', 'steps'), (seed, kind) => {
        const most = 2000
        const search = new Search({ seed, rungs: { steps: 10 }, budget: { [kind]: most } })
        const starts: { readonly job: RungJob; readonly spent: number }[] = []
        let seconds = 0
        for (;;) {
          const job = search.next(seconds)
          if (!job) break
          const spent = kind === 'steps' ? search.stepsTaken : seconds
          starts.push({ job, spent })
          search.apply({ kind: 'start', job, seconds })
          const loss = randomStream(seed, job.network, job.rung).uniform()
          const network = { parameters: 100 + job.network, multiplyAdds: 1000, size: 400 }
          const training = { trainLoss: 0, step: job.until, digest: '', seconds: job.steps }
          const outcome = { kind: 'trained', loss, ...network, ...training } as const
          seconds += job.steps
          search.apply({ kind: 'finish', network: job.network, rung: job.rung, outcome, seconds })
        }
        expect(search.endReason).toBe(kind)
        const last = starts.at(-1)!
        const allowed = kind === 'steps' ? 0 : last.job.steps / 2
        expect(last.spent + last.job.steps).toBeLessThanOrEqual(most + allowed)
        // Of steps, what is left would not do for a first rung.
        expect(kind === 'steps' ? search.stepsTaken : seconds).toBeGreaterThan(most - 10)
        const growing = starts.slice(
          0,
          starts.findLastIndex(({ job }) => job.growth),
        )
        for (const { job, spent } of growing)
          if (job.rung > 0) expect(spent + 3 * job.steps).toBeLessThanOrEqual(most)
      }),
    ))

  test('where nothing is inherited, a new network begins at the first rung', async () => {
    const settings: SearchSettings = {
      rungs: { steps: 10, children: 'first' },
      budget: { trials: 20 },
    }
    const { written } = await explored(settings, 1, { jobs: 1, order: 0 })
    for (const record of written)
      if (record.kind === 'start') expect(record.job.until).toBe(10 * 3 ** record.job.rung)
  })

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

  test('children that are made at once take candidates from one list, each another one', () =>
    fc.assert(
      fc.asyncProperty(settingsArbitrary, fc.nat(), fc.nat(), async (settings, seed, order) => {
        const { written } = await explored(settings, seed, { jobs: 4, order })
        const made = new Map<number, RungJob>()
        for (const record of written) {
          if (record.kind === 'finish' && record.rung === 0) made.delete(record.network)
          if (record.kind !== 'start' || !record.job.growth) continue
          const { parent, by, place } = record.job.growth
          const siblings = [...made.values()].flatMap(({ growth }) =>
            growth?.parent.network === parent.network ? [growth] : [],
          )
          for (const other of siblings) expect([other.parent, other.by]).toEqual([parent, by])
          expect(place).toBe(siblings.length)
          made.set(record.job.network, record.job)
        }
      }),
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
    const older = written.map((record) =>
      record.kind === 'begin' ? { ...record, version: 1 } : record,
    )
    await expect(
      explored({ seed: 1, budget: { trials: 3 } }, 1, { jobs: 1, order: 0, records: older }),
    ).rejects.toThrow(/another version/)
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

  test('the best come first, the cheapest of them at the head: no item comes before one that dominates it, and none is lost', () =>
    fc.assert(
      fc.property(points, (all) => {
        const ordered = bestFirst(all, same)
        expect([...ordered].sort()).toEqual([...all].sort())
        for (const [i, point] of ordered.entries())
          for (const later of ordered.slice(i + 1)) expect(dominates(later, point)).toBe(false)
        const least = Math.min(...all.map(([, cost]) => cost!))
        expect(ordered[0]![1]).toBe(least)
      }),
    ))

  test('with one objective, the order is that of its values', () =>
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        expect(bestFirst(values, (value) => [value])).toEqual([...values].sort((a, b) => a - b))
      }),
    ))
})
