/** Public functions called as no compiler would allow: from plain JavaScript. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as bridges from '../src/bridges/index.node.ts'
import * as checkpoints from '../src/checkpoints/index.ts'
import * as data from '../src/data/index.ts'
import { Net2NetError } from '../src/errors.ts'
import * as exploring from '../src/exploring/index.ts'
import * as files from '../src/files/index.ts'
import * as growing from '../src/growing/index.ts'
import * as modelEntry from '../src/index.model.ts'
import * as net2net from '../src/index.ts'
import * as layers from '../src/layers/index.ts'
import * as logs from '../src/logs/index.ts'
import * as recipe from '../src/recipe/index.ts'
import * as runtime from '../src/runtime/index.ts'
import * as tensorEntry from '../src/tensor/index.ts'
import * as training from '../src/training/index.ts'

const { dense, sequential } = layers
const model = sequential([dense(4, { name: 'a', activation: 'relu' }), dense(3)], { input: [5] })
const blocks = sequential([layers.residual([dense(5, { name: 'up' })]), dense(3)], { input: [5] })
const images = sequential([layers.conv2d(2, 1, { name: 'c' })], { input: [1, 4, 4] })
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
  ['load', [undefined], 'file must be the path of a file or a Blob, not undefined'],
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
  ['evaluate', [model, [], 5], 'options must be an object of options, not 5'],
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
      'options has no option "patience"; it has freeze, trainOnly, clipNorm, weighted, seed, rates, decayOnly, batchSize, runtime, session, output, signal, epochs, metrics, evaluationBatchSize, shuffle, earlyStopping, onStep, onValidation, validation, checkpoint, resume, auto, loss, optimizer, stages.',
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

test('an option that is undefined is as one that is left away', async () => {
  const graph = (optimizer: ReturnType<typeof training.adamw>) =>
    net2net.encodeModel(training.buildStep(model, { loss, optimizer }).model)
  expect(graph(training.adamw({ weightDecay: undefined }))).toEqual(graph(training.adamw()))
  const input = { dtype: 'float32', dims: [5], data: new Float32Array(10) } as const
  const target = { dtype: 'float32', dims: [3], data: new Float32Array(6) } as const
  const samples = new data.ArrayDataset({ input }, target)
  const left = { session: undefined, runtime: undefined, batchSize: undefined }
  const { loss: measured } = await training.evaluate(model, samples, { loss, ...left })
  expect(measured).toBeCloseTo((await training.evaluate(model, samples, { loss })).loss)
})

test('whatever is given, what is thrown is ours', async () => {
  const called = Object.keys(entries).filter(
    (name) => typeof entries[name] === 'function' && !uncalled.has(name),
  )
  expect(called.length).toBeGreaterThan(60)
  for (const name of called)
    for (const wrong of [undefined, null, 5, 'text', [], {}, () => {}, new Map()]) {
      const args = [wrong, wrong, wrong]
      const error: unknown = await call(name, args).catch((error: unknown) => error)
      if (error instanceof Error)
        expect(error, `${name}(${String(wrong)}, …)`).toBeInstanceOf(Net2NetError)
    }
})

/** Classes, which are constructed, and what may download. */
const uncalled = new Set([
  'Net2NetError',
  'Tensor',
  'ArrayDataset',
  'GraphBuilder',
  'loadFashionMnist',
  'loadMnist',
])

/** Stands for an object of options: whatever it has not is refused. */
const options = (mandatory: Readonly<Record<string, unknown>> = {}) => {
  const given = { ...mandatory }
  optionObjects.add(given)
  return given
}
const optionObjects = new WeakSet<object>()

const plan = { parameters: [], units: [] }
const step = { widen: { a: 6 } }
const tensors = new Map()
const tensor = tensorEntry.float32([1], [0])
const source = { size: 0, read: () => new Uint8Array() }
const torchFile = { tensorOf: () => undefined }
const kerasFile = { tensors }
const node = {
  opType: 'Relu',
  domain: '',
  name: '',
  inputs: [],
  outputs: [],
  attributes: new Map(),
}
const column = { data: new Float32Array(), dims: [] }
const dataset = { batches: () => [], pick: () => undefined, length: 0 }
const text = 'text'
const state = { tensors }

/**
 * Right arguments of every public function and class, as far as their types go, those included that may be left away. Nothing
 * is called with them: one at a time is replaced by something wrong. A new function needs a line here.
 */
const right: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  net2net: {
    applyPlan: [model, plan],
    compare: [model, text, options()],
    countMultiplyAdds: [model],
    countParameters: [model],
    decodeModel: [new Uint8Array(), options()],
    deepen: [model, ['a'], options()],
    extend: [model, { outputs: { y: '+1' } }, options()],
    repeat: [blocks, ['up'], options()],
    shrink: [model, ['a']],
    lora: [model, ['a'], options()],
    mergeAdapters: [model, options()],
    multiplyAddsByNode: [model],
    describePlan: [plan],
    planTables: [plan],
    encodeModel: [model],
    grow: [model, [step], options()],
    growAverages: [plan, tensors],
    growSlots: [plan, tensors, 1],
    inspect: [model],
    load: [text],
    memorySource: [new Uint8Array()],
    planDeepen: [net2net.solve(model), ['a'], options()],
    planExtend: [net2net.solve(model), { outputs: { y: '+1' } }, options()],
    planKernels: [net2net.solve(images), { c: 3 }, options()],
    planRepeat: [net2net.solve(blocks), ['up'], options()],
    planShrink: [net2net.solve(model), ['a']],
    planLora: [net2net.solve(model), ['a'], options()],
    planStep: [model, step, options()],
    planWiden: [model, { a: 6 }, options()],
    save: [model, text, options()],
    solve: [model],
    stage: [model, text, options()],
    Tensor: ['float32', [1], new Float32Array(1)],
    whyNoLayers: [model],
    widen: [model, { a: 'x2' }, options()],
  },
  'net2net/model': {
    attributes: [{ axis: 1 }],
    classesOf: [model],
    columnsOf: [model],
    constantsOf: [model],
    describeNode: [node],
    GraphBuilder: [model.graph],
    inferShapes: [model],
    modelOf: [model.graph, 18],
    nodeLabel: [node],
    operatorKind: [node],
    opsetOf: [model, text],
    preparationOf: [model],
    outputMeanings: [model],
    requiredInputs: [model.graph],
    tensorAttribute: [node, text],
    upgradeOpset: [model],
    withClasses: [model, [text]],
  },
  'net2net/tensor': {
    elementCount: [[1]],
    fillTensor: [{ kind: 'constant', value: 1 }, 'float32', [1], 0],
    float32: [[1], [0]],
    glorotUniform: [1, 1],
    int64: [[1], [1]],
    isFloat: ['int8'],
    materialize: [tensor],
    randomStream: [0, text],
    scalar: ['float32', 1],
    Tensor: ['float32', [1], new Float32Array(1)],
    toNumbers: [tensor],
  },
  'net2net/layers': {
    activation: ['relu', options()],
    add: [[[]], options()],
    averagePool2d: [2, options()],
    batchNorm: [options()],
    concatenate: [[[]], options()],
    conv2d: [8, 3, options()],
    dense: [8, options()],
    dropout: [0.5, options()],
    embedding: [5, 2, options()],
    flatten: [options()],
    globalAveragePool2d: [options()],
    maxPool2d: [2, options()],
    relu: [options()],
    residual: [[], [], options()],
    sequential: [[], options({ input: [1] })],
    softmax: [options()],
  },
  'net2net/data': {
    augmented: [dataset, options()],
    joined: [[dataset]],
    replayed: [dataset, dataset, 0.5],
    ArrayDataset: [{ input: column }, column, [text]],
    createNpz: [text, options()],
    datasetOfArrays: [tensors, text, options()],
    decodeIdx: [new Uint8Array(), text],
    decodeNpy: [new Uint8Array(), text],
    decodeNpz: [new Uint8Array(), text],
    describeData: [text, options()],
    digitsDataset: [tensor, tensor, { title: text }],
    encodeNpy: [tensor],
    encodeNpz: [tensors],
    isTable: [text],
    loadData: [text, options()],
    loadFashionMnist: [options()],
    loadImages: [text, options({ dims: [1] })],
    loadMnist: [options()],
    numberedAs: [dataset, [text]],
    openInputs: [text, model, options()],
    parseCsv: [text, options(), text],
    split: [dataset, 0.5, 1],
  },
  'net2net/runtime': { webRuntime: [options()] },
  'net2net/training': {
    accumulated: [sgd, 2],
    accuracy: [],
    adagrad: [options()],
    adam: [options()],
    adamw: [options()],
    auc: [],
    averaged: [sgd, 0.9],
    backward: [{ node: () => text }, [node], tensors, [text]],
    bceWithLogits: [],
    buildEvaluation: [model, options({ loss })],
    buildStep: [model, options({ loss, optimizer: sgd })],
    constant: [1],
    cosine: [1, 1, 0],
    dice: [options()],
    distillation: [options()],
    distilled: [dataset, model, options()],
    evaluate: [model, dataset, options()],
    f1: [text],
    focal: [options()],
    generate: [model, text, options({ units: 1 })],
    huber: [options()],
    klDivergence: [options()],
    adafactor: [options()],
    lion: [options()],
    muon: [options()],
    lossOf: [loss],
    meanAbsolute: [],
    meanAbsoluteError: [],
    meanSquaredError: [],
    measureStep: [model, { inputs: {} }, options({ loss, optimizer: sgd })],
    metricOf: [text],
    oneCycle: [1, 1, options()],
    perplexity: [],
    precision: [text],
    predict: [model, dataset, options()],
    r2: [],
    recall: [text],
    reduceOnPlateau: [1, options()],
    rmsprop: [options()],
    rootMeanSquare: [],
    sgd: [options({ learningRate: 1 })],
    softmaxCrossEntropy: [options()],
    startingState: [tensors],
    stepDecay: [1, 1, 0.5],
    storedLoss: [model, text],
    topK: [1],
    train: [model, dataset, options({ loss, optimizer: sgd })],
    warmUp: [1, 1],
    warmupStableDecay: [1, 1, options()],
    withParameters: [model, tensors],
  },
  'net2net/growing': {
    carryState: [{ state }, plan, { optimizer: sgd }],
    continueState: [model, tensors, [plan], { optimizer: sgd }],
    growMeasured: [model, [step], options()],
    measureStatistics: [model, [text], options({ samples: dataset })],
    rank: [model, dataset, options()],
    measureWidths: [model, dataset, options()],
    trainGrowing: [model, dataset, options({ loss, optimizer: sgd, stages: [] })],
    trainStream: [model, [], options({ loss, optimizer: sgd })],
    withClassesOf: [model, [dataset], { loss, optimizer: sgd }],
  },
  'net2net/exploring': {
    explore: [
      model,
      dataset,
      options({ loss, optimizer: sgd, validation: dataset, budget: { trials: 1 } }),
    ],
    exploreWith: [options({ budget: { trials: 1 } }), options({ runner: { run: () => {} } })],
    growthCandidates: [model, options()],
    trainRung: [
      { network: 1 },
      model,
      dataset,
      options({ loss, optimizer: sgd, validation: dataset, store: { read: () => {} } }),
    ],
  },
  'net2net/checkpoints': {
    CheckpointFolder: [text, options({ fingerprint: text })],
    fingerprintOf: [{}],
    readCheckpoint: [text],
    writeCheckpoint: [text, options({ fingerprint: text, state })],
  },
  'net2net/logs': {
    stepLog: ['steps.csv', options()],
    tensorBoardLog: [text, options()],
  },
  'net2net/recipe': {
    formatRecipe: [{ steps: [] }, text],
    formatTrainingRecipe: [[]],
    growByRecipe: [model, { steps: [] }, options()],
    parseLocated: [text],
    parseRecipe: [text, text],
    parseTrainingRecipe: [text, text],
    recipeJsonSchema: [],
    schemaMessage: [{ message: text }],
  },
  'net2net/files': {
    AtomicFiles: [options()],
    folderError: [text],
    makeFolder: [text],
    readWhole: [text],
    refuseExisting: [text, true],
    removeLeftovers: [text],
    temporaryName: [text, text],
    writeAllWhole: [new Map(), options()],
    writeWhole: [text, text, options()],
  },
  'net2net/bridges': {
    beginsAsKeras: [new Uint8Array()],
    bindEntries: [model, tensors, options({ file: text })],
    growEntries: [model, plan, { bound: [] }, tensors, options({ file: text })],
    growEntrySlots: [model, plan, { bound: [] }, tensors, tensors, 1, options({ file: text })],
    growKeras: [{ file: kerasFile, network: {} }, plan],
    growState: [model, [plan], text, options({ weights: text })],
    growStateIn: [() => source, model, [plan], text, options({ weights: text })],
    isKerasFile: [text],
    isOptimizerState: [torchFile],
    kerasParts: [kerasFile],
    kerasToModel: [kerasFile],
    mustHoldState: [() => source, model, text, options({ weights: text })],
    unboundParameters: [() => source, model, options({ weights: text })],
    openHuggingFace: [text, options()],
    openKeras: [text],
    optimizerSlots: [torchFile, tensors, options({ file: text })],
    readKeras: [source, text],
    readKerasFile: [source, text],
    readSafetensors: [source, text],
    readTorchFile: [source, text],
    safetensorsParts: [tensors, {}],
    stateDictOf: [torchFile, text],
    torchFileParts: [torchFile, () => undefined, text],
  },
}
/** What an error says is the business of who throws it. */
const free = new Set(['Net2NetError'])

const publicEntries: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  net2net,
  'net2net/model': modelEntry,
  'net2net/tensor': tensorEntry,
  'net2net/layers': layers,
  'net2net/data': data,
  'net2net/runtime': runtime,
  'net2net/training': training,
  'net2net/growing': growing,
  'net2net/exploring': exploring,
  'net2net/checkpoints': checkpoints,
  'net2net/logs': logs,
  'net2net/recipe': recipe,
  'net2net/files': files,
  'net2net/bridges': bridges,
}

test('every entry is gone through', () => {
  const { exports } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { exports: Record<string, unknown> }
  const names = Object.keys(exports).filter((name) => !name.endsWith('.json'))
  expect(Object.keys(publicEntries)).toEqual(names.map((name) => name.replace('.', 'net2net')))
})

describe.each(Object.entries(publicEntries))('%s', (entry, exported) => {
  const functions = Object.keys(exported).filter(
    (name) => typeof exported[name] === 'function' && !free.has(name),
  )

  test('has its functions and their right arguments listed here', () => {
    expect(Object.keys(right[entry]!).sort()).toEqual(functions.sort())
  })

  const used = async (name: string, args: readonly unknown[]): Promise<unknown> => {
    const it = exported[name] as ((...args: readonly unknown[]) => unknown) &
      (new (
        ...args: readonly unknown[]
      ) => unknown)
    try {
      return /^class\b/.test(String(it)) ? new it(...args) : await it(...args)
    } catch (error) {
      return error
    }
  }

  test.each(functions)('%s refuses what is of no type that it takes', async (name) => {
    const args = right[entry]?.[name] ?? []
    for (const position of args.keys()) {
      // No kind of arguments takes a symbol.
      const error = await used(name, args.with(position, Symbol('wrong')))
      expect(error, `argument ${position}`).toBeInstanceOf(Net2NetError)
      expect(error).toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(new RegExp(`^${name}: \\w+ must be .*Symbol\\(wrong\\)`)),
      })
    }
  })

  test.each(functions)('%s refuses options that it has not', async (name) => {
    const args = right[entry]?.[name] ?? []
    for (const [position, given] of args.entries()) {
      if (!optionObjects.has(given as object)) continue
      const error = await used(name, args.with(position, { ...(given as object), noSuch: 1 }))
      expect(error).toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(new RegExp(`^${name}: \\w+ has no option "noSuch"`)),
      })
    }
  })
})
