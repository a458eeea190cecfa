import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { watchedRuntime } from '../../../testing/watched-runtime.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { slicingOf } from '../../operators/table.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Feeds } from '../../runtime/runtime.ts'
import { randomStream } from '../../tensor/random.ts'
import {
  elementCount,
  float32,
  int64,
  type LazyTensor,
  Tensor,
  toNumbers,
} from '../../tensor/tensor.ts'
import { runTogether } from './run-together.ts'
import { outOfCoreSession } from './segmented-session.ts'
import { MOST_CHANGES } from './segments.ts'

const random = randomStream(3, 'outOfCore')
const normal = (...dims: number[]): Tensor =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )

/** Every kind of slicing, joined by branches; some weights on both sides, with and without bias. */
function everyForm(): Model {
  const graph = new GraphBuilder()
  const weight = (...dims: number[]) => graph.constant(normal(...dims))
  graph.input('x', 'float32', ['batch', 6, 8, 8])
  graph.input('v', 'float32', ['batch', 10])
  graph.input('r', 'float32', [7])
  const conv = graph.node('Conv', ['x', weight(12, 6, 3, 3), weight(12)], { pads: [1, 1, 1, 1] })
  const depthwise = graph.node('Conv', [conv, weight(12, 1, 3, 3)], { group: 12 })
  const up = graph.node('ConvTranspose', [depthwise, weight(12, 5, 2, 2), weight(5)], {
    strides: [2, 2],
  })
  const flat = graph.node('Flatten', [up])
  const features = 5 * 12 * 12
  const a = graph.node('Gemm', [flat, weight(features, 10), weight(10)], {
    alpha: { type: 'float', value: 0.5 },
  })
  const b = graph.node('Gemm', ['v', weight(10, 10), weight(1, 10)], { transB: 1 })
  const c = graph.node('Gemm', ['v', weight(10, 10), weight(1)], {
    beta: { type: 'float', value: 2 },
  })
  const columns = graph.node('Transpose', ['v'], { perm: [1, 0] })
  const d = graph.node('Gemm', [columns, weight(10, 10), weight(10)], { transA: 1 })
  const e = graph.node('MatMul', ['r', weight(7, 10)])
  const sum = graph.node('Sum', [a, b, c, d, e])
  const right = graph.node('MatMul', [sum, weight(10, 14)])
  const stacked = graph.node('Unsqueeze', [right, graph.constant(int64([2]))])
  const left = graph.node('MatMul', [weight(9, 14), stacked])
  graph.node('Relu', [left], {}, { outputs: ['y'] })
  graph.node('MatMul', ['v', weight(10, 4)], {}, { outputs: ['z'] })
  graph.output('y', 'float32', undefined)
  graph.output('z', 'float32', undefined)
  return graph.model()
}

const model = everyForm()
const samples: readonly Feeds[] = [2, 3].map((batch) => ({
  x: normal(batch, 6, 8, 8),
  v: normal(batch, 10),
  r: normal(7),
}))
async function whole(model: Model, samples: readonly Feeds[]): Promise<readonly Feeds[]> {
  const session = await nodeRuntime.createSession(encodeModel(model))
  const results: Feeds[] = []
  for (const feeds of samples) results.push(await session.run(feeds))
  await session.release()
  return results
}
function expectClose(a: readonly Feeds[], b: readonly Feeds[]): void {
  a.forEach((outputs, i) => {
    for (const [name, expected] of Object.entries(outputs)) {
      const found = b[i]![name]!
      expect(found.dims).toEqual(expected.dims)
      const [x, y] = [toNumbers(expected), toNumbers(found)]
      const scale = Math.max(...x.map(Math.abs))
      x.forEach((value, k) => {
        expect(Math.abs(value - y[k]!)).toBeLessThan(1e-5 * scale)
      })
    }
  })
}

test('waits for weights that are still being written', async () => {
  const early: string[] = []
  /** Weights that can be read only once somebody has waited for them. */
  function arriving(model: Model): Model {
    const initializers = new Map(
      [...model.graph.initializers].map(([name, { tensor }]) => {
        let there = false
        const read = (offset: number, length: number) => {
          if (!there) early.push(name)
          return tensor.read(offset, length)
        }
        const ready = async () => {
          await new Promise(setImmediate)
          there = true
        }
        const { dtype, dims, byteLength } = tensor
        return [name, { tensor: { dtype, dims, byteLength, read, ready } }]
      }),
    )
    return { ...model, graph: { ...model.graph, initializers } }
  }
  const graph = new GraphBuilder()
  graph.input('x', 'float32', ['batch', 6, 8, 8])
  graph.input('v', 'float32', ['batch', 10])
  graph.input('r', 'float32', [7])
  // A one in each column: sums that cannot be rounded in two ways.
  const ones = new Uint16Array(40).map((_, i) => (i % 5 === 0 && i < 20 ? 0x3c00 : 0))
  const halves = graph.constant(new Tensor('float16', [10, 4], ones))
  const half = graph.node('Cast', ['v'], { to: 10 })
  graph.node('MatMul', [half, halves], {}, { outputs: ['h'] })
  const table = graph.constant(normal(5, 10))
  graph.node('Gather', [table, graph.constant(int64([3, 1]))], {}, { outputs: ['g'] })
  const constant = graph.constant(normal(3))
  for (const name of ['h', 'g', constant]) graph.output(name, undefined, undefined)
  const [first] = samples
  for (const each of [model, graph.model()])
    for (const blockBytes of [40, 2 ** 20]) {
      const options = { blockBytes, slicing: slicingOf }
      const found = await outOfCoreSession(nodeRuntime, arriving(each), options).run([first!])
      expect(early).toEqual([])
      expectClose(await whole(each, [first!]), found)
    }
})

describe('a outOfCore session', () => {
  test('computes what a whole one computes, however weights are cut', async () => {
    const expected = await whole(model, samples)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        async (blockBytes, sumParts, slices) => {
          const session = outOfCoreSession(nodeRuntime, model, {
            blockBytes,
            sumParts,
            ...(slices && { slicing: slicingOf }),
          })
          expectClose(expected, await session.run(samples))
        },
      ),
      { numRuns: 30 },
    )
  })

  test('never reads more of a weight than a block, where it can be cut', async () => {
    let largest = 0
    const watched = (tensor: LazyTensor): LazyTensor => ({
      dtype: tensor.dtype,
      dims: tensor.dims,
      byteLength: tensor.byteLength,
      read(offset, length) {
        largest = Math.max(largest, length)
        return tensor.read(offset, length)
      },
      readInto(offset, into) {
        largest = Math.max(largest, into.length)
        into.set(tensor.read(offset, into.length))
      },
    })
    const watchedModel: Model = {
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map(
          [...model.graph.initializers].map(([name, { tensor }]) => [
            name,
            { tensor: watched(tensor) },
          ]),
        ),
      },
    }
    const blockBytes = 1024
    const session = outOfCoreSession(nodeRuntime, watchedModel, {
      blockBytes,
      slicing: slicingOf,
    })
    expectClose(await whole(model, samples), await session.run(samples))
    expect(largest).toBeGreaterThan(0)
    expect(largest).toBeLessThanOrEqual(blockBytes)
  })

  describe('with a large weight', () => {
    /** y = x · w + b in single precision, and how often ONNX Runtime ran for four samples of x. */
    async function runs(bias: Tensor, rows: (sample: number) => number, inner = 6) {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', [null, inner])
      const product = ['x', graph.constant(normal(inner, 5)), graph.constant(bias)]
      graph.node('Gemm', product, {}, { outputs: ['y'] })
      graph.output('y', 'float32', undefined)
      const [model, samples] = [
        graph.model(),
        [0, 1, 2, 3].map((sample) => ({ x: normal(rows(sample), inner) })),
      ]
      let count = 0
      const counting = watchedRuntime(() => count++)
      const options = { blockBytes: (inner * 5 * 4) / 3, slicing: slicingOf }
      const found = await outOfCoreSession(counting, model, options).run(samples)
      expectClose(await whole(model, samples), found)
      return count
    }

    test('runs all samples at once for each slice', async () => {
      expect(await runs(normal(5), () => 2)).toBe(3)
      expect(await runs(normal(1, 5), (sample) => sample + 1)).toBe(3)
    })

    test('reads the next slice while one is used', async () => {
      const log: string[] = []
      const weight = normal(6, 5)
      const lazy: LazyTensor = {
        dtype: weight.dtype,
        dims: weight.dims,
        byteLength: weight.byteLength,
        read: (offset, length) => weight.read(offset, length),
        async readAsync(offset, into) {
          log.push('read')
          into.set(weight.read(offset, into.length))
        },
      }
      const graph = new GraphBuilder()
      graph.input('x', 'float32', [2, 6])
      graph.initializer('w', lazy)
      graph.node('MatMul', ['x', 'w'], {}, { outputs: ['y'] })
      graph.output('y', 'float32', [2, 5])
      const samples = [{ x: normal(2, 6) }]
      const runtime = watchedRuntime(() => log.push('run'))
      const options = { blockBytes: 40, slicing: slicingOf }
      const found = await outOfCoreSession(runtime, graph.model(), options).run(samples)
      expect(log).toEqual(['read', 'read', 'run', 'read', 'run', 'run'])
      expectClose(await whole(graph.model(), samples), found)
    })

    test('stops between two slices', async () => {
      const stop = new AbortController()
      let count = 0
      const runtime = watchedRuntime(() => {
        count++
        stop.abort(new Error('enough'))
      })
      const options = { blockBytes: 40, slicing: slicingOf }
      const graph = new GraphBuilder()
      graph.input('x', 'float32', [2, 6])
      graph.node('MatMul', ['x', graph.constant(normal(6, 5))], {}, { outputs: ['y'] })
      graph.output('y', 'float32', [2, 5])
      const session = outOfCoreSession(runtime, graph.model(), options)
      const { signal } = stop
      await expect(session.run([{ x: normal(2, 6) }], { signal })).rejects.toThrow('enough')
      expect(count).toBe(1)
    })

    test('runs them one by one where a bias differs by row, or they are large', async () => {
      expect(await runs(normal(2, 5), () => 2)).toBe(12)
      expect(await runs(normal(5), () => 500, 600)).toBe(12)
    })
  })

  describe('together with another', () => {
    /** The model with one number of some of its weights changed. */
    const changed = (given: Model, isChanged: (i: number) => boolean): Model => {
      const initializers = new Map(
        [...given.graph.initializers].map(([name, { tensor }], i) => {
          const values = toNumbers(tensor)
          if (!isChanged(i) || tensor.dtype !== 'float32') return [name, { tensor }]
          return [name, { tensor: float32(tensor.dims, values.with(i % values.length, 3)) }]
        }),
      )
      return { ...given, graph: { ...given.graph, initializers } }
    }

    test('computes what each computes alone, whichever of their weights are equal', () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
          fc.constantFrom(1, 200, 1024),
          fc.constantFrom(1, 2),
          async (flags, blockBytes, sumParts) => {
            const options = { blockBytes, sumParts, slicing: slicingOf }
            const pair = [model, changed(model, (i) => flags[i]!)] as const
            const open = (each: Model) => outOfCoreSession(nodeRuntime, each, options)
            const found = await runTogether(open(pair[0]), open(pair[1]), samples)
            for (const [i, each] of pair.entries())
              expectClose(await open(each).run(samples), found[i]!)
          },
        ),
        { numRuns: 30 },
      ))

    test('uses equal slices once', async () => {
      let count = 0
      const runtime = watchedRuntime(() => count++)
      const options = { blockBytes: 40, slicing: slicingOf }
      const graph = new GraphBuilder()
      graph.input('x', 'float32', [2, 6])
      const inputs = ['x', graph.constant(normal(6, 5)), graph.constant(normal(5))]
      graph.node('Gemm', inputs, {}, { outputs: ['y'] })
      graph.output('y', 'float32', [2, 5])
      const open = (each: Model) => outOfCoreSession(runtime, each, options)
      const runs = async (a: Model, b: Model) => {
        count = 0
        await runTogether(open(a), open(b), [{ x: normal(2, 6) }, { x: normal(2, 6) }])
        return count
      }
      const first = graph.model()
      expect(
        await runs(
          first,
          changed(first, () => false),
        ),
      ).toBe(3)
      // One slice of three differs, then the bias.
      expect(
        await runs(
          first,
          changed(first, (i) => i === 0),
        ),
      ).toBe(4)
      expect(
        await runs(
          first,
          changed(first, (i) => i === 1),
        ),
      ).toBe(6)
    })

    test('fails as the one that fails first', async () => {
      const other = new GraphBuilder()
      other.input('q', 'float32', [2, 6])
      other.output(other.node('Relu', ['q']), 'float32', [2, 6])
      const [a, b] = [model, other.model()].map((each) => outOfCoreSession(nodeRuntime, each))
      await expect(runTogether(a!, b!, samples)).rejects.toThrow(/no input/)
      await expect(runTogether(b!, a!, samples)).rejects.toThrow(/no input/)
    })
  })

  test('runs the parts of a model for its weights that change, and not the model for each', async () => {
    const weights = new Set(Array.from({ length: 40 }, (_, i) => `w${i}`))
    const graph = new GraphBuilder()
    let value = graph.input('x', 'float32', [2, 5])
    for (const name of weights) {
      const product = graph.node('MatMul', [value, graph.initializer(name, normal(5, 5))])
      value = graph.node('Tanh', [product])
    }
    graph.output(value, 'float32', [2, 5])
    const chain = graph.model()
    const fed: number[] = []
    const runtime = watchedRuntime((feeds) =>
      fed.push(Object.keys(feeds).filter((name) => weights.has(name)).length),
    )
    const inputs = [{ x: normal(2, 5) }]
    const moved = new Set<string>()
    const results = await outOfCoreSession(runtime, chain).run(inputs, {
      probe: {
        sample: 0,
        share: 2 ** -6,
        weights,
        isInParts: true,
        changes: () => true,
        onMovement: (of, _, by) => by > 0 && moved.add(of),
      },
    })
    expectClose(await whole(chain, inputs), results)
    expect([...weights].filter((name) => !moved.has(name))).toEqual([])
    // Values between the parts change as well: what moves them moves what follows.
    expect(moved.size).toBeGreaterThan(weights.size)
    expect(Math.max(...fed)).toBe(MOST_CHANGES)
  })

  test('has the inputs and outputs of the model', () => {
    const { inputs, outputs } = outOfCoreSession(nodeRuntime, model)
    expect(inputs).toEqual([
      { name: 'x', dtype: 'float32', shape: ['batch', 6, 8, 8] },
      { name: 'v', dtype: 'float32', shape: ['batch', 10] },
      { name: 'r', dtype: 'float32', shape: [7] },
    ])
    expect(outputs.map(({ name }) => name)).toEqual(['y', 'z'])
  })

  test('says which input is missing, unknown, or of the wrong size', async () => {
    const session = outOfCoreSession(nodeRuntime, model)
    const [feeds] = samples
    await expect(session.run([{ x: feeds!.x! }])).rejects.toThrow('Nothing was given for input v.')
    await expect(session.run([{ ...feeds, w: feeds!.v! }])).rejects.toThrow(
      'The model has no input w; it has x, v, r.',
    )
    await expect(session.run([{ ...feeds, x: normal(2, 6, 8, 9) }])).rejects.toMatchObject({
      kind: 'input',
    })
  })

  test('gives inputs and weights that are outputs too', async () => {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', [2])
    graph.initializer('w', float32([2], [3, 4]))
    graph.node('Add', ['x', 'w'], {}, { outputs: ['y'] })
    for (const name of ['x', 'w', 'y']) graph.output(name, 'float32', [2])
    const session = outOfCoreSession(nodeRuntime, graph.model())
    const [outputs] = await session.run([{ x: float32([2], [1, 2]) }])
    const found = Object.entries(outputs!).map(([name, { data }]) => [name, [...data]])
    expect(Object.fromEntries(found)).toEqual({ x: [1, 2], w: [3, 4], y: [4, 6] })
  })
})
