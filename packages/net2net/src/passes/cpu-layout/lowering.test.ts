import { describe, expect, test } from 'vitest'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import type { Target } from '../../operators/contract/gradient.ts'
import { channelBlock } from '../../runtime/channel-block.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Feeds } from '../../runtime/runtime.ts'
import { randomStream } from '../../tensor/random.ts'
import { Tensor } from '../../tensor/tensor.ts'
import { sgd } from '../../training/compile/optimizers/index.ts'
import { buildStep } from '../../training/compile/step-graph.ts'
import { withoutDefaults } from '../../training/run/create-stepper.ts'
import { lowerForCpu, lowerForWasm } from './lower-for-cpu.ts'
import { phaseConvolutions } from './phased-convolution.ts'

const block = await channelBlock(nodeRuntime)

async function run(model: Model, feeds: Feeds) {
  const session = await nodeRuntime.createSession(encodeModel(model))
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

const numbers = (tensor: Tensor): number[] => [...tensor.data].map(Number)

const operatorsOf = ({ graph }: Model) =>
  graph.nodes.map((node) => (node.domain === '' ? node.opType : `${node.domain}:${node.opType}`))

interface Spec {
  /** Adds the layers; returns the last value and its number of elements per sample. */
  readonly layers: (net: Net) => readonly [string, number]
  readonly input: readonly number[]
  readonly batch?: number
}

/** Layers whose parameters are inputs with random values. */
class Net {
  readonly builder = new GraphBuilder()
  readonly random = randomStream(3, 'lowering')
  parameter(hint: string, dims: readonly number[]): string {
    return this.builder.constant(normalTensor(this.random, dims, { scale: 0.2 }), hint)
  }
  conv(x: string, dims: readonly number[], attributes = {}): string {
    const w = this.parameter('w', dims)
    const b = this.parameter('b', [dims[0]!])
    const pad = (dims[2]! - 1) / 2
    return this.builder.node('Conv', [x, w, b], {
      kernel_shape: dims.slice(2),
      pads: [pad, pad, pad, pad],
      ...attributes,
    })
  }
  pool = (x: string): string =>
    this.builder.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })
  relu = (x: string): string => this.builder.node('Relu', [x])
}

/** Runs the step of a network in the standard's form and lowered; returns the lowered one. */
async function compareSteps(
  { layers, input, batch = 3 }: Spec,
  lower = (model: Model) => lowerForCpu(model, block),
  target: Target = 'onnxruntime-cpu',
): Promise<Model> {
  const net = new Net()
  net.builder.input('input', 'float32', ['batch', ...input])
  const [last, features] = layers(net)
  const flat = net.builder.node('Flatten', [last])
  const logits = net.builder.node('Gemm', [flat, net.parameter('fc', [features, 5])])
  const y = net.builder.node('Softmax', [logits])
  net.builder.output(y, 'float32', ['batch', 5])
  const step = (target: Target) =>
    buildStep(net.builder.model(), {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
      gradients: true,
      target,
    })
  const standard = step('standard')
  const lowered = lower(withoutDefaults(step(target).model))
  const feeds = {
    ...Object.fromEntries(standard.state),
    learning_rate: new Tensor('float32', [], Float32Array.of(0.1)),
    input: normalTensor(net.random, [batch, ...input]),
    target: new Tensor(
      'int64',
      [batch],
      BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % 5)),
    ),
  }
  const expected = await run(withoutDefaults(standard.model), feeds)
  const actual = await run(lowered, feeds)
  for (const [name, tensor] of Object.entries(expected)) {
    const [wanted, found] = [numbers(tensor), numbers(actual[name]!)]
    const scale = Math.max(1e-3, ...wanted.map(Math.abs))
    const error = Math.max(...wanted.map((value, i) => Math.abs(value - found[i]!)))
    expect(error / scale, name).toBeLessThan(2e-5)
  }
  return lowered
}

const teacher: Spec = {
  input: [1, 12, 8],
  layers: (net) => {
    const first = net.pool(net.conv('input', [16, 1, 3, 3]))
    return [net.pool(net.conv(first, [32, 16, 3, 3])), 32 * 3 * 2]
  },
}

describe('a lowered training step computes what the standard one does', () => {
  test('convolutions and poolings, by phases alone', async () => {
    const used = operatorsOf(await compareSteps(teacher, phaseConvolutions))
    expect(used).not.toContain('MaxPool')
    expect(used).not.toContain('SpaceToDepth')
    expect(used.filter((name) => name.startsWith('com.microsoft.nchwc'))).toEqual([])
  })

  test('for WebAssembly: without a node that nobody reads, or a slow mask', async () => {
    const used = operatorsOf(await compareSteps(teacher, lowerForWasm, 'onnxruntime-wasm'))
    expect(used).not.toContain('MaxPool')
    expect(used).not.toContain('HardSigmoid')
    // The second convolution's gradient goes up to its input; the first one's needs none.
    expect(used.filter((name) => name === 'DepthToSpace')).toHaveLength(1)
  })

  test.skipIf(block === 1)('in blocks of channels', async () => {
    const used = operatorsOf(await compareSteps(teacher))
    expect(used).toContain('com.microsoft.nchwc:Conv')
    // The second convolution reads what the first one's pooling wrote: of images, only the gradient
    // that comes down from the dense layer is converted; besides, each of four kernels, once.
    expect(used.filter((name) => name.endsWith(':ReorderInput'))).toHaveLength(5)
    expect(used).not.toContain('DepthToSpace')
  })

  test.skipIf(block === 1)('activations below poolings, with many ties at zero', async () => {
    const lowered = await compareSteps({
      input: [1, 12, 8],
      layers: (net) => {
        const a = net.pool(net.relu(net.conv('input', [16, 1, 3, 3])))
        return [net.pool(net.relu(net.conv(a, [16, 16, 3, 3]))), 16 * 3 * 2]
      },
    })
    expect(operatorsOf(lowered)).not.toContain('com.microsoft.nchwc:MaxPool')
    expect(operatorsOf(lowered)).not.toContain('MaxPool')
  })

  test('an activation that a pooling and others read stays below', () =>
    compareSteps({
      input: [1, 8, 8],
      layers: (net) => {
        const a = net.relu(net.conv('input', [16, 1, 3, 3]))
        const mean = net.builder.node('GlobalAveragePool', [a])
        return [net.builder.node('Add', [net.pool(a), mean]), 16 * 4 * 4]
      },
    }))

  test('activations, a residual connection, and a batch of one', () =>
    compareSteps({
      input: [3, 6, 10],
      batch: 1,
      layers: (net) => {
        const a = net.relu(net.conv('input', [16, 3, 3, 3]))
        const b = net.conv(net.relu(net.conv(a, [32, 16, 3, 3])), [16, 32, 1, 1])
        const sum = net.builder.node('Add', [a, b])
        return [net.pool(net.relu(sum)), 16 * 3 * 5]
      },
    }))

  test('strides, kernels without padding, odd sizes, channels that are no blocks', () =>
    compareSteps({
      input: [2, 17, 13],
      layers: (net) => {
        const a = net.conv('input', [16, 2, 5, 5], { pads: [0, 0, 0, 0], strides: [1, 2] })
        const b = net.conv(a, [24, 16, 3, 3], { pads: [1, 0, 0, 1] })
        const c = net.conv(net.pool(b), [16, 24, 3, 3], { dilations: [1, 1] })
        return [net.conv(c, [32, 16, 3, 3], { strides: [2, 2] }), 32 * 3]
      },
    }))

  test('a strided convolution below a pooling', () =>
    compareSteps({
      input: [3, 16, 17],
      layers: (net) => {
        const a = net.conv('input', [16, 3, 5, 5], { strides: [2, 2] })
        const b = net.pool(net.conv(a, [16, 16, 3, 3], { pads: [1, 1, 1, 0] }))
        return [b, 16 * 4 * 4]
      },
    }))

  test('a value that is read in both orders', () =>
    compareSteps({
      input: [16, 4, 4],
      layers: (net) => {
        const a = net.conv('input', [16, 16, 3, 3])
        const mean = net.builder.node('GlobalAveragePool', [a])
        return [net.builder.node('Mul', [net.relu(a), mean]), 16 * 4 * 4]
      },
    }))
})

test('a model without convolutions stays as it is', () => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', [2, 16, 4, 4])
  builder.nodeOutputs('Relu', ['x'], {}, { outputs: ['y'] })
  builder.output('y', 'float32', [2, 16, 4, 4])
  expect(operatorsOf(lowerForCpu(builder.model(), 16))).toEqual(['Relu'])
})

test('an output of the model that a pooling reads stays whole', async () => {
  const builder = new GraphBuilder()
  const random = randomStream(1, 'outputs')
  builder.input('x', 'float32', [2, 16, 4, 4])
  const w = builder.constant(normalTensor(random, [16, 16, 3, 3]))
  builder.nodeOutputs('Conv', ['x', w], { pads: [1, 1, 1, 1] }, { outputs: ['y'] })
  builder.nodeOutputs(
    'MaxPool',
    ['y'],
    { kernel_shape: [2, 2], strides: [2, 2] },
    { outputs: ['z'] },
  )
  builder.output('y', 'float32', [2, 16, 4, 4])
  builder.output('z', 'float32', [2, 16, 2, 2])
  const x = normalTensor(random, [2, 16, 4, 4])
  const expected = await run(builder.model(), { x })
  const actual = await run(lowerForCpu(builder.model(), block), { x })
  for (const name of ['y', 'z'])
    for (const [i, value] of expected[name]!.data.entries())
      expect(Number(actual[name]!.data[i])).toBeCloseTo(Number(value), 4)
})
