import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, inspect } from 'net2net'
import { describe, expect, test } from 'vitest'
import { leftover } from '../../../net2net/testing/leftover.ts'
import type { ArmResult, RunResults } from '../runs/results.ts'
import { RunFolder } from '../runs/run-folder.ts'
import { arms, defaultArms, selectArms } from './arms.ts'
import { mnistNetwork } from './networks.ts'
import { resultsTable } from './results-table.ts'

const teacher = mnistNetwork('teacher', 5)
const widths = (name: string) => {
  const arm = arms.find((each) => each.name === name)!
  const { layers } = inspect(arm.build(teacher, 5))
  return Object.fromEntries(layers.map((layer) => [layer.name, layer.width]))
}

describe('arms', () => {
  test('the default is the Keras example’s five, teacher first', () => {
    expect(defaultArms).toEqual([
      'teacher',
      'wider_random_pad',
      'wider_net2wider',
      'deeper_random_init',
      'deeper_net2deeper',
    ])
  })

  test('students bring their teacher; the order is the usual one', () => {
    expect(selectArms(['deeper_net2deeper', 'wider_net2wider']).map(({ name }) => name)).toEqual([
      'teacher',
      'wider_net2wider',
      'deeper_net2deeper',
    ])
    expect(selectArms(['wider_from_scratch']).map(({ name }) => name)).toEqual([
      'wider_from_scratch',
    ])
    expect(() => selectArms(['wider'])).toThrow(/no arm "wider"; the arms are teacher, /)
  })

  test('have the architectures of the Keras example', () => {
    const narrow = { conv1: 64, conv2: 64, fc1: 64, fc2: 10 }
    const deep = { ...narrow, 'conv2-deeper': 64, 'fc1-deeper': 64 }
    expect(widths('teacher')).toEqual(narrow)
    for (const name of ['wider_random_pad', 'wider_net2wider', 'wider_from_scratch'])
      expect(widths(name), name).toEqual({ ...narrow, conv1: 128, fc1: 128 })
    for (const name of ['deeper_random_init', 'deeper_net2deeper', 'deeper_from_scratch'])
      expect(widths(name), name).toEqual(deep)
  })

  test('the exact ones, and only they, start as the teacher', async () => {
    for (const arm of arms) {
      if (!arm.student) continue
      const { equal } = await compare(teacher, arm.build(teacher, 5), { samples: 2 })
      expect(equal, arm.name).toBe(arm.exact === true)
    }
  })

  test('a grown student has the graph of the same architecture from scratch', () => {
    const shape = (name: string) => {
      const { graph } = arms.find((arm) => arm.name === name)!.build(teacher, 5)
      return graph.nodes.map((node) => `${node.opType} ${node.name}`)
    }
    expect(shape('wider_net2wider')).toEqual(shape('wider_from_scratch'))
    const operators = (name: string) => shape(name).map((node) => node.split(' ')[0])
    expect(operators('deeper_net2deeper')).toEqual(operators('deeper_from_scratch'))
  })
})

const arm = (name: string, losses: readonly number[]): ArmResult => ({
  name,
  parameters: 1234,
  learningRate: 0.01,
  threads: 1,
  ...(name === 'teacher' ? {} : { initial: { valLoss: 0.5, valAccuracy: 0.8 } }),
  epochs: losses.map((valLoss, i) => ({
    epoch: i + 1,
    loss: 1,
    accuracy: 0.5,
    valLoss,
    valAccuracy: 0.9,
    seconds: 10,
  })),
})

test('the table puts the published losses beside ours', () => {
  const results = {
    arms: [arm('teacher', [0.06, 0.04, 0.03, 0.02]), arm('wider_from_scratch', [0.05])],
  } as unknown as RunResults
  const { header, rows } = resultsTable(results)
  const row = (i: number) => Object.fromEntries(header.map((name, k) => [name, rows[i]![k]]))
  expect(row(0)).toEqual({
    arm: '(0) teacher',
    start: '',
    'epoch 1': '0.0600',
    'epoch 2': '0.0400',
    'epoch 3': '0.0300',
    'epoch 4': '0.0200',
    'seed 1': '0.0537',
    'seed 2': '0.0354',
    'seed 3': '0.0356',
    accuracy: '90.00%',
    parameters: 1234,
    seconds: 40,
  })
  expect(row(1)).toMatchObject({ start: '0.5000', 'epoch 1': '0.0500', 'epoch 2': undefined })
})

describe('a run’s folder', () => {
  const folder = () => mkdtempSync(join(tmpdir(), 'run-'))

  test('is replaced only with force and once the run begins; what is not of a run stays', () => {
    const path = folder()
    const before = ['a.onnx', 'metrics.jsonl', 'notes.txt', 'other.onnx', 'results.json']
    for (const name of before) writeFileSync(join(path, name), 'old')
    writeFileSync(join(path, 'results.json'), '{"arms": [{"name": "a"}, {"name": "../b"}]}')
    expect(() => RunFolder.create(path)).toThrow(expect.objectContaining({ kind: 'usage' }))
    RunFolder.create(path, { force: true }).close()
    expect(readdirSync(path).sort()).toEqual(before)
    expect(readFileSync(join(path, 'metrics.jsonl'), 'utf8')).toBe('old')
    const run = RunFolder.create(path, { force: true })
    run.appendMetrics({ arm: 'model', epoch: 1, step: 1 })
    run.close()
    expect(readdirSync(path).sort()).toEqual(['metrics.jsonl', 'notes.txt', 'other.onnx'])
    expect(readFileSync(join(path, 'metrics.jsonl'), 'utf8')).toMatch(/^{/)
  })

  test('goes away again where the run never began', () => {
    const path = folder()
    const deep = join(path, 'runs', 'first')
    RunFolder.create(deep).close()
    expect(readdirSync(path)).toEqual([])
    const run = RunFolder.create(deep)
    run.begin()
    run.close()
    expect(readdirSync(deep)).toEqual(['metrics.jsonl'])
  })

  test('reopened at a step, forgets later lines and a torn one', () => {
    const path = folder()
    const line = (step: number) => JSON.stringify({ arm: 'model', epoch: 1, step })
    writeFileSync(join(path, 'metrics.jsonl'), `${line(1)}\n${line(2)}\n${line(3)}\n{"arm": "mo`)
    // Left by a process that was killed while it wrote.
    writeFileSync(leftover(join(path, 'results.json')), '{')
    const run = RunFolder.reopen(path, 2)
    expect(readdirSync(path)).toEqual(['metrics.jsonl'])
    run.appendMetrics({ arm: 'model', epoch: 2, step: 3 })
    run.close()
    const text = readFileSync(join(path, 'metrics.jsonl'), 'utf8')
    expect(
      text
        .trim()
        .split('\n')
        .map((each) => JSON.parse(each).epoch),
    ).toEqual([1, 1, 2])
  })

  test('results are replaced whole', async () => {
    const run = RunFolder.create(folder())
    await run.saveResults({ a: 1 })
    await run.saveResults({ a: 2 })
    run.close()
    expect(readdirSync(run.path).sort()).toEqual(['metrics.jsonl', 'results.json'])
    expect(JSON.parse(readFileSync(join(run.path, 'results.json'), 'utf8'))).toEqual({ a: 2 })
  })
})
