import { describe, expect, test } from 'vitest'
import { madeRecord } from '../../../testing/record.ts'
import { summarize } from './analysis.ts'

const compared = (
  differences: readonly number[],
  { others = 0, finished = differences.length }: { others?: number; finished?: number } = {},
) => {
  const until = (loss: number, seed: number) => (seed < finished ? [2, loss] : undefined)
  const record = madeRecord(
    [
      { arm: 'grown', losses: differences.map((by, seed) => until(0.5 + by, seed)) },
      { arm: 'plain', losses: differences.map(() => [2, 0.5]) },
    ],
    {
      compare: Array.from({ length: 1 + others }, (_, i) =>
        i % 2 === 0 ? (['grown', 'plain'] as const) : (['plain', 'grown'] as const),
      ),
    },
  )
  const [experiment] = summarize(record).experiments
  return { ...experiment!, first: experiment!.comparisons[0]! }
}

describe('a comparison, seed by seed', () => {
  // Student's table: t(0.975; 4) = 2.776. By hand: mean −0.005, deviation √2.5·10⁻³, so
  // t = −√50 = −7.071, for which tables of p (two-sided, 4 degrees) say 0.0021.
  test('has the interval and p of the t test of pairs', () => {
    const { first } = compared([-0.004, -0.006, -0.003, -0.005, -0.007])
    const { mean, deviation, low, high, n } = first.difference!
    expect(n).toBe(5)
    expect(mean).toBeCloseTo(-0.005, 12)
    expect(deviation).toBeCloseTo(Math.sqrt(2.5) * 1e-3, 12)
    const margin = (2.776445 * Math.sqrt(2.5) * 1e-3) / Math.sqrt(5)
    expect(low).toBeCloseTo(-0.005 - margin, 8)
    expect(high).toBeCloseTo(-0.005 + margin, 8)
    expect(first.p).toBeCloseTo(0.00211, 5)
    expect(first.verdict).toBe('lower')
    expect(first.sentence).toMatch(/^Over 5 seeds "grown" ended 0\.0050 lower than "plain"/)
  })

  // t = mean / (deviation / √5) = 3.5 lies between t(0.975; 4) = 2.776 and t(0.995; 4) = 4.604:
  // a claim when it is the only one, none when it shares its 5% with four others.
  const halfway = [-2, -1, 0, 1, 2].map(
    (step) => 0.001 * step + (3.5 * 0.001 * Math.sqrt(2.5)) / Math.sqrt(5),
  )
  test('supports a claim alone that it does not support among five (Bonferroni)', () => {
    const alone = compared(halfway)
    expect(alone.claimLevel).toBeCloseTo(0.95, 12)
    expect(alone.first.verdict).toBe('higher')
    const shared = compared(halfway, { others: 4 })
    expect(shared.claimLevel).toBeCloseTo(0.99, 12)
    expect(shared.first.verdict).toBe('undecided')
    expect(shared.first.difference).toEqual(alone.first.difference)
    expect(shared.first.sentence).toMatch(/do not say .* 99\.0% interval .* includes 0/)
  })

  test('turned around is the same with the other sign', () => {
    const { comparisons } = compared([0.1, 0.2, 0.3], { others: 1 })
    const [there, back] = comparisons.map(({ difference }) => difference!)
    expect(back!.mean).toBeCloseTo(-there!.mean, 12)
    expect(back!.low).toBeCloseTo(-there!.high!, 12)
  })

  test('takes only the seeds that both arms have finished; says nothing of one or none', () => {
    const { first } = compared([-0.1, -0.2, -9], { finished: 2 })
    expect(first.seeds).toEqual([0, 1])
    expect(first.difference!.mean).toBeCloseTo(-0.15, 12)
    expect(first.sentence).toMatch(/^Over 2 of 3 seeds the data do not say/)
    expect(compared([-0.1, -0.2], { finished: 1 }).first).toMatchObject({
      verdict: 'one seed',
      sentence: expect.stringMatching(/^With one seed of 2 "grown" ended/),
    })
    expect(compared([-0.1], { finished: 0 }).first).toMatchObject({
      verdict: 'no data',
      sentence: 'No seed has finished both "grown" and "plain".',
    })
  })

  test('of a seed without its fellow does not share the level of claims', () => {
    expect(compared([-0.1, -0.2], { finished: 1, others: 3 }).claimLevel).toBeCloseTo(0.95, 12)
  })
})

describe('the time until a loss', () => {
  const teacher = {
    arm: 'teacher',
    losses: [
      [3, 2, 1],
      [3, 2, 1],
    ],
  } // prettier-ignore
  const student = {
    arm: 'student',
    from: 'teacher',
    losses: [
      [1, 0.8, 0.5, 0.4],
      [1, 0.5, 0.6, 0.3],
    ], // prettier-ignore
  }
  const grandchild = {
    arm: 'grandchild',
    from: 'student',
    losses: [
      [0.5, 0.5],
      [0.4, 0.4],
    ],
  } // prettier-ignore
  const fresh = {
    arm: 'fresh',
    losses: [
      [3, 2, 0.4, 0.5],
      [3, 2, 1, 0.5],
    ],
  } // prettier-ignore

  test('is that of the first validation at or below it, with and without what came before', () => {
    const { arms } = summarize(madeRecord([teacher, student, grandchild, fresh]), 0.5)
      .experiments[0]!
    const target = (name: string) => arms.find(({ arm }) => arm === name)!.target!
    expect(target('student')).toMatchObject({
      reached: 2,
      of: 2,
      steps: { mean: 15 }, // 20 and 10
      seconds: { mean: 1.5 },
      stepsWithTeacher: { mean: 35 },
      secondsWithTeacher: { mean: 3.5 },
    })
    // Before the first step; the teacher's 20 steps and the student's 30 are its past.
    expect(target('grandchild')).toMatchObject({
      steps: { mean: 0 },
      stepsWithTeacher: { mean: 50 },
      secondsWithTeacher: { mean: 5 },
    })
    expect(target('fresh')).toMatchObject({ steps: { mean: 25 }, stepsWithTeacher: { mean: 25 } })
  })

  test('is not given where a seed did not reach it: the mean of the others would flatter', () => {
    const { arms } = summarize(madeRecord([teacher, student]), 0.35).experiments[0]!
    expect(arms[1]!.target).toEqual({ reached: 1, of: 2 })
  })

  test("until another arm's final loss goes seed by seed, and knows when the other was there", () => {
    const record = madeRecord([teacher, student, fresh], {
      compare: [['student', 'fresh']],
      target: 'fresh',
    })
    const { comparisons, arms } = summarize(record).experiments[0]!
    const { untilItsFinalLoss, itself, itsSteps, saved, sentence } = comparisons[0]!
    expect(untilItsFinalLoss).toMatchObject({ reached: 2, of: 2, steps: { mean: 15 } })
    // Seed 0 of the fresh arm was there at step 20, and left again.
    expect(itself).toMatchObject({ steps: { mean: 25 } })
    expect(itsSteps).toMatchObject({ mean: 30 })
    expect(saved).toMatchObject({ steps: { mean: 10 }, seconds: { mean: 1 } })
    expect(saved!.steps.deviation).toBeCloseTo(Math.sqrt(200), 12) // 0 and 20
    expect(sentence).toContain(
      "after 15 steps on average, 35 with its teacher's training; the other itself first after 25 of its 30.",
    )
    expect(arms.find(({ arm }) => arm === 'student')!.target).toEqual(untilItsFinalLoss)
  })

  test('has no past where the teacher is not known', () => {
    const record = madeRecord([teacher, student], { target: 0.5 })
    const results = new Map([...record.results].filter(([id]) => !id.startsWith('teacher')))
    const { target } = summarize({ ...record, results }).experiments[0]!.arms[1]!
    expect(target!.steps).toMatchObject({ mean: 15 })
    expect(target!.stepsWithTeacher).toBeUndefined()
  })
})

test('the mean curve holds the steps that all seeds have', () => {
  const record = madeRecord([
    {
      arm: 'one',
      losses: [
        [4, 2],
        [2, 1, 0.5],
      ],
    },
  ]) // prettier-ignore
  const { curves } = summarize(record).experiments[0]!
  expect(curves[0]!.points.map(({ step, mean, n }) => [step, mean, n])).toEqual([
    [0, 3, 2],
    [10, 1.5, 2],
  ])
})
