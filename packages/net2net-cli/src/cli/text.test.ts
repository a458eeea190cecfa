import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Io } from './command.ts'
import { integer, list, number, seed } from './options.ts'
import { duration, measuredText, progress } from './progress.ts'
import { grouped, table } from './table.ts'

test('tables align names to the left and numbers to the right', () => {
  expect(
    table(
      ['layer', 'width', 'why'],
      [
        ['conv1', 64, undefined],
        ['fc', 1234, 'not this'],
      ],
      { indent: 1 },
    ),
  ).toBe([' layer  width  why', ' conv1     64', ' fc     1,234  not this'].join('\n'))
})

test('whole numbers have their thousands apart', () => {
  for (const count of [0, 7, 999, 1000, 12345, 123456, 1234567, 2 ** 53 - 1])
    expect(grouped(count)).toBe(count.toLocaleString('en'))
})

test('durations are read at a glance', () => {
  expect([0.4, 59.6, 75, 3600, 7384].map(duration)).toEqual([
    '0 s',
    '1 min 0 s',
    '1 min 15 s',
    '1 h 0 min',
    '2 h 3 min',
  ])
})

test('numbers on the command line are numbers', () => {
  expect([integer(1)('32'), number(0)('1e-3'), number()('-2'), seed('4294967295')]).toEqual([
    32, 1e-3, -2, 4294967295,
  ])
  for (const text of ['0', '1.5', '', 'x', '1e400', '9007199254740993'])
    expect(() => integer(1)(text), text).toThrow()
  for (const text of ['', ' ', 'x', '-1', 'Infinity']) expect(() => number(0)(text), text).toThrow()
  expect(() => seed('4294967296')).toThrow()
  expect(list(' a, b,,c ')).toEqual(['a', 'b', 'c'])
})

describe('progress without a terminal', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('is a line now and then, with an estimate', () => {
    let text = ''
    const io = { isTerminal: false, env: {}, err: (more: string) => (text += more) }
    const view = progress(io as unknown as Io)
    const task = view.task('teacher 1/3', 100)
    for (let done = 1; done <= 100; done++) {
      vi.advanceTimersByTime(500)
      task.update(done, 'loss 0.5')
    }
    task.stop()
    const samples = view.task('epoch 1/3', 30_000, { unit: 'samples', later: 60_000 })
    for (let done = 10_000; done <= 30_000; done += 1000) {
      samples.update(done, measuredText(0.25, 0.5))
      vi.advanceTimersByTime(1000)
    }
    const unknown = view.task('predicting', undefined, { unit: 'samples' })
    for (let done = 0; done <= 100; done += 5) {
      unknown.update(done)
      vi.advanceTimersByTime(1000)
    }
    view.line('done')
    view.stop()
    expect(text.split('\n')).toEqual([
      'teacher 1/3: 20%  loss 0.5  about 40 s left',
      'teacher 1/3: 40%  loss 0.5  about 30 s left',
      'teacher 1/3: 60%  loss 0.5  about 20 s left',
      'teacher 1/3: 80%  loss 0.5  about 10 s left',
      // What was done at the first update says nothing of the speed.
      'epoch 1/3: 66%  loss 0.2500  accuracy 50.00%  1,000 samples/s  about 10 s left, 1 min 10 s in all',
      'predicting: 50 done  5.0 samples/s',
      'predicting: 100 done  5.0 samples/s',
      'done',
      '',
    ])
  })
})
