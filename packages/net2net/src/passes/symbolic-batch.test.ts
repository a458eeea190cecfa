import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, type Tensor } from '../tensor/tensor.ts'
import { withSymbolicBatch } from './symbolic-batch.ts'

/** A graph of one input, written as exporters write it for batches of `size`. */
class Sketch {
  readonly builder = new GraphBuilder()
  readonly size: number
  readonly #random = randomStream(3, 'sketch')

  constructor(size: number, ...dims: readonly number[]) {
    this.size = size
    this.builder.input('x', 'float32', [size, ...dims])
  }
  weight = (...dims: readonly number[]) =>
    this.builder.initializer(
      this.builder.names.fresh('w'),
      float32(
        dims,
        Array.from({ length: elementCount(dims) }, () => this.#random.normal()),
      ),
    )
  reshape = (value: string, ...dims: readonly number[]) =>
    this.builder.node('Reshape', [value, this.builder.constant(int64(dims))])
  transpose = (value: string, ...perm: readonly number[]) =>
    this.builder.node('Transpose', [value], { perm })
  op = (type: string, ...inputs: readonly string[]) => this.builder.node(type, inputs)
  model(output: string, ...dims: readonly number[]): Model {
    this.builder.nodeOutputs('Identity', [output], {}, { outputs: ['y'] })
    this.builder.output('y', 'float32', [this.size, ...dims])
    return this.builder.model()
  }
}

/** By name: what is exact for every batch. `n` is the size that the file is written for. */
const exact: Readonly<Record<string, (n: number) => Model>> = {
  'convolutions, flattened'(n) {
    const s = new Sketch(n, 2, 4, 4)
    const y = s.op('Conv', 'x', s.weight(3, 2, 3, 3))
    return s.model(s.op('MatMul', s.reshape(y, n, 12), s.weight(12, 5)), 5)
  },
  'a size left open behind the batch'(n) {
    const s = new Sketch(n, 2, 3)
    return s.model(s.op('MatMul', s.reshape('x', n, -1), s.weight(6, 4)), 4)
  },
  'tokens as rows, and back'(n) {
    const s = new Sketch(n, 5, 4)
    const rows = s.op('MatMul', s.reshape('x', 5 * n, 4), s.weight(4, 6))
    return s.model(s.reshape(s.op('Relu', rows), n, 5, 6), 5, 6)
  },
  'attention with heads'(n) {
    const s = new Sketch(n, 5, 4)
    const heads = (value: string) =>
      s.transpose(s.reshape(s.op('MatMul', value, s.weight(4, 4)), n, 5, 2, 2), 0, 2, 1, 3)
    const scores = s.op('MatMul', heads('x'), s.transpose(heads('x'), 0, 1, 3, 2))
    const mixed = s.op('MatMul', s.builder.node('Softmax', [scores], { axis: -1 }), heads('x'))
    return s.model(s.reshape(s.transpose(mixed, 0, 2, 1, 3), n, 5, 4), 5, 4)
  },
  'windows of an image, and back'(n) {
    const s = new Sketch(n, 4, 6, 3)
    const split = s.transpose(s.reshape('x', n, 2, 2, 3, 2, 3), 0, 1, 3, 2, 4, 5)
    const windows = s.op('MatMul', s.reshape(split, 6 * n, 4, 3), s.weight(3, 3))
    const scores = s.op('MatMul', windows, s.transpose(windows, 0, 2, 1))
    const mixed = s.op('MatMul', s.builder.node('Softmax', [scores], { axis: -1 }), windows)
    const back = s.transpose(s.reshape(mixed, n, 2, 3, 2, 2, 3), 0, 1, 3, 2, 4, 5)
    return s.model(s.reshape(back, n, 4, 6, 3), 4, 6, 3)
  },
  'the batch in the middle for a while'(n) {
    const s = new Sketch(n, 5, 4)
    const turned = s.op('MatMul', s.transpose('x', 1, 0, 2), s.weight(4, 4))
    return s.model(s.reshape(s.transpose(turned, 1, 0, 2), n, 20), 20)
  },
  'an axis of one gone behind the batch, which stands in the middle'(n) {
    const s = new Sketch(n, 5, 4)
    const steps = s.op('Unsqueeze', s.transpose('x', 1, 0, 2), s.builder.constant(int64([2])))
    const turned = s.op('MatMul', s.reshape(steps, 5, n, 4), s.weight(4, 4))
    return s.model(s.transpose(turned, 1, 0, 2), 5, 4)
  },
}

/** By name: what would not be, or is not known to be. */
const inexact: Readonly<Record<string, (n: number) => Model>> = {
  'the mean over the batch'(n) {
    const s = new Sketch(n, 4)
    const mean = s.builder.node('ReduceMean', ['x', s.builder.constant(int64([0]))], {
      keepdims: 1,
    })
    return s.model(s.op('Sub', 'x', mean), 4)
  },
  'probabilities over the batch'(n) {
    const s = new Sketch(n, 4)
    return s.model(s.builder.node('Softmax', ['x'], { axis: 0 }), 4)
  },
  'samples compared with each other'(n) {
    const s = new Sketch(n, 4)
    const scores = s.op('MatMul', 'x', s.transpose('x', 1, 0))
    return s.model(s.op('MatMul', scores, 'x'), 4)
  },
  'the batch inside the heads'(n) {
    const s = new Sketch(n, 3, 4)
    const turned = s.reshape(s.transpose('x', 1, 0, 2), 3, 2 * n, 2)
    return s.model(s.transpose(s.reshape(turned, 3, n, 4), 1, 0, 2), 3, 4)
  },
  'the batch divided among other axes'(n) {
    const s = new Sketch(n, 3, 4)
    const turned = s.reshape(s.transpose('x', 1, 0, 2), 3, 2, 2 * n)
    return s.model(s.reshape(s.transpose(turned, 2, 0, 1), n, 12), 12)
  },
  'samples as the innermost rows'(n) {
    const s = new Sketch(n, 3, 4)
    const rows = s.reshape(s.transpose('x', 1, 0, 2), 3 * n, 4)
    return s.model(s.reshape(rows, n, 12), 12)
  },
  'a token of each sample from a constant'(n) {
    const s = new Sketch(n, 3, 4)
    return s.model(s.builder.node('Concat', [s.weight(n, 1, 4), 'x'], { axis: 1 }), 4, 4)
  },
  'a sum over the batch of single numbers'(n) {
    const s = new Sketch(n, 1)
    const sum = s.builder.node('ReduceSum', ['x', s.builder.constant(int64([0]))], { keepdims: 0 })
    return s.model(s.op('Add', 'x', sum), 1)
  },
}

async function run(model: Model, x: Tensor): Promise<Tensor> {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    return (await session.run({ x })).y!
  } finally {
    await session.release()
  }
}

describe('a fixed batch', () => {
  test.each(Object.keys(exact))('becomes any batch where that is exact: %s', async (name) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 3),
        fc.integer({ min: 1, max: 4 }),
        async (size, times) => {
          const fixed = exact[name]!(size)
          const free = withSymbolicBatch(fixed)
          const { type } = free.graph.inputs[0]!
          const sample = type.kind === 'tensor' ? (type.shape ?? []).slice(1).map(Number) : []
          expect(free.graph.outputs[0]!.type).toMatchObject({
            shape: expect.arrayContaining(['batch']),
          })
          const row = elementCount(sample)
          const random = randomStream(times, 'input')
          const values = Float32Array.from({ length: times * size * row }, () => random.normal())
          const all = await run(free, float32([times * size, ...sample], values))
          const parts: number[] = []
          for (let i = 0; i < times; i++) {
            const part = values.slice(i * size * row, (i + 1) * size * row)
            const y = await run(fixed, float32([size, ...sample], part))
            parts.push(...(y.data as Float32Array))
          }
          expect(all.dims[0]).toBe(times * size)
          parts.forEach((value, i) => void expect(all.data[i]).toBeCloseTo(value, 4))
        },
      ),
      { numRuns: 8 },
    )
  })

  test.each(Object.keys(inexact))('stays where samples meet: %s', (name) => {
    for (const size of [1, 2, 3]) {
      const fixed = inexact[name]!(size)
      expect(withSymbolicBatch(fixed), `size ${size}`).toBe(fixed)
    }
  })

  test('stays where inputs fix different numbers', () => {
    const builder = new GraphBuilder()
    builder.input('a', 'float32', [1, 3])
    builder.input('b', 'float32', [2, 3])
    builder.output(builder.node('Add', ['a', 'b']), 'float32', [2, 3])
    const model = builder.model()
    expect(withSymbolicBatch(model)).toBe(model)
  })
})
