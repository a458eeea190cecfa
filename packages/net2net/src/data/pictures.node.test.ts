/** Pictures: cut, normalized and changed at random, the same in training and in prediction. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import { conv2d, dense, flatten, globalAveragePool2d, sequential } from '../layers/index.ts'
import type { Model } from '../model/model.ts'
import { preparationOf } from '../model/preparation.ts'
import { nodeRuntime } from '../runtime/index.ts'
import { Tensor } from '../tensor/tensor.ts'
import { sgd } from '../training/index.ts'
import { evaluate } from '../training/run/evaluate.ts'
import { predict } from '../training/run/predict.ts'
import { Training } from '../training/run/trainer.ts'
import { type AugmentOptions, augmented } from './augment.ts'
import { ArrayDataset, type Batch } from './dataset.ts'
import { loadData } from './load-data.node.ts'
import { encodeNpz } from './npy.ts'
import { openInputs } from './open-inputs.node.ts'
import type { SampleSet } from './samples.ts'

const folder = mkdtempSync(join(tmpdir(), 'pictures-'))
const layers = [conv2d(3, 3, { activation: 'relu' }), globalAveragePool2d(), dense(3)]
const model = sequential(layers, { input: [3, 6, 6], seed: 3 })

beforeAll(async () => {
  // Three uneven classes of pictures that are wider than high.
  const counts = { ant: 5, bee: 2, cat: 1 }
  for (const [c, [name, count]] of Object.entries(counts).entries()) {
    mkdirSync(join(folder, name))
    for (let i = 0; i < count; i++) {
      const pixels = Uint8Array.from(
        { length: 12 * 6 * 3 },
        (_, p) => (p * 7 + i * 50 + c * 90) % 256,
      )
      const raw = { width: 12, height: 6, channels: 3 as const }
      await sharp(pixels, { raw })
        .png()
        .toFile(join(folder, name, `${i}.png`))
    }
  }
})

async function allOf(samples: SampleSet, epoch = 0): Promise<{ x: number[]; y: number[] }> {
  const [x, y]: [number[], number[]] = [[], []]
  for await (const { inputs, target } of samples.batches(3, undefined, epoch)) {
    x.push(...Array.from(Object.values(inputs)[0]!.data, Number))
    y.push(...Array.from(target.data, Number))
  }
  return { x, y }
}

async function predictionsOf(spec: string, trained: Model): Promise<number[]> {
  const values: number[] = []
  const inputs = await openInputs(spec, trained)
  for await (const { outputs } of predict(trained, inputs, { runtime: nodeRuntime, batchSize: 3 }))
    values.push(...Array.from(Object.values(outputs)[0]!.values.data, Number))
  return values
}

describe('pictures', () => {
  test('are stretched, cut or padded to the shape', async () => {
    const width = 12
    const one = join(folder, 'ant', '0.png')
    const original = await sharp(one).raw().toBuffer()
    const of = async (fit: 'crop' | 'pad') =>
      (await allOf((await loadData(folder, { model, fit })).train)).x.slice(0, 36)
    const cut = await of('crop')
    // Of the red channel the middle six columns are left, pixel for pixel.
    const middle = Array.from(
      { length: 36 },
      (_, p) => original[3 * (Math.floor(p / 6) * width + 3 + (p % 6))]! / 255,
    )
    expect(cut).toEqual(middle.map(Math.fround))
    const padded = await of('pad')
    expect(padded.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0])
    expect(padded.slice(-6)).toEqual([0, 0, 0, 0, 0, 0])
    expect(padded.slice(12, 24).every((value) => value > 0)).toBe(true)
  })

  test('normalized by their own numbers have mean 0 and deviation 1 in each channel', async () => {
    const { train } = await loadData(folder, { model, normalize: 'data' })
    const { x } = await allOf(train)
    for (const c of [0, 1, 2]) {
      const own = x.filter((_, i) => Math.floor(i / 36) % 3 === c)
      const mean = own.reduce((a, b) => a + b, 0) / own.length
      const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / own.length
      expect(Math.abs(mean)).toBeLessThan(1e-5)
      expect(Math.abs(variance - 1)).toBeLessThan(1e-4)
    }
  })

  test('are the same numbers for training, evaluation, prediction of files, arrays and raw bytes', async () => {
    const { train } = await loadData(folder, { model, normalize: 'imagenet', fit: 'crop' })
    const options = {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.1 }),
    } as const
    const training = new Training(model, train, { ...options, runtime: nodeRuntime, batchSize: 3 })
    for await (const _ of training);
    const trained = training.model
    expect(preparationOf(trained)).toMatchObject({
      kind: 'pictures',
      fit: 'crop',
      mean: [0.485, 0.456, 0.406],
    })
    const { x } = await allOf(train)
    const floats = new Tensor('float32', [8, 3, 6, 6], Float32Array.from(x))
    const wanted: number[] = []
    for await (const { outputs } of predict(trained, [{ inputs: { x: floats } }], {
      runtime: nodeRuntime,
    }))
      wanted.push(...Array.from(Object.values(outputs)[0]!.values.data, Number))
    expect(await predictionsOf(folder, trained)).toEqual(wanted)
    // Raw bytes, as a browser has them.
    const known = await loadData(folder, { model: trained })
    const bytes = await allOf(known.train.bytes!.samples)
    const raw = new Tensor('uint8', [8, 3, 6, 6], Uint8Array.from(bytes.x))
    const seen: number[] = []
    for await (const { outputs } of predict(trained, [{ inputs: { x: raw } }], {
      runtime: nodeRuntime,
    }))
      seen.push(...Array.from(Object.values(outputs)[0]!.values.data, Number))
    expect(seen).toEqual(wanted)
    const npz = join(folder, 'bytes.npz')
    writeFileSync(npz, encodeNpz(new Map([['x', raw]])))
    expect(await predictionsOf(npz, trained)).toEqual(wanted)
    // A graph converts bytes for evaluation, JavaScript floats: the loss is the same to the bit.
    const measured = (samples: SampleSet) =>
      evaluate(trained, samples, { runtime: nodeRuntime, loss: 'softmax-cross-entropy' })
    const target = { dtype: 'int32' as const, dims: [], data: Int32Array.from(bytes.y) }
    const plain = new ArrayDataset(
      { x: { dtype: 'float32', dims: [3, 6, 6], data: floats.data } },
      target,
    )
    expect((await measured(known.train)).loss).toBe((await measured(plain)).loss)
  })

  test('that do not fit into memory are read when they are asked for, as the same numbers', async () => {
    const options = { model, normalize: 'data', fit: 'pad' } as const
    const [small, large] = [
      await loadData(folder, options),
      await loadData(folder, { ...options, memory: 100 }),
    ]
    expect(large.train).not.toBeInstanceOf(ArrayDataset)
    expect(await allOf(large.train)).toEqual(await allOf(small.train))
    expect(await allOf(large.train.bytes!.samples)).toEqual(await allOf(small.train.bytes!.samples))
    expect(large.train.preparation).toEqual(small.train.preparation)
  })

  test.each([
    [
      { normalize: { mean: [1, 2], deviation: [1] } },
      /3 channels cannot be normalized by 2 numbers/,
    ],
    [{ normalize: { mean: [1], deviation: [0] } }, /deviations must be positive/],
    [{ normalize: 'mean' as 'data' }, /normalize must be 'data', 'imagenet'/],
    [{ fit: 'bend' as 'crop' }, /fit/],
  ])('what cannot be is refused: %#', async (options, message) => {
    await expect(loadData(folder, { model, ...options })).rejects.toThrow(message)
  })
  test('only pictures are normalized', async () => {
    const table = join(folder, 'table.csv')
    writeFileSync(table, 'a,b\n1,2\n')
    await expect(loadData(table, { normalize: 'data' })).rejects.toThrow(
      /Only pictures are normalized/,
    )
  })
})

describe('augmentation', () => {
  const pictures = (channels: number, size: number, count: number) =>
    new ArrayDataset(
      {
        x: {
          dtype: 'float32',
          dims: [channels, size, size],
          data: Uint8Array.from(
            { length: count * channels * size * size },
            (_, i) => (i * 37) % 251,
          ),
          divisor: 255,
        },
      },
      { dtype: 'int32', dims: [], data: Int32Array.from({ length: count }, (_, i) => i) },
    )
  const picked = async (
    samples: SampleSet,
    size: number,
    order: number[] | undefined,
    epoch: number,
  ) => {
    const found = new Map<number, number[]>()
    for await (const { inputs, target } of samples.batches(
      size,
      order,
      epoch,
    ) as AsyncIterable<Batch>) {
      const { data } = inputs.x!
      const row = data.length / target.data.length
      for (const [i, sample] of Array.from(target.data, Number).entries())
        found.set(sample, Array.from(data.subarray(i * row, (i + 1) * row), Number))
    }
    return found
  }

  test('depends on seed, epoch and sample, not on batches and their order', async () => {
    const changes = fc.record({
      flip: fc.boolean(),
      shift: fc.integer({ min: 0, max: 3 }),
      crop: fc.constantFrom(1, 0.7),
      seed: fc.integer({ min: 0, max: 99 }),
    })
    await fc.assert(
      fc.asyncProperty(changes, fc.integer({ min: 1, max: 7 }), async (options, size) => {
        const samples = augmented(pictures(2, 5, 6), options)
        const whole = await picked(samples, 6, undefined, 4)
        const some = await picked(samples, size, [5, 0, 3], 4)
        for (const [sample, data] of some) expect(data).toEqual(whole.get(sample))
      }),
      { numRuns: 30 },
    )
    const options: AugmentOptions = { flip: true, shift: 2, crop: 0.8 }
    const of = (seed: number, epoch: number) =>
      picked(augmented(pictures(1, 6, 5), { ...options, seed }), 5, undefined, epoch)
    expect(await of(1, 0)).toEqual(await of(1, 0))
    expect(await of(1, 0)).not.toEqual(await of(1, 1))
    expect(await of(1, 0)).not.toEqual(await of(2, 0))
  })

  test('mirrors half of the pictures, and moves them by up to so many pixels', async () => {
    const count = 400
    const plain = await picked(pictures(1, 4, count), count, undefined, 0)
    const mirrored = await picked(
      augmented(pictures(1, 4, count), { flip: true }),
      count,
      undefined,
      0,
    )
    let flips = 0
    for (const [sample, data] of mirrored) {
      const rows = [0, 4, 8, 12].flatMap((at) =>
        plain
          .get(sample)!
          .slice(at, at + 4)
          .reverse(),
      )
      const isFlipped = String(data) === String(rows)
      expect(isFlipped || String(data) === String(plain.get(sample))).toBe(true)
      if (isFlipped) flips++
    }
    // Binomial, p = 1 / 2: 200 ± 5 standard deviations of 10.
    expect(Math.abs(flips - 200)).toBeLessThan(50)
    const places = new Set<string>()
    for (const [sample, data] of await picked(
      augmented(pictures(1, 4, count), { shift: 1 }),
      count,
      undefined,
      0,
    )) {
      const original = plain.get(sample)!
      const clamp = (i: number) => Math.min(3, Math.max(0, i))
      const moved = (down: number, right: number) =>
        original.map(
          (_, p) => original[4 * clamp(Math.floor(p / 4) - down) + clamp((p % 4) - right)]!,
        )
      const place = [-1, 0, 1]
        .flatMap((down) => [-1, 0, 1].map((right) => [down, right] as const))
        .find(([down, right]) => String(moved(down, right)) === String(data))
      expect(place).toBeDefined()
      places.add(String(place))
    }
    expect(places.size).toBe(9)
  })

  test('what is cut out lies within the picture, and a flat picture stays as it is', async () => {
    const gradient = new ArrayDataset(
      {
        x: {
          dtype: 'float32',
          dims: [2, 8, 8],
          data: Float32Array.from({ length: 128 }, (_, i) => (i < 64 ? (i % 8) / 7 : 0.5)),
        },
      },
      { dtype: 'int32', dims: [], data: Int32Array.of(0) },
    )
    const ends = new Set<number>()
    for (let epoch = 0; epoch < 20; epoch++) {
      const data = (await picked(augmented(gradient, { crop: 0.5 }), 1, undefined, epoch)).get(0)!
      const row = data.slice(0, 8)
      expect(
        row.every((value, i) => value >= 0 && value <= 1 && (i === 0 || value >= row[i - 1]!)),
      ).toBe(true)
      expect(data.slice(64).every((value) => Math.abs(value - 0.5) < 1e-6)).toBe(true)
      ends.add(row[7]!)
    }
    expect(ends.size).toBeGreaterThan(5)
  })

  test('a training that was interrupted sees what it would have seen', async () => {
    const network = sequential([flatten(), dense(9)], { input: [1, 4, 4], seed: 1 })
    const data = augmented(pictures(1, 4, 9), { flip: true, shift: 1, seed: 5 })
    const options = {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.1 }),
      runtime: nodeRuntime,
      batchSize: 2,
      epochs: 3,
      seed: 5,
    } as const
    const whole = new Training(network, data, options)
    for await (const _ of whole);
    const first = new Training(network, data, { ...options, untilStep: 8 })
    for await (const _ of first);
    const rest = new Training(network, data, { ...options, resume: first.state })
    for await (const _ of rest);
    expect([...rest.state.tensors]).toEqual([...whole.state.tensors])
  })

  test.each([
    [() => augmented(pictures(1, 4, 1), { shift: 0.5 }), /shift must be a whole number/],
    [() => augmented(pictures(1, 4, 1), { crop: 0 }), /crop must be a share/],
  ])('sizes that there are not are refused: %#', (make, message) => {
    expect(make).toThrow(message)
  })
  test('what is no picture is refused', async () => {
    const flat = new ArrayDataset(
      { x: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) } },
      { dtype: 'int32', dims: [], data: Int32Array.of(0) },
    )
    await expect(picked(augmented(flat, {}), 1, undefined, 0)).rejects.toThrow(
      /Only pictures can be augmented/,
    )
    const masks = new ArrayDataset(pictures(1, 2, 1).inputs, {
      dtype: 'float32',
      dims: [2, 2],
      data: new Float32Array(4),
    })
    expect(() => augmented(masks, { flip: true })).toThrow(/targets that are pictures/)
  })
})
