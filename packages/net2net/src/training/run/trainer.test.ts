import { describe, expect, test } from 'vitest'
import { smallData, smallNetwork, smallOptions } from '../../../testing/small-training.ts'
import type { Batch } from '../../data/samples.ts'
import { Net2NetError } from '../../errors.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { float32, int64, materialize, Tensor } from '../../tensor/tensor.ts'
import { sgd } from '../compile/optimizers/index.ts'
import { evaluate, train } from '../index.ts'
import type { EpochResult, TrainingState } from './state.ts'
import { Training, type TrainOptions } from './trainer.ts'

const runtime = nodeRuntime

async function run(options: Partial<TrainOptions> = {}, data = smallData()) {
  const training = new Training(smallNetwork(), data, { ...smallOptions(), runtime, ...options })
  const epochs: EpochResult[] = []
  for await (const epoch of training) epochs.push(epoch)
  return { training, epochs }
}
const withoutTime = (epochs: readonly EpochResult[]) =>
  epochs.map((epoch) => ({ ...epoch, seconds: 0 }))
const bytes = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map(
    [...tensors].map(([name, tensor]) => [name, Buffer.from(tensor.read(0, tensor.byteLength))]),
  )

describe('training', () => {
  test('learns, and says how it went', async () => {
    const steps: number[] = []
    const { epochs, training } = await run({
      epochs: 12,
      onStep: ({ step, batch, batches }) => {
        steps.push(step)
        expect(batch).toBe(((step - 1) % 6) + 1)
        expect(batches).toBe(6) // five batches of 8 and one of 5
      },
    })
    expect(steps).toEqual(Array.from({ length: 72 }, (_, i) => i + 1))
    expect(epochs.map((epoch) => epoch.epoch)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect(epochs.at(-1)!.loss).toBeLessThan(0.8 * epochs[0]!.loss)
    expect(epochs.at(-1)!.accuracy).toBeGreaterThan(0.6)
    const measured = await evaluate(training.model, smallData(20), {
      loss: 'softmax-cross-entropy',
    })
    expect(measured.loss).toBeCloseTo(epochs.at(-1)!.valLoss!, 5)
    expect(measured.accuracy).toBe(epochs.at(-1)!.valAccuracy)
  })

  test('the same seed gives the same bits; another seed does not', async () => {
    const [a, b, c] = [await run(), await run(), await run({ seed: 8 })]
    expect(withoutTime(b.epochs)).toEqual(withoutTime(a.epochs))
    expect(bytes(b.training.state.tensors)).toEqual(bytes(a.training.state.tensors))
    expect(c.epochs[0]!.loss).not.toBe(a.epochs[0]!.loss)
  })

  test('goes on from any step as if it had never stopped, bit for bit', async () => {
    const saved: TrainingState[] = []
    const whole = await run({
      checkpoint: { everySteps: 1, save: async (state) => void saved.push(state) },
    })
    expect(saved.length).toBe(24 + 4)
    for (const state of [saved[0]!, saved[5]!, saved[6]!, saved[10]!, saved[20]!]) {
      const resumed = await run({ resume: state })
      expect(bytes(resumed.training.state.tensors)).toEqual(bytes(whole.training.state.tensors))
      expect(withoutTime(resumed.training.state.history)).toEqual(withoutTime(whole.epochs))
    }
  })

  test('saves whenever somebody asks for it', async () => {
    const saved: number[] = []
    let asked = 0
    await run({
      checkpoint: {
        isDue: () => [3, 4, 9].includes(++asked),
        save: async ({ step }) => void saved.push(step),
      },
    })
    // Six steps an epoch: those that were asked for, and the ends of the epochs.
    expect(saved).toEqual([3, 4, 6, 9, 12, 18, 24])
    expect(asked).toBe(24)
  })

  test('gives the model that was passed in back unchanged, and a trained one beside it', async () => {
    const model = smallNetwork()
    const before = new Map(
      [...model.graph.initializers].map(([name, { tensor }]) => [
        name,
        materialize(tensor).data.slice(),
      ]),
    )
    const training = train(model, smallData(), smallOptions())
    for await (const _epoch of training);
    for (const [name, { tensor }] of model.graph.initializers) {
      expect(materialize(tensor).data).toEqual(before.get(name))
      const trained = materialize(training.model.graph.initializers.get(name)!.tensor)
      if (name === 'rate') expect(trained.data).toEqual(before.get(name))
      else expect(trained.data).not.toEqual(before.get(name))
    }
    expect(training.model.graph.nodes).toEqual(model.graph.nodes)
    const average = training.averagedModel.graph.initializers.get('fc.weight')!.tensor
    expect(materialize(average)).not.toEqual(
      materialize(training.model.graph.initializers.get('fc.weight')!.tensor),
    )
  })

  test('what is frozen stays as it is', async () => {
    const { training } = await run({ freeze: ['conv*', 'norm'] })
    expect(training.step.parameters).toEqual(['fc.weight', 'fc.bias'])
    expect(training.step.statistics).toEqual([])
    await expect(run({ freeze: ['nothing*'] })).rejects.toThrow(/No parameter matches "nothing\*"/)
  })

  test('the learning rate follows its schedule', async () => {
    const rates: number[] = []
    await run({ onStep: ({ learningRate }) => rates.push(learningRate) })
    expect(rates.slice(0, 5)).toEqual([0.005, 0.01, 0.015, 0.02, 0.02])
  })

  test('stops early, with the parameters of the best epoch', async () => {
    const { training, epochs } = await run({
      epochs: 50,
      optimizer: sgd({ learningRate: 0.5, momentum: 0.9 }),
      earlyStopping: { patience: 2, restoreBest: true },
    })
    expect(epochs.length).toBeLessThan(50)
    const losses = epochs.map((epoch) => epoch.valLoss!)
    const best = Math.min(...losses)
    expect(losses.length - 1 - losses.indexOf(best)).toBe(2)
    const options = { loss: 'softmax-cross-entropy', runtime } as const
    expect((await evaluate(training.model, smallData(20), options)).loss).toBeCloseTo(best, 6)
  })

  test('an abort ends it after a whole step, with the state of that step', async () => {
    const controller = new AbortController()
    const training = new Training(smallNetwork(), smallData(), {
      ...smallOptions(),
      runtime,
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 8) controller.abort()
      },
    })
    const all = async () => {
      for await (const _epoch of training);
    }
    await expect(all()).rejects.toMatchObject({ kind: 'interrupted' })
    expect(training.state.step).toBe(8)
    const resumed = await run({ resume: training.state })
    const whole = await run()
    expect(bytes(resumed.training.state.tensors)).toEqual(bytes(whole.training.state.tensors))
  })
})

describe('numbers that go wrong', () => {
  test('a NaN in the data is named, with its step', async () => {
    const data = smallData()
    const spoiled = {
      length: data.length,
      *batches(size: number, order?: ArrayLike<number>): Generator<Batch> {
        let step = 0
        for (const batch of data.batches(size, order) as Iterable<Batch>) {
          if (++step === 3) (batch.inputs.image!.data as Float32Array)[5] = Number.NaN
          yield batch
        }
      },
    }
    await expect(run({}, spoiled)).rejects.toThrow(/element 5 of "image" in the batch of step 3/)
  })

  test.each(['v', 'norm.variance'])(
    'what leaves the loss finite (%s) is found in the same step',
    async (kind) => {
      // A second moment of infinity freezes its parameter; a running variance is not used yet.
      const data = smallData()
      const spoiled = {
        length: data.length,
        *batches(size: number, order?: ArrayLike<number>): Generator<Batch> {
          let step = 0
          for (const batch of data.batches(size, order) as Iterable<Batch>) {
            if (++step === 3 && kind === 'norm.variance')
              for (let i = 0; i < 16; i++) (batch.inputs.image!.data as Float32Array)[i]! *= 1e25
            yield batch
          }
        },
      }
      const saved: TrainingState[] = []
      let steps = 0
      const options: Partial<TrainOptions> = {
        onStep: ({ step, loss }) => {
          steps = step
          expect(Number.isFinite(loss)).toBe(true)
        },
        checkpoint: { everySteps: 1, save: async (state) => void saved.push(state) },
      }
      const resume =
        kind === 'v'
          ? await run({ epochs: 1 }).then(({ training: { state } }) => ({
              ...state,
              tensors: new Map(state.tensors).set(
                'fc.bias.v',
                float32([3], [1, Number.POSITIVE_INFINITY, 1]),
              ),
            }))
          : undefined
      const error = await run({ ...options, ...(resume ? { resume } : {}) }, spoiled).catch(
        (caught: unknown) => caught,
      )
      expect(error).toBeInstanceOf(Net2NetError)
      expect((error as Net2NetError).where).toBe(kind === 'v' ? 'fc.bias.v' : kind)
      expect(steps).toBe(kind === 'v' ? 0 : 2)
      expect(saved).toHaveLength(kind === 'v' ? 0 : 2)
    },
  )

  test('large numbers that only add up to infinity do not end a training', async () => {
    const { training } = await run({ epochs: 1 })
    const huge = float32(
      [64, 3],
      Array.from({ length: 192 }, () => 3e38),
    )
    const tensors = new Map(training.state.tensors).set('fc.weight.v', huge)
    const resumed = await run({ epochs: 2, resume: { ...training.state, tensors } })
    expect(resumed.epochs).toHaveLength(1)
  })

  test('a parameter that overflows is named within a step, and never saved', async () => {
    const saved: TrainingState[] = []
    const error = await run({
      optimizer: sgd({ learningRate: 1e30 }),
      checkpoint: { everySteps: 1, save: async (state) => void saved.push(state) },
    }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(Net2NetError)
    expect((error as Net2NetError).message).toMatch(/diverged|NaN or infinite/)
    expect((error as Net2NetError).where).toBeDefined()
    for (const state of saved)
      for (const tensor of state.tensors.values())
        expect([...tensor.data].map(Number).every(Number.isFinite)).toBe(true)
  })
})

describe('data', () => {
  test('streams of batches work like sets, without shuffling', async () => {
    const stream = {
      async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
        yield* smallData().batches(8) as Iterable<Batch>
      },
    }
    const training = new Training(smallNetwork(), stream, { ...smallOptions(), runtime })
    for await (const _epoch of training);
    const fixed = await run({ shuffle: false })
    expect(bytes(training.state.tensors)).toEqual(bytes(fixed.training.state.tensors))
  })

  test('batches that do not fit are refused in words', async () => {
    const wrong = (batch: Batch) => run({}, { length: 1, batches: () => [batch] })
    const image = float32([1, 1, 4, 4], new Float32Array(16))
    await expect(wrong({ inputs: {}, target: int64([0]) })).rejects.toThrow(/no input "image"/)
    await expect(wrong({ inputs: { image }, target: float32([1, 3], [1, 0, 0]) })).rejects.toThrow(
      /targets have the shape \[batch, 3\], but the loss takes \[batch\]/,
    )
    const small = float32([1, 1, 4, 3], new Float32Array(12))
    await expect(wrong({ inputs: { image: small }, target: int64([0]) })).rejects.toThrow(
      "The data's input has the shape [batch, 1, 4, 3], but the model takes [batch, 1, 4, 4].",
    )
    const whole = int64(new Array(16).fill(0), [1, 1, 4, 4])
    await expect(wrong({ inputs: { image: whole }, target: int64([0]) })).rejects.toThrow(
      "The data's input is int64, but the model takes float32.",
    )
    for (const target of [int64([3]), int64([-1]), float32([1], [0.5])])
      await expect(wrong({ inputs: { image }, target })).rejects.toMatchObject({
        kind: 'input',
        message: `The data's targets hold the class ${target.data[0]}, but the model has the classes 0 to 2.`,
      })
    await expect(run({}, { length: 0, batches: () => [] })).rejects.toThrow(/empty/)
  })

  test('a model that was exported for one sample trains in batches', async () => {
    const model = smallNetwork()
    const fixed = (rows: number, reshaped: boolean) => {
      const { graph } = model
      const builder = new GraphBuilder({
        ...graph,
        inputs: [],
        outputs: [],
        nodes: graph.nodes.map((node) =>
          reshaped && node.name === 'flatten'
            ? { ...node, opType: 'Reshape', inputs: [...node.inputs, 'sizes'] }
            : node,
        ),
      })
      builder.input('image', 'float32', [rows, 1, 4, 4])
      builder.initializer('sizes', int64([rows, 64]))
      builder.output('logits', 'float32', [rows, 3])
      return builder.model()
    }
    const options = { ...smallOptions(), runtime }
    const losses = async (trained: typeof model) => {
      const training = new Training(trained, smallData(), options)
      const results: number[] = []
      for await (const { loss } of training) results.push(loss)
      return results
    }
    expect(await losses(fixed(1, false))).toEqual(await losses(model))
    // So does one whose size is written into the target of a Reshape.
    for (const rows of [1, 3]) expect(await losses(fixed(rows, true))).toEqual(await losses(model))
  })

  test('a model that was exported in training mode serves with stored statistics', async () => {
    const model = smallNetwork()
    const { graph } = model
    const exported = {
      ...model,
      graph: {
        ...graph,
        nodes: graph.nodes.map((node) =>
          node.name === 'norm'
            ? {
                ...node,
                outputs: [...node.outputs, 'norm.mean.new', 'norm.variance.new'],
                attributes: new Map([
                  ...node.attributes,
                  ['training_mode', { type: 'int', value: 1n }] as const,
                ]),
              }
            : node.name === 'dropout'
              ? { ...node, inputs: [...node.inputs, 'switch'] }
              : node,
        ),
        initializers: new Map([
          ...graph.initializers,
          ['switch', { tensor: new Tensor('bool', [], Uint8Array.of(1)) }],
        ]),
      },
    }
    const options = { loss: 'softmax-cross-entropy', runtime } as const
    const expected = await evaluate(model, smallData(), options)
    expect((await evaluate(exported, smallData(), options)).loss).toBe(expected.loss)
    const settings = { ...smallOptions(), epochs: 1 }
    const [a, b] = [train(model, smallData(), settings), train(exported, smallData(), settings)]
    for await (const _epoch of a);
    for await (const _epoch of b);
    expect(bytes(b.state.tensors)).toEqual(bytes(a.state.tensors))
    expect(b.model.graph.nodes).toEqual(a.model.graph.nodes)
  })

  test('a model of vectors and numbers trains with a regression loss', async () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 2])
    builder.initializer('w', float32([2, 1], [0, 0]))
    builder.nodeOutputs('MatMul', ['x', 'w'], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['batch', 1])
    const xs = [1, 2, 3, -1, 0.5, 2, -2, 1]
    const data = {
      length: 4,
      batches: () => [
        {
          inputs: { anything: float32([4, 2], xs) },
          target: float32(
            [4],
            [0, 2, 4, 6].map((i) => 3 * xs[i]! - 2 * xs[i + 1]!),
          ),
        },
      ],
    }
    const training = train(builder.model(), data, {
      loss: 'mse',
      optimizer: sgd({ learningRate: 0.05 }),
      epochs: 200,
    })
    for await (const _epoch of training);
    const [a, b] = materialize(training.model.graph.initializers.get('w')!.tensor).data
    expect(a).toBeCloseTo(3, 3)
    expect(b).toBeCloseTo(-2, 3)
  })
})
