import { describe, expect, test } from 'vitest'
import { testSeed } from '../../testing/seed.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import type { EpochResult } from '../training/run/state.ts'
import { type CapacityJudgement, capacityRule } from './capacity.ts'

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
  test('a network whose validation loss rises overfits', () => {
    const { overfit, short } = verdicts((t, next) => {
      const rises = Math.exp(-t / 3) + 0.02 * Math.max(0, t - 8)
      return [0.97 ** t, 1.5 + rises + 0.03 * next()]
    }, noise)
    expect(overfit).toBeGreaterThan(curves - rarely)
    expect(short).toBeLessThan(rarely)
  })
})
