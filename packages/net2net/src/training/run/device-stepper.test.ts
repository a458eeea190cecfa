import { expect, test } from 'vitest'
import { smallData, smallNetwork, smallOptions } from '../../../testing/small-training.ts'
import type { Batch } from '../../data/samples.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { buildStep } from '../compile/step-graph.ts'
import { createStepper, withoutDefaults } from './create-stepper.ts'
import { DeviceStepper } from './device-stepper.ts'

test('state that is handed from run to run learns the same as state in buffers', async () => {
  const graph = buildStep(smallNetwork(), smallOptions())
  const options = { threads: 1 }
  const session = await nodeRuntime.createSession(
    encodeModel(withoutDefaults(graph.model)),
    options,
  )
  const handed = new DeviceStepper(graph, graph.state, session, nodeRuntime, options)
  const buffered = await createStepper(graph, graph.state, nodeRuntime, options)
  for (const batch of smallData().batches(8) as Iterable<Batch>) {
    const a = await handed.step(batch, 0.01)
    const b = await buffered.step(batch, 0.01)
    expect(a.loss).toBeCloseTo(b.loss, 4)
    expect(a.predictions).toBe(b.predictions)
  }
  const expected = await buffered.read()
  for (const [name, tensor] of await handed.read())
    tensor.data.forEach((value, i) => {
      expect(Number(value), name).toBeCloseTo(Number(expected.get(name)!.data[i]), 3)
    })
  await handed.release()
  await buffered.release()
})
