import { describe, expect, it } from 'vitest'
import { Meter } from '../../page/src/train/meter.ts'
import type { TrainEvent } from '../../page/src/train/protocol.ts'
import { planWorkers } from '../../page/src/train/worker-plan.ts'

describe('the workers that train side by side', () => {
  it('are as many as arms and cores allow, and share the cores', () => {
    const isolated = true
    expect(planWorkers(4, { cores: 2, isolated })).toEqual({ count: 2, threads: 1 })
    expect(planWorkers(4, { cores: 8, isolated })).toEqual({ count: 4, threads: 2 })
    expect(planWorkers(1, { cores: 8, isolated })).toEqual({ count: 1, threads: 4 })
    expect(planWorkers(8, { cores: 64, isolated })).toEqual({ count: 4, threads: 4 })
    expect(planWorkers(0, { cores: 1, isolated })).toEqual({ count: 1, threads: 1 })
  })

  it('need no isolation to be several', () => {
    expect(planWorkers(4, { cores: 8, isolated: false })).toEqual({ count: 4, threads: 1 })
  })
})

describe('the meter', () => {
  const watched = () => {
    let time = 0
    const reports: Extract<TrainEvent, { type: 'steps' }>[] = []
    const arms = new Map([
      ['teacher', { work: 1, steps: 10 }],
      ['student', { work: 2, steps: 10 }],
    ])
    const meter = new Meter(
      arms,
      32,
      (report) => reports.push(report),
      () => time,
    )
    const step = (arm: string, milliseconds: number) => {
      time += milliseconds
      meter.add({ arm, step: 1, loss: 1 })
    }
    return { meter, reports, step }
  }

  it('says what is left by the work that arms differ in', () => {
    const { meter, reports, step } = watched()
    for (let i = 0; i < 10; i++) step('teacher', 100)
    meter.flush()
    const { done, total, imagesPerSecond, secondsLeft } = reports.at(-1)!
    expect({ done, total }).toEqual({ done: 10, total: 20 })
    expect(imagesPerSecond).toBeCloseTo(320)
    expect(secondsLeft).toBeCloseTo(2)
    expect(reports.flatMap((report) => report.losses)).toHaveLength(10)
  })

  it('forgets pauses, and takes steps back', () => {
    const { meter, reports, step } = watched()
    for (let i = 0; i < 8; i++) step('teacher', 100)
    step('teacher', 60_000)
    for (let i = 0; i < 10; i++) step('student', 200)
    meter.flush()
    expect(reports.at(-1)!.imagesPerSecond).toBeGreaterThan(150)
    meter.takeBack('student', 10)
    step('student', 200)
    meter.flush()
    expect(reports.at(-1)!.done).toBe(10)
  })
})
