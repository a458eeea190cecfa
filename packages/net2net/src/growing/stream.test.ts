import { describe, expect, test } from 'vitest'
import { ArrayDataset } from '../data/dataset.ts'
import { countParameters } from '../growth/index.ts'
import { dense, sequential } from '../layers/index.ts'
import { classesOf } from '../model/classes.ts'
import { growthHistoryOf } from '../model/growth-history.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { adam, evaluate, type TrainingState } from '../training/index.ts'
import { judgeArrival } from './capacity.ts'
import {
  type Portion,
  type StreamEvent,
  type StreamOptions,
  type StreamPosition,
  trainStream,
} from './index.ts'

const centres = ['north', 'east', 'south', 'west']

/** Points around centres, labelled by their place in `names`. */
function points(names: readonly string[], length: number, seed: number): ArrayDataset {
  const random = randomStream(seed, 'points')
  const labels = Int32Array.from({ length }, (_, i) => i % names.length)
  const x = Float32Array.from({ length: 2 * length }, (_, i) => {
    const angle = (centres.indexOf(names[labels[i >> 1]!]!) * Math.PI) / 2
    return 2 * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 0.4 * random.normal()
  })
  return new ArrayDataset(
    { x: { dtype: 'float32', dims: [2], data: x } },
    { dtype: 'int32', dims: [], data: labels },
    names,
  )
}

const network = (units: number, classes = 2) =>
  sequential([dense(units, { activation: 'relu', name: 'fc1' }), dense(classes, { name: 'out' })], {
    input: [2],
    seed: 1,
  })

const settings = {
  loss: 'softmax-cross-entropy' as const,
  optimizer: adam({ learningRate: 0.02 }),
  epochs: 6,
  batchSize: 16,
  seed: 3,
  runtime: nodeRuntime,
  session: { threads: 1 },
}
const first: Portion = { data: points(['north', 'east'], 80, 1) }
// Of other classes, in an order of its own.
const second: Portion = {
  data: points(['west', 'south'], 80, 2),
  replay: { data: points(['east', 'north'], 80, 3), share: 0.5 },
}

async function learned(
  model: Model,
  portions: AsyncIterable<Portion> | Iterable<Portion>,
  options: Partial<StreamOptions> = {},
) {
  const stream = trainStream(model, portions, { ...settings, ...options })
  const events: StreamEvent[] = []
  for await (const event of stream) events.push(event)
  return { stream, events }
}

const bytesOf = ({ tensors }: TrainingState) =>
  [...tensors].map(([name, tensor]) => [name, [...tensor.read(0, tensor.byteLength)]])

describe('a stream', () => {
  test('learns each portion as it comes: new classes get outputs, and old ones are replayed', async () => {
    const order: string[] = []
    async function* arriving() {
      order.push('first')
      yield first
      order.push('second')
      yield second
    }
    const stream = trainStream(network(12), arriving(), settings)
    const events: StreamEvent[] = []
    for await (const event of stream) {
      events.push(event)
      if (event.kind === 'learned') order.push(`learned ${event.portion}`)
    }
    expect(order).toEqual(['first', 'learned 0', 'second', 'learned 1'])
    const kinds = events.map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'epoch')).toHaveLength(12)
    expect(events.flatMap((event) => (event.kind === 'portion' ? [event.newClasses] : []))).toEqual(
      [[], ['west', 'south']],
    )
    expect(classesOf(stream.model)).toEqual(['north', 'east', 'west', 'south'])
    // The network's own history has the new outputs.
    expect(growthHistoryOf(stream.model)).toMatchObject([
      { step: 0, by: [{ extend: { outputs: { output: 2 } }, classes: ['west', 'south'] }] },
    ])
    const test = points(['north', 'east', 'west', 'south'], 80, 9)
    const { accuracy } = await evaluate(stream.model, test, { loss: settings.loss })
    expect(accuracy).toBeGreaterThan(0.9)
  })

  test('goes on in another call as if it had never stopped, bit for bit', async () => {
    const { stream: whole } = await learned(network(6), [first, second])
    const { stream: begun } = await learned(network(6), [first])
    const { stream: on } = await learned(begun.model, [second], { earlier: begun.state })
    expect(bytesOf(on.state!)).toEqual(bytesOf(whole.state!))
    // The optimizer's state is part of that.
    const { stream: other } = await learned(begun.model, [second])
    expect(bytesOf(other.state!)).not.toEqual(bytesOf(whole.state!))
  })

  test('goes on in the middle of a portion as if it had never stopped, bit for bit', async () => {
    // With new classes, replay, and a growth in the middle.
    const growth = { when: { epoch: 3 }, steps: [{ widen: { fc1: 9 } }] }
    const portions = [first, { ...second, stages: [growth] }]
    const { stream: whole } = await learned(network(6), portions)
    const saved: NonNullable<StreamOptions['resume']>[] = []
    const checkpoint = {
      everySteps: 7,
      save: async (state: TrainingState, position: StreamPosition) =>
        void saved.push({ state, position }),
    }
    const { stream: same } = await learned(network(6), portions, { checkpoint })
    expect(bytesOf(same.state!)).toEqual(bytesOf(whole.state!))
    const inSecond = saved.filter(({ position }) => position.portion === 1)
    expect(inSecond.length).toBeGreaterThan(6)
    for (const resume of [inSecond[0]!, inSecond.at(-2)!]) {
      const { stream: on, events } = await learned(network(6), portions.slice(1), { resume })
      expect(bytesOf(on.state!)).toEqual(bytesOf(whole.state!))
      expect(events.map(({ portion }) => portion)).toEqual(events.map(() => 1))
    }
    const [resume] = saved
    const { stream: both } = await learned(network(6), portions, { resume })
    expect(bytesOf(both.state!)).toEqual(bytesOf(whole.state!))
  })

  test('saves where the signal interrupts it, and not before a portion has learned', async () => {
    const saved: StreamPosition[] = []
    const checkpoint = {
      save: async (_: TrainingState, position: StreamPosition) => void saved.push(position),
    }
    const stop = new AbortController()
    const options = {
      ...{ checkpoint, signal: stop.signal },
      onStep: ({ step }: { readonly step: number }) => {
        if (step === 3) stop.abort()
      },
    }
    await expect(learned(network(6), [first], options)).rejects.toMatchObject({
      kind: 'interrupted',
    })
    expect(saved).toMatchObject([{ portion: 0, stage: 0 }])
    await expect(learned(network(6), [first], options)).rejects.toMatchObject({
      kind: 'interrupted',
    })
    expect(saved).toHaveLength(1)
    const earlier = (await learned(network(6), [first])).stream.state!
    const resume = { state: earlier, position: saved[0]! }
    expect(() => trainStream(network(6), [], { ...settings, earlier, resume })).toThrow(/give one/)
  })

  test('takes epochs, optimizer and growths from the portion', async () => {
    const growth = { when: { epoch: 0 }, steps: [{ widen: { fc1: 9 } }] }
    const own = { epochs: 2, optimizer: adam({ learningRate: 1e-6 }), stages: [growth] }
    const { events } = await learned(network(6), [first, { ...first, ...own }])
    const inSecond = events.filter(({ portion }) => portion === 1)
    expect(inSecond.map(({ kind }) => kind)).toEqual([
      ...['portion', 'growth', 'epoch', 'epoch', 'learned'],
    ])
    const rates = inSecond.flatMap((event) => (event.kind === 'epoch' ? [event.result] : []))
    for (const { learningRate } of rates) expect(learningRate).toBeCloseTo(1e-7, 12)
  })

  test('leaves targets that are no numbers of classes as they are', async () => {
    const x = { dtype: 'float32' as const, dims: [2], data: Float32Array.of(1, 0, 0, 1) }
    const target = { dtype: 'float32' as const, dims: [2], data: Float32Array.of(1, 0, 0, 1) }
    const named = new ArrayDataset({ x }, target, ['north', 'east'])
    const { stream } = await learned(network(4), [{ data: named }], { loss: 'mse' })
    const { model } = stream
    const { loss } = await evaluate(model, named, { loss: 'mse' })
    const plain = await learned(network(4), [{ data: new ArrayDataset({ x }, target) }], {
      loss: 'mse',
    })
    expect(loss).toBe((await evaluate(plain.stream.model, named, { loss: 'mse' })).loss)
  })

  test('what is no portion is refused when it comes', async () => {
    expect(() => trainStream(network(6), [], { ...settings, stages: [] } as never)).toThrow(
      /has no option "stages"/,
    )
    await expect(learned(network(6), [{ ...first, epochs: 0 }])).rejects.toThrow(
      /epochs must be a whole number from 1 on/,
    )
  })
})

describe('growth when new data come', () => {
  const epochs = (...losses: (readonly [number, number])[]) =>
    losses.map(([loss, valLoss]) => ({ loss, valLoss, steps: 10 }))
  const five = (loss: number, valLoss: number) =>
    epochs(...Array.from({ length: 5 }, () => [loss, valLoss] as const))

  test('the rule: the gap that more samples leave decides', () => {
    expect(judgeArrival(five(1, 1.1), 10)).toMatchObject({ grow: true })
    expect(judgeArrival(five(1, 0.9), 10)).toMatchObject({ grow: true })
    expect(judgeArrival(five(1, 2), 10)).toMatchObject({
      grow: false,
      reason: expect.stringMatching(
        /^data were missing more than capacity: 5 of the last 5 epochs/,
      ),
    })
    // Four times as many samples leave a quarter of the gap.
    expect(judgeArrival(five(1, 2), 40)).toMatchObject({
      grow: true,
      reason: expect.stringMatching(/4.0 times as many samples/),
    })
    // Of as many samples each epoch is asked, whichever training it is of.
    const fewer = five(1, 2).map((epoch) => ({ ...epoch, steps: 2 }))
    expect(judgeArrival([...fewer, ...five(1, 1.1)], 10)).toMatchObject({ grow: true })
  })
  test('the rule: few epochs, and epochs that do not agree, decide nothing', () => {
    expect(judgeArrival(five(1, 1.1).slice(0, 4), 10)).toMatchObject({
      grow: false,
      reason: expect.stringMatching(/^it is not known .* 4 epochs may be noise, and it takes 5/),
    })
    const mixed = [...five(1, 1.1), ...five(1, 2).slice(0, 2)]
    expect(judgeArrival(mixed, 10)).toMatchObject({
      grow: false,
      reason: expect.stringMatching(/^the losses do not show .* 5 of the last 7 epochs say so/),
    })
    expect(judgeArrival([...mixed, { loss: 1, steps: 10 }], 10)).toBeUndefined()
    expect(judgeArrival([], 10)).toBeUndefined()
  })

  const four = ['north', 'east', 'south', 'west']
  const small = points(four, 60, 4)
  const large = points(four, 240, 5)
  const validation = points(four, 200, 6)

  test('a network that was too small for a portion grows before the next, within the limit', async () => {
    const limits = { parameters: 60 }
    const portions = [small, large].map((data) => ({ data, validation }))
    const { stream, events } = await learned(network(2, 4), portions, { auto: { limits } })
    const decisions = events.filter((event) => event.kind === 'decision')
    const arrival = decisions.find(({ portion, decision }) => portion === 1 && decision.epoch === 0)
    expect(arrival?.decision).toMatchObject({ grow: true, step: 0 })
    expect(arrival!.decision.reason).toMatch(/^capacity is short for the new data/)
    expect(countParameters(stream.model)).toBeGreaterThan(arrival!.decision.parameters)
    expect(countParameters(stream.model)).toBeLessThanOrEqual(60)
  })

  test('of short portions the epochs are taken together, until it grows', async () => {
    const limits = { parameters: 60 }
    const portions = [small, small, small, large, large].map((data) => ({ data, validation }))
    const options = { auto: { limits }, epochs: 2 }
    const { stream, events } = await learned(network(2, 4), portions, options)
    const told = events.flatMap((event) => (event.kind === 'decision' ? [event] : []))
    const arrival = (portion: number) =>
      told.find((event) => event.portion === portion && event.decision.epoch === 0)?.decision
    expect(arrival(0)).toBeUndefined()
    expect(arrival(1)).toMatchObject({ grow: false, reason: expect.stringMatching(/2 epochs may/) })
    expect(arrival(2)).toMatchObject({ grow: false, reason: expect.stringMatching(/4 epochs may/) })
    expect(arrival(3)).toMatchObject({
      grow: true,
      reason: expect.stringMatching(/6 of the last 6/),
    })
    expect(arrival(4)).toMatchObject({ grow: false, reason: expect.stringMatching(/2 epochs may/) })
    // Through a state that was kept between calls, too.
    const { stream: begun } = await learned(network(2, 4), portions.slice(0, 2), options)
    const { stream: on } = await learned(begun.model, portions.slice(2), {
      ...options,
      earlier: begun.state,
    })
    expect(bytesOf(on.state!)).toEqual(bytesOf(stream.state!))
  })

  test('a rule of the user decides alone, and without validation nothing is decided on arrival', async () => {
    const portions = [small, large].map((data) => ({ data, validation }))
    const asked = async (given: readonly Portion[], auto: StreamOptions['auto']) => {
      const { events } = await learned(network(2, 4), given, { auto, epochs: 2 })
      return events.filter((event) => event.kind === 'decision' && event.decision.epoch === 0)
    }
    expect(await asked(portions, {})).toHaveLength(1)
    expect(await asked(portions, { rule: () => undefined })).toEqual([])
    expect(await asked([{ data: small }, { data: large }], {})).toEqual([])
  })
})
