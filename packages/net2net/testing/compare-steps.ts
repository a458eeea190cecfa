/** Training steps in the standard's form beside the lowered ones. For tests only. */
import { expect } from 'vitest'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import type { Target } from '../src/operators/contract/gradient.ts'
import { lowerForCpu } from '../src/passes/cpu-layout/lower-for-cpu.ts'
import { channelBlock } from '../src/runtime/channel-block.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Feeds } from '../src/runtime/runtime.ts'
import { randomStream } from '../src/tensor/random.ts'
import { int64, Tensor } from '../src/tensor/tensor.ts'
import { sgd } from '../src/training/compile/optimizers/index.ts'
import { buildStep } from '../src/training/compile/step-graph.ts'
import { withoutDefaults } from '../src/training/run/create-stepper.ts'
import { normalTensor } from './gradient-check.ts'
import { difference, sent } from './sent-tensors.ts'

/** Channels per block of this machine's layout. */
export const block = await channelBlock(nodeRuntime)

export async function run(model: Model, feeds: Feeds) {
  const session = await nodeRuntime.createSession(encodeModel(model))
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

/** Expects that a changed model gives what the model gives, up to so much of the largest number of each output. */
export async function expectSameOutputs(
  changed: Model,
  model: Model,
  feeds: Feeds,
  tolerance: number,
): Promise<void> {
  const [expected, actual] = [sent(await run(model, feeds)), sent(await run(changed, feeds))]
  for (const name of Object.keys(expected))
    expect(difference(actual[name], expected[name]!), name).toBeLessThan(tolerance)
}

export const numbers = (tensor: Tensor): number[] => [...tensor.data].map(Number)

/** The largest difference, relative to the largest of the expected numbers, or to 10⁻³. */
export function relativeError(found: readonly number[], expected: readonly number[]): number {
  const largest = (values: readonly number[]) =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const differences = expected.map((value, i) => value - found[i]!)
  return largest(differences) / Math.max(1e-3, largest(expected))
}

export const operatorsOf = ({ graph }: Model) =>
  graph.nodes.map((node) => (node.domain === '' ? node.opType : `${node.domain}:${node.opType}`))

export interface Spec {
  /** Adds the layers; returns the last value and its number of elements per sample. */
  readonly layers: (net: Net) => readonly [string, number]
  readonly input: readonly number[]
  readonly batch?: number
  /** Whether the model names its batch's size. Default false. */
  readonly isFixed?: boolean
  /** Default true: gradients are outputs too. */
  readonly gradients?: boolean
  /** Of the standard's operators. Default: the one that models are built with. */
  readonly opset?: number
}

/** Layers whose parameters are inputs with random values. */
export class Net {
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
  ints = (...values: number[]): string => this.builder.constant(int64(values), 'ints')
  pool = (x: string): string =>
    this.builder.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })
  relu = (x: string): string => this.builder.node('Relu', [x])
}

/** Runs the step of a network in the standard's form and lowered; returns the lowered one. */
export async function compareSteps(
  { layers, input, batch = 3, isFixed = false, gradients = true, opset }: Spec,
  lower = (model: Model) => lowerForCpu(model, block),
  target: Target = 'onnxruntime-cpu',
): Promise<Model> {
  const net = new Net()
  const samples = isFixed ? batch : 'batch'
  net.builder.input('input', 'float32', [samples, ...input])
  const [last, features] = layers(net)
  const flat = net.builder.node('Flatten', [last])
  const logits = net.builder.node('Gemm', [flat, net.parameter('fc', [features, 5])])
  const y = net.builder.node('Softmax', [logits])
  net.builder.output(y, 'float32', [samples, 5])
  const step = (target: Target) =>
    buildStep(net.builder.model('graph', opset), {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
      gradients,
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
    const error = relativeError(numbers(actual[name]!), numbers(tensor))
    expect(error, name).toBeLessThan(2e-5)
  }
  return lowered
}
