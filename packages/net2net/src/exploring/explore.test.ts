import { describe, expect, test } from 'vitest'
import { smallData, smallNetwork } from '../../testing/small-training.ts'
import type { Batch, SampleSet } from '../data/samples.ts'
import type { Net2NetError } from '../errors.ts'
import { rank, trainGrowing } from '../growing/index.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { float32 } from '../tensor/tensor.ts'
import { adam, sgd } from '../training/index.ts'
import { memoryStore } from './explore.ts'
import {
  type ExplorationEvent,
  type ExplorationRecord,
  type ExploreOptions,
  explore,
} from './index.ts'
import type { NetworkStore, TrainedNetwork } from './networks.ts'
import { trainRung } from './train-rung.ts'

const session = { threads: 1 } as const
const data = smallData(40)
const validation = smallData(24)
const settings = {
  loss: 'softmax-cross-entropy',
  optimizer: adam({ learningRate: 0.02 }),
  batchSize: 8,
  seed: 3,
  session,
  validation,
  rungs: { steps: 3, factor: 2 },
  budget: { trials: 4 },
} as const satisfies ExploreOptions | object

async function all(options: Partial<ExploreOptions> = {}) {
  const records: ExplorationRecord[] = []
  const events: ExplorationEvent[] = []
  const exploration = explore(smallNetwork(), data, {
    journal: { records: [], append: async (record) => void records.push(record) },
    ...settings,
    ...options,
  })
  for await (const event of exploration) events.push(event)
  return { exploration, events, records }
}

/** What decides, without measured times. */
const timeless = (records: readonly ExplorationRecord[]) =>
  JSON.parse(JSON.stringify(records, (key, value) => (key === 'seconds' ? undefined : value)))

test("a child begins with its parent's loss", async () => {
  const store = memoryStore()
  const { records } = await all({ store, growth: { operations: ['widen', 'deepen', 'kernel'] } })
  let children = 0
  for (const record of records) {
    if (record.kind !== 'start' || !record.job.growth) continue
    const { network, growth } = record.job
    const parent = records.find(
      (other) =>
        other.kind === 'finish' &&
        other.network === growth.parent.network &&
        other.rung === growth.parent.rung,
    )
    const outcome = await trainRung(
      { network, rung: 0, steps: 0, until: 0, growth },
      smallNetwork(),
      data,
      { ...settings, runtime: nodeRuntime, store },
    )
    if (outcome.kind !== 'trained' || parent?.kind !== 'finish') continue
    if (parent.outcome.kind !== 'trained') continue
    children++
    expect(outcome.loss).toBeCloseTo(parent.outcome.loss, 5)
    expect(outcome.parameters).toBeGreaterThan(parent.outcome.parameters)
  }
  expect(children).toBeGreaterThan(1)
})

test('a network that cannot be measured has failed, and is not on the front', async () => {
  const immense: SampleSet = {
    length: validation.length,
    *batches(size, order) {
      for (const { inputs, target } of validation.batches(size, order) as Iterable<Batch>)
        yield {
          inputs: Object.fromEntries(
            Object.entries(inputs).map(([name, tensor]) => [
              name,
              float32(tensor.dims, Array(tensor.data.length).fill(3e38)),
            ]),
          ),
          target,
        }
    },
  }
  const { exploration, events } = await all({ validation: immense, budget: { trials: 1 } })
  const outcomes = events.flatMap((event) => (event.kind === 'finish' ? [event.outcome] : []))
  expect(outcomes).toEqual([
    { kind: 'failed', message: 'The loss on the validation data is not a finite number.' },
  ])
  expect(exploration.front).toEqual([])
})

test('goes on from its journal and its store with the same bits', async () => {
  const store = memoryStore()
  const whole = await all({ store })
  expect(whole.exploration.front.length).toBeGreaterThan(0)
  const kept = whole.records.slice(0, whole.records.length >> 1)
  const again = [...kept]
  await all({
    store,
    journal: { records: kept, append: async (record) => void again.push(record) },
  })
  expect(timeless(again)).toEqual(timeless(whole.records))
})

test('what a network grew by makes it anew, as the stages of a growing training', async () => {
  const networks = new Map<string, TrainedNetwork>()
  const memory = memoryStore()
  const store: NetworkStore = {
    read: memory.read,
    write: async (at, network) => {
      networks.set(`${at.network}@${at.rung}`, network)
      await memory.write(at, network)
    },
  }
  const { exploration } = await all({ store, budget: { trials: 5 } })
  const grown = exploration.networks.findLast(
    ({ growth, rungs: [first] }) => growth && first?.kind === 'trained',
  )!
  const { state, stages } = networks.get(`${grown.network}@${grown.rungs.length - 1}`)!
  expect(stages.length).toBeGreaterThan(0)
  const { optimizer, batchSize, seed } = settings
  const training = trainGrowing(smallNetwork(), data, {
    loss: 'softmax-cross-entropy',
    optimizer,
    batchSize,
    seed,
    session,
    epochs: state!.epoch + 1,
    stages,
    checkpoint: {
      everySteps: 1,
      save: async (saved) => {
        if (saved.step !== state!.step) return
        for (const [name, tensor] of state!.tensors)
          expect(saved.tensors.get(name)?.data, name).toEqual(tensor.data)
        reached = true
      },
    },
  })
  let reached = false
  for await (const _event of training);
  expect(reached).toBe(true)
})

test('children of one network differ', async () => {
  const { exploration } = await all({ rungs: { steps: 1, most: 1 }, budget: { trials: 7 } })
  const grown = exploration.networks.flatMap(({ growth, rungs: [first] }) =>
    growth && first?.kind === 'trained'
      ? [JSON.stringify([growth.parent.network, { ...first.grown, seed: 0 }])]
      : [],
  )
  expect(grown.length).toBeGreaterThan(3)
  expect(new Set(grown).size).toBe(grown.length)
})

test('what is chosen by gain is what rank puts first', async () => {
  const store = memoryStore()
  const { exploration } = await all({
    store,
    randomShare: 0,
    growth: { operations: ['widen'], factors: [1.5] },
    budget: { trials: 2 },
  })
  const [, child] = exploration.networks
  const [outcome] = child!.rungs
  const { model } = await store.read(child!.growth!.parent)
  const [first] = await rank(model, data, {
    ...{ loss: settings.loss, seed: settings.seed, session, factor: 1.5 },
    growths: ['widen'],
  })
  const grown = outcome?.kind === 'trained' ? outcome.grown : undefined
  const [name] = grown && 'widen' in grown ? Object.keys(grown.widen) : []
  expect(first!.layers).toContain(name)
})

describe('limits and budgets', () => {
  test('no network is beyond a limit', async () => {
    const { exploration } = await all({ objectives: { limits: { parameters: 450 } } })
    const sizes = exploration.front.map(({ measured }) => measured.parameters)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(450)
    expect(exploration.networks.length).toBeGreaterThan(1)
  })

  test('steps are never more than asked for', async () => {
    const { exploration, events } = await all({ budget: { steps: 13 } })
    expect(exploration.spent.steps).toBeLessThanOrEqual(13)
    expect(exploration.spent.steps).toBeGreaterThan(13 - 3)
    expect(events.at(-1)).toEqual({ kind: 'end', reason: 'steps' })
  })

  test('latency is measured where it counts', async () => {
    const { exploration } = await all({
      objectives: { against: ['latency', 'size', 'multiplyAdds'] },
      budget: { trials: 2 },
    })
    for (const { measured } of exploration.front) expect(measured.latency).toBeGreaterThan(0)
  })
})

test('an interrupted exploration says so, and its journal has every decision', async () => {
  const controller = new AbortController()
  const records: ExplorationRecord[] = []
  const exploration = explore(smallNetwork(), data, {
    ...settings,
    signal: controller.signal,
    journal: { records: [], append: async (record) => void records.push(record) },
  })
  const run = async () => {
    for await (const { kind } of exploration) if (kind === 'finish') controller.abort()
  }
  await expect(run()).rejects.toMatchObject({ kind: 'interrupted' })
  expect(records.map(({ kind }) => kind)).toEqual(['begin', 'start', 'finish'])
})

test('a network that diverges ends alone', async () => {
  const { exploration } = await all({
    optimizer: sgd({ learningRate: 1e30 }),
    budget: { trials: 2 },
  })
  expect(exploration.networks[0]?.rungs[0]).toMatchObject({ kind: 'failed' })
  expect(exploration.front).toEqual([])
})

test('options that no exploration can have are refused', () => {
  const refused = (options: object, message: RegExp) =>
    expect(() => explore(smallNetwork(), data, { ...settings, ...options })).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: expect.stringMatching(message),
      }) as Net2NetError,
    )
  refused({ budget: {} }, /A budget is needed/)
  refused({ budget: { trials: 0 } }, /budget\.trials must be above 0/)
  refused({ rungs: { factor: 1 } }, /rungs\.factor must be above 1/)
  refused({ rungs: { children: 'last' } }, /rungs\.children must be first or parent/)
  refused({ randomShare: 2 }, /randomShare/)
  refused({ objectives: { against: ['weight'] } }, /against must name parameters/)
  refused({ objectives: { metric: 'nonsense' } }, /nonsense/)
  refused({ growth: { operations: ['bend'] } }, /There is no growth "bend"/)
  refused({ growth: { factors: [1] } }, /factor must be above 1/)
})
