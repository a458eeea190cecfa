import { describe, expect, test } from 'vitest'
import { float, floats } from '../model/attributes.ts'
import { GraphBuilder } from '../model/builder.ts'
import { opsetOf } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { sgd } from '../training/compile/optimizers/index.ts'
import { buildStep } from '../training/index.ts'
import { upgrade } from './upgrade-opset.ts'

/** Operators whose form changed between operator set 9 and 18. */
function oldModel(opset = 9) {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 4, 4, 6])
  builder.initializer(
    'w',
    float32(
      [5, 4],
      Array.from({ length: 20 }, (_, i) => Math.sin(i)),
    ),
  )
  builder.initializer('b', float32([5], [1, 0, -1, 0, 0.5]))
  const clipped = builder.node('Clip', ['x'], { min: float(-0.5), max: float(1.5) })
  const padded = builder.node('Pad', [clipped], {
    pads: [0, 0, 1, 0, 0, 0, 0, 1],
    value: float(0.25),
  })
  const sliced = builder.node('Slice', [padded], { axes: [2, 3], starts: [0, 1], ends: [4, 100] })
  const [left, right] = builder.nodeOutputs(
    'Split',
    [sliced],
    { axis: 1, split: [1, 3] },
    { outputs: 2 },
  )
  const joined = builder.node('Concat', [right!, left!], { axis: 1 })
  const dropped = builder.node('Dropout', [joined], { ratio: float(0.5) })
  const scaled = builder.node(
    'Upsample',
    [dropped, builder.initializer('s', float32([4], [1, 1, 2, 2]))],
    { mode: 'nearest' },
  )
  const mean = builder.node('ReduceMean', [scaled], { axes: [2, 3], keepdims: 1 })
  const squeezed = builder.node('Squeeze', [mean], { axes: [2, 3] })
  const rows = builder.node('ReduceSum', [builder.node('Unsqueeze', [squeezed], { axes: [2] })], {
    axes: [2],
    keepdims: 0,
  })
  const scores = builder.node('Gemm', [rows, 'w', 'b'], { transB: 1 })
  builder.nodeOutputs('Softmax', [scores], { axis: 1 }, { outputs: ['y'] })
  builder.output('y', 'float32', ['batch', 5])
  return builder.model('old', opset)
}

describe('models of older operator sets', () => {
  const x = float32(
    [2, 4, 4, 6],
    Array.from({ length: 192 }, (_, i) => 2 * Math.cos(i * 1.7)),
  )
  const run = async (model: ReturnType<typeof oldModel>) => {
    const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
    const { y } = await session.run({ x })
    await session.release()
    return [...y!.data].map(Number)
  }

  test('compute the same in today’s', async () => {
    const old = oldModel()
    const today = upgrade(old)
    expect(opsetOf(today)).toBe(18)
    expect(opsetOf(old)).toBe(9)
    const [before, after] = [await run(old), await run(today)]
    before.forEach((value, i) => {
      expect(after[i]).toBeCloseTo(value, 6)
    })
  })

  test('train', async () => {
    const step = buildStep(oldModel(), {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.1 }),
    })
    expect(step.parameters).toEqual(['w', 'b'])
    const session = await nodeRuntime.createSession(encodeModel(step.model), { threads: 1 })
    const results = await session.run({ x, target: int64([1, 3]) })
    await session.release()
    expect(Number(results.loss!.data[0])).toBeGreaterThan(0)
    expect(results['w.next']!.data).not.toEqual(step.state.get('w')!.data)
  })

  test('newer ones stay as they are', () => {
    const model = { ...oldModel(), opsets: new Map([['', 21]]) }
    expect(upgrade(model)).toBe(model)
  })

  test('what is too old or unknown is refused by name', () => {
    expect(() => upgrade(oldModel(6))).toThrow(/operator set 6; sets from 7 on/)
    const builder = new GraphBuilder()
    builder.input('x', 'float32', [2])
    builder.nodeOutputs(
      'Rocket',
      ['x'],
      { thrust: floats([1]) },
      { name: 'launch', outputs: ['y'] },
    )
    builder.output('y', 'float32', [2])
    expect(() => upgrade(builder.model('new', 12))).toThrow(/Rocket launch.*operator set 12 to 18/)
  })
})
