import { expect, test } from 'vitest'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, type Tensor } from '../../tensor/tensor.ts'
import { createStepper } from '../run/create-stepper.ts'
import {
  accumulated,
  adagrad,
  adam,
  adamw,
  averaged,
  type Optimizer,
  sgd,
} from './optimizers/index.ts'
import { buildStep } from './step-graph.ts'

/** Two dense layers, their biases, and normalizations in between. */
function network() {
  const builder = new GraphBuilder()
  const random = randomStream(5, 'joined vectors')
  const parameter = (name: string, dims: readonly number[]) =>
    builder.initializer(name, normalTensor(random, dims))
  builder.input('x', 'float32', ['batch', 6])
  const a = builder.node('Gemm', ['x', parameter('w1', [6, 8]), parameter('b1', [8])])
  const b = builder.node('LayerNormalization', [a, parameter('scale', [8]), parameter('b2', [8])])
  const norm = (x: string, name: string, momentum: number) =>
    builder.node(
      'BatchNormalization',
      [
        x,
        parameter(`${name}.scale`, [8]),
        parameter(`${name}.shift`, [8]),
        builder.initializer(`${name}.mean`, float32([8], Array(8).fill(0.5))),
        builder.initializer(`${name}.variance`, float32([8], Array(8).fill(2))),
      ],
      { momentum: float(momentum) },
    )
  const c = builder.node('Gemm', [
    builder.node('Tanh', [norm(norm(b, 'n1', 0.9), 'n2', 0.75)]),
    parameter('w2', [8, 3]),
    parameter('b3', [3]),
  ])
  builder.output(c, 'float32', ['batch', 3])
  return builder.model()
}

test.each<[string, Optimizer]>([
  ['SGD', sgd({ learningRate: 0.1 })],
  ['Nesterov’s momentum', sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })],
  ['AdamW', adamw({ learningRate: 0.01 })],
  ['Adam without a first moment', adam({ learningRate: 0.01, beta1: 0 })],
  ['AdamW without corrections', adamw({ learningRate: 0.01, biasCorrection: false })],
  ['AdamW in two batches', accumulated(adamw({ learningRate: 0.01 }), 2)],
  ['AdaGrad', adagrad({ learningRate: 0.1 })],
  ['a moving average', averaged(sgd({ learningRate: 0.1, momentum: 0.5 }), 0.9)],
])(
  '%s: vectors in one tensor, and numbers in another, learn the same, to the bit',
  async (_, optimizer) => {
    const options = { loss: 'softmax-cross-entropy', optimizer, watch: true, seed: 1 } as const
    const random = randomStream(6, 'batches')
    const batches = [4, 4, 3].map((size) => ({
      inputs: { x: normalTensor(random, [size, 6]) },
      target: int64(Array.from({ length: size }, (_, i) => i % 3)),
    }))
    const outcomes: { losses: number[]; state: ReadonlyMap<string, Tensor> }[] = []
    // Gradients of several batches are counted for each matrix by itself.
    const isApart = (name: string) => name === 'w2.step' && optimizer.scalars === undefined
    for (const joinVectors of [false, true]) {
      const graph = buildStep(network(), { ...options, joinVectors, target: 'onnxruntime-cpu' })
      const inputs = graph.model.graph.inputs.map(({ name }) => name)
      for (const name of ['b1', 'n1.mean', 'n2.variance', 'w2.step'])
        if (graph.state.has(name))
          expect(inputs.includes(name), name).toBe(!joinVectors || isApart(name))
      // One of the vectors and one of the matrices have been trained before, the others have not.
      const state = new Map(graph.state)
      for (const name of ['b3.step', 'w2.step'])
        if (state.has(name)) state.set(name, float32([], [7]))
      const stepper = await createStepper(graph, state, nodeRuntime, { threads: 1 })
      try {
        const losses: number[] = []
        for (const batch of batches) losses.push((await stepper.step(batch, 0.1)).loss)
        const found = [...(await stepper.read())]
        outcomes.push({ losses, state: new Map(found) })
      } finally {
        await stepper.release()
      }
    }
    const [apart, joined] = outcomes
    expect(joined!.losses).toEqual(apart!.losses)
    expect([...joined!.state.keys()]).toEqual([...apart!.state.keys()])
    for (const [name, { dims, data }] of apart!.state) {
      expect(joined!.state.get(name)!.dims, name).toEqual(dims)
      expect([...joined!.state.get(name)!.data], name).toEqual([...data])
    }
  },
)
