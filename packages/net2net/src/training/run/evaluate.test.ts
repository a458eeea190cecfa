import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ArrayDataset } from '../../data/dataset.ts'
import type { TrainingData } from '../../data/samples.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Feeds, Runtime } from '../../runtime/runtime.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { evaluate } from './evaluate.ts'

const loss = 'softmax-cross-entropy'
const pixel = (i: number) => (i * 37) % 256

/** Samples of four pixels and of two ready numbers; the classes are 0, 1, 2, 0, …. */
function data(length: number, divisor = 255): ArrayDataset {
  return new ArrayDataset(
    {
      pixels: {
        dtype: 'float32',
        dims: [4],
        data: Uint8Array.from({ length: 4 * length }, (_, i) => pixel(i)),
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
  const runtime: Runtime = {
    ...nodeRuntime,
    async createSession(model, options) {
      const session = await nodeRuntime.createSession(model, options)
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        run(feeds, outputs) {
          fed.push(describeFeeds(feeds))
          return session.run(feeds, outputs)
        },
        release: () => session.release(),
      }
    },
  }
  return { runtime, fed }
}

describe('data stored as bytes', () => {
  const both = network({ pixels: 4, numbers: 2 })

  test('goes into the graph as bytes, and gives the same bits as floats', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(1, 3, 255),
        async (length, batchSize, divisor) => {
          const { runtime, fed } = watched()
          const samples = data(length, divisor)
          const options = { loss, batchSize, runtime } as const
          const result = await evaluate(both, samples, options)
          const rows = Math.min(length, batchSize)
          expect(fed[0]).toEqual([
            `pixels.bytes uint8 ${rows}×4`,
            'pixels.divisor float32 ',
            `numbers float32 ${rows}×2`,
            `target int64 ${rows}`,
          ])
          expect(result).toEqual(await evaluate(both, floats(samples), options))
        },
      ),
      { numRuns: 15 },
    )
  })

  test('may have any name where model and data have one input', async () => {
    const { runtime, fed } = watched()
    const all = data(7)
    const samples = new ArrayDataset({ pixels: all.inputs.pixels! }, all.target)
    const result = await evaluate(network({ image: 4 }), samples, { loss, runtime })
    expect(fed).toEqual([['image.bytes uint8 7×4', 'image.divisor float32 ', 'target int64 7']])
    const { runtime: plain } = watched()
    expect(result).toEqual(
      await evaluate(network({ pixels: 4 }), floats(samples), { loss, runtime: plain }),
    )
  })

  test('is not taken for an input of another name beside a second column', async () => {
    await expect(
      evaluate(network({ image: 4 }), data(7), { loss, runtime: nodeRuntime }),
    ).rejects.toThrow(/no input "image.*pixels, numbers/)
  })

  test('is converted before it goes to a model whose input is named like ours', async () => {
    const builder = new GraphBuilder()
    builder.input('pixels', 'float32', ['batch', 4])
    builder.initializer('pixels.bytes', matrix(4, 3))
    builder.output(
      builder.node('MatMul', ['pixels', 'pixels.bytes'], {}, { outputs: ['pixels.cast'] }),
      'float32',
      ['batch', 3],
    )
    const all = data(5)
    const samples = new ArrayDataset({ pixels: all.inputs.pixels! }, all.target)
    const options = { loss, runtime: nodeRuntime } as const
    expect(await evaluate(builder.model(), samples, options)).toEqual(
      await evaluate(builder.model(), floats(samples), options),
    )
  })
})

describe('samples per run', () => {
  /** Spreads each sample over 2 MiB on its way. */
  function large(batch: Dim): Model {
    const builder = new GraphBuilder()
    builder.input('pixels', 'float32', [batch, 4])
    const wide = builder.node('MatMul', [
      'pixels',
      builder.constant(float32([4, 2 ** 19], new Float32Array(2 ** 21).fill(0.01))),
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
  const rows = (fed: readonly (readonly string[])[]) =>
    fed.map((feeds) => Number(feeds.at(-1)!.split(' ').at(-1)))

  test('are fewer where values are large, which changes only the rounding', async () => {
    const { runtime, fed } = watched()
    const few = await evaluate(large('batch'), one(), { loss, runtime, batchSize: 20 })
    expect(rows(fed)).toEqual([8, 8, 4])
    const single = await evaluate(large('batch'), one(), { loss, runtime, batchSize: 1 })
    expect(few).toEqual({ ...single, loss: expect.closeTo(single.loss, 5) })
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
