import { expect, test } from 'vitest'
import { Net } from '../../../testing/compare-steps.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { buildStep } from '../compile/step-graph.ts'
import { createStepper } from './create-stepper.ts'
import { formsFor } from './targets.ts'

/** The sessions that a step of a network is given: how long their threads look for work. */
async function spinOf(layers: (net: Net) => string): Promise<number | undefined> {
  const net = new Net()
  net.builder.input('input', 'float32', ['batch', 6, 4])
  const flat = net.builder.node('Flatten', [layers(net)])
  net.builder.nodeOutputs('Gemm', [flat, net.parameter('fc', [24, 5])], {}, { outputs: ['logits'] })
  net.builder.output('logits', 'float32', ['batch', 5])
  let spin: number | undefined
  const runtime: Runtime = {
    ...nodeRuntime,
    createSession(model, options) {
      spin = options?.spin
      return nodeRuntime.createSession(model, options)
    },
  }
  const forms = formsFor(nodeRuntime)
  const graph = buildStep(net.builder.model(), { loss: 'softmax-cross-entropy', ...forms })
  await (await createStepper(graph, graph.state, runtime, { threads: 1 })).release()
  return spin
}

test('threads stay awake between the steps of a recurrent layer, and nowhere else', async () => {
  const recurrent = (net: Net) => {
    const steps = net.builder.node('Transpose', ['input'], { perm: [1, 0, 2] })
    const weights = [net.parameter('w', [1, 16, 4]), net.parameter('r', [1, 16, 4])]
    const y = net.builder.node('LSTM', [steps, ...weights], { hidden_size: 4 })
    return net.builder.node('Transpose', [y], { perm: [2, 0, 1, 3] })
  }
  expect(await spinOf(recurrent)).toBe(100)
  expect(await spinOf((net) => net.relu('input'))).toBeUndefined()
})
