import { expect, test } from 'vitest'
import {
  afterEpoch,
  constant,
  cosine,
  freshPlateau,
  oneCycle,
  rateAt,
  reduceOnPlateau,
  type Schedule,
  scaled,
  stepDecay,
  warmUp,
  warmupStableDecay,
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

test('warm-up, stable, decay: as transformers computes it with a linear decay', () => {
  // get_wsd_schedule of transformers: 10 steps of warm-up, 70 stable, 20 of decay, min_lr_ratio 0.1.
  const schedule = warmUp(10, warmupStableDecay(1, 100, { decay: 0.2, end: 0.1 }))
  expect(at(schedule, 9, 9)).toBe(1)
  expect(at(schedule, 4, 4)).toBe(0.5)
  for (const step of [10, 50, 79, 80]) expect(at(schedule, step, step)).toBeCloseTo(1, 12)
  for (const step of [85, 90, 99, 100]) {
    const progress = (step - 80) / 20
    expect(at(schedule, step, step)).toBeCloseTo((1 - 0.1) * (1 - progress) + 0.1, 12)
  }
  expect(at(schedule, 150, 150)).toBeCloseTo(0.1, 12)
})

test('one cycle follows that of PyTorch, by less than a step of difference', () => {
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.5, total_steps=200), anneal_strategy 'cos'.
  const [total, most] = [200, 0.5]
  const between = (from: number, to: number, done: number) =>
    to + ((from - to) / 2) * (1 + Math.cos(Math.PI * done))
  const torch = (step: number) => {
    const [top, end] = [0.3 * total - 1, total - 1]
    return step <= top
      ? between(most / 25, most, step / top)
      : between(most, most / 25 / 1e4, (step - top) / (end - top))
  }
  const schedule = oneCycle(most, 10)
  for (let step = 1; step < total - 1; step++) {
    const rate = at(schedule, (10 * step) / total, step)
    const near = [step - 1, step, step + 1].map(torch)
    expect(rate).toBeGreaterThanOrEqual(Math.min(...near) - 1e-12)
    expect(rate).toBeLessThanOrEqual(Math.max(...near) + 1e-12)
  }
  expect(at(schedule, 0)).toBeCloseTo(most / 25, 12)
  expect(at(schedule, 10)).toBeCloseTo(most / 25e4, 12)
  expect(scaled(schedule, 2)).toEqual(oneCycle(2 * most, 10))
  expect(() => oneCycle(1, 1, { rise: 1 })).toThrow(/rise of a schedule must be between 0 and 1/)
})
