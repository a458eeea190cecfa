/** Channels first or last: arrays of one layout for a model of the other, and pictures for models of both. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import '../../testing/seed.ts'
import { conv2d, dense, globalAveragePool2d, sequential } from '../layers/index.ts'
import { attributes } from '../model/attributes.ts'
import { tensorDeclaration } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/index.ts'
import { elementCount, float32, Tensor } from '../tensor/tensor.ts'
import { evaluate, predict, sgd } from '../training/index.ts'
import { Training } from '../training/run/trainer.ts'
import { augmented } from './augment.ts'
import {
  type ChannelLayout,
  channelLayouts,
  movedDims,
  movedTensor,
  otherLayoutOf,
} from './channel-layout.ts'
import { digitsDataset } from './digits.ts'
import { datasetOfArrays, loadData, openInputs } from './index.ts'
import { encodeNpy, encodeNpz } from './npy.ts'
import type { SampleSet } from './samples.ts'

const folder = mkdtempSync(join(tmpdir(), 'layout-'))
const at = (name: string) => join(folder, name)
const [height, width] = [4, 6]
const first = sequential(
  [conv2d(3, 3, { activation: 'relu' }), globalAveragePool2d(), dense(2, { name: 'out' })],
  { input: [3, height, width], seed: 3 },
)
const last = withChannelsLastInput(first, [height, width, 3])
const mask = sequential([conv2d(1, 3, { padding: 'same' })], { input: [3, height, width], seed: 3 })

/** The same network for pictures whose channels are last, as Keras has them. */
function withChannelsLastInput(model: Model, dims: readonly number[]): Model {
  const { inputs, nodes } = model.graph
  const { name } = inputs[0]!
  const transposition = {
    ...{ name: 'layout', opType: 'Transpose', domain: '', inputs: ['pictures'], outputs: [name] },
    attributes: attributes({ perm: [0, 3, 1, 2] }),
  }
  return {
    ...model,
    graph: {
      ...model.graph,
      inputs: [tensorDeclaration('pictures', 'float32', ['batch', ...dims])],
      nodes: [transposition, ...nodes],
    },
  }
}

const count = 12
const bytes = new Tensor(
  'uint8',
  [count, 3, height, width],
  Uint8Array.from({ length: count * 3 * height * width }, (_, i) => (i * 37) % 251),
)
const labels = new Tensor(
  'int32',
  [count],
  Int32Array.from({ length: count }, (_, i) => i % 2),
)
const masks = float32(
  [count, 1, height, width],
  Float32Array.from({ length: count * height * width }, (_, i) => (i % 3) / 2),
)
const turned = (tensor: Tensor) => movedTensor(tensor, 'channels-first')

beforeAll(async () => {
  const save = (name: string, x: Tensor, y: Tensor) =>
    writeFileSync(at(name), encodeNpz(new Map(Object.entries({ x, y }))))
  save('first.npz', bytes, labels)
  save('last.npz', turned(bytes), labels)
  save('masks-first.npz', bytes, masks)
  save('masks-last.npz', turned(bytes), turned(masks))
  mkdirSync(at('arrays'))
  writeFileSync(at('arrays/x.npy'), encodeNpy(turned(bytes)))
  writeFileSync(at('arrays/y.npy'), encodeNpy(labels))
  writeFileSync(at('last.npy'), encodeNpy(turned(bytes)))
  writeFileSync(at('first.npy'), encodeNpy(bytes))
  for (const [c, name] of ['ant', 'bee'].entries()) {
    mkdirSync(at(`pictures/${name}`), { recursive: true })
    for (let i = 0; i < 3; i++)
      await sharp(
        Uint8Array.from({ length: 3 * height * width }, (_, p) => (p * 7 + i * 50 + c * 90) % 256),
        { raw: { width, height, channels: 3 } },
      )
        .png()
        .toFile(at(`pictures/${name}/${i}.png`))
  }
})

const settings = { loss: 'softmax-cross-entropy', runtime: nodeRuntime, batchSize: 4 } as const

async function trained(model: Model, samples: SampleSet): Promise<Model> {
  const training = new Training(model, samples, {
    ...settings,
    optimizer: sgd({ learningRate: 0.1 }),
  })
  for await (const _ of training);
  return training.model
}

const lossOf = async (model: Model, samples: SampleSet) =>
  (await evaluate(model, samples, settings)).loss

async function predictionsOf(model: Model, spec: string, layout?: ChannelLayout) {
  const values: number[] = []
  const inputs = await openInputs(spec, model, { layout })
  for await (const { outputs } of predict(model, inputs, { runtime: nodeRuntime, batchSize: 5 }))
    values.push(...Array.from(Object.values(outputs)[0]!.values.data, Number))
  return values
}

describe('arrays', () => {
  test('of the other layout are refused with the way out, in training and in prediction', async () => {
    const { train } = await loadData(at('last.npz'), { model: first })
    await expect(lossOf(first, train)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(
        /input has the shape \[batch, 4, 6, 3\], but the model takes \[batch, 3, 4, 6\]\.$/,
      ),
      hint: expect.stringMatching(
        /^Channels are last in the data, and first in the model: read arrays with --layout channels-last/,
      ),
    })
    await expect(predictionsOf(first, at('last.npy'))).rejects.toMatchObject({
      hint: expect.stringMatching(/--layout channels-last/),
    })
    await expect(predictionsOf(last, at('first.npy'))).rejects.toMatchObject({
      hint: expect.stringMatching(
        /^Channels are first in the data, and last in the model: .*--layout channels-first/,
      ),
    })
  })
  test('that fit in no layout are not said to', async () => {
    const other = sequential([globalAveragePool2d(), dense(2)], { input: [3, 5, 5], seed: 1 })
    await expect(predictionsOf(other, at('last.npy'))).rejects.toMatchObject({
      message: expect.stringMatching(/but the model takes \[batch, 3, 5, 5\]\.$/),
      hint: undefined,
    })
  })
  test.each([undefined, 1])(
    'are moved, and train to the same bits (memory: %s)',
    async (memory) => {
      const wanted = await trained(first, (await loadData(at('first.npz'), { model: first })).train)
      const layout = 'channels-last'
      for (const spec of ['last.npz', 'arrays', 'first.npz']) {
        const { train } = await loadData(at(spec), { model: first, layout, memory })
        expect(await lossOf(await trained(first, train), train)).toBe(await lossOf(wanted, train))
      }
      for (const spec of ['last.npz', 'last.npy', 'first.npy'])
        expect(await predictionsOf(wanted, at(spec), layout)).toEqual(
          await predictionsOf(wanted, at('first.npy')),
        )
      expect(await predictionsOf(last, at('first.npy'), 'channels-first')).toEqual(
        await predictionsOf(first, at('first.npy')),
      )
    },
  )
  test.each([undefined, 1])(
    'targets with as many axes are moved, too (memory: %s)',
    async (memory) => {
      const loss = async (spec: string, layout?: ChannelLayout) => {
        const options = { model: mask, layout, memory, targetKind: 'value' } as const
        const { train } = await loadData(at(spec), options)
        return (await evaluate(mask, train, { loss: 'mse', runtime: nodeRuntime })).loss
      }
      expect(await loss('masks-last.npz', 'channels-last')).toBe(await loss('masks-first.npz'))
    },
  )
  test('of targets in another order are refused, though they have as many numbers', async () => {
    const two = sequential([conv2d(2, 3, { padding: 'same' })], { input: [3, height, width] })
    const target = (...dims: number[]) =>
      float32([count, ...dims], new Float32Array(count * elementCount(dims)))
    const lossWith = (y: Tensor, loss: 'mse' | 'softmax-cross-entropy' = 'mse') => {
      const arrays = new Map(Object.entries({ x: bytes, y }))
      const { train } = datasetOfArrays(arrays)
      return evaluate(two, train, { loss, runtime: nodeRuntime })
    }
    await expect(lossWith(target(height, width, 2))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(
        /targets have the shape \[batch, 4, 6, 2\], but the loss takes \[batch, 2, 4, 6\]\.$/,
      ),
      hint: expect.stringMatching(/^Channels are last in the data/),
    })
    await expect(lossWith(target(2, width, height))).rejects.toThrow(
      /loss takes \[batch, 2, 4, 6\]\./,
    )
    for (const dims of [[2 * height * width], [2, height * width], [2 * height, width]])
      expect((await lossWith(target(...dims))).loss).toBeGreaterThan(0)
    const classes = (...dims: number[]) =>
      new Tensor('int32', [count, ...dims], new Int32Array(count * elementCount(dims)))
    await expect(lossWith(classes(2, 12), 'softmax-cross-entropy')).rejects.toThrow(
      /targets have the shape \[batch, 2, 12\], but the loss takes \[batch, 4, 6\]\./,
    )
    for (const dims of [[height, width], [1, height, width], [height, width, 1], [height * width]])
      expect((await lossWith(classes(...dims), 'softmax-cross-entropy')).loss).toBeGreaterThan(0)
  })
  test('in memory are moved as asked for where no model is known', () => {
    const arrays = new Map(Object.entries({ x: turned(bytes), y: labels }))
    const { train } = datasetOfArrays(arrays, undefined, { layout: 'channels-last' })
    expect(train.inputs.x!.dims).toEqual([3, height, width])
    expect(train.inputs.x!.data).toEqual(bytes.data)
    expect(() => datasetOfArrays(arrays, undefined, { layout: 'nhwc' as never })).toThrow(
      /layout must be/,
    )
  })
  test('alone have a layout', async () => {
    writeFileSync(at('table.csv'), 'a,b\n1,2\n')
    for (const spec of [at('table.csv'), at('pictures')]) {
      const layout = 'channels-last'
      await expect(loadData(spec, { model: first, layout })).rejects.toThrow(/--layout/)
      await expect(openInputs(spec, first, { layout })).rejects.toThrow(/--layout/)
    }
  })
  test('of whatever axes come back where they were', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(sizes, fc.constantFrom(...channelLayouts), (dims, from) => {
        const tensor = float32(
          dims,
          Float32Array.from({ length: elementCount(dims) }, (_, i) => i),
        )
        const [to] = channelLayouts.filter((layout) => layout !== from)
        expect(movedTensor(movedTensor(tensor, from), to!)).toEqual(tensor)
        const sample = dims.slice(1)
        if (String(movedDims(sample, from)) !== String(sample))
          expect(otherLayoutOf(sample, movedDims(sample, from))).toBeDefined()
      }),
    )
  })
})

describe('a model whose channels are last', () => {
  test.each([{}, { normalize: 'imagenet' }, { normalize: 'data' }, { memory: 10 }] as const)(
    'takes pictures as numbers that are the same: %j',
    async (options) => {
      const [wanted, found] = await Promise.all(
        [first, last].map(async (model) => {
          const { train } = await loadData(at('pictures'), { ...options, model })
          return trained(model, train)
        }),
      )
      for (const spec of [at('pictures'), at('pictures/ant/0.png')])
        expect(await predictionsOf(found!, spec)).toEqual(await predictionsOf(wanted!, spec))
      // Bytes in arrays are normalized as the pictures were.
      expect(await predictionsOf(found!, at('last.npy'))).toEqual(
        await predictionsOf(wanted!, at('first.npy')),
      )
      const [inFirst, inLast] = await Promise.all(
        [wanted!, found!].map(async (model, i) => {
          const spec = at(i === 0 ? 'first.npz' : 'last.npz')
          return lossOf(model, (await loadData(spec, { model })).train)
        }),
      )
      expect(inLast).toBe(inFirst)
    },
  )
  test.each(['data', 'imagenet'] as const)('takes arrays normalized by %s', async (normalize) => {
    for (const memory of [undefined, 1]) {
      const options = { normalize, memory }
      const [one, other] = [
        await loadData(at('first.npz'), { ...options, model: first }),
        await loadData(at('last.npz'), { ...options, model: last }),
      ]
      expect(other.train.preparation).toEqual(one.train.preparation)
      expect(await lossOf(last, other.train)).toBe(await lossOf(first, one.train))
    }
  })
  test('sees changed pictures as one whose channels are first', async () => {
    const options = { flip: true, shift: 1, crop: 0.7, seed: 2 }
    const [one, other] = await Promise.all(
      [first, last].map(async (model) =>
        trained(model, augmented((await loadData(at('pictures'), { model })).train, options)),
      ),
    )
    expect(await predictionsOf(other!, at('pictures'))).toEqual(
      await predictionsOf(one!, at('pictures')),
    )
  })
})

test('one channel is a picture, too', () => {
  const digits = digitsDataset(
    new Tensor('uint8', [2, 2, 2], Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])),
    new Tensor('uint8', [2], Uint8Array.of(0, 1)),
    { title: 'digits' },
  )
  expect(otherLayoutOf(digits.inputs.input!.dims, [2, 2, 1])).toBe('channels-first')
})
