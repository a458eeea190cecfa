import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, Net, numbers } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { intsAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import type { Model } from '../../model/model.ts'
import { widestBlock } from '../../operators/helpers/blocked.ts'
import { createInPlaceSession } from '../../runtime/in-place.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64, type Tensor } from '../../tensor/tensor.ts'
import {
  accumulated,
  adafactor,
  adamw,
  averaged,
  lion,
  type Optimizer,
  sgd,
} from '../../training/compile/optimizers/index.ts'
import { buildStep, type StepGraph, type StepOptions } from '../../training/compile/step-graph.ts'
import { BufferedStepper } from '../../training/run/buffered-stepper.ts'
import { withoutDefaults } from '../../training/run/create-stepper.ts'
import { lowerStep } from './lower-for-cpu.ts'

interface Example {
  readonly model: Model
  readonly input: readonly number[]
}

/** A network of images or signals: what `layers` makes of two blocks of channels, its means, and classes. */
function network(sizes: readonly number[], layers: (net: Net, x: string) => string): Example {
  const net = new Net()
  const { builder } = net
  const input = [4, 3, ...sizes]
  builder.input('input', 'float32', ['batch', ...input.slice(1)])
  const first = builder.node('Conv', [
    'input',
    net.parameter('first', [2 * widestBlock, 3, ...ones(sizes)]),
  ])
  const last = layers(net, net.relu(first))
  const means = builder.node('Flatten', [builder.node('GlobalAveragePool', [last])])
  const y = builder.node('Gemm', [means, net.parameter('fc', [2 * widestBlock, 5])])
  builder.output(y, 'float32', ['batch', 5])
  return { model: builder.model(), input }
}

const ones = (sizes: readonly number[]) => sizes.map(() => 1)

const stepOf = (model: Model, options: Partial<StepOptions> = {}): StepGraph =>
  buildStep(model, {
    loss: 'softmax-cross-entropy',
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    target: 'onnxruntime-cpu',
    joinVectors: true,
    watch: true,
    ...options,
  })

/** Losses and the last state of some steps, with the state in blocks where it pays, or with none of it. */
async function train(graph: StepGraph, input: readonly number[], states: Iterable<string>) {
  const { model, inBlocks } = lowerStep(withoutDefaults(graph.model), block, states, ['loss'])
  const session = await createInPlaceSession(nodeRuntime, model, { device: 'cpu', threads: 2 })
  const stepper = new BufferedStepper(graph, graph.state, session, inBlocks)
  const random = randomStream(5, 'batches')
  try {
    const losses: number[] = []
    let before: ReadonlyMap<string, Tensor> = graph.state
    for (let step = 0; step < 3; step++) {
      const batch = {
        inputs: { input: normalTensor(random, input) },
        target: int64([0, 1, 2, 3]),
      }
      losses.push((await stepper.step(batch, 0.1)).loss)
      expect(plain(stepper.previous())).toEqual(plain(before))
      before = await stepper.read()
    }
    return { losses, state: plain(before), names: inBlocks.names }
  } finally {
    await stepper.release()
  }
}

const plain = (state: ReadonlyMap<string, Tensor>) =>
  [...state].map(([name, tensor]) => [name, tensor.dims, numbers(tensor)])

const optimizers: Readonly<Record<string, Optimizer>> = {
  momentum: sgd({ learningRate: 0.1, momentum: 0.9 }),
  nesterov: sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, rule: 'pytorch' }),
  decayed: sgd({ learningRate: 0.1, weightDecay: 0.01 }),
  adamw: adamw({ learningRate: 0.01 }),
  lion: lion({ learningRate: 0.01 }),
  averaged: averaged(adamw({ learningRate: 0.01 }), 0.9),
  accumulated: accumulated(sgd({ learningRate: 0.1, momentum: 0.9 }), 2),
}

const layer = fc.record({
  kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  stride: fc.constantFrom(1, 1, 2),
  dilation: fc.constantFrom(1, 1, 1, 2),
  isTransposed: fc.boolean(),
})

const plainLayer = { kernel: [3, 3], stride: 1, dilation: 1, isTransposed: false }

const drawn = fc.record({
  sizes: fc.oneof(
    fc.tuple(fc.integer({ min: 24, max: 40 }), fc.integer({ min: 24, max: 40 })),
    fc.tuple(fc.integer({ min: 100, max: 300 })),
  ),
  others: fc.array(layer, { maxLength: 2 }),
  filters: fc.constantFrom(0.5, 1, 2, 3),
  optimizer: fc.constantFrom(...Object.keys(optimizers)),
})

describe.skipIf(block === 1)('weights in blocks of filters', () => {
  test('train to the same bits', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async ({ sizes, others, filters, optimizer }) => {
        const layers = [plainLayer, ...others]
        const { model, input } = network(sizes, (net, x) =>
          layers.reduce((value, { kernel, stride, dilation, isTransposed }, i) => {
            const counts = [i === 0 ? 2 : filters, i === layers.length - 1 ? 2 : filters]
            const [from, to] = counts.map((count) => count * widestBlock)
            const spread = isTransposed ? 1 : dilation
            const taps = kernel.slice(0, sizes.length)
            const pads = taps.map((count) => Math.floor((spread * (count - 1)) / 2))
            const window = {
              kernel_shape: taps,
              strides: sizes.map(() => stride),
              dilations: sizes.map(() => spread),
              pads: [...pads, ...pads],
            }
            const shape = [...(isTransposed ? [from!, to!] : [to!, from!]), ...taps]
            const weight = net.parameter('w', shape)
            const opType = isTransposed ? 'ConvTranspose' : 'Conv'
            return net.relu(net.builder.node(opType, [value, weight], window))
          }, x),
        )
        const graph = stepOf(model, { optimizer: optimizers[optimizer]! })
        const [moved, kept] = [
          await train(graph, input, []),
          await train(graph, input, graph.state.keys()),
        ]
        expect(kept.losses).toEqual(moved.losses)
        expect(kept.state).toEqual(moved.state)
        expect(moved.names.size).toBe(0)
        // The property would say nothing if no state were in blocks. A weight that fills none is not.
        if (filters >= 1) expect(kept.names).toContain('w')
      }),
      { numRuns: 12 },
    )
  })

  const convolution = (net: Net, x: string, weight: string): string =>
    net.builder.node('Conv', [x, weight], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })
  const ownWeight = (net: Net): string =>
    net.parameter('w', [2 * widestBlock, 2 * widestBlock, 3, 3])
  const one = (net: Net, x: string) => convolution(net, x, ownWeight(net))
  const inBlocks = (
    layers: (net: Net, x: string) => string,
    options: Partial<StepOptions> = {},
  ): readonly string[] => {
    const graph = stepOf(network([32, 32], layers).model, options)
    return [
      ...lowerStep(withoutDefaults(graph.model), block, graph.state.keys(), ['loss']).inBlocks
        .names,
    ]
  }
  const withMomentum = ['w', 'w.momentum']

  test('with all their slots', () => {
    expect(inBlocks(one)).toEqual(withMomentum)
    expect(inBlocks(one, { optimizer: optimizers.adamw! })).toHaveLength(3)
    expect(inBlocks(one, { optimizer: optimizers.averaged! })).toHaveLength(4)
    expect(inBlocks(one, { clipNorm: 1 })).toEqual(withMomentum)
  })

  test('that two convolutions share, or that are scaled in the forward pass', () => {
    const shared = (net: Net, x: string) => {
      const weight = ownWeight(net)
      return convolution(net, net.relu(convolution(net, x, weight)), weight)
    }
    const scaled = (net: Net, x: string) => {
      const half = net.builder.constant(normalTensor(net.random, [1]), 'half')
      return convolution(net, x, net.builder.node('Mul', [ownWeight(net), half]))
    }
    expect(inBlocks(shared)).toEqual(withMomentum)
    expect(inBlocks(scaled, { trainOnly: ['w'] })).toEqual(withMomentum)
  })

  test.each<[string, (net: Net, x: string) => string, Partial<StepOptions>]>([
    ['that stay as they are', one, { freeze: ['w'] }],
    ['whose gradients are asked for', one, { gradients: true }],
    ['whose slots are sums of rows', one, { optimizer: adafactor({ learningRate: 0.01 }) }],
    [
      'that are normalized in the forward pass',
      (net, x) => {
        const weight = ownWeight(net)
        const mean = net.builder.node('ReduceMean', [weight], { axes: [1, 2, 3] })
        return convolution(net, x, net.builder.node('Sub', [weight, mean]))
      },
      {},
    ],
    [
      'that fill no blocks',
      (net, x) => {
        const narrow = net.builder.node('Conv', [
          x,
          net.parameter('w', [12, 2 * widestBlock, 1, 1]),
        ])
        return convolution(net, narrow, net.parameter('w2', [2 * widestBlock, 12, 3, 3]))
      },
      {},
    ],
    [
      'whose channels fill blocks once for every row of taps',
      (net, x) => {
        const half = net.builder.node('Conv', [
          x,
          net.parameter('first', [widestBlock / 2, 2 * widestBlock, 1, 1]),
        ])
        const weight = net.parameter('w', [2 * widestBlock, widestBlock / 2, 2, 2])
        return net.builder.node('Conv', [half, weight], {
          kernel_shape: [2, 2],
          pads: [0, 0, 1, 1],
        })
      },
      {},
    ],
  ])('not those %s', (_, layers, options) => {
    expect(inBlocks(layers, options)).toEqual([])
  })

  test('are moved as whole blocks alone', () => {
    const graph = stepOf(network([32, 32], one).model)
    const { model } = lowerStep(withoutDefaults(graph.model), block, graph.state.keys(), ['loss'])
    const { uses } = linksOf(model.graph)
    const readers = (uses.get('w') ?? []).map(({ node }) => `${node.domain}:${node.opType}`)
    // The convolution, its turned weight, and the update.
    expect(readers.sort()).toEqual([':Add', ':Reshape', 'com.microsoft.nchwc:Conv'])
    // Images and blocks change places, and nothing within them.
    const moves = model.graph.nodes.filter(({ opType }) => opType === 'Transpose')
    expect(moves.map((node) => String(intsAttribute(node, 'perm')))).toEqual(
      moves.map(() => '1,0,2'),
    )
    expect(moves.length).toBeGreaterThan(0)
  })
})
