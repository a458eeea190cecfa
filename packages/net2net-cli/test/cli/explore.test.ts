/** Explorations on one machine, as a user runs them. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { compare, load } from 'net2net'
import { randomStream } from 'net2net/tensor'
import { beforeAll, describe, expect, test } from 'vitest'
import { testSeed } from '../../../net2net/testing/seed.ts'
import {
  bitsOf,
  resultsOf,
  searchSettings,
  trainSettings,
  writeExploration,
} from './explorations.ts'
import { net2net, type RunOptions, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const whole = join(folder, 'whole')
const { model, table } = await writeExploration(folder)

const explore = (output: string, flags: readonly string[] = [], options: RunOptions = {}) => {
  const given = ['explore', model, '--data', table, ...trainSettings, ...searchSettings]
  return net2net([...given, '--seed', '4', '-o', output, ...flags], options)
}

beforeAll(async () => {
  const { code, err } = await explore(whole, ['--jobs', '1'])
  expect(err).toMatch(/network 1, rung 0 from 0: (widen|deepen) .*val_loss/)
  expect(code).toBe(0)
}, 120_000)

test('an exploration leaves the best network of every size, and how each grew', () => {
  const { best, front, trials, finished } = resultsOf(whole)
  expect(finished).toBe(true)
  expect(trials).toHaveLength(6)
  expect(front.length).toBeGreaterThan(1)
  // The best predictions first: what follows is smaller.
  const losses = front.map(({ valLoss }) => valLoss)
  expect(losses).toEqual([...losses].sort((a, b) => a - b))
  const sizes = front.map(({ parameters }) => parameters)
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
  expect(readFileSync(join(whole, best!))).toEqual(readFileSync(join(whole, front[0]!.file)))
  // Of each network the last rung is kept, and what is on the front.
  const kept = trials.flatMap(({ network }) =>
    readdirSync(join(whole, 'networks', String(network))).filter((name) => name.endsWith('.n2n')),
  )
  expect(kept.length).toBeLessThanOrEqual(trials.length + front.length)
  const report = readFileSync(join(whole, 'report.html'), 'utf8')
  for (const { network } of trials.slice(1)) expect(report).toContain(`network ${network}: `)
  expect(report.match(/<svg role="img"/g)?.length).toBe(2)
  const files = front.flatMap(({ file, recipe, trainingRecipe }) => [file, recipe, trainingRecipe])
  expect(
    readdirSync(join(whole, 'front'))
      .map((name) => `front/${name}`)
      .sort(),
  ).toEqual(files.filter((name) => name !== null).sort())
  for (const { network, rung, valLoss } of front)
    expect(valLoss).toBe(trials.find((trial) => trial.network === network)!.rungs[rung]!.valLoss)
}, 60_000)

test('recipes replay the growth of a network, alone and in a training', async () => {
  const grown = resultsOf(whole).front.find(({ network }) => network > 0)!
  const file = join(folder, 'again.onnx')
  const start = join(whole, 'start.onnx')
  const again = await net2net(['grow', join(whole, grown.recipe!), start, '-o', file, '--json'])
  expect(again.code, again.err).toBe(0)
  expect(JSON.parse(again.out).parameters.after).toBe(grown.parameters)
  const { equal } = await compare(await load(start), await load(file))
  expect(equal).toBe(true)
  const output = join(folder, 'trained')
  const recipe = join(whole, grown.trainingRecipe!)
  // Six batches in each.
  const epochs = String(Math.ceil(grown.steps / 6) + 1)
  const flags = [
    '--data',
    table,
    ...trainSettings,
    '--seed',
    '4',
    '--threads',
    '1',
    '--epochs',
    epochs,
  ]
  const trained = await net2net([
    'train',
    model,
    ...flags,
    '--recipe',
    recipe,
    '-o',
    output,
    '--json',
  ])
  expect(trained.code, trained.err).toBe(0)
  expect(JSON.parse(trained.out).arms[0].parameters).toBe(grown.parameters)
}, 60_000)

test('killed again and again, an exploration ends with the same bits', async () => {
  const directory = join(folder, 'killed')
  const random = randomStream(testSeed, 'kills')
  let kills = 0
  for (let runs = 0; ; runs++) {
    const lines = 1 + random.below(3)
    const flags = [
      '--jobs',
      '1',
      ...(existsSync(join(directory, 'exploration.json')) ? ['--resume'] : []),
    ]
    const { code } = await explore(directory, flags, {
      onOutput: (child, err) => {
        if (runs < 3 && (err.match(/val_loss/g)?.length ?? 0) >= lines) child.kill('SIGKILL')
      },
    })
    if (code === 0) break
    expect(code).toBeNull()
    kills++
  }
  expect(kills).toBeGreaterThan(0)
  expect(bitsOf(directory)).toEqual(bitsOf(whole))
}, 180_000)

test('two at a time: interrupted and resumed, its journal followed gives the same networks', async () => {
  const directory = join(folder, 'two')
  const first = await explore(directory, ['--jobs', '2'], {
    onOutput: (child, err) => {
      if (/network 1, rung 0/.test(err)) child.kill('SIGINT')
    },
  })
  expect(first.code).toBe(130)
  expect(first.err).toMatch(/go on with --resume/)
  expect(resultsOf(directory).finished).toBe(false)
  // A line that a kill tore does not count.
  appendFileSync(join(directory, 'journal.jsonl'), '{"kind":"start","job":{"netw')
  const { code, err } = await explore(directory, ['--jobs', '2', '--resume'])
  expect(code, err).toBe(0)
  const again = join(folder, 'followed')
  const followed = await explore(again, ['--jobs', '3', '--follow', directory])
  expect(followed.code, followed.err).toBe(0)
  expect(bitsOf(again)).toEqual(bitsOf(directory))
}, 180_000)

describe('mistakes', () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    [
      'a folder with an exploration',
      ['-o', whole],
      2,
      /go on with --resume, or replace it with --force/,
    ],
    [
      'other settings',
      ['-o', whole, '--resume', '--seed', '5', '--limit', 'parameters=900', '--clip-norm', '2'],
      2,
      /The exploration in .* was begun with --seed 4 \(now 5\), without --clip-norm, without --limit\./,
    ],
    [
      'nothing to resume',
      ['-o', join(folder, 'none'), '--resume'],
      2,
      /no exploration in .* to go on/,
    ],
    ['a limit that is no number', ['--limit', 'latency=5M'], 2, /with ms, s or nothing/],
    [
      'a network beyond the limit',
      ['--limit', 'parameters=3'],
      2,
      /beyond the limit of parameters: it has 41, and the limit is 3\./,
    ],
    [
      'a limit of something else than is known',
      ['--limit', 'colour=5'],
      2,
      /must name parameters, multiply-adds, latency, size/,
    ],
    [
      'steps that do not do for the first rung',
      ['--steps', '10'],
      2,
      /first rung alone takes 20 steps/,
    ],
    ['nothing held back', ['--validation', '0'], 2, /--validation 0 holds nothing back/],
    [
      'a metric that there is not',
      ['-o', join(folder, 'metric'), '--metric', 'beauty'],
      2,
      /beauty/,
    ],
    ['a layer that there is not', ['--grow', 'convolution'], 2, /no layer "convolution"/],
    ['a file in place of the folder', ['-o', table], 2, /is a file; -o takes a folder/],
    [
      'layers that cannot grow so',
      ['--grow', 'out', '--ops', 'widen,kernel'],
      3,
      /Nothing of this network can grow by widen, kernel of out\./,
    ],
  ]
  test.each(cases)('%s', async (_, flags, expected, message) => {
    const { code, err } = await explore(join(folder, 'wrong'), flags)
    expect(err).toMatch(message)
    expect(code).toBe(expected)
    expect(existsSync(join(folder, 'wrong'))).toBe(false)
  })

  test('a latency below that of the network itself leaves nothing', async () => {
    const output = join(folder, 'fast')
    const { code, err } = await explore(output, ['--limit', 'latency=0.000001ms'])
    expect(err).toMatch(/beyond the limit of latency: it has [\d.]+ ms/)
    expect(code).toBe(2)
    expect(readdirSync(output)).toEqual([])
  })

  test.each([
    [
      'a line that is none',
      (lines: string[]) => lines.splice(2, 0, '{"kind":'),
      /line 3 is no record/,
    ],
    [
      'a record without its job',
      (lines: string[]) => lines.splice(1, 1, '{"kind":"start","seconds":1}'),
      /line 2 is no record of an exploration: job /,
    ],
    [
      'a record out of turn',
      (lines: string[]) => lines.splice(1, 2),
      /of no exploration: .* out of turn/,
    ],
  ])('a journal with %s', async (name, change, message) => {
    const output = join(folder, name)
    cpSync(whole, output, { recursive: true })
    const journal = join(output, 'journal.jsonl')
    const lines = readFileSync(journal, 'utf8').split('\n')
    change(lines)
    writeFileSync(journal, lines.join('\n'))
    const { code, err } = await explore(output, ['--jobs', '1', '--resume'])
    expect(err).toMatch(message)
    expect(err.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(4)
    expect(readFileSync(journal, 'utf8')).toBe(lines.join('\n'))
  })

  test('what was killed before it began begins with --resume, too', async () => {
    const output = join(folder, 'unbegun')
    mkdirSync(output)
    writeFileSync(join(output, 'start.onnx'), 'torn')
    const { code, err } = await explore(output, ['--jobs', '1', '--resume', '--trials', '1'])
    expect(code, err).toBe(0)
    expect(resultsOf(output).trials).toHaveLength(1)
  })

  test('without a budget', async () => {
    const flags = [
      'explore',
      model,
      '--data',
      table,
      '--loss',
      'mse',
      '-o',
      join(folder, 'endless'),
    ]
    const { code, err } = await net2net(flags)
    expect(err).toMatch(/How long\? Give --budget, --trials or --steps\./)
    expect(code).toBe(2)
  })
})
