import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { watchedRuntime } from '../../../testing/watched-runtime.ts'
import { ArrayDataset } from '../../data/dataset.ts'
import type { TrainingData } from '../../data/samples.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Feeds, Runtime } from '../../runtime/runtime.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import type { Loss } from '../compile/losses/index.ts'
import { meanSquaredError } from '../compile/losses/index.ts'
import { evaluate } from './evaluate.ts'

const loss = 'softmax-cross-entropy'
const pixel = (i: number) => (i * 37) % 256

/** Samples of so many pixels and of two ready numbers; the classes are 0, 1, 2, 0, …. */
function data(length: number, divisor = 255, width = 4): ArrayDataset {
  return new ArrayDataset(
    {
      pixels: {
        dtype: 'float32',
        dims: [width],
        data: Uint8Array.from({ length: width * length }, (_, i) => pixel(i)),
        divisor,
      },
      numbers: {
        dtype: 'float32',
        dims: [2],
        data: Float32Array.from({ length: 2 * length }, (_, i) => Math.sin(i)),
      },
    },
    { dtype: 'int64', dims: [], data: Uint8Array.from({ length }, (_, i) => i % 3) },
  )
}

/** The same samples, of which nobody knows that they are bytes. */
const floats = (samples: ArrayDataset): TrainingData => ({
  length: samples.length,
  batches: (size, order) => samples.batches(size, order),
})

const matrix = (rows: number, columns: number) =>
  float32(
    [rows, columns],
    Float32Array.from({ length: rows * columns }, (_, i) => Math.cos(3 * i)),
  )

function network(inputs: Readonly<Record<string, number>>, batch: Dim = 'batch'): Model {
  const builder = new GraphBuilder()
  const sums = Object.entries(inputs).map(([name, size]) => {
    builder.input(name, 'float32', [batch, size])
    return builder.node('MatMul', [name, builder.initializer(`${name}.weight`, matrix(size, 3))])
  })
  builder.output(builder.node('Sum', sums, {}, { outputs: ['logits'] }), 'float32', [batch, 3])
  return builder.model()
}

/** A runtime that keeps the shapes and types of what it is fed. */
function watched(): { readonly runtime: Runtime; readonly fed: string[][] } {
  const fed: string[][] = []
  const describeFeeds = (feeds: Feeds) =>
    Object.entries(feeds).map(([name, { dtype, dims }]) => `${name} ${dtype} ${dims.join('×')}`)
  const runtime = watchedRuntime((feeds) => fed.push(describeFeeds(feeds)))
  return { runtime, fed }
}

describe('data stored as bytes', () => {
  const width = 32768
  const both = network({ pixels: width, numbers: 2 })

  test('goes into the graph as bytes, where a run has many, and gives the same bits as floats', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom(1, 3, 255),
        async (length, batchSize, divisor) => {
          const { runtime, fed } = watched()
          const samples = data(length, divisor, width)
          const options = { loss, batchSize, runtime } as const
          const result = await evaluate(both, samples, options)
          const rows = Math.min(length, batchSize)
          const pixels =
            batchSize < 4
              ? [`pixels float32 ${rows}×${width}`]
              : [`pixels.bytes uint8 ${rows}×${width}`, 'pixels.divisor float32 ']
          expect(fed[0]!.slice(0, pixels.length + 1)).toEqual([
            ...pixels,
            `numbers float32 ${rows}×2`,
          ])
          expect(result).toEqual(await evaluate(both, floats(samples), options))
        },
      ),
      { numRuns: 15 },
    )
  })

  test('may have any name where model and data have one input', async () => {
    const { runtime, fed } = watched()
    const all = data(7, 255, width)
    const samples = new ArrayDataset({ pixels: all.inputs.pixels! }, all.target)
    const result = await evaluate(network({ image: width }), samples, { loss, runtime })
    const bytes = [`image.bytes uint8 7×${width}`, 'image.divisor float32 ']
    expect(fed).toEqual([bytes, ['prediction float32 7×3', 'target int64 7']])
    const { runtime: plain } = watched()
    expect(result).toEqual(
      await evaluate(network({ pixels: width }), floats(samples), { loss, runtime: plain }),
    )
  })

  test('of another shape is refused in the words of the model', async () => {
    const all = data(7, 255, width)
    const samples = new ArrayDataset({ pixels: all.inputs.pixels! }, all.target)
    await expect(
      evaluate(network({ image: width + 1 }), samples, { loss, runtime: nodeRuntime }),
    ).rejects.toThrow(`The data's input has the shape [batch, ${width}]`)
  })

  test('is not taken for an input of another name beside a second column', async () => {
    await expect(
      evaluate(network({ image: 4 }), data(7), { loss, runtime: nodeRuntime }),
    ).rejects.toThrow(/no input "image.*pixels, numbers/)
  })

  test('is converted before it goes to a model whose input is named like ours', async () => {
    const builder = new GraphBuilder()
    builder.input('pixels', 'float32', ['batch', width])
    builder.initializer('pixels.bytes', matrix(width, 3))
    builder.output(
      builder.node('MatMul', ['pixels', 'pixels.bytes'], {}, { outputs: ['pixels.cast'] }),
      'float32',
      ['batch', 3],
    )
    const all = data(5, 255, width)
    const samples = new ArrayDataset({ pixels: all.inputs.pixels! }, all.target)
    const options = { loss, runtime: nodeRuntime } as const
    expect(await evaluate(builder.model(), samples, options)).toEqual(
      await evaluate(builder.model(), floats(samples), options),
    )
  })
})

describe('samples per run', () => {
  /** Spreads each sample over 2 MiB on its way, by weights of `rows` times that. */
  function large(batch: Dim, rows = 4): Model {
    const builder = new GraphBuilder()
    builder.input('pixels', 'float32', [batch, 4])
    const first = builder.node('Slice', [
      'pixels',
      ...[[0], [rows], [1]].map((value) => builder.constant(int64(value))),
    ])
    const wide = builder.node('MatMul', [
      first,
      builder.constant(float32([rows, 2 ** 19], new Float32Array(rows * 2 ** 19).fill(0.01))),
    ])
    const slices = builder.node('Slice', [
      wide,
      ...[[0], [3], [1]].map((value) => builder.constant(int64(value))),
    ])
    builder.output(slices, 'float32', [batch, 3])
    return builder.model()
  }
  const one = () => {
    const all = data(20)
    return new ArrayDataset({ pixels: all.inputs.pixels! }, all.target)
  }
  /** Of the runs of the model. */
  const rows = (fed: readonly (readonly string[])[]) =>
    fed.flatMap(([first]) =>
      first!.startsWith('pixels') ? [Number(/(\d+)×/.exec(first!)![1])] : [],
    )

  test('are fewer where values are large, which changes only the rounding', async () => {
    const { runtime, fed } = watched()
    const few = await evaluate(large('batch'), one(), { loss, runtime, batchSize: 20 })
    expect(rows(fed)).toEqual([4, 4, 4, 4, 4])
    const single = await evaluate(large('batch'), one(), { loss, runtime, batchSize: 1 })
    expect(few).toEqual({ ...single, loss: expect.closeTo(single.loss, 5) })
  })

  test('take values of 4 MiB where weights are smaller, and of 16 MiB on other devices', async () => {
    const small = watched()
    await evaluate(large('batch', 1), one(), { loss, runtime: small.runtime, batchSize: 20 })
    expect(rows(small.fed)).toEqual(Array.from({ length: 10 }, () => 2))
    const other = watched()
    const runtime = { ...other.runtime, webAssembly: true } as const
    await evaluate(large('batch', 1), one(), { loss, runtime, batchSize: 20 })
    expect(rows(other.fed)).toEqual([8, 8, 4])
  })

  test('are never more than asked for', async () => {
    const { runtime, fed } = watched()
    await evaluate(network({ pixels: 4 }), one(), { loss, runtime, batchSize: 6 })
    expect(rows(fed)).toEqual([6, 6, 6, 2])
  })

  test('are those of the model where it takes no other number', async () => {
    // A reshape to a fixed size holds the batch at 10.
    const builder = new GraphBuilder()
    builder.input('pixels', 'float32', [10, 4])
    const shape = builder.constant(int64([10, 4]))
    const reshaped = builder.node('Reshape', ['pixels', shape])
    const weight = builder.constant(matrix(4, 3))
    builder.output(builder.node('MatMul', [reshaped, weight]), 'float32', [10, 3])
    const { runtime, fed } = watched()
    await evaluate(builder.model(), one(), { loss, runtime, batchSize: 10 })
    expect(rows(fed)).toEqual([10, 10])
  })
})

describe('small batches', () => {
  /** The same samples as ready batches: each is measured by itself. */
  const ready = (samples: ArrayDataset, size: number): TrainingData => ({
    [Symbol.iterator]: () => samples.batches(size),
  })
  const values = (length: number) => ({
    dtype: 'float32' as const,
    dims: [3],
    data: Float32Array.from({ length: 3 * length }, (_, i) => (i % 5 < 2 ? 1 : 0)),
  })

  test('are run one by one and measured together, which changes only the rounding', async () => {
    const model = network({ pixels: 4, numbers: 2 })
    const classes = ['softmax-cross-entropy', 'focal'] as const
    const numbers = ['mse', 'mae', 'huber', 'bce-with-logits', 'dice', 'kl-divergence'] as const
    await fc.assert(
      fc.asyncProperty(
        // Of all classes there is one.
        fc.integer({ min: 6, max: 300 }),
        fc.integer({ min: 1, max: 63 }),
        fc.constantFrom(...classes, ...numbers),
        fc.boolean(),
        async (length, batchSize, loss, weighted) => {
          const { inputs, target } = data(length)
          const weights = {
            dtype: 'float32' as const,
            dims: [],
            data: Float32Array.from({ length }, (_, i) => i % 4),
          }
          const isOfClasses = classes.some((name) => name === loss)
          const samples = new ArrayDataset(
            inputs,
            isOfClasses ? target : values(length),
            undefined,
            weighted && isOfClasses ? { weights } : {},
          )
          const { runtime, fed } = watched()
          const options = { loss, batchSize, runtime, metrics: 'usual', intervals: false } as const
          const together = await evaluate(model, samples, options)
          const runs = Math.ceil(length / batchSize)
          expect(fed.filter(([first]) => first!.startsWith('pixels'))).toHaveLength(runs)
          expect(fed.length - runs).toBe(
            Math.ceil(length / batchSize / Math.floor(256 / batchSize)),
          )
          const each = await evaluate(model, ready(samples, batchSize), {
            ...options,
            runtime: nodeRuntime,
            ...(samples.weights ? { weighted: true } : {}),
          })
          const close = { ...each, loss: expect.closeTo(each.loss, 4) }
          expect({ ...together, metrics: undefined }).toEqual({ ...close, metrics: undefined })
          for (const [name, { value }] of Object.entries(each.metrics ?? {}))
            expect(together.metrics?.[name]?.value, name).toBeCloseTo(value, 4)
        },
      ),
      { numRuns: 25 },
    )
  })

  test('are measured one by one where the loss is no mean', async () => {
    const mse = meanSquaredError()
    const rms: Loss = {
      name: 'rms',
      target: mse.target,
      emit: (context) => ({ loss: context.emitter.op('Sqrt', [mse.emit(context).loss]) }),
    }
    const samples = new ArrayDataset(data(40).inputs, values(40))
    const model = network({ pixels: 4, numbers: 2 })
    const options = { loss: rms, batchSize: 7, runtime: nodeRuntime }
    expect(await evaluate(model, samples, options)).toEqual(
      await evaluate(model, ready(samples, 7), options),
    )
  })
})
