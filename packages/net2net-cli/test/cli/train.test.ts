import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect, load, save, widen } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import { encodeNpz } from 'net2net/data'
import { conv2d, dense, globalAveragePool2d, sequential } from 'net2net/layers'
import { classesOf, GraphBuilder } from 'net2net/model'
import { nodeRuntime } from 'net2net/runtime'
import { float32, int64, materialize, Tensor } from 'net2net/tensor'
import { cosine, type LearningRate, warmUp } from 'net2net/training'
import { beforeAll, describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const model = at('model.onnx')
const table = at('table.csv')

beforeAll(async () => {
  await save(
    sequential([dense(8, { activation: 'tanh', name: 'hidden' }), dense(2, { name: 'out' })], {
      input: [2],
      seed: 4,
    }),
    model,
  )
  // Two classes: inside and outside of a circle.
  const lines = Array.from({ length: 300 }, (_, i) => {
    const [x, y] = [Math.sin(1.7 * i), Math.cos(2.9 * i)]
    return `${x},${y},${x * x + y * y < 1 ? 'inside' : 'outside'}`
  })
  writeFileSync(table, `x,y,where\n${lines.join('\n')}\n`)
})
const train = (...args: string[]) =>
  net2net([
    'train',
    model,
    '--data',
    table,
    '--optimizer',
    'adam',
    '--learning-rate',
    '0.05',
    ...args,
  ])

describe('train', () => {
  test('learns, and leaves the model, results, metrics and checkpoints', async () => {
    const { code, out, err } = await train('--epochs', '40', '-o', at('run'), '--json')
    expect(code).toBe(0)
    const { arms, finished, directory } = JSON.parse(out)
    expect([finished, directory]).toEqual([true, at('run')])
    expect(arms[0].epochs).toHaveLength(40)
    expect(arms[0].epochs[39].valLoss).toBeLessThan(0.7 * arms[0].epochs[0].valLoss)
    expect(err).toMatch(/epoch 40\/40: {2}loss .* val_accuracy \d/)
    expect(readdirSync(at('run')).sort()).toEqual(
      ['checkpoints', 'metrics.jsonl', 'model.onnx', 'report.html', 'results.json'].sort(),
    )
    const asNetwork = await net2net(['evaluate', at('run'), '--data', table])
    expect(asNetwork.err).toMatch(
      /run is a folder, .* That of this training is \S*run\/model\.onnx\./,
    )
    const session = await nodeRuntime.createSession(at('run/model.onnx'))
    expect(session.outputs[0]!.name).toBe('output')
    await session.release()
  })

  test('what a training was begun with is named where it is not what is asked for', async () => {
    const output = ['--epochs', '1', '-o', at('begun')]
    expect((await train(...output, '--schedule', 'cosine', '--validation', '0.2')).code).toBe(0)
    const again = async (...flags: string[]) => {
      const { code, err } = await train(...output, '--resume', ...flags)
      expect(code).toBe(2)
      return err
    }
    expect(await again('--schedule', 'cosine', '--validation', '0.2', '--epochs', '3')).toMatch(
      /was begun with --epochs 1 \(now 3\)\./,
    )
    expect(await again('--schedule', 'cosine')).toMatch(
      /was begun with --validation 0\.2 \(now without\)\./,
    )
    const others = at('others.csv')
    writeFileSync(others, readFileSync(table))
    const same = ['--schedule', 'cosine', '--validation', '0.2']
    expect(await again(...same, '--data', others)).toMatch(
      /with --data \S*\.csv \(now \S*others\.csv\)/,
    )
    const rows = readFileSync(table, 'utf8')
    writeFileSync(table, `${rows}0.5,0.5,inside\n`)
    try {
      expect(await again(...same)).toMatch(
        /was begun on 240 and 60 held-out samples \(now 241 and 60 held-out samples\)\./,
      )
    } finally {
      writeFileSync(table, rows)
    }
    const wider = at('another.onnx')
    const layers = [dense(9, { activation: 'tanh', name: 'hidden' }), dense(2, { name: 'out' })]
    await save(sequential(layers, { input: [2], seed: 4 }), wider)
    const data = ['--data', table, '--optimizer', 'adam', '--learning-rate', '0.05']
    const { err } = await net2net(['train', wider, ...data, ...output, ...same, '--resume'])
    expect(err).toMatch(/The training in \S*begun was begun from another model\./)
    expect((await train(...output, ...same, '--resume')).code).toBe(0)
  })

  test('goes on from a checkpoint to the same bits', async () => {
    expect((await train('--epochs', '4', '-o', at('whole'))).code).toBe(0)
    expect((await train('--epochs', '2', '-o', at('parts'))).code).toBe(0)
    const first = readFileSync(at('parts/model.onnx'))
    expect((await train('--epochs', '4', '-o', at('parts'), '--resume')).code).toBe(0)
    const [whole, parts] = ['whole', 'parts'].map((name) => readFileSync(at(`${name}/model.onnx`)))
    expect(parts!.equals(whole!)).toBe(true)
    expect(parts!.equals(first)).toBe(false)
    expect(readFileSync(at('parts/metrics.jsonl'), 'utf8')).toBe(
      readFileSync(at('whole/metrics.jsonl'), 'utf8'),
    )
  })

  test('what growth has added learns alone, and goes on from a checkpoint to the same bits', async () => {
    const wider = at('wider.onnx')
    expect((await net2net(['widen', model, 'hidden=12', '-o', wider])).code).toBe(0)
    const run = (to: string, epochs: string, ...more: string[]) =>
      net2net(
        [
          'train',
          wider,
          '--data',
          table,
          '--epochs',
          epochs,
          '--rate',
          'old=0',
          '-o',
          at(to),
        ].concat(more),
      )
    expect((await run('new', '2')).code).toBe(0)
    expect((await run('new-parts', '1')).code).toBe(0)
    expect((await run('new-parts', '2', '--resume')).code).toBe(0)
    const bytes = (name: string) => readFileSync(at(`${name}/model.onnx`))
    expect(bytes('new').equals(bytes('new-parts'))).toBe(true)
    const numbers = async (file: string) => {
      const { tensor } = (await load(file)).graph.initializers.get('hidden.weight')!
      return [...materialize(tensor).data].map(Number)
    }
    const [before, after] = [await numbers(wider), await numbers(at('new/model.onnx'))]
    expect(after.slice(0, 16)).toEqual(before.slice(0, 16))
    expect(after.slice(16)).not.toEqual(before.slice(16))
    const again = [
      'train',
      at('new/model.onnx'),
      '--data',
      table,
      '--rate',
      'new=2',
      '-o',
      at('no'),
    ]
    const { code, err } = await net2net(again)
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/^net2net: The model does not say which of its units are new/),
    ])
  })

  test('writes down every step, and goes on writing where it goes on', async () => {
    const logs = ['--log', at('steps.csv'), '--tensorboard', at('events')]
    expect((await train('--epochs', '1', '-o', at('logged'), ...logs)).code).toBe(0)
    const again = await train('--epochs', '1', '-o', at('logged-2'), ...logs)
    expect([again.code, again.err]).toEqual([2, expect.stringMatching(/steps\.csv exists already/)])
    expect(existsSync(at('logged-2'))).toBe(false)
    const more = await train('--epochs', '2', '-o', at('logged'), ...logs, '--resume')
    expect(more.code, more.err).toBe(0)
    const lines = readFileSync(at('steps.csv'), 'utf8').trimEnd().split('\n')
    expect(lines[0]).toMatch(/^step,epoch,loss,/)
    expect(lines.slice(1).map((line) => Number(line.split(',')[0]))).toEqual(
      Array.from({ length: 18 }, (_, i) => i + 1),
    )
    expect(readdirSync(at('events'))).toHaveLength(2)
  })

  test('is interrupted at a checkpoint, and goes on from it', async () => {
    let sent = false
    const stopped = await net2net(
      ['train', model, '--data', 'mnist-missing.csv', '-o', at('never')],
      {},
    )
    expect(stopped.code).toBe(4)
    const long = ['train', model, '--data', table, '--epochs', '100000', '-o', at('long')]
    const { code, err } = await net2net(long, {
      onOutput(child, said) {
        if (sent || !said.includes('epoch 3/')) return
        sent = true
        child.kill('SIGTERM')
      },
    })
    expect(code).toBe(143)
    expect(err).toMatch(
      /Interrupted by SIGTERM\. Saved in .*checkpoint-\d+\.n2n; go on with --resume\.\n$/,
    )
    const { steps, finished } = JSON.parse(readFileSync(at('long/results.json'), 'utf8'))
    expect(finished).toBe(false)
    const epochs = Math.ceil(steps / 9)
    const resumed = [
      'train',
      model,
      '--data',
      table,
      '--epochs',
      `${epochs + 1}`,
      '-o',
      at('long'),
      '--resume',
    ]
    const { out } = await net2net([...resumed, '--json'])
    expect(JSON.parse(out).arms[0].epochs).toHaveLength(epochs + 1)
  })

  test('SIGINT ends with 130, and what was done is saved', async () => {
    let sent = false
    const long = ['train', model, '--data', table, '--epochs', '100000', '-o', at('sigint')]
    const { code, err } = await net2net(long, {
      onOutput(child, said) {
        if (sent || !said.includes('epoch 2/')) return
        sent = true
        child.kill('SIGINT')
      },
    })
    expect(code).toBe(130)
    expect(err).toMatch(/Interrupted by SIGINT\. Saved in .*\.n2n; go on with --resume\.\n$/)
    const { steps } = JSON.parse(readFileSync(at('sigint/results.json'), 'utf8'))
    const saved = readdirSync(at('sigint/checkpoints')).sort().at(-1)!
    expect(Number(/\d+/.exec(saved)![0])).toBe(steps)
    await readCheckpoint(at(`sigint/checkpoints/${saved}`))
    expect(readdirSync(at('sigint')).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('without space it ends with 4, and goes on later as if nothing had been', async () => {
    const wide = at('wide-model.onnx')
    await save(sequential([dense(800, { name: 'h' }), dense(2)], { input: [2], seed: 1 }), wide)
    const run = (to: string, epochs: number, ...more: string[]) => {
      const args = ['--optimizer', 'adam', '--epochs', `${epochs}`, '-o', at(to), ...more]
      return ['train', wide, '--data', table, '--threads', '1', ...args]
    }
    expect((await net2net(run('unlimited', 3))).code).toBe(0)
    expect((await net2net(run('full', 1))).code).toBe(0)
    // Files of at most 30 KiB: the model has 17, a checkpoint 48.
    const failed = await net2net(run('full', 3, '--resume'), { fileKibibytes: 30 })
    expect(failed.err).toMatch(/checkpoint-\d+\.n2n: cannot be written: .*larger than .*allows/)
    expect(failed.err).not.toMatch(/\n\s+at /)
    expect(failed).toMatchObject({ code: 4, out: '' })
    const left = readdirSync(at('full/checkpoints'))
    expect(left).toEqual(['checkpoint-0000000009.n2n'])
    await readCheckpoint(at(`full/checkpoints/${left[0]}`))
    expect(readdirSync(at('full')).filter((name) => name.startsWith('.'))).toEqual([])
    expect((await net2net(run('full', 3, '--resume'))).code).toBe(0)
    const [resumed, whole] = ['full', 'unlimited'].map((to) => readFileSync(at(`${to}/model.onnx`)))
    expect(resumed!.equals(whole!)).toBe(true)
  })

  test('what fails before its first step changes nothing', async () => {
    const here = at('mine')
    mkdirSync(here)
    writeFileSync(join(here, 'mine.onnx'), 'mine')
    const refused = await train('-o', here)
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('not empty') })
    expect((await train('--epochs', '2', '--force', '-o', here)).code).toBe(0)
    const before = readdirSync(here).sort()
    expect(before).toContain('mine.onnx')
    expect(readdirSync(join(here, 'checkpoints'))).toHaveLength(2)
    const failed = await train('--freeze', 'nothing*', '--force', '-o', here)
    expect(failed.code).toBe(2)
    const missing = await train('--device', 'cuda', '--force', '-o', here)
    expect(missing.code).toBe(4)
    expect(readdirSync(here).sort()).toEqual(before)
    expect(JSON.parse(readFileSync(join(here, 'results.json'), 'utf8')).finished).toBe(true)
    // A new training takes the place of all of the one before.
    expect((await train('--force', '-o', here)).code).toBe(0)
    expect(readdirSync(join(here, 'checkpoints'))).toEqual(['checkpoint-0000000009.n2n'])
  })

  test('a parameter that becomes infinite is named, at once', async () => {
    const { code, err, out } = await net2net([
      ...['train', model, '--data', table, '--learning-rate', '1e39', '-o', at('diverged')],
    ])
    expect(err).toMatch(/Training diverged: "[\w.]+" has become NaN or infinite .* by step 1\./)
    expect([code, out]).toEqual([1, ''])
  })

  test('frozen layers stay as they are', async () => {
    await train('--freeze', 'hidden', '-o', at('frozen'))
    const [before, after] = [await load(model), await load(at('frozen/model.onnx'))]
    const bytes = (m: typeof before, name: string) => {
      const { tensor } = m.graph.initializers.get(name)!
      return Buffer.from(tensor.read(0, tensor.byteLength))
    }
    expect(bytes(after, 'hidden.weight').equals(bytes(before, 'hidden.weight'))).toBe(true)
    expect(bytes(after, 'out.weight').equals(bytes(before, 'out.weight'))).toBe(false)
  })

  test('--train-only trains what it names, under the names that inspect lists', async () => {
    const { out } = await net2net(['inspect', model, '--json'])
    const { trainable } = JSON.parse(out) as { trainable: { name: string; shape: number[] }[] }
    expect(trainable.map(({ name }) => name)).toContain('out.weight')
    expect((await net2net(['inspect', model])).out).toMatch(/out\.weight +\d+ × \d+/)
    expect((await train('--train-only', 'out.weight', '-o', at('only'))).code).toBe(0)
    const [before, after] = [await load(model), await load(at('only/model.onnx'))]
    for (const { name } of trainable) {
      const [a, b] = [before, after].map(({ graph }) => {
        const { tensor } = graph.initializers.get(name)!
        return Buffer.from(tensor.read(0, tensor.byteLength))
      })
      expect(a!.equals(b!), name).toBe(name !== 'out.weight')
    }
  })

  test('--class-axis is for losses of classes, and must be an axis', async () => {
    const other = await train('--loss', 'mse', '--class-axis', '1', '-o', at('axis'))
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('--class-axis') })
    const wrong = await train('--class-axis', '7', '-o', at('axis'))
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('class axis 7') })
  })

  test('keeps the names of the classes, shows them, and follows or refuses those of other data', async () => {
    expect((await train('-o', at('named'))).code).toBe(0)
    const trained = at('named/model.onnx')
    const report = await net2net(['inspect', trained, '--json'])
    expect(JSON.parse(report.out).classes).toEqual(['inside', 'outside'])
    expect(inspect(await load(model))).not.toHaveProperty('classes')
    const wider = at('named-wider.onnx')
    await save(widen(await load(trained), { hidden: 'x2' }), wider)
    expect((await net2net(['inspect', wider])).out).toMatch(/^Classes: inside, outside$/m)

    const again = (data: string) =>
      net2net(['train', trained, '--data', data, '--validation', '0', '-o', at('again'), '--force'])
    writeFileSync(at('others.csv'), '1,2,inside\n3,4,beside\n')
    const refused = await again(at('others.csv'))
    expect(refused).toMatchObject({ code: 4, out: '' })
    expect(refused.err).toMatch(
      /"beside" in line 2 is none of the classes inside, outside\. A model gets more/m,
    )
    expect(existsSync(at('again'))).toBe(false)
    writeFileSync(at('one.csv'), '1;2;outside\n3;4;outside\n')
    expect((await again(at('one.csv'))).code).toBe(0)
    expect(classesOf(await load(at('again/model.onnx')))).toEqual(['inside', 'outside'])
  })

  test('takes arrays with their channels last where it is said, and says how where it is not', async () => {
    const network = at('signals.onnx')
    const layers = [conv2d(2, 3, { activation: 'relu' }), globalAveragePool2d(), dense(2)]
    await save(sequential(layers, { input: [3, 4, 5], seed: 1 }), network)
    const x = (...dims: number[]) =>
      float32(
        dims,
        Array.from({ length: 12 * 60 }, (_, i) => Math.sin(i)),
      )
    const y = int64(Array.from({ length: 12 }, (_, i) => i % 2))
    const arrays = new Map<string, Tensor>(Object.entries({ x: x(12, 4, 5, 3), y }))
    writeFileSync(at('last.npz'), encodeNpz(arrays))
    const data = ['--data', at('last.npz')]
    const run = (...args: string[]) => net2net([...args.slice(0, 1), network, ...args.slice(1)])
    const layout = ['--layout', 'channels-last']
    for (const args of [
      ['train', ...data, '-o', at('never')],
      ['evaluate', ...data, '--loss', 'softmax-cross-entropy'],
      ['predict', ...data, '-o', at('never.csv')],
      ['rank', ...data, '--loss', 'softmax-cross-entropy'],
      ['explore', ...data, '--trials', '1', '-o', at('never')],
    ]) {
      const { code, err } = await run(...args)
      expect(err, args[0]).toMatch(
        /^net2net: .*has the shape \[batch, 4, 5, 3\], but the model takes \[batch, 3, 4, 5\]\. Channels are last in the data, and first in the model: read arrays with --layout channels-last/m,
      )
      expect(code).toBe(4)
      for (const name of ['never', 'never.csv']) expect(existsSync(at(name))).toBe(false)
    }
    const trained = await run('train', ...data, ...layout, '-o', at('moved'))
    expect(trained.code, trained.err).toBe(0)
    const predicted = await run('predict', ...data, ...layout)
    expect(predicted.out.split('\n')).toHaveLength(1 + 12 + 1)
    const look = await net2net(['data', at('last.npz'), '--model', network, ...layout, '--json'])
    expect(JSON.parse(look.out).fit).toMatchObject({ fits: true })
  })

  test('says that --validation is not used where the data have a test part', async () => {
    const arrays = new Map<string, Tensor>()
    for (const part of ['train', 'test']) {
      arrays.set(`x_${part}`, float32([4, 2], [0, 1, 2, 3, 4, 5, 6, 7]))
      arrays.set(`y_${part}`, int64([0, 1, 0, 1]))
    }
    writeFileSync(at('parts.npz'), encodeNpz(arrays))
    const run = (...args: string[]) =>
      net2net([
        'train',
        model,
        '--data',
        at('parts.npz'),
        '-o',
        at('with-test'),
        '--force',
        ...args,
      ])
    expect((await run()).err).not.toMatch(/--validation/)
    const { code, err } = await run('--validation', '0.5')
    expect(err).toMatch(/^--validation 0\.5 is not used: .*parts\.npz has a test part/m)
    expect(code).toBe(0)
  })

  test('takes what exporters write by default: one sample, flattened by a fixed target', async () => {
    const exported = (flat: (builder: GraphBuilder) => string) => {
      const builder = new GraphBuilder()
      builder.input('x', 'float32', [1, 1, 2])
      const weight = builder.initializer('w', float32([2, 2], [1, 2, 3, 4]))
      builder.nodeOutputs('MatMul', [flat(builder), weight], {}, { outputs: ['y'] })
      builder.output('y', 'float32', [1, 2])
      return builder.model()
    }
    const shape = (builder: GraphBuilder) => builder.constant(int64([1, 2]))
    const arrays = new Map<string, Tensor>([
      [
        'x',
        float32(
          [150, 1, 2],
          Array.from({ length: 300 }, (_, i) => Math.sin(i)),
        ),
      ],
      ['y', int64(Array.from({ length: 150 }, (_, i) => i % 2))],
    ])
    writeFileSync(at('samples.npz'), encodeNpz(arrays))
    await save(
      exported((b) => b.node('Reshape', ['x', shape(b)])),
      at('flat.onnx'),
    )
    const run = (name: string, ...args: string[]) =>
      net2net(['train', at(name), '--data', at('samples.npz'), ...args])
    expect(await run('flat.onnx', '-o', at('flat'))).toMatchObject({ code: 0 })

    // A batch that is turned inside out cannot be another one.
    await save(
      exported((b) =>
        b.node('Reshape', [b.node('Transpose', ['x'], { perm: [2, 1, 0] }), shape(b)]),
      ),
      at('turned.onnx'),
    )
    const refused = await run('turned.onnx', '-o', at('never'))
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toMatch(/^net2net: The model takes batches of exactly 1, but .*has 32;/m)
    expect(refused.err).not.toMatch(/epoch/)
    expect((await run('turned.onnx', '--batch-size', '1', '-o', at('turned'))).code).toBe(0)
  })

  test('says once that a model in float64 is trained in float32', async () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float64', ['batch', 2])
    const weight = new Tensor('float64', [2, 2], Float64Array.of(1, 2, 3, 4))
    const product = builder.node('MatMul', ['x', builder.initializer('w', weight)])
    builder.output(product, 'float64', ['batch', 2])
    await save(builder.model(), at('double.onnx'))
    const { code, err } = await net2net([
      ...['train', at('double.onnx'), '--data', table, '--epochs', '2', '-o', at('double')],
    ])
    expect(err.match(/float64 numbers: it is trained in float32/g)).toHaveLength(1)
    expect(code).toBe(0)
    const trained = (await load(at('double/model.onnx'))).graph.initializers.get('w')!.tensor
    expect(trained.dtype).toBe('float64')
  })

  test('exports the step with the names of the contract', async () => {
    const file = at('step.onnx')
    const { code, out } = await net2net([
      'train',
      model,
      '--export-step',
      file,
      '--gradients',
      '--json',
    ])
    expect(code).toBe(0)
    const { inputs, outputs } = JSON.parse(out)
    expect(inputs).toEqual(
      expect.arrayContaining([
        'input',
        'target',
        'learning_rate',
        'out.weight',
        'out.weight.momentum',
      ]),
    )
    expect(outputs).toEqual(
      expect.arrayContaining([
        'loss',
        'out.weight.next',
        'out.weight.momentum.next',
        'out.weight.gradient',
      ]),
    )
    const session = await nodeRuntime.createSession(file)
    expect(session.outputs.map(({ name }) => name)).toEqual(outputs)
    await session.release()
  })

  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['no data', ['-o', at('never')], 2, /--data/],
    ['no folder', ['--data', table], 2, /-o/],
    [
      'data that are missing',
      ['--data', '/nowhere.csv', '-o', at('never')],
      4,
      /\/nowhere\.csv does not exist/,
    ],
    [
      'data of another shape',
      ['--data', 'mnist', '-o', at('never')],
      4,
      /input has the shape \[batch, 1, 28, 28\], but the model takes \[batch, 2\]/,
    ],
    [
      'a class that the model does not have',
      ['--data', at('classes.csv'), '-o', at('never')],
      4,
      /targets hold the class 2, but the model has the classes 0 to 1/,
    ],
    [
      'momentum where there is none',
      ['--data', table, '--optimizer', 'adam', '--momentum', '0.5', '-o', at('never')],
      2,
      /--momentum is for --optimizer sgd/,
    ],
    [
      'gradients of no step',
      ['--data', table, '--gradients', '-o', at('never')],
      2,
      /--export-step/,
    ],
    [
      'going on and starting anew',
      ['--data', table, '--resume', '--force', '-o', at('never')],
      2,
      /give one/,
    ],
    [
      'a column of what has none',
      ['--data', 'mnist', '--target', 'y', '-o', at('never')],
      2,
      /--target is for \.csv files/,
    ],
    ['a step that is there', ['--export-step', model], 2, /exists already; .*--force/],
    [
      'a recipe with a mistake',
      ['--data', table, '--recipe', at('mistake.yaml'), '-o', at('never')],
      4,
      /mistake\.yaml:2:5: stages\[0\]\.when: must be one of/,
    ],
    [
      'a recipe for another model',
      ['--data', table, '--recipe', at('other-model.yaml'), '-o', at('never')],
      2,
      /^net2net: There is no layer "fc7"/,
    ],
    [
      'an unknown loss',
      ['--data', table, '--loss', 'hinge', '-o', at('never')],
      2,
      /'hinge' is invalid/,
    ],
    [
      'a column that the table does not have',
      ['--data', table, '--columns', 'x,z', '-o', at('never')],
      2,
      /table\.csv has no column z; it has x, y, where\./,
    ],
    [
      'a pattern that fits nothing',
      ['--data', table, '--freeze', 'nothing*', '-o', at('never')],
      2,
      /No parameter matches "nothing\*"/,
    ],
    [
      'nothing to resume',
      ['--data', table, '--resume', '-o', at('never')],
      2,
      /no checkpoint of this training/,
    ],
    ['a folder of a former run', ['--data', table, '-o', at('run')], 2, /not empty; .*--force/],
    [
      'a checkpoint of another training',
      ['--data', table, '--seed', '9', '--rate', 'out=0.5', '--resume', '-o', at('run')],
      2,
      /^net2net: The training in \S*run was begun with --optimizer adam \(now sgd\), with --seed 0 \(now 9\), with --learning-rate 0\.05 \(now without\), without --rate\. To go on/,
    ],
    [
      'CUDA where there is none',
      ['--data', table, '--device', 'cuda', '-o', at('never')],
      4,
      /The device cuda is not available.*onnxruntime-node-install=cuda12/,
    ],
  ]
  beforeAll(() => {
    writeFileSync(at('classes.csv'), '0,0,0\n1,1,1\n0,1,2\n')
    const stage = (when: string, layer: string) =>
      `stages:\n  - when: ${when}\n    steps: [{ widen: { ${layer}: x2 } }]\n`
    writeFileSync(at('mistake.yaml'), stage('{ year: 1 }', 'hidden'))
    writeFileSync(at('other-model.yaml'), stage('{ epoch: 1 }', 'fc7'))
  })
  test.each(cases)('%s', async (_, args, code, message) => {
    const result = await net2net(['train', model, ...args])
    expect(result.err).toMatch(message)
    expect(result.err).not.toMatch(/\n\s+at /)
    expect(result).toMatchObject({ code, out: '' })
    expect(existsSync(at('never'))).toBe(false)
  })
})

describe('grow', () => {
  test('follows a recipe; the resolved recipe replays to the same bytes', async () => {
    const recipe = at('recipe.yaml')
    writeFileSync(recipe, 'seed: 3\nsteps:\n  - widen: { hidden: x2 }\n  - widen: { hidden: 19 }\n')
    const first = await net2net(['grow', recipe, model, '-o', at('a.onnx'), '--json'])
    expect(first.code).toBe(0)
    const { plan, parameters, check } = JSON.parse(first.out)
    expect([plan.length, check.equal]).toEqual([2, true])
    expect(parameters).toEqual({ before: 42, after: 19 * 5 + 2 })
    const again = await net2net(['grow', at('a.onnx.recipe.yaml'), model, '-o', at('b.onnx')])
    expect(again.out).toContain(`Written: ${at('b.onnx')} and ${at('b.onnx.recipe.yaml')}\n`)
    expect(again.code).toBe(0)
    expect(readFileSync(at('b.onnx')).equals(readFileSync(at('a.onnx')))).toBe(true)
  })

  test('names the line of a mistake, and writes nothing', async () => {
    const recipe = at('wrong.yaml')
    writeFileSync(recipe, 'steps:\n  - widen: { hidden: -3 }\n')
    const { code, err } = await net2net(['grow', recipe, model, '-o', at('never.onnx')])
    expect(code).toBe(4)
    expect(err).toMatch(/wrong\.yaml:2:\d+/)
    expect(existsSync(at('never.onnx'))).toBe(false)
    expect(existsSync(at('never.onnx.recipe.yaml'))).toBe(false)
  })
})

test('weights can go to a file of their own', async () => {
  const output = at('external.onnx')
  const wide = at('wide.onnx')
  await save(sequential([dense(600, { name: 'fc' }), dense(2)], { input: [2] }), wide)
  expect(
    (await net2net(['widen', wide, '--all', 'x2', '--external-data', '-o', output])).code,
  ).toBe(0)
  expect(readdirSync(folder).filter((name) => name.startsWith('external'))).toEqual([
    'external.onnx',
    'external.onnx.data',
  ])
  expect((await net2net(['check', wide, output])).code).toBe(0)
  expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
})

describe('how it is trained', () => {
  const rates = (folder: string) =>
    readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).learningRate as number)

  test('schedules, groups, averages: as the library computes them', async () => {
    const how = ['--schedule', 'cosine:end=0.01', '--warm-up', '3', '--clip-norm', '0.5']
    const groups = ['--rate', 'hidden=0', '--rate', 'out=0.5', '--decay-only', '--ema', '0.9']
    const [run, other] = await Promise.all([
      train('--epochs', '2', '--label-smoothing', '0.1', ...how, ...groups, '-o', at('how')),
      train('--epochs', '2', '--schedule', 'cosin', '-o', at('other')),
    ])
    expect(run.code, run.err).toBe(0)
    expect(run.out).toMatch(/Averaged: .*averaged\.onnx/)
    const followed = rates(at('how'))
    const schedule = warmUp(3, cosine(0.05, 2, 0.01))
    const batches = Math.ceil(270 / 32)
    expect(followed).toHaveLength(2 * batches)
    followed.forEach((rate, step) => {
      expect(rate).toBeCloseTo(rateOf(schedule, step, step / batches), 9)
    })
    const weights = async (file: string, name: string) => {
      const { graph } = await load(file)
      const found = [...graph.initializers].find(([key]) => key.startsWith(name))!
      const { tensor } = found[1]
      return [...tensor.read(0, tensor.byteLength)]
    }
    expect(await weights(at('how/model.onnx'), 'hidden')).toEqual(await weights(model, 'hidden'))
    expect(await weights(at('how/model.onnx'), 'out')).not.toEqual(await weights(model, 'out'))
    expect(await weights(at('how/averaged.onnx'), 'out')).not.toEqual(
      await weights(at('how/model.onnx'), 'out'),
    )
    expect([other.code, other.err]).toEqual([
      2,
      expect.stringMatching(/no schedule "cosin"; there are constant, step/),
    ])
  })

  test('classes that are seldom count as much as the others, and some labels not at all', async () => {
    // Nine of ten are of class 0, and x says nothing: balanced, both are as probable.
    const labels = Int32Array.from({ length: 400 }, (_, i) =>
      i % 20 === 7 ? -1 : Number(i % 10 === 0),
    )
    const x = float32([400, 2], new Float32Array(800).fill(1))
    writeFileSync(
      at('uneven.npz'),
      encodeNpz(
        new Map<string, Tensor>([
          ['x', x],
          ['y', new Tensor('int32', [400], labels)],
        ]),
      ),
    )
    const args = [
      'train',
      model,
      '--data',
      at('uneven.npz'),
      '--optimizer',
      'adam',
      '--learning-rate',
      '0.05',
      '--epochs',
      '12',
      '--validation',
      '0',
      '--accumulate',
      '2',
    ]
    const ignoring = ['--ignore-label', '-1']
    const [plain, balanced, refused] = await Promise.all([
      net2net([...args, ...ignoring, '-o', at('plain')]),
      net2net([...args, ...ignoring, '--class-weights', 'balanced', '-o', at('balanced')]),
      net2net([...args, '-o', at('refused')]),
    ])
    expect([plain.code, balanced.code, refused.code], plain.err + balanced.err).toEqual([0, 0, 4])
    expect(refused.err).toMatch(/the class -1/)
    const session = async (name: string) => {
      const run = await nodeRuntime.createSession(at(`${name}/model.onnx`))
      const { output } = await run.run({ [run.inputs[0]!.name]: float32([1, 2], [1, 1]) })
      await run.release()
      const [a, b] = [...output!.data].map(Number)
      return 1 / (1 + Math.exp(a! - b!))
    }
    expect(await session('plain')).toBeLessThan(0.25)
    expect(Math.abs((await session('balanced')) - 0.5)).toBeLessThan(0.15)
  })

  test('learns from a teacher', async () => {
    const teacher = at('run/model.onnx')
    const how = ['--distill', teacher, '--distill-weight', '1', '--temperature', '1']
    const [run, refused] = await Promise.all([
      train('--epochs', '20', ...how, '-o', at('student'), '--json'),
      train('--temperature', '2', '-o', at('never-taught')),
    ])
    expect(run.code, run.err).toBe(0)
    const { epochs } = JSON.parse(run.out).arms[0]
    expect(epochs.at(-1).valLoss).toBeLessThan(0.5 * epochs[0].valLoss)
    expect(classesOf(await load(at('student/model.onnx')))).toEqual(['inside', 'outside'])
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringMatching(/--temperature is for --distill/),
    ])
  })

  test('ends early, and keeps the best model', async () => {
    // A rate of zero improves nothing.
    const args = ['--epochs', '9', '--early-stopping', '2', '--metric', 'accuracy', '--json']
    const still = [
      'train',
      model,
      '--data',
      table,
      '--learning-rate',
      '0',
      ...args,
      '-o',
      at('early'),
    ]
    const { code, out, err } = await net2net(still)
    expect(code, err).toBe(0)
    const [arm] = JSON.parse(out).arms
    expect([arm.epochs.length, arm.best, JSON.parse(out).finished]).toEqual([3, 'best.onnx', true])
    expect(arm.epochs[0].metrics.accuracy).toBe(arm.epochs[0].valAccuracy)
    expect(existsSync(at('early/best.onnx'))).toBe(true)
    const again = await train('--epochs', '1', '-o', at('early'), '--force')
    expect(again.code).toBe(0)
    expect(existsSync(at('early/best.onnx'))).toBe(false)
  })
})

/** The learning rate at a step. */
function rateOf(schedule: LearningRate, step: number, epoch: number): number {
  if (typeof schedule === 'number') return schedule
  if (schedule.kind === 'warm-up')
    return Math.min(1, (step + 1) / schedule.steps) * rateOf(schedule.next, step, epoch)
  if (schedule.kind !== 'cosine') throw new Error(schedule.kind)
  const { rate, end, epochs } = schedule
  return end + ((rate - end) * (1 + Math.cos((Math.PI * epoch) / epochs))) / 2
}
