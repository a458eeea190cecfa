import { expect, test } from 'vitest'
import { smallData, smallNetwork, smallOptions } from '../../../testing/small-training.ts'
import type { Batch } from '../../data/samples.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { buildStep } from '../compile/step-graph.ts'
import { createStepper, withoutDefaults } from './create-stepper.ts'
import { HandedStepper } from './handed-stepper.ts'

test.each([false, true])(
  'state that is handed from run to run learns the same as state in buffers, joined: %s',
  async (joinVectors) => {
    const graph = buildStep(smallNetwork(), { ...smallOptions(), joinVectors })
    expect(graph.joined.length > 0).toBe(joinVectors)
    const options = { threads: 1 }
    const session = await nodeRuntime.createSession(
      encodeModel(withoutDefaults(graph.model)),
      options,
    )
    const handed = new HandedStepper(graph, graph.state, session, nodeRuntime, options)
    const buffered = await createStepper(graph, graph.state, nodeRuntime, options)
    expect(handed.previous()).toBeUndefined()
    let before = new Map<string, readonly number[]>()
    for (const batch of smallData().batches(8) as Iterable<Batch>) {
      before = numbersOf(await handed.read())
      const a = await handed.step(batch, 0.01)
      const b = await buffered.step(batch, 0.01)
      expect(a.loss).toBeCloseTo(b.loss, 4)
      expect(a.predictions).toBe(b.predictions)
    }
    // Where a number goes wrong, the state of the step before tells which.
    expect(numbersOf(handed.previous()!)).toEqual(before)
    const expected = await buffered.read()
    const found = await handed.read()
    expect([...found.keys()]).toEqual([...expected.keys()])
    for (const [name, { dims, data }] of found) {
      expect(dims, name).toEqual(expected.get(name)!.dims)
      data.forEach((value, i) => {
        expect(Number(value), name).toBeCloseTo(Number(expected.get(name)!.data[i]), 3)
      })
    }
    await handed.release()
    await buffered.release()
  },
)

const numbersOf = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map([...tensors].map(([name, { data }]) => [name, Array.from(data, Number)]))
