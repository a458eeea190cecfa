import { describe, expect, test } from 'vitest'
import type { Batch, SampleSet, TrainingData } from '../data/samples.ts'
import {
  applyPlan,
  type DeepenOptions,
  growSlots,
  planDeepen,
  planExtend,
  planRepeat,
  planWiden,
} from '../growth/index.ts'
import {
  batchNorm,
  conv2d,
  dense,
  flatten,
  maxPool2d,
  relu,
  residual,
  sequential,
} from '../layers/index.ts'
import { measureStatistics } from '../measuring/channel-statistics.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64, materialize, type Tensor, toNumbers } from '../tensor/tensor.ts'
import { squaresOf } from '../training/compile/optimizers/factored.ts'
import {
  adafactor,
  adam,
  averaged,
  muon,
  type Optimizer,
  sgd,
} from '../training/compile/optimizers/index.ts'
import type { TrainingState } from '../training/run/state.ts'
import { Training, type TrainOptions } from '../training/run/trainer.ts'
import { cosine } from '../training/schedules.ts'
import { carryState, type TrainingMoment } from './carry-state.ts'
import { trainGrowing } from './index.ts'
import type { GrowthStage } from './schedule.ts'
import type { GrowingEvent, GrowingOptions, GrowthPosition } from './train-growing.ts'

const network = () =>
  sequential(
    [
      conv2d(4, 3, { padding: 'same', name: 'conv1' }),
      batchNorm({ name: 'norm1' }),
      relu({ name: 'relu1' }),
      maxPool2d(2, { name: 'pool1' }),
      flatten({ name: 'flatten' }),
      dense(6, { activation: 'relu', name: 'fc1' }),
      dense(3, { activation: 'softmax', name: 'fc2' }),
    ],
    { input: [1, 4, 6], seed: 2 },
  )

const data: SampleSet = {
  length: 40,
  *batches(size, order): Generator<Batch> {
    const count = order?.length ?? 40
    for (let start = 0; start < count; start += size) {
      const rows = Array.from({ length: Math.min(size, count - start) }, (_, i) =>
        order ? order[start + i]! : start + i,
      )
      const images = rows.flatMap((row) => {
        const random = randomStream(row, 'image')
        return Array.from({ length: 24 }, () => random.normal())
      })
      const classes = rows.map((row) => randomStream(row, 'class').below(3))
      yield { inputs: { input: float32([rows.length, 1, 4, 6], images) }, target: int64(classes) }
    }
  },
}

const options = (
  optimizer: Optimizer,
): Omit<TrainOptions, 'checkpoint' | 'resume' | 'untilStep'> => ({
  loss: 'softmax-cross-entropy',
  optimizer,
  batchSize: 8,
  epochs: 2,
  runtime: nodeRuntime,
  session: { threads: 1 },
})

async function trained(model: Model, settings: TrainOptions) {
  const losses: number[] = []
  const training = new Training(model, data, {
    ...settings,
    onStep: ({ loss }) => losses.push(loss),
  })
  for await (const _epoch of training);
  return { training, losses }
}

function near(actual: Tensor, expected: Tensor, tolerance: number, name: string, floor = 1e-12) {
  expect(actual.dims, name).toEqual(expected.dims)
  const scale = Math.max(floor, ...[...expected.data].map((v) => Math.abs(Number(v))))
  const worst = Math.max(
    ...[...expected.data].map((v, i) => Math.abs(Number(v) - Number(actual.data[i]))),
  )
  expect(worst / scale, name).toBeLessThan(tolerance)
}

const widths = { conv1: 7, fc1: 11 }
const noiseless = { seed: 4, noise: 'none' } as const

describe('the law of optimizer-state transfer', () => {
  // Keras's velocity holds the learning rate: with 0 it would stay 0.
  test.each([
    ['adam', adam({ learningRate: 0 }), 1e-5],
    ['momentum', sgd({ learningRate: 1e-9, momentum: 0.9 }), 1e-5],
    ["PyTorch's momentum", sgd({ learningRate: 0, momentum: 0.9, rule: 'pytorch' }), 1e-5],
    ['muon', muon({ learningRate: 0 }), 1e-5],
  ])(
    '%s: accumulated and then grown, or grown and then accumulated',
    async (_, optimizer, tolerance) => {
      const settings = options(optimizer)
      const teacher = await trained(network(), settings)
      const plan = planWiden(network(), widths, noiseless)
      const grown = carryState(teacher.training, plan, settings)
      const fresh = new Training(network(), data, settings)
      const start = carryState(fresh, plan, settings)
      const direct = await trained(start.model, settings)
      // One matrix, fc1's, is of a hidden layer.
      const count = optimizer.name === 'muon' ? 1 + 7 * 3 : optimizer.slots.length * 8
      expect(grown.step.slots.length).toBe(count)
      const { tensors } = direct.training.state
      const largest = (slot: string) =>
        Math.max(
          ...grown.step.slots
            .filter((entry) => entry.slot === slot)
            .flatMap(({ name }) => [...tensors.get(name)!.data])
            .map((value) => Math.abs(Number(value))),
        )
      // The bias before a normalization has no gradient but noise: the common size is the scale.
      for (const { name, slot } of grown.step.slots)
        near(
          grown.state.tensors.get(name)!,
          tensors.get(name)!,
          tolerance,
          name,
          largest(slot) / 10,
        )
      for (const name of grown.step.statistics)
        near(grown.state.tensors.get(name)!, direct.training.state.tensors.get(name)!, 1e-5, name)
    },
  )

  test("adafactor's factors stand for what the whole has grown to", async () => {
    const settings = options(adafactor({ learningRate: 0.01 }))
    const { training } = await trained(network(), settings)
    const plan = planWiden(network(), widths, noiseless)
    const grown = carryState(training, plan, settings)
    const whole = ({ state }: Pick<TrainingMoment, 'state'>, name: string) =>
      squaresOf(state.tensors.get(`${name}.rows`)!, state.tensors.get(`${name}.columns`)!)
    const names = grown.step.slots.flatMap(({ slot, parameter }) =>
      slot === 'rows' ? [parameter] : [],
    )
    expect(names).toEqual(['conv1.weight', 'fc1.weight', 'fc2.weight'])
    const expected = growSlots(plan, new Map(names.map((name) => [name, whole(training, name)])), 2)
    for (const name of names) near(whole(grown, name), materialize(expected.get(name)!), 1e-5, name)
    const { losses } = await trained(grown.model, { ...settings, epochs: 4, resume: grown.state })
    expect(losses.every(Number.isFinite)).toBe(true)
  })

  test('the step after an exact growth has the loss that the ungrown network would have had', async () => {
    const settings = options(averaged(adam({ learningRate: 0.01 }), 0.9))
    const whole = await trained(network(), settings)
    const half = await trained(network(), { ...settings, untilStep: 7 })
    expect(half.training.state).toMatchObject({ step: 7, epoch: 1, batch: 2 })
    for (const plan of [
      planWiden(half.training.model, widths, { seed: 1 }),
      planDeepen(half.training.model, ['fc1']),
      // The new classes are so unlikely that the loss of the old ones stays.
      planExtend(half.training.model, { outputs: { output: '+2' } }),
    ]) {
      const { training } = half
      const grown = carryState(training, plan, settings)
      const next = await trained(grown.model, { ...settings, resume: grown.state, untilStep: 8 })
      expect(Math.abs(next.losses[0]! - whole.losses[7]!)).toBeLessThan(
        1e-5 * Math.max(1, whole.losses[7]!),
      )
      const inserted = grown.step.slots.filter(({ parameter }) => /deeper/.test(parameter))
      expect(inserted.length > 0).toBe(plan.inserted.length > 0)
      for (const { name, slot, parameter } of grown.step.slots) {
        const values = [...grown.state.tensors.get(name)!.data].map(Number)
        if (/deeper/.test(parameter)) {
          if (slot !== 'ema')
            expect(
              values.every((v) => v === 0),
              name,
            ).toBe(true)
        } else if (slot === 'step') expect(values).toEqual([7])
      }
    }
  })

  test('moving averages grow like the weights', async () => {
    const settings = options(averaged(sgd({ learningRate: 0.1 }), 0.5))
    const { training } = await trained(network(), settings)
    const plan = planWiden(training.model, widths, noiseless)
    const grown = carryState(training, plan, settings)
    const old = carryState(
      { model: training.averagedModel, step: training.step, state: training.state },
      plan,
      settings,
    )
    for (const { name, slot, parameter } of grown.step.slots)
      if (slot === 'ema')
        near(
          grown.state.tensors.get(name)!,
          materialize(old.model.graph.initializers.get(parameter)!.tensor),
          1e-6,
          name,
        )
  })
})

describe('where the learning rate changes at growth', () => {
  const factor = 0.1
  const rate = 0.05
  /** What one step adds to each parameter. */
  const update = (before: TrainingState, after: TrainingState, name: string) => {
    const [a, b] = [before, after].map(({ tensors }) => tensors.get(name)!.data as Float32Array)
    return Float64Array.from(b!, (value, i) => value - a![i]!)
  }
  const norm = (values: Float64Array) => Math.hypot(...values)

  test.each([
    ['momentum', (learningRate: number) => sgd({ learningRate, momentum: 0.9 })],
    ['nesterov', (learningRate: number) => sgd({ learningRate, momentum: 0.9, nesterov: true })],
    ['adam', (learningRate: number) => adam({ learningRate })],
  ])('the first update is as much smaller, in both ways of growing: %s', async (_, optimizerAt) => {
    const settings = options(optimizerAt(rate))
    const until = async (untilStep: number) =>
      (await trained(network(), { ...settings, untilStep })).training
    const [at7, at8] = [await until(7), await until(8)]

    // One way: state that is carried, and a training that goes on with it at another rate.
    const slow = options(optimizerAt(factor * rate))
    const plan = planDeepen(at7.model, ['fc1'])
    const carried = carryState(at7, plan, slow)
    const next = await trained(carried.model, { ...slow, resume: carried.state, untilStep: 8 })

    // The other way: a training that grows by itself.
    const states = new Map<number, TrainingState>()
    const growing = trainGrowing(network(), data, {
      ...settings,
      stages: [{ when: { step: 7 }, steps: [{ deepen: 'fc1' }], learningRateFactor: factor }],
      checkpoint: { isDue: () => true, save: async (state) => void states.set(state.step, state) },
    })
    for await (const _event of growing);

    for (const name of ['conv1.weight', 'norm1.weight', 'fc1.weight', 'fc2.weight']) {
      const ungrown = update(at7.state, at8.state, name)
      const wanted = ungrown.map((value) => factor * value)
      for (const [before, after] of [
        [carried.state, next.training.state],
        [carried.state, states.get(8)!],
      ] as const) {
        const actual = update(before, after, name)
        const error = norm(actual.map((value, i) => value - wanted[i]!))
        expect(error / norm(wanted), name).toBeLessThan(1e-3)
      }
    }
  })

  test('a rate of a schedule counts as that of the step, not as that of its beginning', async () => {
    const settings = {
      ...options(sgd({ learningRate: cosine(rate, 2), momentum: 0.9 })),
      untilStep: 7,
    }
    const { training } = await trained(network(), settings)
    const plan = planWiden(training.model, widths, noiseless)
    const same = carryState(training, plan, { ...settings, learningRate: 0.02 })
    const half = carryState(training, plan, { ...settings, learningRate: 0.01 })
    const last = training.state.totals.learningRate
    expect(last).toBeLessThan(0.6 * rate)
    const name = 'fc2.weight.momentum'
    const old = training.state.tensors.get(name)!.data
    const largest = (data: ArrayLike<number | bigint>) =>
      Math.max(...Array.from(data, (value) => Math.abs(Number(value))))
    expect(largest(same.state.tensors.get(name)!.data) / largest(old)).toBeCloseTo(0.02 / last, 5)
    expect(largest(half.state.tensors.get(name)!.data) / largest(old)).toBeCloseTo(0.01 / last, 5)
  })
})

test('state goes through several plans as through one after the other', async () => {
  const settings = options(averaged(adam({ learningRate: 0.01 }), 0.9))
  const { training } = await trained(network(), settings)
  const first = planWiden(training.model, widths, { seed: 1 })
  const middle = carryState(training, first, settings)
  const second = planDeepen(middle.model, ['fc1'], { seed: 2 })
  const oneByOne = carryState(middle, second, settings)
  const atOnce = carryState(training, [first, second], settings)
  expect([...atOnce.state.tensors.keys()].sort()).toEqual([...oneByOne.state.tensors.keys()].sort())
  for (const [name, tensor] of oneByOne.state.tensors)
    expect(atOnce.state.tensors.get(name)!.data, name).toEqual(tensor.data)
})

describe('training recipes', () => {
  const stages: readonly GrowthStage[] = [
    { when: { epoch: 1 }, steps: [{ widen: { conv1: 6 } }] },
    { when: { step: 8 }, steps: [{ widen: { fc1: 9 } }], learningRateFactor: 0.5 },
    { when: { plateau: 1 }, steps: [{ deepen: ['fc1'] }], learningRateFactor: 1 },
  ]
  const settings = {
    ...options(sgd({ learningRate: 0.05, momentum: 0.9 })),
    epochs: 6,
    validation: data,
  }

  async function all(extra: Partial<GrowingOptions> = {}, model = network()) {
    const events: GrowingEvent[] = []
    for await (const event of trainGrowing(model, data, {
      ...({ ...settings, stages, ...extra } as GrowingOptions),
    }))
      events.push(event)
    return events
  }
  const ending = (events: readonly GrowingEvent[]) => {
    const last = events.at(-1)!
    if (last.kind !== 'end') throw new Error('The training has not ended.')
    return last
  }

  test('grow at an epoch, at a step and on a plateau, and go on to the end', async () => {
    const rates = new Map<number, number>()
    const events = await all({
      onStep: ({ step, learningRate }) => rates.set(step, learningRate),
    })
    const growths = events.flatMap((event) => (event.kind === 'growth' ? [event] : []))
    expect(growths.slice(0, 2).map(({ step }) => step)).toEqual([5, 8])
    expect(rates.size).toBe(30)
    expect([1, 5, 6, 8, 9].map((step) => rates.get(step))).toEqual(
      [0.05, 0.05, 0.005, 0.005, 0.0025].map((rate) => expect.closeTo(rate, 12)),
    )
    const epochs = events.flatMap((event) => (event.kind === 'epoch' ? [event.result.epoch] : []))
    expect(epochs).toEqual([1, 2, 3, 4, 5, 6])
    const { model } = ending(events)
    expect(model.graph.initializers.get('conv1.weight')!.tensor.dims[0]).toBe(6)
    expect(model.graph.initializers.get('fc1.bias')!.tensor.dims[0]).toBe(9)
  })

  test('insert normalizations with what passes there at that moment', async () => {
    const before: Model[] = []
    const events = await all({
      epochs: 3,
      stages: [{ when: { epoch: 2 }, steps: [{ deepen: 'conv1' }], seed: 7 }],
      checkpoint: {
        save: async ({ epoch }, { model, stage }) => {
          if (epoch === 2 && stage === 0) before.push(model)
        },
      },
    })
    const growth = events.find((event) => event.kind === 'growth')!
    const statistics = await measureStatistics(before[0]!, ['conv1'], {
      samples: data,
      runtime: nodeRuntime,
      session: { threads: 1 },
    })
    expect(Object.keys(statistics)).toEqual(['conv1'])
    const plan = (options: DeepenOptions) => planDeepen(before[0]!, ['conv1'], options)
    expect(growth).toMatchObject({ plans: [plan({ seed: 7, statistics })] })
    expect(plan({ seed: 7 })).not.toEqual(plan({ seed: 7, statistics }))
  })

  test('draw another seed in each step of a stage, as a recipe does', async () => {
    const steps = [{ widen: { conv1: 6 } }, { widen: { fc1: 9 } }]
    const stage = { when: { epoch: 1 }, steps, seed: 3 }
    const [growth] = (await all({ stages: [stage], epochs: 2 })).filter(
      (event) => event.kind === 'growth',
    )
    expect(growth!.kind === 'growth' && growth!.plans.map(({ seed }) => seed)).toEqual([3, 4])
  })

  test('go on from a checkpoint of any stage, bit for bit', async () => {
    const saved: { state: TrainingState; position: GrowthPosition }[] = []
    const whole = ending(
      await all({
        checkpoint: {
          everySteps: 4,
          save: async (state, position) => void saved.push({ state, position }),
        },
      }),
    )
    expect(new Set(saved.map(({ position }) => position.stage)).size).toBeGreaterThan(1)
    for (const resume of saved) {
      const { state } = ending(await all({ resume }))
      expect([...state.tensors.keys()]).toEqual([...whole.state.tensors.keys()])
      for (const [name, tensor] of whole.state.tensors)
        expect(state.tensors.get(name)!.data, name).toEqual(tensor.data)
    }
  })
})

test('a stage that cannot be grown is refused before anything is trained', () => {
  const stages: readonly GrowthStage[] = [
    { when: { epoch: 1 }, steps: [{ widen: { fc1: 8 } }] },
    { when: { epoch: 2 }, steps: [{ widen: { fc1: 8 } }] },
  ]
  const loss = 'softmax-cross-entropy'
  const settings = { loss, optimizer: sgd({ learningRate: 0.1 }), runtime: nodeRuntime } as const
  const start = () => trainGrowing(network(), data, { ...settings, stages })
  expect(start).toThrow(/fc1 has width 8; the new width must be larger/)
})

test('stages that are none, and data that cannot be taken twice, are refused at once', () => {
  const steps = [{ widen: { fc1: 8 } }]
  const settings = {
    loss: 'softmax-cross-entropy',
    optimizer: sgd({ learningRate: 0.1 }),
    runtime: nodeRuntime,
  } as const
  const start = (stages: unknown, samples: TrainingData = data) =>
    trainGrowing(network(), samples, { ...settings, stages: stages as GrowthStage[] })
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /stages must be a list/],
    [[{ steps }], /stages\.0\.when must be one of epoch, step and plateau/],
    [[{ when: { epoch: 1 }, steps, learningRate: 1 }], /stages\.0 has no option "learningRate"/],
    [[{ when: { epoch: 1 }, steps: [{ widen: {}, nois: 1 }] }], /no option "nois"; .*"noise"/],
    [[{ when: { epoch: 1 }, steps: [{ deepen: 5 }] }], /steps\.0\.deepen must be a layer, or/],
    [[{ when: { epoch: 1, step: 2 }, steps }], /stages\[0\]\.when must be one of/],
    [[{ when: { epoch: 0.5 }, steps }], /stages\[0\]\.when/],
    [[{ when: { plateau: 0 }, steps }], /stages\[0\]\.when/],
    [[{ when: { epoch: 1 } }], /stages\.0\.steps must be a list/],
    [[{ when: { epoch: 1 }, steps: [] }], /stages\[0\]\.steps/],
    [
      [{ when: { epoch: 1 }, steps, learningRateFactor: 0 }],
      /learningRateFactor must be .*above 0/,
    ],
    [[{ when: { epoch: 1 }, steps, learningRateFactor: Number.NaN }], /learningRateFactor/],
  ]
  for (const [stages, message] of wrong)
    expect(() => start(stages)).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringMatching(message) }),
    )
  const generator = data.batches(8) as Iterable<Batch>
  expect(() => start([{ when: { step: 1 }, steps }], generator)).toThrow(/only once, but 2 passes/)
})

describe('copies of residual blocks', () => {
  const blocks = sequential(
    [
      conv2d(3, 3, { padding: 'same', name: 'stem' }),
      residual(
        [
          conv2d(4, 3, { padding: 'same', name: 'up' }),
          relu(),
          conv2d(3, 3, { padding: 'same', name: 'down' }),
          batchNorm({ name: 'norm' }),
        ],
        undefined,
        { name: 'block' },
      ),
      flatten(),
      dense(3, { activation: 'softmax', name: 'out' }),
    ],
    { input: [1, 4, 6], seed: 2 },
  )

  test.each(['zero', 'identity'] as const)(
    'leave the next loss as it was, and learn from then on (%s)',
    async (start) => {
      const settings = { ...options(adam({ learningRate: 0.01 })), epochs: 1, shuffle: false }
      const { training } = await trained(blocks, settings)
      const plan = planRepeat(training.model, ['up'], { start })
      const grown = carryState(training, plan, settings)
      const [old, deeper] = await Promise.all(
        [training, grown].map(async ({ model, state }) => {
          const losses: number[] = []
          const next = new Training(model, data, {
            ...settings,
            epochs: 2,
            resume: state,
            onStep: ({ loss }) => losses.push(loss),
          })
          for await (const _epoch of next);
          return { losses, model: next.model }
        }),
      )
      expect(deeper!.losses[0]).toBeCloseTo(old!.losses[0]!, 6)
      expect(deeper!.losses.every(Number.isFinite)).toBe(true)
      const [{ parameters, gates }] = plan.repeated! as [NonNullable<typeof plan.repeated>[number]]
      const before = applyPlan(training.model, plan)
      for (const name of [...parameters.map(({ to }) => to), ...gates.map((gate) => gate.name)]) {
        const [a, b] = [before, deeper!.model].map(({ graph }) =>
          String(toNumbers(graph.initializers.get(name)!.tensor)),
        )
        expect(a === b, name).toBe(false)
      }
    },
  )
})
