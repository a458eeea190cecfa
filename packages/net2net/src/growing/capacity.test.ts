import { describe, expect, test } from 'vitest'
import { testSeed } from '../../testing/seed.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { type EpochResult, mostRecent } from '../training/run/state.ts'
import { type CapacityJudgement, capacityRule, judgeArrival } from './capacity.ts'

const epoch = (loss: number, valLoss?: number): EpochResult => ({
  ...{ epoch: 1, loss, seconds: 0, learningRate: 1, step: 1 },
  ...(valLoss === undefined ? {} : { valLoss }),
})

/** What is said after the last of these epochs. */
function judge(epochs: readonly EpochResult[], patience = 2): CapacityJudgement | undefined {
  const watched = epochs.map(({ loss, valLoss = loss }) => valLoss)
  const waited = epochs.length - 1 - watched.indexOf(Math.min(...watched))
  return capacityRule(patience)({ epochs, waited, parameters: 10 })
}

describe('the rule', () => {
  test('says nothing while validation improves', () => {
    expect(judge([epoch(1, 1)])).toBeUndefined()
    expect(judge([1, 1, 1, 1, 1, 1].map((loss, i) => epoch(loss, 2 - i / 10)))).toBeUndefined()
    const waits = [1, 1, 1, 1, 1].map((loss, i) => epoch(loss, i === 3 ? 1 : 1.1))
    expect(judge(waits)).toBeUndefined()
    expect(judge(waits, 1)).toMatchObject({ grow: true })
  })
  test('does not decide on a few epochs', () => {
    expect(judge([epoch(1, 1.05), epoch(0.999, 1.06), epoch(0.998, 1.07)])).toBeUndefined()
    expect(judge([epoch(1, 1.05), epoch(0.9, 1.1), epoch(0.8, 1.2)])).toBeUndefined()
  })
  test('grows where neither loss falls any more', () => {
    const found = judge([1, 0.999, 0.998, 0.997, 0.996].map((loss) => epoch(loss, 1.05)))
    expect(found).toMatchObject({ grow: true, reason: expect.stringMatching(/^capacity is short/) })
  })
  test('waits where the training loss falls, and validation neither falls nor rises', () => {
    const losses = [1, 0.95, 0.9, 0.86, 0.82, 0.78]
    expect(judge(losses.map((loss) => epoch(loss, 1.05)))).toBeUndefined()
  })
  test('does not grow what overfits: validation rises, or training is far below it', () => {
    const rises = judge([1, 1.01, 1.03, 1.05, 1.06, 1.09].map((loss) => epoch(0.9, loss)))
    expect(rises).toMatchObject({
      grow: false,
      reason: expect.stringMatching(/^it overfits: .*on 1\.000 for 5 epochs, and has risen/),
    })
    const below = judge([1, 1, 1, 1, 1].map((loss) => epoch(0.1, loss)))
    expect(below).toMatchObject({ grow: false, reason: expect.stringMatching(/far below/) })
  })
  test('without validation looks at the training loss alone', () => {
    expect(judge([1, 1, 1, 1].map((loss) => epoch(loss)))).toBeUndefined()
    expect(judge([1, 1, 1, 1, 1].map((loss) => epoch(loss)))).toMatchObject({
      grow: true,
      reason: expect.stringMatching(/^the training loss .* has stopped falling/),
    })
  })
})

/** Noises of about one size, but for their worst values. */
const noises: Readonly<Record<string, (random: RandomStream) => number>> = {
  normal: (random) => random.normal(),
  even: (random) => 3 * (random.uniform() - 0.5),
  'with spikes': (random) => 0.5 * random.normal() + (random.uniform() < 0.1 ? 6 : 0),
  'of no mean': (random) => random.normal() / random.normal(),
}

type Curve = (t: number, noise: () => number) => readonly [loss: number, valLoss: number]
const curves = 60
const length = 50

/** How many of the curves are said to overfit, and how many to be short of capacity, at any of their epochs. */
function verdicts(curve: Curve, noise: (random: RandomStream) => number) {
  const found = { overfit: 0, short: 0 }
  for (let i = 0; i < curves; i++) {
    const random = randomStream(testSeed, 'curve', i)
    const epochs = Array.from({ length }, (_, t) => epoch(...curve(t, () => noise(random))))
    const said = epochs.map((_, t) => judge(epochs.slice(0, t + 1))?.grow)
    if (said.includes(false)) found.overfit++
    if (said.includes(true)) found.short++
  }
  return found
}

/** What is said when data arrive that are `more` times as many, after each of many trainings of so many epochs. */
function arrivals(
  curve: Curve,
  noise: (random: RandomStream) => number,
  { more = 1, epochs = 16 } = {},
) {
  const found = { grow: 0, not: 0 }
  const runs = 200
  for (let i = 0; i < runs; i++) {
    const random = randomStream(testSeed, 'arrival', i)
    const recent = Array.from({ length: epochs }, (_, t) => {
      const [loss, valLoss] = curve(t, () => noise(random))
      return { loss, valLoss, steps: 10 }
    })
    const said = judgeArrival(recent.slice(-mostRecent), 10 * more)!
    if (said.grow) found.grow += 1 / runs
    else if (/^data were missing/.test(said.reason)) found.not += 1 / runs
  }
  return found
}

describe.each(Object.entries(noises))(`with noise (${testSeed}) that is %s`, (_, noise) => {
  const rarely = 0.15 * curves
  test('a network that learns on neither overfits nor lacks capacity', () => {
    const { overfit, short } = verdicts((t, next) => {
      const falls = 0.975 ** t
      return [0.8 * falls * (1 + 0.01 * next()), falls * (1 + 0.04 * next())]
    }, noise)
    expect(overfit).toBeLessThan(rarely)
    expect(short).toBeLessThan(rarely)
  })
  test('a network that has stopped learning lacks capacity', () => {
    const { overfit, short } = verdicts((t, next) => {
      const falls = Math.exp(-t / 3)
      return [0.8 + falls + 0.002 * next(), 1 + falls + 0.03 * next()]
    }, noise)
    expect(overfit).toBeLessThan(rarely)
    expect(short).toBeGreaterThan(curves - rarely)
  })
  describe('when data arrive', () => {
    /** A gap between the losses that is this share of the validation loss. */
    const withGap =
      (share: number): Curve =>
      (_, next) => [(1 - share) * (1 + 0.02 * next()), 1 + 0.04 * next()]
    test('noise alone grows no network that lacks data, however long or short its training was', () => {
      for (const epochs of [1, 2, 4, 5, 6, 8, 30])
        for (const share of [0.26, 0.4, 0.7])
          expect(arrivals(withGap(share), noise, { epochs }).grow).toBeLessThan(0.1)
    })
    test('nor does it keep one small that lacks capacity', () => {
      for (const epochs of [1, 2, 4, 5, 6, 8, 30])
        for (const share of [0, 0.1, 0.24])
          expect(arrivals(withGap(share), noise, { epochs }).not).toBeLessThan(0.1)
    })
    test('what the losses say clearly is seen', () => {
      expect(arrivals(withGap(0.02), noise).grow).toBeGreaterThan(0.6)
      expect(arrivals(withGap(0.6), noise).not).toBeGreaterThan(0.6)
      // So many more samples leave little of the gap.
      expect(arrivals(withGap(0.6), noise, { more: 20 }).grow).toBeGreaterThan(0.6)
    })
    test('a gap that opened late is no lack of capacity', () => {
      const late: Curve = (t, next) => {
        const [loss, valLoss] = withGap(0)(t, next)
        return [loss * (t < 12 ? 1 : 0.4), valLoss]
      }
      expect(arrivals(late, noise).grow).toBeLessThan(0.1)
    })
  })
  test('a network whose validation loss rises overfits', () => {
    const { overfit, short } = verdicts((t, next) => {
      const rises = Math.exp(-t / 3) + 0.02 * Math.max(0, t - 8)
      return [0.97 ** t, 1.5 + rises + 0.03 * next()]
    }, noise)
    expect(overfit).toBeGreaterThan(curves - rarely)
    expect(short).toBeLessThan(rarely)
  })
})
