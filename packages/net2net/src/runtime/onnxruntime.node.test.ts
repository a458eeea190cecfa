import { describe, expect, test } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import { encodeModel } from '../onnx/encode.ts'
import { toFloat16 } from '../tensor/half.ts'
import { float32, int64, type NumericDType, Tensor } from '../tensor/tensor.ts'
import { nodeRuntime } from './onnxruntime.node.ts'

/** y = x + x, of any type and with a symbolic batch. */
function doubling(dtype: NumericDType = 'float32'): Uint8Array {
  const graph = new GraphBuilder()
  graph.input('x', dtype, ['batch', 2])
  graph.node('Add', ['x', 'x'], {}, { outputs: ['y'] })
  graph.output('y', dtype, ['batch', 2])
  return encodeModel(graph.model())
}
const session = (model = doubling()) => nodeRuntime.createSession(model, { threads: 1 })

describe('a session', () => {
  test('tells its inputs and outputs', async () => {
    const value = { dtype: 'float32', shape: ['batch', 2] }
    const { inputs, outputs } = await session()
    expect(inputs).toEqual([{ name: 'x', ...value }])
    expect(outputs).toEqual([{ name: 'y', ...value }])
  })

  // From Node 24 on, JavaScript has Float16Array, which changes what the library takes.
  test('takes and gives float16 as bit patterns, also into memory of the caller', async () => {
    const half = (...values: number[]) =>
      new Tensor('float16', [1, 2], Uint16Array.from(values, toFloat16))
    const doubler = await session(doubling('float16'))
    const { y } = await doubler.run({ x: half(1.5, -2) })
    expect(y).toEqual(half(3, -4))
    const into = half(0, 0)
    await doubler.run({ x: half(0.25, 5) }, { y: into })
    expect(into).toEqual(half(0.5, 10))
  })

  test.each([
    ['float32', Float32Array.from([1.5, -2])],
    ['float64', Float64Array.from([1.5, -2])],
    ['int32', Int32Array.from([3, -4])],
    ['int64', BigInt64Array.from([3n, -4n])],
    ['uint8', Uint8Array.from([3, 4])],
  ] as const)('takes and gives %s', async (dtype, data) => {
    const x = new Tensor<NumericDType>(dtype, [1, 2], data as Float32Array)
    const { y } = await (await session(doubling(dtype))).run({ x })
    expect(y!.dtype).toBe(dtype)
    expect(y!.dims).toEqual([1, 2])
    expect(Array.from(y!.data, Number)).toEqual(
      Array.from(data, (v: number | bigint) => 2 * Number(v)),
    )
  })

  test.each([
    ['MaxPool', 1, [0, -1]],
    ['MaxPool', 2, [0, -1, -2]],
    ['AveragePool', 2, [0, -2.5, -2.5]],
  ] as const)(
    '%s counts the zeros that a Pad sets before it: %i',
    async (opType, count, expected) => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', [1, 1, 4])
      const pads = graph.constant(int64([0, 0, count, 0, 0, 0]))
      const y = graph.node(opType, [graph.node('Pad', ['x', pads])], {
        kernel_shape: [2],
        strides: [2],
      })
      graph.output(y, 'float32', [1, 1, null])
      const pooled = await (await session(encodeModel(graph.model()))).run({
        x: float32([1, 1, 4], [-4, -1, -3, -2]),
      })
      expect([...pooled[y]!.data]).toEqual(expected)
    },
  )

  test('takes and gives float16 as bit patterns', async () => {
    // 1.5 and −2 in half precision; doubled: 3 and −4.
    const x = new Tensor('float16', [1, 2], Uint16Array.from([0x3e00, 0xc000]))
    const { y } = await (await session(doubling('float16'))).run({ x })
    expect(y!.data).toBeInstanceOf(Uint16Array)
    expect([...y!.data]).toEqual([0x4200, 0xc400])
  })

  test('writes into the tensors that it is given', async () => {
    const y = float32([1, 2], [0, 0])
    const results = await (await session()).run({ x: float32([1, 2], [3, 4]) }, { y })
    expect(results.y).toBe(y)
    expect([...y.data]).toEqual([6, 8])
  })

  test('takes shared memory', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared.set([5, 6])
    const { y } = await (await session()).run({ x: new Tensor('float32', [1, 2], shared) })
    expect([...y!.data]).toEqual([10, 12])
  })

  test('takes a view into a larger buffer', async () => {
    const data = Float32Array.from([0, 1, 2, 0]).subarray(1, 3)
    const { y } = await (await session()).run({ x: new Tensor('float32', [1, 2], data) })
    expect([...y!.data]).toEqual([2, 4])
  })
})

describe('what is wrong is said in one sentence', () => {
  const x = float32([1, 2], [1, 2])
  test.each([
    [
      'an input that is missing',
      {},
      undefined,
      'input',
      /cannot run the model: input 'x' is missing/,
    ],
    [
      'an input of another shape',
      { x: float32([1, 3], [1, 2, 3]) },
      undefined,
      'input',
      /dimensions/,
    ],
    [
      'an input of another type',
      { x: new Tensor('int32', [1, 2], new Int32Array(2)) },
      undefined,
      'input',
      /type/,
    ],
    ['an unknown input', { x, z: x }, undefined, 'usage', /no input z; it has x/],
    ['an unknown output', { x }, ['z'], 'usage', /no output z; it has y/],
  ])('%s', async (_, feeds, outputs, kind, message) => {
    const error: Error = await (await session()).run(feeds, outputs).catch((e) => e)
    expect(error).toMatchObject({ kind, message: expect.stringMatching(message) })
    expect(error.message).toMatch(/^[^\n]+\.$/)
    expect(error.message).not.toMatch(/onnxruntime_src|\.cc/)
  })

  test.each([
    ['bytes that are no model', new Uint8Array([1, 2, 3])],
    ['no bytes', new Uint8Array(0)],
    ['a truncated model', doubling().subarray(0, 20)],
    ['a file that is missing', '/nowhere/model.onnx'],
    ['a file that is no model', 'package.json'],
  ])('%s', async (_, model) => {
    await expect(nodeRuntime.createSession(model)).rejects.toThrow(
      expect.objectContaining({
        kind: 'input',
        message: expect.stringMatching(/^ONNX Runtime cannot load [^\n]+\.$/),
      }),
    )
  })

  test('CUDA libraries that are not installed', async () => {
    await expect(nodeRuntime.createSession(doubling(), { device: 'cuda' })).rejects.toThrow(
      /^The device cuda is not available.*onnxruntime-node-install=cuda12/,
    )
  })

  test('a released session', async () => {
    const released = await session()
    await released.release()
    await released.release()
    await expect(released.run({ x })).rejects.toThrow(/released/)
  })
})
