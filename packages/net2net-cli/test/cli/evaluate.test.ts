import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { save } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { withClasses } from 'net2net/model'
import { beforeAll, describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const table = at('table.csv')

beforeAll(async () => {
  const lines = Array.from({ length: 240 }, (_, i) => {
    const [x, y] = [Math.sin(1.7 * i), Math.cos(2.9 * i)]
    return `${x},${y},${x * x + y * y < 1 ? 'inside' : 'outside'}`
  })
  writeFileSync(table, `x,y,where\n${lines.join('\n')}\n`)
  const layers = [dense(8, { activation: 'tanh', name: 'hidden' }), dense(2, { name: 'out' })]
  const model = sequential(layers, { input: [2], seed: 4 })
  await save(model, at('model.onnx'))
  const args = ['train', at('model.onnx'), '--data', table, '--optimizer', 'adam', '--epochs', '6']
  const best = ['--learning-rate', '0.05', '--metric', 'f1,auc', '--early-stopping', '5']
  const outcome = await net2net([...args, ...best, '-o', at('run')])
  expect(outcome.code, outcome.err).toBe(0)
  expect(outcome.err).toMatch(/epoch 1\/6: .* val_accuracy \S+ {2}f1 0\.\d+ {2}auc 0\.\d+/)
}, 120_000)

describe('evaluate', () => {
  test('is in the report of a training, and a page of its own', async () => {
    const { arms } = JSON.parse(readFileSync(at('run/results.json'), 'utf8'))
    const { metrics, perClass, confusion } = arms[0].evaluation
    expect(metrics.accuracy).toMatchObject({ interval: 'wilson', low: expect.any(Number) })
    expect(perClass.map((one: { class: string }) => one.class)).toEqual(['inside', 'outside'])
    expect(confusion.flat().reduce((a: number, b: number) => a + b)).toBe(24)
    expect(readFileSync(at('run/report.html'), 'utf8')).toContain('On the validation data')

    const page = ['evaluate', at('run/best.onnx'), '--data', table, '--report', at('page.html')]
    const { code, out, err } = await net2net(page)
    expect(code, err).toBe(0)
    expect(out).toMatch(/Report: .*page\.html\n$/)
    expect(readFileSync(at('page.html'), 'utf8')).toMatch(/<th scope="row">inside<\/th>/)
    const again = await net2net(page)
    expect([again.code, again.err]).toEqual([2, expect.stringMatching(/page\.html exists already/)])
  })

  test('agrees with what predict writes', async () => {
    const model = at('run/best.onnx')
    const [{ code, out }, predicted] = await Promise.all([
      net2net(['evaluate', model, '--data', table, '--json']),
      net2net(['predict', model, '--data', table]),
    ])
    expect(code).toBe(0)
    const result = JSON.parse(out)
    const names = predicted.out
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[0]!)
    const truth = readFileSync(table, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[2]!)
    const classes = ['inside', 'outside']
    const confusion = classes.map((t) =>
      classes.map((p) => truth.filter((one, i) => one === t && names[i] === p).length),
    )
    expect(result).toMatchObject({
      model,
      data: table,
      samples: 240,
      lossName: 'softmax-cross-entropy',
      confusion,
    })
    const right = confusion[0]![0]! + confusion[1]![1]!
    expect(result.metrics.accuracy.value).toBeCloseTo(right / 240, 9)
    expect(result.metrics.accuracy.low).toBeLessThan(right / 240)
    expect(result.perClass.map((one: { class: string }) => one.class)).toEqual(classes)
    const f1 = confusion.map(
      (row, c) => (2 * row[c]!) / (row[0]! + row[1]! + confusion[0]![c]! + confusion[1]![c]!),
    )
    expect(result.metrics.f1.value).toBeCloseTo((f1[0]! + f1[1]!) / 2, 9)
  })

  test('prints tables, and the columns of the data may come in any order', async () => {
    const [header, ...lines] = readFileSync(table, 'utf8').trimEnd().split('\n')
    const turned = [header!, ...lines].map((line) => line.split(',').reverse().join(','))
    writeFileSync(at('turned.csv'), `${turned.join('\n')}\n`)
    const model = at('run/model.onnx')
    const metric = ['--metric', 'accuracy,top-1,f1-weighted']
    const [plain, other] = await Promise.all([
      net2net(['evaluate', model, '--data', table, ...metric]),
      net2net(['evaluate', model, '--data', at('turned.csv'), '--target', 'where', ...metric]),
    ])
    expect(plain.out).toMatch(
      /metric .*\nloss \(softmax-cross-entropy\) .* to .*normal\naccuracy .*wilson\ntop-1 .*\nf1-weighted .*bootstrap\n/,
    )
    expect(plain.out).toMatch(/\nclass .*support\ninside .*\noutside .*\n\ntrue \\ predicted/)
    expect(other.out).toBe(plain.out)
  })

  test('mistakes are one sentence and an exit code', async () => {
    await save(sequential([dense(1)], { input: [2] }), at('bare.onnx'))
    await save(withClasses(sequential([dense(2)], { input: [2] }), ['in', 'out']), at('other.onnx'))
    const mistakes: readonly (readonly [number, RegExp, ...string[]])[] = [
      [2, /does not tell which loss it was trained with/, at('bare.onnx'), '--data', table],
      [
        2,
        /metric r2 is of values, but the model predicts classes/,
        at('run/model.onnx'),
        '--data',
        table,
        '--metric',
        'r2',
      ],
      [
        2,
        /no metric "acuracy"; did you mean "accuracy"/,
        at('run/model.onnx'),
        '--data',
        table,
        '--metric',
        'acuracy',
      ],
      [4, /is none of the classes in, out/, at('other.onnx'), '--data', table],
      [2, /Give the data with --data/, at('run/model.onnx')],
    ]
    const outcomes = mistakes.map(([, , ...args]) => net2net(['evaluate', ...args]))
    for (const [i, [code, message]] of mistakes.entries()) {
      const outcome = await outcomes[i]!
      expect([outcome.code, outcome.err]).toEqual([code, expect.stringMatching(message)])
    }
  })
})
