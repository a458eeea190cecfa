import { expect, test } from 'vitest'
import { applyPlan, type GrowthStep, grow, planWiden } from '../growth/index.ts'
import { batchNorm, conv2d, dense, flatten, relu, sequential } from '../layers/index.ts'
import type { Model } from '../model/model.ts'
import { newEntriesOf } from '../model/new-entries.ts'
import { decodeModel } from '../onnx/decode.ts'
import { encodeModel } from '../onnx/encode.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, toNumbers } from '../tensor/tensor.ts'
import { adamw, type Optimizer, sgd, type TrainOptions, train } from '../training/index.ts'
import { trainGrowing } from './index.ts'
import type { GrowthPosition } from './train-growing.ts'

const network = () =>
  sequential(
    [
      conv2d(3, 3, { padding: 'same', name: 'conv' }),
      batchNorm({ name: 'norm' }),
      relu({ name: 'relu' }),
      flatten({ name: 'flatten' }),
      dense(4, { activation: 'tanh', name: 'hidden' }),
      dense(2, { name: 'last' }),
    ],
    { input: [1, 2, 3], seed: 2 },
  )
const random = randomStream(3, 'unit rates')
const numbers = (count: number) => Float32Array.from({ length: count }, () => random.normal())
const data = [1, 2, 3].map(() => ({
  inputs: { input: float32([6, 1, 2, 3], numbers(36)) },
  target: float32([6, 2], numbers(12)),
}))

type Options = Partial<Omit<TrainOptions, 'runtime' | 'loss'>>

async function trained(model: Model, optimizer: Optimizer, options: Options = {}) {
  const training = train(model, data, { loss: 'mse', optimizer, untilStep: 2, ...options })
  for await (const _ of training);
  return training
}

/** By how much each entry of each parameter changes. */
async function changes(model: Model, optimizer: Optimizer, options: Options = {}) {
  const { step, state } = await trained(model, optimizer, options)
  return new Map(
    step.parameters.map((name) => {
      const before = toNumbers(step.state.get(name)!)
      return [name, toNumbers(state.tensors.get(name)!).map((value, i) => value - before[i]!)]
    }),
  )
}

/** Of each parameter, for each entry whether it is new: written out by hand for `network`. */
function isNew(model: Model, name: string, widths: { conv?: number; hidden?: number }): boolean[] {
  const { dims } = model.graph.initializers.get(name)!.tensor
  const [conv, hidden] = [widths.conv ?? Number.MAX_VALUE, widths.hidden ?? Number.MAX_VALUE]
  const along: Readonly<Record<string, readonly ((i: number) => boolean)[]>> = {
    'conv.weight': [(i) => i >= conv],
    'conv.bias': [(i) => i >= conv],
    'norm.weight': [(i) => i >= conv],
    'norm.bias': [(i) => i >= conv],
    'hidden.weight': [(i) => i >= hidden, (i) => Math.floor(i / 6) >= conv],
    'hidden.bias': [(i) => i >= hidden],
    'last.weight': [() => false, (i) => i >= hidden],
    'last.bias': [],
  }
  const tests = along[name] ?? dims.map(() => () => true)
  const count = dims.reduce((a, b) => a * b, 1)
  return Array.from({ length: count }, (_, flat) => {
    let rest = flat
    const index = [...dims].reverse().map((size) => {
      const at = rest % size
      rest = Math.floor(rest / size)
      return at
    })
    index.reverse()
    return tests.some((test, axis) => test(index[axis]!))
  })
}

const widen: GrowthStep = { widen: { conv: 5, hidden: 7 } }

test('new units learn at another rate than old ones, entry by entry', async () => {
  const grown = grow(network(), [widen, { deepen: 'hidden' }], { seed: 4 }).model
  for (const optimizer of [
    sgd({ learningRate: 0.01, momentum: 0.9 }),
    adamw({ learningRate: 0.01, weightDecay: 0.3 }),
  ]) {
    const plain = await changes(grown, optimizer, { untilStep: 1 })
    const still = await changes(grown, optimizer, { rates: { old: 0 } })
    const [some, most] = [
      await changes(grown, optimizer, { rates: { new: 2, old: 0.5 }, untilStep: 1 }),
      await changes(grown, optimizer, { rates: { new: 0.5, old: 2, '*bias': 2 }, untilStep: 1 }),
    ]
    const trains = [...plain.keys()]
    expect(trains.some((name) => /deeper/.test(name))).toBe(true)
    for (const [name, steps] of plain) {
      const added = isNew(grown, name, { conv: 3, hidden: 4 })
      const bias = name.endsWith('bias') ? 2 : 1
      for (const [i, one] of steps.entries()) {
        if (!added[i]) expect(still.get(name)![i], name).toBe(0)
        expect(some.get(name)![i], name).toBeCloseTo((added[i] ? 2 : 0.5) * one, 6)
        expect(most.get(name)![i], name).toBeCloseTo(bias * (added[i] ? 0.5 : 2) * one, 6)
      }
    }
    const moved = (name: string) => still.get(name)!.some((step) => step !== 0)
    expect(trains.filter((name) => !moved(name))).toEqual(['last.bias'])
  }
})

test('the file knows the new units; growth adds to them, and training makes them old', async () => {
  const once = grow(network(), [{ widen: { conv: 5 } }], { seed: 1 }).model
  const twice = decodeModel(encodeModel(grow(once, [{ widen: { hidden: 7 } }]).model))
  const optimizer = sgd({ learningRate: 0.01 })
  const check = async (model: Model, widths: Parameters<typeof isNew>[2]) => {
    const still = await changes(model, optimizer, { rates: { old: 0 } })
    for (const [name, steps] of still) {
      const added = isNew(model, name, widths)
      // The bias before a normalization has no gradient but noise.
      const isMoved = steps.map((step, i) => (name === 'conv.bias' ? added[i] : step !== 0))
      expect(isMoved, name).toEqual(added)
    }
  }
  await check(twice, { conv: 3, hidden: 4 })
  const { model } = await trained(once, optimizer)
  expect(newEntriesOf(model).size).toBe(0)
  expect(() => train(model, data, { loss: 'mse', optimizer, rates: { new: 2 } })).toThrow(
    /does not say which of its units are new/,
  )
  await check(applyPlan(model, planWiden(model, { hidden: 7 })), { hidden: 4 })
})

test('kernels that grow have new borders, and copies of units merged again are gone', () => {
  const { model } = grow(network(), [{ kernel: { conv: 5 } }])
  const { dims } = model.graph.initializers.get('conv.weight')!.tensor
  expect(dims).toEqual([3, 1, 5, 5])
  const along = newEntriesOf(model).get('conv.weight')
  expect(along === 'all' ? along : [...along!].map(([axis, is]) => [axis, [...is]])).toEqual([
    [2, [0, 4]],
    [3, [0, 4]],
  ])
  const wide = grow(network(), [{ widen: { hidden: 7 }, noise: 'none' }]).model
  expect(newEntriesOf(wide).size).toBeGreaterThan(0)
  const back = grow(wide, [{ shrink: 'hidden' }]).model
  expect([...newEntriesOf(back).keys()]).toEqual([])
})

test('a schedule of growth slows what is old, from the growth on, also when it goes on later', async () => {
  const optimizer = sgd({ learningRate: 0.05, momentum: 0.9 })
  const run = async (rates: Record<string, number> | undefined, resumeAt?: number) => {
    const losses: number[] = []
    const saved: { state: TrainingStateOf; position: GrowthPosition }[] = []
    const settings = {
      loss: 'mse',
      optimizer,
      epochs: 3,
      rates,
      stages: [{ when: { step: 4 }, steps: [widen], learningRateFactor: 1 }],
      onStep: ({ loss }: { readonly loss: number }) => losses.push(loss),
      checkpoint: {
        everySteps: 1,
        save: async (state: TrainingStateOf, position: GrowthPosition) =>
          void saved.push({ state, position }),
      },
    } as const
    const samples = data
    let training = trainGrowing(network(), samples, settings)
    for await (const _ of training);
    if (resumeAt !== undefined) {
      const from = saved.find(({ state }) => state.step === resumeAt)!
      const model = decodeModel(encodeModel(from.position.model))
      losses.length = 0
      training = trainGrowing(network(), samples, {
        ...settings,
        resume: { state: from.state, position: { ...from.position, model } },
      })
      for await (const _ of training);
    }
    return { losses, training }
  }
  const plain = await run(undefined)
  const slowed = await run({ old: 0 })
  expect(slowed.losses.slice(0, 5)).toEqual(plain.losses.slice(0, 5))
  expect(slowed.losses.slice(6)).not.toEqual(plain.losses.slice(6))
  const later = await run({ old: 0 }, 6)
  expect(later.losses).toEqual(slowed.losses.slice(6))
  expect(newEntriesOf(later.training.model).size).toBe(0)
  expect(newEntriesOf(later.training.position.model).size).toBeGreaterThan(0)
})

type TrainingStateOf = ReturnType<typeof trainGrowing>['state']
