/** Public functions called as no compiler would allow: from plain JavaScript. */
import { expect, test } from 'vitest'
import * as data from '../src/data/index.ts'
import { Net2NetError } from '../src/errors.ts'
import * as growing from '../src/growing/index.ts'
import * as modelEntry from '../src/index.model.ts'
import * as net2net from '../src/index.ts'
import * as layers from '../src/layers/index.ts'
import * as recipe from '../src/recipe/index.ts'
import * as runtime from '../src/runtime/index.ts'
import * as training from '../src/training/index.ts'

const { dense, sequential } = layers
const model = sequential([dense(4, { name: 'a', activation: 'relu' }), dense(3)], { input: [5] })
const loaded = Promise.resolve(model)
const sgd = training.sgd({ learningRate: 0.1 })
const loss = 'mse'

const entries = {
  ...net2net,
  ...layers,
  ...training,
  ...data,
  ...growing,
  ...modelEntry,
  ...recipe,
  ...runtime,
} as Readonly<Record<string, unknown>>
const call = async (name: string, args: readonly unknown[]): Promise<unknown> =>
  (entries[name] as (...args: readonly unknown[]) => unknown)(...args)

const cases: readonly (readonly [name: string, args: readonly unknown[], message: string])[] = [
  ['widen', [model, 5], 'widths must be an object of widths by layer, not 5'],
  ['widen', [model], 'widths must be an object of widths by layer, not undefined'],
  ['widen', [null, { a: 6 }], 'model must be a model, as load gives it, not null'],
  [
    'widen',
    [loaded, {}],
    'model must be a model, as load gives it, not a Promise, which is to be awaited',
  ],
  ['widen', [model, { a: 6 }, { seed: '1' }], 'options.seed must be a number, not "1"'],
  ['widen', [model, { a: 6 }, 1], 'options must be an object of options, not 1'],
  ['widen', [model, { a: null }], 'widths.a must be a width, not null'],
  ['planWiden', [model, []], 'widths must be an object of widths by layer, not a list'],
  ['deepen', [model, 'a'], 'layers must be a list of names of layers, not "a"'],
  ['deepen', [model, [5]], 'layers.0 must be a string, not 5'],
  [
    'inspect',
    ['teacher.onnx'],
    'from must be a model, as load gives it, or what solve makes of one, not "teacher.onnx"',
  ],
  ['applyPlan', [model, {}], 'plan must be a growth plan, not an object (Object)'],
  ['load', [undefined], 'file must be a string, not undefined'],
  ['save', [model], 'file must be a string, not undefined'],
  ['save', [model, 'a.onnx', { force: 'yes' }], 'options.force must be true or false, not "yes"'],
  ['compare', [model], 'b must be a model or the path of one, not undefined'],
  ['compare', [model, model, { samples: '5' }], 'options.samples must be a number, not "5"'],
  ['decodeModel', ['teacher.onnx'], 'bytes must be a Uint8Array, not "teacher.onnx"'],
  ['conv2d', [8], 'kernelSize must be a number, or [height, width], not undefined'],
  ['dense', [8, 'relu'], 'options must be an object of options, not "relu"'],
  ['sequential', [[dense(8)]], 'options must be an object of options, not undefined'],
  ['sequential', [[dense(8)], {}], 'options.input must be a list of numbers, not undefined'],
  ['sequential', [[dense], { input: [5] }], 'layers.0 must be a layer, not a function'],
  ['residual', [dense(8)], 'body must be a list of layers, not an object (Object)'],
  ['sgd', [0.1], 'options must be an object of options, not 0.1'],
  [
    'sgd',
    [{ learningRate: '0.1' }],
    'options.learningRate must be a number or a schedule, not "0.1"',
  ],
  [
    'train',
    [model, [], { loss }],
    'options.optimizer must be an optimizer, as sgd gives it, not undefined',
  ],
  [
    'train',
    [model, 'mnist', { loss, optimizer: sgd }],
    'data must be a data set, or batches that can be iterated, not "mnist"',
  ],
  [
    'train',
    [model, [], { loss, optimizer: sgd, epochs: '3' }],
    'options.epochs must be a number, not "3"',
  ],
  ['evaluate', [model, []], 'options must be an object of options, not undefined'],
  [
    'buildStep',
    [model, { optimizer: sgd }],
    'options.loss must be a loss or the name of one, not undefined',
  ],
  ['loadMnist', ['folder'], 'options must be an object of options, not "folder"'],
  ['loadData', [5], 'spec must be a string, not 5'],
  ['parseCsv', [Buffer.from('1,2')], 'text must be a string, not an object (Buffer)'],
  ['decodeNpy', [undefined], 'bytes must be a Uint8Array, not undefined'],
]

test.each(cases)('%s(…): %3$s', async (name, args, message) => {
  const error: unknown = await call(name, args).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Net2NetError)
  expect(error).toMatchObject({ kind: 'usage', message: `${name}: ${message}.` })
})

const unknownOptions: readonly (readonly [name: string, args: readonly unknown[], end: string])[] =
  [
    ['widen', [model, { a: 6 }, { sede: 1 }], 'options has no option "sede"; did you mean "seed"?'],
    [
      'widen',
      [model, { a: 6 }, { precision: 1 }],
      'options has no option "precision"; it has seed, init, noise, noiseSize, onMemory.',
    ],
    [
      'save',
      [model, 'a.onnx', { Force: true }],
      'options has no option "Force"; did you mean "force"?',
    ],
    [
      'dense',
      [8, { activaton: 'relu' }],
      'options has no option "activaton"; did you mean "activation"?',
    ],
    [
      'sequential',
      [[], { input: [1], sed: 0 }],
      'options has no option "sed"; did you mean "seed"?',
    ],
    [
      'train',
      [model, [], { loss, optimizer: sgd, epoch: 3 }],
      'options has no option "epoch"; did you mean "epochs"?',
    ],
    [
      'train',
      [model, [], { loss, optimizer: sgd, earlyStopping: { patience: 1, patiense: 2 } }],
      'options.earlyStopping has no option "patiense"; did you mean "patience"?',
    ],
    [
      'trainGrowing',
      [model, [], { loss, optimizer: sgd, stages: [], patience: 1 }],
      'options has no option "patience"; it has freeze, trainOnly, clipNorm, seed, batchSize, runtime, session, output, signal, epochs, validation, evaluationBatchSize, shuffle, earlyStopping, onStep, checkpoint, resume, loss, optimizer, stages.',
    ],
    [
      'planStep',
      [model, { widen: { a: 6 }, noize: 'none' }],
      'step has no option "noize"; did you mean "noise"?',
    ],
    [
      'evaluate',
      [model, [], { loss, session: { thread: 1 } }],
      'options.session has no option "thread"; did you mean "threads"?',
    ],
  ]

test.each(unknownOptions)('%s refuses an unknown option: %3$s', async (name, args, end) => {
  const error: unknown = await call(name, args).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Net2NetError)
  expect(error).toMatchObject({ kind: 'usage', message: `${name}: ${end}` })
})

test('lists, maps and other classes are no options', async () => {
  for (const [wrong, words] of [
    [[], 'a list'],
    [new Map(), 'an object (Map)'],
  ] as const)
    await expect(call('dense', [8, wrong])).rejects.toThrow(
      `dense: options must be an object of options, not ${words}.`,
    )
})

test('functions that give promises reject', () => {
  for (const name of ['load', 'save', 'compare', 'evaluate', 'loadData', 'loadMnist', 'loadImages'])
    expect(() => void call(name, [5]).catch(() => {}), name).not.toThrow()
  const given = net2net.load(5 as never)
  expect(given).toBeInstanceOf(Promise)
  return expect(given).rejects.toMatchObject({ kind: 'usage', where: 'file' })
})

test('what is right is passed on as it is', () => {
  const widths = Object.freeze({ a: 6 })
  const wider = net2net.widen(model, widths, Object.freeze({ seed: 1 }))
  expect(net2net.inspect(wider).layers.map(({ width }) => width)).toEqual([6, 3])
  expect(layers.dense(3, {}).apply).toBeTypeOf('function')
  expect(layers.dense(3, { name: undefined } as never).apply).toBeTypeOf('function')
})

test('whatever is given, what is thrown is ours', async () => {
  const checked = Object.keys(entries).filter(
    (name) => typeof entries[name] === 'function' && !unchecked.has(name),
  )
  expect(checked.length).toBeGreaterThan(40)
  for (const name of checked)
    for (const wrong of [undefined, null, 5, 'text', [], {}, () => {}, new Map()]) {
      const args = [wrong, wrong, wrong]
      const error: unknown = await call(name, args).catch((error: unknown) => error)
      if (error instanceof Error)
        expect(error, `${name}(${String(wrong)}, …)`).toBeInstanceOf(Net2NetError)
    }
})

/** Classes, readers of parts of a model, what only those call who write losses, optimizers and schedules of their own, and what may download. */
const unchecked = new Set([
  'Net2NetError',
  'Tensor',
  'ArrayDataset',
  'GraphBuilder',
  'attributes',
  'backward',
  'describeNode',
  'digitsDataset',
  'growTraining',
  'loadFashionMnist',
  'loadMnist',
  'lossOf',
  'memorySource',
  'modelOf',
  'nodeLabel',
  'operatorKind',
  'opsetOf',
  'requiredInputs',
  'rolesIn',
  'schemaMessage',
  'startingState',
  'tensorAttribute',
  'withParameters',
])
