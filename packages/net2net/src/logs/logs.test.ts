import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runPython, tensorBoardPython } from '../../testing/python.ts'
import { smallData, smallNetwork, smallOptions } from '../../testing/small-training.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { f1, type StepEvent, type TrainOptions, train } from '../training/index.ts'
import { stepLog, type TrainingLog, tensorBoardLog } from './index.ts'

const at = temporaryFolder()

async function trained(logs: readonly TrainingLog[], options: Partial<TrainOptions> = {}) {
  const events: StepEvent[] = []
  const training = train(smallNetwork(), smallData(), {
    ...smallOptions(),
    epochs: 2,
    clipNorm: 1,
    metrics: [f1()],
    ...options,
    onStep: (event) => {
      events.push(event)
      for (const log of logs) log.step(event)
    },
  })
  const epochs = []
  for await (const epoch of training) {
    epochs.push(epoch)
    for (const log of logs) log.epoch(epoch)
  }
  for (const log of logs) log.close()
  return { events, epochs, training }
}

test('every step has its line, in a table and in JSON lines', async () => {
  const files = ['steps.csv', 'steps.tsv', 'made/steps.jsonl'].map((name) => at(name))
  const { events } = await trained(files.map((file) => stepLog(file)))
  expect(events).toHaveLength(12)
  expect(events.map(({ samples }) => samples)).toEqual([8, 8, 8, 8, 8, 5, 8, 8, 8, 8, 8, 5])
  const [head, ...lines] = readFileSync(files[0]!, 'utf8').trimEnd().split('\n')
  expect(head).toBe('step,epoch,loss,accuracy,learning_rate,gradient_norm,samples_per_second')
  const rows = lines.map((line) => line.split(',').map(Number))
  const objects = readFileSync(files[2]!, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>)
  for (const [i, event] of events.entries()) {
    const { step, epoch, loss, accuracy, learningRate, gradientNorm } = event
    const expected = [step, epoch, loss, accuracy, learningRate, gradientNorm]
    expect(gradientNorm).toBeGreaterThan(0)
    expect(rows[i]!.slice(0, 6)).toEqual(expected)
    expect(Object.values(objects[i]!).slice(0, 6)).toEqual(expected)
    expect(rows[i]![6]).toBeGreaterThan(0)
    expect(objects[i]!.samples_per_second).toBe(rows[i]![6])
  }
  expect(readFileSync(files[1]!, 'utf8')).toBe(
    readFileSync(files[0]!, 'utf8').replaceAll(',', '\t'),
  )
})

test('a log goes on where its training goes on, and is replaced only if that is wanted', async () => {
  const whole = await trained([stepLog(at('whole.csv'))])
  const half = await trained([stepLog(at('half.csv'))], { untilStep: 9 })
  writeFileSync(at('half.csv'), `${readFileSync(at('half.csv'), 'utf8')}10,2,0.`)
  const resume = { ...half.training.state, step: 9 }
  await trained([stepLog(at('half.csv'), { after: 9 })], { resume })
  const steps = (name: string) =>
    readFileSync(at(name), 'utf8')
      .split('\n')
      .map((line) => line.split(',').slice(0, 6))
  expect(steps('half.csv')).toEqual(steps('whole.csv'))
  expect(whole.events).toHaveLength(12)
  expect(() => stepLog(at('whole.csv'))).toThrow(/exists already/)
  expect(() => stepLog(at('steps.txt'))).toThrow(/must end with \.csv, \.tsv, \.jsonl/)
  const log = stepLog(at('whole.csv'), { force: true })
  log.close()
  expect(existsSync(at('whole.csv'))).toBe(true)
  await trained([stepLog(at('whole.csv'), { force: true })], { epochs: 1 })
  expect(steps('whole.csv')).toHaveLength(8)
})

const readEvents = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
tags = events.Tags()["scalars"]
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags}))
`

test.skipIf(!tensorBoardPython)(
  'TensorBoard reads its files, also of a training that went on',
  async () => {
    const folder = at('events')
    const { events } = await trained([tensorBoardLog(folder)], { untilStep: 9 })
    const later = await trained([tensorBoardLog(folder, { after: 7 })])
    expect(readdirSync(folder)).toHaveLength(2)
    const read = JSON.parse(runPython(tensorBoardPython!, readEvents, at(), folder)) as Readonly<
      Record<string, readonly (readonly [number, number])[]>
    >
    expect(Object.keys(read).sort()).toEqual(
      [
        ...[
          'epoch',
          'loss',
          'accuracy',
          'learning_rate',
          'gradient_norm',
          'samples_per_second',
        ].map((name) => `train/${name}`),
        ...['loss', 'accuracy', 'f1'].map((name) => `validation/${name}`),
      ].sort(),
    )
    // The second training began anew: what the first said from step 8 on is gone.
    const kept = events.filter(({ step }) => step <= 7)
    const losses = [...kept, ...later.events].map(({ step, loss }) => [step, Math.fround(loss)])
    expect(read['train/loss']).toEqual(losses)
    expect(read['validation/f1']!.map(([step]) => step)).toEqual([6, 6, 12])
  },
)
