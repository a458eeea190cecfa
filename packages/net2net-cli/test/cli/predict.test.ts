import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load, save, widen } from 'net2net'
import { decodeNpz, encodeNpz } from 'net2net/data'
import { dense, sequential } from 'net2net/layers'
import { GraphBuilder } from 'net2net/model'
import { nodeRuntime } from 'net2net/runtime'
import { float32 } from 'net2net/tensor'
import { beforeAll, describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const table = at('table.csv')
const trained = at('run/model.onnx')

const samples = Array.from({ length: 230 }, (_, i) => {
  const [x, y] = [Math.fround(Math.sin(1.7 * i)), Math.fround(Math.cos(2.9 * i))]
  return { x, y, where: x * x + y * y < 1 ? 'inside, near' : 'outside' }
})

beforeAll(async () => {
  const lines = samples.map(({ x, y, where }) => `${x},${y},"${where}"`)
  writeFileSync(table, `x,y,where\n${lines.join('\n')}\n`)
  const layers = [dense(8, { activation: 'tanh', name: 'hidden' }), dense(2, { name: 'out' })]
  await save(sequential(layers, { input: [2], seed: 4 }), at('model.onnx'))
  const rate = ['--optimizer', 'adam', '--learning-rate', '0.05']
  const args = ['train', at('model.onnx'), '--data', table, ...rate, '--epochs', '10']
  expect((await net2net([...args, '-o', at('run')])).code).toBe(0)
}, 120_000)

/** The logits of the samples, by ONNX Runtime itself. */
async function logits(): Promise<readonly (readonly [number, number])[]> {
  const session = await nodeRuntime.createSession(trained)
  const input = float32(
    [samples.length, 2],
    samples.flatMap(({ x, y }) => [x, y]),
  )
  const { output } = await session.run({ [session.inputs[0]!.name]: input })
  await session.release()
  return samples.map((_, i) => [Number(output!.data[2 * i]), Number(output!.data[2 * i + 1])])
}

describe('predict', () => {
  test('writes the class and one probability a class, in the order of the data', async () => {
    const { code, out, err } = await net2net(['predict', trained, '--data', table])
    expect([code, err]).toEqual([0, ''])
    const [header, ...lines] = out.trimEnd().split('\n')
    expect(header).toBe('class,"inside, near",outside')
    expect(lines).toHaveLength(samples.length)
    for (const [i, [a, b]] of (await logits()).entries()) {
      const inside = 1 / (1 + Math.exp(b - a))
      const [name, shares] = [
        lines[i]!.replace(/,[^,]*,[^,]*$/, ''),
        lines[i]!.split(',').slice(-2),
      ]
      expect(name).toBe(a > b ? '"inside, near"' : 'outside')
      expect(Number(shares[0])).toBeCloseTo(inside, 5)
      expect(Number(shares[1])).toBeCloseTo(1 - inside, 5)
    }
  })

  test('the same in every format, for every batch size, and after growth', async () => {
    const wider = at('wider.onnx')
    await save(widen(await load(trained), { hidden: 12 }), wider)
    const jsonl = ['--batch-size', '7', '-o', at('out.jsonl')]
    const { code, out } = await net2net(['predict', wider, '--data', table, ...jsonl])
    expect(code).toBe(0)
    expect(out).toMatch(/Samples: 230\noutput: .*Written: .*out\.jsonl\n$/s)
    const rows = readFileSync(at('out.jsonl'), 'utf8').trimEnd().split('\n')
    const npz = ['-o', at('out.npz'), '--json']
    const result = JSON.parse((await net2net(['predict', trained, '--data', table, ...npz])).out)
    expect(result).toMatchObject({
      file: at('out.npz'),
      samples: 230,
      outputs: [{ name: 'output' }],
    })
    const { predictions } = JSON.parse(
      (await net2net(['predict', trained, '--data', table, '--json'])).out,
    )
    const archive = readFileSync(at('out.npz'))
    expect(archive.includes("'<U12'")).toBe(true)
    for (const [i, line] of rows.entries()) {
      const row = JSON.parse(line)
      expect(Object.keys(row)).toEqual(['class', 'probabilities'])
      expect(row.class).toBe(predictions[i].class)
      for (const name of ['inside, near', 'outside'])
        expect(row.probabilities[name]).toBeCloseTo(predictions[i].probabilities[name], 5)
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('.') || /\.\d/.test(name))).toEqual(
      [],
    )
  })

  test('columns may come in any order, and a table from the standard input', async () => {
    const other = at('other.csv')
    writeFileSync(other, `y,id,x\n${samples.map(({ x, y }, i) => `${y},${i},${x}`).join('\n')}\n`)
    const [a, b] = [table, other].map((data) => net2net(['predict', trained, '--data', data]))
    expect((await a!).out).toBe((await b!).out)
    writeFileSync(at('wrong.csv'), 'y,z\n1,2\n')
    const wrong = await net2net(['predict', trained, '--data', at('wrong.csv'), '-o', at('no.csv')])
    expect([wrong.code, wrong.err]).toEqual([
      4,
      expect.stringMatching(/has no column x, which the model was trained on/),
    ])
    expect(readdirSync(folder)).not.toContain('no.csv')
  })

  test('several outputs, quantities and classes, by their names', async () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['n', 3])
    builder.nodeOutputs('Softmax', [x], { axis: 1 }, { outputs: ['kind'] })
    builder.nodeOutputs('ReduceSum', [x], { keepdims: 0 }, { outputs: ['all'] })
    builder.nodeOutputs('Neg', [x], {}, { outputs: ['minus'] })
    for (const name of ['kind', 'minus']) builder.output(name, 'float32', ['n', 3])
    await save(builder.model(), at('several.onnx'))
    writeFileSync(at('x.npz'), encodeNpz(new Map([['x', float32([1, 3], [0, 0, 20])]])))
    const several = ['predict', at('several.onnx'), '--data', at('x.npz')]
    const { out } = await net2net(several)
    expect(out.split('\n')[0]).toBe('kind.class,kind.0,kind.1,kind.2,minus.0,minus.1,minus.2')
    expect(out.split('\n')[1]).toMatch(/^2,2\.06\d*e-9,2\.06\d*e-9,1,0,0,-20$/)
    const one = await net2net([...several, '--outputs', 'minus', '-o', at('minus.npz')])
    expect(one.code).toBe(0)
    const arrays = decodeNpz(readFileSync(at('minus.npz')))
    expect([...arrays.keys()]).toEqual(['minus'])
    expect([...arrays.get('minus')!.data].map(Number)).toEqual([-0, -0, -20])
    const asked = await net2net([
      ...several,
      '--outputs',
      'minus',
      '--activation',
      'softmax',
      '--json',
    ])
    expect(JSON.parse(asked.out).predictions[0].class).toBe(0)
  })

  test('mistakes are one sentence, an exit code and nothing else', async () => {
    const mistakes: readonly (readonly [number, RegExp, ...string[]])[] = [
      [2, /Give the data with --data/],
      [4, /nothing\.csv does not exist/, '--data', at('nothing.csv')],
      [
        2,
        /predictions are written as \.csv, \.jsonl or \.npz/,
        '--data',
        table,
        '-o',
        at('out.xlsx'),
      ],
      [2, /exists already/, '--data', table, '-o', at('table.csv')],
      [2, /give a file with -o/, '--data', table, '--format', 'npz'],
      [2, /no output "y"; it has output/, '--data', table, '--outputs', 'y'],
    ]
    const before = readFileSync(table, 'utf8')
    const outcomes = mistakes.map(([, , ...args]) => net2net(['predict', trained, ...args]))
    for (const [i, [code, message]] of mistakes.entries()) {
      const outcome = await outcomes[i]!
      expect([outcome.code, outcome.err, outcome.out]).toEqual([
        code,
        expect.stringMatching(message),
        '',
      ])
      expect(outcome.err.trimEnd().split('\n')).toHaveLength(1)
    }
    expect(readFileSync(table, 'utf8')).toBe(before)
  })
})

describe('data', () => {
  test('of categories fit a network that has not been trained, as training makes inputs of them', async () => {
    await save(sequential([dense(1)], { input: [5] }), at('homes.onnx'))
    const lines = ['Rome,wood,80,1', 'Bonn,gas,70,2', 'Rome,gas,65,3']
    writeFileSync(at('homes.csv'), `town,heating,area,price\n${lines.join('\n')}\n`)
    const [fits, not] = await Promise.all([
      net2net(['data', at('homes.csv'), '--model', at('homes.onnx')]),
      net2net(['data', at('homes.csv'), '--model', at('homes.onnx'), '--columns', 'area']),
    ])
    expect(fits!.out).toMatch(/takes input float32 \[batch, 5\]: the data fit\.\n$/)
    expect(not!.out).not.toMatch(/the data fit/)
    writeFileSync(at('holes.csv'), `town,heating,area,price\n${lines.join('\n')}\n,gas,65,3\n`)
    const holes = await net2net(['data', at('holes.csv'), '--model', at('homes.onnx')])
    expect(holes.out).toMatch(
      /: To predict for: .* 4 columns, .* To train on: .*line 5 has no value there\. Leave such samples out with --missing drop/,
    )
  })

  test('shows columns and classes, and whether they fit the model', async () => {
    writeFileSync(at('three.csv'), 'a,b,c\n1,2,3\n')
    const [fits, not, json, missing] = await Promise.all([
      net2net(['data', table, '--model', trained]),
      net2net(['data', at('three.csv'), '--model', at('model.onnx'), '--target', 'a']),
      net2net(['data', at('three.csv'), '--model', trained, '--json']),
      net2net(['data', at('nothing.csv')]),
    ])
    expect(fits!.out).toMatch(
      /^230 samples\n\ncolumn .*missing {2}values\nx +number .*\ny +number .*\nwhere +text/,
    )
    expect(fits!.out).toMatch(
      /outside: \d+.*\n\n.*model\.onnx takes input float32 \[batch, 2\]: the data fit\.\nIt tells apart inside, near, outside\.\n$/,
    )
    expect(not!.out).toMatch(/: the data fit\.\n$/)
    const { fit, kind, parts } = JSON.parse(json!.out)
    expect([kind, parts[0].samples, parts[0].columns.length]).toEqual(['table', 1, 3])
    expect(fit.fits).toMatch(/has no column x, y, which the model was trained on/)
    expect([missing!.code, missing!.err]).toEqual([
      4,
      expect.stringMatching(/nothing\.csv does not exist/),
    ])
  })
})
