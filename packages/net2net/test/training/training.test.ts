/** The losses of trainings, step by step, beside those of PyTorch and Keras from the same weights on the same batches. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ArrayDataset } from '../../src/data/dataset.ts'
import { encodeNpz } from '../../src/data/npy.ts'
import { dense, sequential } from '../../src/layers/index.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { float32, int64, materialize, type Tensor } from '../../src/tensor/tensor.ts'
import type { LearningRate, Optimizer } from '../../src/training/index.ts'
import * as training from '../../src/training/index.ts'
import { kerasPython, runPythonFile, torchPython } from '../../testing/python.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'

const [epochs, batches, batchSize] = [4, 5, 8]

interface Case {
  readonly optimizer: string
  readonly schedule: string
  readonly rate: number
  readonly clip?: number
  readonly accumulate?: number
  readonly smoothing?: number
  readonly ema?: number
  readonly decayOnly?: boolean
}

type Make = (learningRate: LearningRate) => Optimizer

const { sgd, adam, adamw, rmsprop, adagrad, lion, adafactor, muon } = training
/** Each with a rate at which this network learns something in twenty steps. */
const optimizers: Readonly<Record<string, { readonly rate: number; readonly make: Make }>> = {
  sgd: { rate: 0.2, make: (learningRate) => sgd({ learningRate }) },
  momentum: {
    rate: 0.1,
    make: (learningRate) =>
      sgd({ learningRate, momentum: 0.9, weightDecay: 0.01, rule: 'pytorch' }),
  },
  nesterov: {
    rate: 0.1,
    make: (learningRate) => sgd({ learningRate, momentum: 0.9, nesterov: true, rule: 'pytorch' }),
  },
  adam: { rate: 0.02, make: (learningRate) => adam({ learningRate, weightDecay: 0.01 }) },
  adamw: { rate: 0.02, make: (learningRate) => adamw({ learningRate, weightDecay: 0.1 }) },
  rmsprop: { rate: 0.02, make: (learningRate) => rmsprop({ learningRate }) },
  'rmsprop with momentum': {
    rate: 0.01,
    make: (learningRate) => rmsprop({ learningRate, momentum: 0.9, weightDecay: 0.01 }),
  },
  adagrad: { rate: 0.1, make: (learningRate) => adagrad({ learningRate, weightDecay: 0.01 }) },
  adafactor: {
    rate: 0.1,
    make: (learningRate) => adafactor({ learningRate, weightDecay: 0.1 }),
  },
  muon: { rate: 0.02, make: (learningRate) => muon({ learningRate }) },
  lion: { rate: 0.01, make: (learningRate) => lion({ learningRate, weightDecay: 0.1 }) },
}

const schedules: Readonly<Record<string, (rate: number) => LearningRate>> = {
  constant: (rate) => rate,
  step: (rate) => training.stepDecay(rate, 1, 0.5),
  cosine: (rate) => training.cosine(rate, epochs, rate / 10),
  wsd: (rate) => training.warmupStableDecay(rate, epochs),
  'one-cycle': (rate) => training.oneCycle(rate, epochs),
  'warm-up': (rate) => training.warmUp(6, training.cosine(rate, epochs)),
  plateau: (rate) => training.reduceOnPlateau(rate, { patience: 0 }),
}

const bold = new Set(['sgd', 'momentum', 'nesterov'])

/** Every optimizer with every schedule; clipping, accumulation and the others in turns, so that each meets each of the others. */
const cases: readonly Case[] = Object.entries(optimizers).flatMap(([optimizer, { rate }], i) =>
  Object.keys(schedules).map((schedule, k): Case => {
    const turn = i * 7 + k
    return {
      optimizer,
      schedule,
      // So much that the loss goes up as well, where that is not chaos.
      rate: schedule === 'plateau' ? (bold.has(optimizer) ? 20 : 4) * rate : rate,
      ...(turn % 2 === 0 ? { clip: 0.2 } : {}),
      ...(turn % 3 === 0 ? { accumulate: 2 } : {}),
      ...(turn % 5 < 2 ? { smoothing: 0.1 } : {}),
      ...(turn % 4 < 2 ? { ema: 0.8 } : {}),
      ...(turn % 7 < 3 ? { decayOnly: true } : {}),
    }
  }),
)

const model = sequential(
  [dense(10, { activation: 'tanh', name: 'hidden' }), dense(4, { name: 'scores' })],
  {
    input: [6],
    seed: 3,
  },
)
const random = randomStream(4, 'training beside others')
const length = batches * batchSize
const x = Float32Array.from({ length: length * 6 }, () => random.normal())
const y = Array.from(
  { length },
  (_, i) => (x[6 * i]! > 0 ? 2 : 0) + (random.uniform() < 0.6 ? 1 : 0),
)
const data = new ArrayDataset(
  { input: { dtype: 'float32', dims: [6], data: x } },
  { dtype: 'int32', dims: [], data: Int32Array.from(y) },
)

/** The weights as other frameworks have them, [out, in], and the samples. */
function arrays(): Uint8Array {
  const entries: Record<string, Tensor> = { x: float32([length, 6], x), y: int64(y) }
  for (const [name, { tensor }] of model.graph.initializers) entries[name] = materialize(tensor)
  return encodeNpz(new Map(Object.entries(entries)))
}

/** The losses of all steps, then the loss of the first batch under the last weights; also under their averages. */
async function trained({ optimizer, schedule, rate, ...options }: Case, make: Make) {
  const losses: number[] = []
  const inner = make(schedules[schedule]!(rate))
  const averaging = options.ema === undefined ? inner : training.averaged(inner, options.ema)
  const run = training.train(model, data, {
    loss: training.softmaxCrossEntropy({ labelSmoothing: options.smoothing ?? 0 }),
    optimizer:
      options.accumulate === undefined
        ? averaging
        : training.accumulated(averaging, options.accumulate),
    clipNorm: options.clip,
    ...(options.decayOnly ? { decayOnly: 'matrices' as const } : {}),
    epochs,
    batchSize,
    shuffle: false,
    session: { threads: 1 },
    onStep: ({ loss }) => losses.push(loss),
  })
  const rates = new Set<number>()
  for await (const { learningRate } of run) rates.add(learningRate)
  const first = data.slice(0, batchSize)
  const loss = training.softmaxCrossEntropy({ labelSmoothing: options.smoothing ?? 0 })
  const last = (await training.evaluate(run.model, first, { loss })).loss
  const averaged =
    options.ema === undefined
      ? null
      : (await training.evaluate(run.averagedModel, first, { loss })).loss
  return { losses: [...losses, last], averaged, rates }
}

interface Trained {
  readonly losses: readonly number[]
  readonly averaged: number | null
}

const inFolder = temporaryFolder()

function inPython(python: string, script: string, asked: readonly Case[]): readonly Trained[] {
  writeFileSync(inFolder('input.npz'), arrays())
  writeFileSync(inFolder('cases.json'), JSON.stringify(asked))
  const path = fileURLToPath(new URL(script, import.meta.url))
  return JSON.parse(runPythonFile(python, path, inFolder())) as readonly Trained[]
}

const relative = (a: number, b: number) => Math.abs(a - b) / Math.abs(b)

async function expectAlike(
  expected: readonly Trained[],
  asked: readonly Case[],
  makers: Readonly<Record<string, { readonly make: Make }>> = optimizers,
) {
  let reductions = 0
  for (const [i, one] of asked.entries()) {
    const { losses, averaged, rates } = await trained(one, makers[one.optimizer]!.make)
    const what = JSON.stringify(one)
    expect(losses).toHaveLength(epochs * batches + 1)
    for (const [step, loss] of losses.entries())
      expect(
        relative(loss, expected[i]!.losses[step]!),
        `step ${step + 1} of ${what}`,
      ).toBeLessThan(1e-4)
    if (averaged !== null)
      expect(relative(averaged, expected[i]!.averaged!), `averages of ${what}`).toBeLessThan(1e-4)
    if (one.schedule === 'plateau' && rates.size > 1) reductions++
  }
  return reductions
}

describe.skipIf(!torchPython)('beside PyTorch', () => {
  test('the losses of 20 steps agree to 1e-4 with every optimizer and schedule', async () => {
    const expected = inPython(torchPython!, 'torch_training.py', cases)
    expect(await expectAlike(expected, cases)).toBeGreaterThan(0)
  })
})

describe.skipIf(!kerasPython)('beside Keras', () => {
  test('the losses of 20 steps agree to 1e-4', async () => {
    // Keras adds ε to the moment before its correction: as good as none, it makes no difference.
    const epsilon = 1e-9
    const makers: Readonly<Record<string, { readonly make: Make }>> = {
      sgd: { make: (learningRate) => sgd({ learningRate }) },
      momentum: { make: (learningRate) => sgd({ learningRate, momentum: 0.9 }) },
      nesterov: { make: (learningRate) => sgd({ learningRate, momentum: 0.9, nesterov: true }) },
      adam: { make: (learningRate) => adam({ learningRate, epsilon }) },
      adamw: { make: (learningRate) => adamw({ learningRate, epsilon, weightDecay: 0.1 }) },
      lion: { make: (learningRate) => lion({ learningRate, weightDecay: 0.1 }) },
    }
    const asked = Object.keys(makers).flatMap((optimizer, i) =>
      ['constant', 'step', 'cosine'].map(
        (schedule, k): Case => ({
          optimizer,
          schedule,
          rate: optimizers[optimizer]!.rate,
          ...(k === 1 ? { clip: 0.2 } : {}),
          ...((i + k) % 2 === 0 ? { smoothing: 0.1 } : {}),
          ...(k === 2 ? { decayOnly: true } : {}),
          ...(k === 0 ? { accumulate: 2 } : {}),
        }),
      ),
    )
    const expected = inPython(kerasPython!, 'keras_training.py', asked)
    await expectAlike(expected, asked, makers)
  })
})
