import { expect, test } from 'vitest'
import {
  afterEpoch,
  constant,
  cosine,
  freshPlateau,
  rateAt,
  reduceOnPlateau,
  type Schedule,
  scaled,
  stepDecay,
  warmUp,
} from './schedules.ts'

const at = (schedule: Schedule, epoch: number, step = 0, plateau = freshPlateau) =>
  rateAt(schedule, { epoch, step, plateau })

test('constant, step and cosine', () => {
  expect(at(constant(0.3), 17)).toBe(0.3)
  const step = stepDecay(1, 3, 0.5)
  expect([0, 2.9, 3, 6, 9].map((epoch) => at(step, epoch))).toEqual([1, 1, 0.5, 0.25, 0.125])
  const half = cosine(1, 10, 0.2)
  expect(at(half, 0)).toBe(1)
  expect(at(half, 5)).toBeCloseTo(0.6, 12)
  expect(at(half, 10)).toBeCloseTo(0.2, 12)
  expect(at(half, 99)).toBeCloseTo(0.2, 12)
})

test('warm-up rises to what follows it', () => {
  const schedule = warmUp(4, stepDecay(0.8, 1))
  expect([0, 1, 2, 3, 4].map((step) => at(schedule, 0, step))).toEqual([
    0.2, 0.4, 0.6000000000000001, 0.8, 0.8,
  ])
  expect(at(schedule, 1, 100)).toBeCloseTo(0.08, 12)
})

test('reduces when the loss has not improved for longer than the patience', () => {
  const schedule = reduceOnPlateau(1, { factor: 0.5, patience: 1, minimum: 0.2 })
  let plateau = freshPlateau
  const rates = [3, 2, 2.5, 2.4, 2.3, 2.2, 1, 1.5, 1.5, 1.5, 1.5].map((loss) => {
    plateau = afterEpoch(schedule, plateau, loss)
    return at(schedule, 0, 0, plateau)
  })
  expect(rates).toEqual([1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2])
})

test('scaling keeps the course', () => {
  const schedules = [constant(1), stepDecay(1, 2), cosine(1, 5, 0.1), warmUp(3, reduceOnPlateau(1))]
  for (const schedule of schedules)
    for (const moment of [0, 0.5, 3, 7])
      expect(at(scaled(schedule, 0.1), moment, 2)).toBeCloseTo(at(schedule, moment, 2) / 10, 12)
})
