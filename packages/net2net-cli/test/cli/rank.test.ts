import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { save } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { beforeAll, describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const data = ['--data', at('table.csv'), '--loss', 'softmax-cross-entropy']

beforeAll(async () => {
  const lines = Array.from({ length: 120 }, (_, i) => {
    const [x, y] = [Math.sin(1.7 * i), Math.cos(2.9 * i)]
    return `${x},${y},${x * x + y * y < 1 ? 'inside' : 'outside'}`
  })
  writeFileSync(at('table.csv'), `x,y,where\n${lines.join('\n')}\n`)
  const layers = [
    dense(6, { activation: 'relu', name: 'first' }),
    dense(2, { activation: 'relu', name: 'narrow' }),
    dense(2, { name: 'out' }),
  ]
  await save(sequential(layers, { input: [2], seed: 4 }), at('model.onnx'))
})

describe('rank', () => {
  test('says of every growth what it gains and costs, the best first', async () => {
    const { code, out } = await net2net(['rank', at('model.onnx'), ...data, '--json'])
    expect(code).toBe(0)
    const { growths, ...rest } = JSON.parse(out)
    expect(rest).toMatchObject({
      model: at('model.onnx'),
      samples: 120,
      lossName: 'softmax-cross-entropy',
      by: 'parameters',
    })
    const steps = growths.map(({ step }: { step: object }) => JSON.stringify(step))
    expect(steps).toContain('{"widen":{"first":7}}')
    expect(steps).toContain('{"deepen":["narrow"]}')
    const first = growths.find(
      ({ step }: { step: { widen?: object } }) => 'first' in (step.widen ?? {}),
    )
    expect(first).toMatchObject({ addedParameters: 2 + 1 + 2, addedMultiplyAdds: 2 + 2 })
    const ratios = growths.map(({ ratio }: { ratio?: number }) => ratio ?? -1)
    expect(ratios).toEqual([...ratios].sort((a, b) => b - a))
    for (const { gain, addedParameters, ratio } of growths)
      if (gain !== undefined) expect(ratio).toBeCloseTo(gain / addedParameters, 12)
  })

  test('as a table, by multiply-adds, of some growths alone', async () => {
    const options = ['--by', 'multiply-adds', '--only', 'widen']
    const { code, out } = await net2net(['rank', at('model.onnx'), ...data, ...options])
    expect(code).toBe(0)
    expect(out).toMatch(/growth +gain +parameters +multiply-adds +gain per multiply-add/)
    expect(out).toMatch(/^1 {2}widen /m)
    expect(out).not.toMatch(/deepen/)
  })

  test('ends with one sentence for each mistake', async () => {
    const mistakes: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['model.onnx'], 2, /On what\? Give the data with --data/],
      [['model.onnx', '--data', 'table.csv'], 2, /give it with --loss/],
      [['model.onnx', '--data', 'none.csv', '--loss', 'mse'], 4, /none\.csv/],
      [['model.onnx', ...data, '--only', 'split'], 2, /split/],
    ]
    await Promise.all(
      mistakes.map(async ([args, expected, message]) => {
        const paths = args.map((arg) => (/^\w+\.(onnx|csv)$/.test(arg) ? at(arg) : arg))
        const { code, err } = await net2net(['rank', ...paths])
        expect(code).toBe(expected)
        expect(err).toMatch(message)
      }),
    )
  })
})

describe('widen by the gradient', () => {
  test.each([
    [['narrow=5', '--init', 'gradmax'], { narrow: [2, 5] }],
    [['--auto', '40%'], undefined],
  ] as const)('%s', async (args, widths) => {
    const output = at(`${args.length}.onnx`)
    const { code, out, err } = await net2net([
      'widen',
      at('model.onnx'),
      ...args,
      ...data,
      '-o',
      output,
      '--json',
    ])
    expect(code, err).toBe(0)
    const { plan, parameters, check } = JSON.parse(out)
    expect(check.equal).toBe(true)
    const found = Object.fromEntries(
      plan.units.map(({ id, from, to }: { id: string; from: number; to: number }) => [
        id,
        [from, to],
      ]),
    )
    if (widths) expect(found).toEqual(widths)
    else expect(parameters.after).toBeLessThanOrEqual(1.4 * parameters.before)
  })

  test('is refused where it cannot be, in one sentence', async () => {
    const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
      [['narrow=5', '--init', 'gradmax'], /--init gradmax measures gradients: give the data/],
      [['--auto', '20%'], /--auto measures gradients: give the data/],
      [['narrow=5', '--auto', '20%', ...data], /give no others/],
      [['--auto', 'x2', ...data], /write for example 20%/],
      [['narrow=5', '--init', 'gradmax', '--noise', 'paper', ...data], /leave one of them away/],
    ]
    await Promise.all(
      mistakes.map(async ([args, message]) => {
        const { code, err } = await net2net([
          'widen',
          at('model.onnx'),
          ...args,
          '-o',
          at('no.onnx'),
        ])
        expect(code).toBe(2)
        expect(err).toMatch(message)
      }),
    )
    expect(existsSync(at('no.onnx'))).toBe(false)
  })
})

test('a recipe with auto: what was chosen is written down, and replays without data', async () => {
  writeFileSync(at('grow.yaml'), 'steps:\n  - widen: { auto: 40% }\n')
  const args = ['grow', at('grow.yaml'), at('model.onnx')]
  const { code, err } = await net2net([...args, ...data, '-o', at('grown.onnx')])
  expect(code, err).toBe(0)
  const replay = ['grow', at('grown.onnx.recipe.yaml'), at('model.onnx'), '-o', at('again.onnx')]
  expect((await net2net(replay)).code).toBe(0)
  expect(readFileSync(at('again.onnx')).equals(readFileSync(at('grown.onnx')))).toBe(true)
  const without = await net2net([...args, '-o', at('never.onnx')])
  expect(without.code).toBe(2)
  expect(without.err).toMatch(/need samples to measure on/)
})

test('a training records how it grew', async () => {
  writeFileSync(
    at('train.yaml'),
    'stages:\n  - when: { epoch: 1 }\n    steps:\n      - widen: { auto: 40% }\n',
  )
  const args = ['train', at('model.onnx'), ...data, '--epochs', '2']
  const first = await net2net([...args, '--recipe', at('train.yaml'), '-o', at('run')])
  expect(first.code, first.err).toBe(0)
  expect(first.err).toMatch(/grown after step \d+: /)
  const again = await net2net([
    ...args,
    '--recipe',
    at('run/recipe.resolved.yaml'),
    '-o',
    at('run2'),
  ])
  expect(again.code, again.err).toBe(0)
  const models = ['run', 'run2'].map((run) => readFileSync(at(`${run}/model.onnx`)))
  expect(models[0]!.equals(models[1]!)).toBe(true)
}, 60_000)
