/** The experiment's networks and their training step, in Node and in a browser. */
import type { Model } from '../packages/net2net/src/model/model.ts'
import type { Runtime } from '../packages/net2net/src/runtime/runtime.ts'
import { randomStream } from '../packages/net2net/src/tensor/random.ts'
import { float32, Tensor } from '../packages/net2net/src/tensor/tensor.ts'
import { sgd } from '../packages/net2net/src/training/compile/optimizers/index.ts'
import { buildStep } from '../packages/net2net/src/training/compile/step-graph.ts'
import { createStepper } from '../packages/net2net/src/training/run/create-stepper.ts'
import type { Stepper } from '../packages/net2net/src/training/run/stepper.ts'
import { formsFor } from '../packages/net2net/src/training/run/targets.ts'
import { mnistNetwork, widerWidths } from '../packages/net2net-cli/src/mnist/networks.ts'

export type Kind = 'teacher' | 'wider' | 'deeper'

export const optimizer = sgd({ learningRate: 0.01, momentum: 0.9 })
export const loss = 'softmax-cross-entropy'

export const networkOf = (kind: Kind): Model =>
  mnistNetwork(kind, 0, {
    ...(kind === 'wider' && { widths: widerWidths }),
    deeper: kind === 'deeper',
  })

/** A fifth of the pixels lit, as in handwritten digits. */
export function drawBatch(size: number) {
  const random = randomStream(0, 'benchmark batch', size)
  const pixels = Float32Array.from({ length: size * 784 }, () =>
    random.uniform() < 0.2 ? random.uniform() : 0,
  )
  const classes = BigInt64Array.from({ length: size }, (_, i) => BigInt(i % 10))
  return {
    inputs: { input: float32([size, 1, 28, 28], pixels) },
    target: new Tensor('int64', [size], classes),
  }
}

/** The trainer's own stepper, in the forms that the runtime takes. */
export function stepperOf(kind: Kind, runtime: Runtime, threads: number): Promise<Stepper> {
  const graph = buildStep(networkOf(kind), { loss, optimizer, watch: true, ...formsFor(runtime) })
  return createStepper(graph, graph.state, runtime, { threads })
}
