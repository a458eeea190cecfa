import { expect, test } from 'vitest'
import { ArrayDataset } from '../data/dataset.ts'
import type { Batch, SampleSet } from '../data/samples.ts'
import { countMultiplyAdds, countParameters, grow, inspect } from '../growth/index.ts'
import { conv2d, dense, flatten, maxPool2d, sequential } from '../layers/index.ts'
import { randomStream } from '../tensor/random.ts'
import { float32 } from '../tensor/tensor.ts'
import { adam } from '../training/index.ts'
import type { TrainingState } from '../training/run/state.ts'
import {
  type CapacityRule,
  type GrowingEvent,
  type GrowingOptions,
  type GrowthPosition,
  trainGrowing,
} from './index.ts'

/** Rows of three numbers; the target is no sum of functions of each. `noise` is what nothing can learn. */
function rows(length: number, seed: number, noise = 0): SampleSet {
  const random = randomStream(seed, 'rows')
  const values = Array.from({ length }, () => {
    const [a, b, c] = [random.normal(), random.normal(), random.normal()]
    return { x: [a, b, c], y: Math.sin(2 * a) + b * c + noise * random.normal() }
  })
  return {
    length,
    *batches(size, order = values.map((_, i) => i)) {
      for (let start = 0; start < order.length; start += size) {
        const batch = Array.from({ length: Math.min(size, order.length - start) }, (_, i) => {
          return values[order[start + i]!]!
        })
        const x = float32(
          [batch.length, 3],
          batch.flatMap((row) => row.x),
        )
        yield {
          inputs: { x },
          target: float32(
            [batch.length, 1],
            batch.map(({ y }) => y),
          ),
        }
      }
    },
  }
}

const network = (units: number) =>
  sequential([dense(units, { activation: 'relu', name: 'fc1' }), dense(1, { name: 'out' })], {
    input: [3],
    seed: 2,
  })

const settings = (extra: Partial<GrowingOptions> = {}): GrowingOptions & { runtime?: never } =>
  ({
    loss: 'mse',
    optimizer: adam({ learningRate: 0.02 }),
    batchSize: 20,
    seed: 5,
    session: { threads: 1 },
    validation: rows(100, 2),
    stages: [],
    auto: {},
    ...extra,
  }) as GrowingOptions & { runtime?: never }

async function all(units: number, data: SampleSet, extra: Partial<GrowingOptions> = {}) {
  const training = trainGrowing(network(units), data, settings(extra))
  const events: GrowingEvent[] = []
  for await (const event of training) events.push(event)
  return { training, events }
}

test('a network that is too small grows, step by step up to the limit, and learns more than it could', async () => {
  const limits = { parameters: 60 }
  const { training, events } = await all(2, rows(200, 1), { epochs: 60, auto: { limits } })
  const kinds = events.map(({ kind }) => kind)
  expect(kinds.filter((kind) => kind === 'growth').length).toBeGreaterThan(1)
  expect(countParameters(training.model)).toBeLessThanOrEqual(60)
  const grown = training.decisions.filter(({ grow }) => grow)
  for (const [i, { parameters, reason, steps }] of grown.entries()) {
    expect(reason).toMatch(/^capacity is short/)
    expect(steps!.length).toBeGreaterThan(0)
    const after = grown[i + 1]?.parameters ?? countParameters(training.model)
    expect(after / parameters).toBeGreaterThan(1)
    expect(after / parameters).toBeLessThanOrEqual(2)
  }
  const { growths } = inspect(training.model)
  expect(growths!.map(({ step, parameters: { before } }) => [step, before])).toEqual(
    grown.map(({ step, parameters }) => [step, parameters]),
  )
  const fixed = await all(2, rows(200, 1), { epochs: 60, auto: undefined })
  const last = ({ history }: TrainingState) => history.at(-1)!.valLoss!
  expect(last(training.state)).toBeLessThan(0.8 * last(fixed.training.state))
}, 60_000)

test('a network that overfits does not grow', async () => {
  const { training } = await all(24, rows(20, 1, 1), { epochs: 40 })
  expect(training.decisions.length).toBeGreaterThan(0)
  for (const { grow, reason } of training.decisions) {
    expect(grow).toBe(false)
    expect(reason).toMatch(/^it overfits/)
  }
}, 60_000)

/** Grows after every second epoch, whatever happens. */
const eager: CapacityRule = ({ epochs }) =>
  epochs.length >= 2 ? { grow: true, reason: 'two epochs are over' } : undefined

test('what was decided is replayed as stages, and gone on with from any checkpoint, bit for bit', async () => {
  const saved: { state: TrainingState; position: GrowthPosition }[] = []
  const data = rows(60, 1)
  const options = { epochs: 7, auto: { rule: eager, limits: { parameters: 70 } } }
  const { training: whole } = await all(3, data, {
    ...options,
    checkpoint: {
      everySteps: 2,
      save: async (state, position) => void saved.push({ state, position }),
    },
  })
  expect(whole.decisions.filter(({ grow }) => grow).length).toBeGreaterThan(1)
  const same = (state: TrainingState) => {
    expect([...state.tensors.keys()]).toEqual([...whole.state.tensors.keys()])
    for (const [name, tensor] of whole.state.tensors)
      expect(state.tensors.get(name)!.data, name).toEqual(tensor.data)
  }
  const replayed = await all(3, data, { epochs: 7, auto: undefined, stages: whole.stages })
  same(replayed.training.state)
  for (const resume of saved.filter((_, i) => i % 4 === 1)) {
    const { training } = await all(3, data, { ...options, resume })
    same(training.state)
    expect(training.decisions).toEqual(whole.decisions)
  }
}, 60_000)

test('one growth is moderate in what it computes, too, and inserts one layer at most', async () => {
  const random = randomStream(1, 'pictures')
  const images = Float32Array.from({ length: 40 * 144 }, () => random.normal())
  const data = new ArrayDataset(
    { x: { dtype: 'float32', dims: [1, 12, 12], data: images } },
    { dtype: 'int32', dims: [], data: Int32Array.from({ length: 40 }, (_, i) => i % 4) },
  )
  // A convolution behind the first one costs little to store and more than all else to compute.
  const layers = [
    conv2d(4, 3, { activation: 'relu', name: 'conv' }),
    maxPool2d(2),
    flatten(),
    dense(40, { activation: 'relu', name: 'hidden' }),
    dense(4, { name: 'out' }),
  ]
  let model = sequential(layers, { input: [1, 12, 12], seed: 2 })
  const training = trainGrowing(
    model,
    data,
    settings({
      ...{ loss: 'softmax-cross-entropy', validation: undefined },
      ...{ epochs: 9, auto: { rule: eager } },
    }),
  )
  let growths = 0
  for await (const event of training) {
    if (event.kind !== 'growth') continue
    growths++
    const inserted = event.plans.flatMap((plan) => plan.inserted)
    expect(inserted.length).toBeLessThanOrEqual(1)
    // Behind the last layer, with no activation between, nothing is added.
    for (const { after } of inserted) expect(after).not.toBe('out')
    const larger = grow(model, event.steps).model
    const times = [countParameters, countMultiplyAdds].map(
      (count) => (count(larger) ?? 0) / (count(model) ?? 0),
    )
    expect(Math.max(...times)).toBeLessThanOrEqual(2)
    expect(Math.max(...times)).toBeGreaterThan(1)
    model = larger
  }
  expect(growths).toBeGreaterThan(1)
}, 60_000)

test('what cannot grow by itself is refused', () => {
  const wrong = (extra: Partial<GrowingOptions>, message: RegExp) =>
    expect(() => trainGrowing(network(2), rows(20, 1), settings(extra))).toThrow(message)
  wrong({ auto: { patience: 0 } }, /auto\.patience must be a whole number/)
  wrong({ auto: { limits: { parameters: 0 } } }, /limit of parameters must be above 0/)
  expect(() => trainGrowing(network(2), [] as readonly Batch[], settings())).toThrow(
    /needs a set of samples/,
  )
})
