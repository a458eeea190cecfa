import { expect, test } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import { float32 } from '../tensor/tensor.ts'
import { createInPlaceSession } from './in-place.ts'
import { nodeRuntime } from './onnxruntime.node.ts'
import type { InPlaceOptions, Runtime } from './runtime.ts'

/** y = x + x, and z = x · x under a name that the refused output would like to have. */
function doubled() {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['n', 2])
  builder.nodeOutputs('Add', [x, x], {}, { outputs: ['y'] })
  builder.nodeOutputs('Mul', [x, x], {}, { outputs: ['nothing'] })
  builder.output('y', 'float32', ['n', 2])
  builder.output('nothing', 'float32', ['n', 2])
  return builder.model()
}

const tensors = () => ({ y: float32([1, 2], [0, 0]), nothing: float32([1, 2], [0, 0]) })

test('results are in the given tensors, and the runtime makes no others', async () => {
  const asked: (InPlaceOptions | undefined)[] = []
  const watched: Runtime = {
    ...nodeRuntime,
    createSession: (model, options) => {
      asked.push(options)
      return nodeRuntime.createSession(model, options)
    },
  }
  const session = await createInPlaceSession(watched, doubled(), { threads: 1 })
  // This build of ONNX Runtime copies: with another one, this line tells that nothing is gained any more.
  expect(asked.at(-1)?.refused?.message).toBeTruthy()
  expect(session.outputs.map(({ name }) => name)).toEqual(['y', 'nothing'])
  for (const value of [3, 4]) {
    const outputs = tensors()
    const results = await session.run({ x: float32([1, 2], [value, -value]) }, outputs)
    expect([...outputs.y.data]).toEqual([2 * value, -2 * value])
    expect([...outputs.nothing.data]).toEqual([value ** 2, value ** 2])
    expect(results.y).toBe(outputs.y)
  }
  await session.release()
})

test('a run that fails is an error as ever', async () => {
  const session = await createInPlaceSession(nodeRuntime, doubled(), { threads: 1 })
  await expect(
    session.run({ x: float32([1, 3], [1, 2, 3]) }, { ...tensors(), y: float32([1, 3], [0, 0, 0]) }),
  ).rejects.toThrow('ONNX Runtime cannot run the model')
  await session.release()
})

test('a runtime that is not known to copy gets an ordinary session', async () => {
  const { copiesInPlaceOutputs: _, ...plain } = nodeRuntime
  const asked: (InPlaceOptions | undefined)[] = []
  const runtime: Runtime = {
    ...plain,
    createSession: (model, options) => {
      asked.push(options)
      return nodeRuntime.createSession(model, options)
    },
  }
  const session = await createInPlaceSession(runtime, doubled(), { threads: 1 })
  expect(asked).toEqual([{ threads: 1 }])
  const outputs = tensors()
  await session.run({ x: float32([1, 2], [1, 2]) }, outputs)
  expect([...outputs.y.data]).toEqual([2, 4])
  await session.release()
})
