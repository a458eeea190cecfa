/** The forms that browsers train in, in a browser: WebAssembly's and WebGPU's, against the standard's in Node. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { float } from '../src/model/attributes.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { fillTensor, heNormal, ones, zeros } from '../src/tensor/fill.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32 } from '../src/tensor/tensor.ts'
import { executable } from '../testing/browser.ts'
import { type Lesson, type Outcome, stepsOf } from '../testing/training-steps.ts'
import { softwareAdapter, startWorkerPage, type WorkerPage } from '../testing/worker-page.ts'

const classes = 5

/** A network whose parameters are drawn by name. */
class Net {
  readonly builder = new GraphBuilder()
  #count = 0
  constructor(dims: readonly number[]) {
    this.builder.input('input', 'float32', ['batch', ...dims])
  }
  op(opType: string, inputs: readonly string[], attributes = {}): string {
    return this.builder.node(opType, inputs, attributes)
  }
  weight(dims: readonly number[], fanIn = 8): string {
    const name = `weight${this.#count++}`
    return this.builder.initializer(name, fillTensor(heNormal(fanIn), 'float32', dims, 3, name))
  }
  vector(size: number, fill = zeros): string {
    const name = `vector${this.#count++}`
    return this.builder.initializer(name, fillTensor(fill, 'float32', [size], 3, name))
  }
  conv(x: string, dims: readonly number[], attributes = {}): string {
    const pad = dims[2]! >> 1
    const fanIn = dims.slice(1).reduce((a, b) => a * b, 1)
    return this.op('Conv', [x, this.weight(dims, fanIn), this.vector(dims[0]!)], {
      kernel_shape: dims.slice(2),
      pads: [pad, pad, pad, pad],
      ...attributes,
    })
  }
  dense(x: string, from: number, to: number): string {
    return this.op('Add', [this.op('MatMul', [x, this.weight([from, to], from)]), this.vector(to)])
  }
  /** Logits from `features` numbers. */
  done(x: string, features: number): Model {
    const flat = this.op('Flatten', [x])
    const weight = this.weight([features, classes], features)
    this.builder.nodeOutputs('Gemm', [flat, weight, this.vector(classes)], {}, { outputs: ['y'] })
    this.builder.output('y', 'float32', ['batch', classes])
    return this.builder.model('network', 21)
  }
}

/** Network → its input, and what builds it. */
const networks: Readonly<Record<string, readonly [readonly number[], () => Model]>> = {
  'convolutions, a normalization of the batch, poolings that overlap and that do not': [
    [3, 12, 12],
    () => {
      const net = new Net([3, 12, 12])
      const first = net.conv('input', [16, 3, 3, 3])
      const normal = net.op(
        'BatchNormalization',
        [first, net.vector(16, ones), net.vector(16), net.vector(16), net.vector(16, ones)],
        { epsilon: float(1e-3) },
      )
      const shapes = { strides: [2, 2], pads: [1, 1, 1, 1] }
      const pooled = net.op('MaxPool', [net.op('Relu', [normal])], {
        kernel_shape: [3, 3],
        ...shapes,
      })
      const second = net.op('Relu', [net.conv(pooled, [32, 16, 3, 3])])
      const third = net.op('MaxPool', [net.conv(second, [16, 32, 3, 3])], {
        kernel_shape: [2, 2],
        strides: [2, 2],
      })
      return net.done(third, 16 * 9)
    },
  ],
  'strides, groups, dilations, a transposed convolution, means': [
    [4, 9, 9],
    () => {
      const net = new Net([4, 9, 9])
      const depthwise = net.conv('input', [8, 1, 3, 3], { group: 4, strides: [2, 2] })
      const wide = net.conv(net.op('LeakyRelu', [depthwise]), [8, 8, 3, 3], {
        dilations: [2, 2],
        pads: [2, 2, 2, 2],
      })
      const upwards = net.op('ConvTranspose', [wide, net.weight([8, 6, 2, 2]), net.vector(6)], {
        kernel_shape: [2, 2],
        strides: [2, 2],
      })
      const normal = net.op('InstanceNormalization', [upwards, net.vector(6, ones), net.vector(6)])
      const mean = net.op('AveragePool', [net.op('HardSwish', [normal])], {
        kernel_shape: [2, 2],
        strides: [2, 2],
      })
      return net.done(mean, 6 * 25)
    },
  ],
  'attention, LayerNormalization, GELU': [
    [6, 8],
    () => {
      const net = new Net([6, 8])
      const normal = (x: string) =>
        net.op('LayerNormalization', [x, net.vector(8, ones), net.vector(8)])
      const x = normal('input')
      const keys = net.op('Transpose', [net.dense(x, 8, 8)], { perm: [0, 2, 1] })
      const scores = net.op('Softmax', [net.op('MatMul', [net.dense(x, 8, 8), keys])])
      const read = net.op('MatMul', [scores, net.dense(x, 8, 8)])
      const sum = net.op('Add', ['input', net.dense(read, 8, 8)])
      const number = (value: number) => net.builder.initializer(`n${value}`, float32([], [value]))
      const z = net.dense(normal(sum), 8, 16)
      const erf = net.op('Erf', [net.op('Mul', [z, number(Math.SQRT1_2)])])
      const gate = net.op('Mul', [net.op('Add', [erf, number(1)]), number(0.5)])
      const hidden = net.op('Mul', [z, gate])
      return net.done(net.op('Add', [sum, net.dense(hidden, 16, 8)]), 48)
    },
  ],
  'depthwise kernels of seven, a normalization of the channels, GELU': [
    [3, 10, 10],
    () => {
      const net = new Net([3, 10, 10])
      const stem = net.conv('input', [12, 3, 2, 2], { pads: [0, 0, 0, 0], strides: [2, 2] })
      const spread = net.conv(stem, [12, 1, 7, 7], { group: 12 })
      const last = net.op('Transpose', [spread], { perm: [0, 2, 3, 1] })
      const normal = net.op('LayerNormalization', [last, net.vector(12, ones), net.vector(12)])
      const hidden = net.op('Gelu', [net.dense(normal, 12, 24)])
      const back = net.op('Transpose', [net.dense(hidden, 24, 12)], { perm: [0, 3, 1, 2] })
      return net.done(net.op('GlobalAveragePool', [net.op('Add', [stem, back])]), 12)
    },
  ],
  'groups of channels, a normalization of groups, means of windows that overlap': [
    [6, 9, 9],
    () => {
      const net = new Net([6, 9, 9])
      // Six outputs in each of two groups, and then nine inputs of eight outputs.
      const first = net.conv('input', [12, 3, 3, 3], { group: 2 })
      const normal = net.op('GroupNormalization', [first, net.vector(12, ones), net.vector(12)], {
        num_groups: 3,
      })
      const mean = net.op('AveragePool', [net.op('Elu', [normal])], {
        kernel_shape: [3, 3],
        strides: [2, 2],
        pads: [1, 1, 1, 1],
        count_include_pad: 1,
      })
      const second = net.op('Relu', [net.conv(mean, [9, 12, 3, 3])])
      return net.done(net.conv(second, [8, 9, 3, 3]), 8 * 25)
    },
  ],
  'an encoder and a decoder with a bridge between': [
    [3, 8, 8],
    () => {
      const net = new Net([3, 8, 8])
      const wide = net.op('Relu', [net.conv('input', [6, 3, 3, 3])])
      const small = net.op('MaxPool', [wide], { kernel_shape: [2, 2], strides: [2, 2] })
      const deep = net.op('Relu', [net.conv(small, [8, 6, 3, 3])])
      const scales = net.builder.initializer('scales', float32([4], [1, 1, 2, 2]))
      const larger = net.op('Resize', [deep, '', scales], { mode: 'linear' })
      const joined = net.op('Concat', [larger, wide], { axis: 1 })
      const both = net.op('Relu', [net.conv(joined, [6, 14, 3, 3])])
      const upwards = net.op('ConvTranspose', [both, net.weight([6, 2, 3, 3]), net.vector(4)], {
        kernel_shape: [3, 3],
        strides: [2, 2],
        pads: [1, 1, 1, 1],
        output_padding: [1, 1],
        group: 2,
      })
      return net.done(net.op('GlobalMaxPool', [net.op('Tanh', [upwards])]), 4)
    },
  ],
  'signals: convolutions over one axis, poolings that overlap, an LSTM': [
    [6, 24],
    () => {
      const net = new Net([6, 24])
      const first = net.op('Conv', ['input', net.weight([8, 6, 5]), net.vector(8)], {
        kernel_shape: [5],
        auto_pad: 'SAME_LOWER',
      })
      const pooled = net.op('MaxPool', [net.op('Relu', [first])], {
        kernel_shape: [3],
        strides: [2],
        pads: [1, 1],
      })
      const second = net.op('Conv', [pooled, net.weight([8, 4, 3])], {
        kernel_shape: [3],
        dilations: [2],
        group: 2,
      })
      const steps = net.op('Transpose', [second], { perm: [2, 0, 1] })
      const state = net.builder.nodeOutputs(
        'LSTM',
        [
          steps,
          net.weight([1, 24, 8]),
          net.weight([1, 24, 6]),
          net.builder.initializer('bias', fillTensor(zeros, 'float32', [1, 48], 3)),
        ],
        { hidden_size: 6 },
        { outputs: ['states', 'state'] },
      )[1]!
      return net.done(net.op('Transpose', [state], { perm: [1, 0, 2] }), 6)
    },
  ],
}

const batch = 4
function lessonOf(dims: readonly number[]): Lesson {
  const random = randomStream(4, 'lesson')
  const count = batch * dims.reduce((a, b) => a * b, 1)
  return {
    input: 'input',
    dims: [batch, ...dims],
    values: Array.from({ length: count }, () => Math.fround(random.normal())),
    classes: Array.from({ length: batch }, (_, i) => i % classes),
    steps: 3,
  }
}

function expectAlike(found: Outcome, expected: Outcome, tolerance: number): void {
  for (const [step, loss] of found.losses.entries())
    expect(Math.abs(loss - expected.losses[step]!), `loss ${step}`).toBeLessThan(tolerance)
  expect(found.state.map(([name]) => name)).toEqual(expected.state.map(([name]) => name))
  for (const [i, [name, values]] of found.state.entries()) {
    const wanted = expected.state[i]![1]
    const scale = Math.max(0.1, ...wanted.map(Math.abs))
    const error = Math.max(...values.map((value, k) => Math.abs(value - wanted[k]!)))
    expect(error / scale, name).toBeLessThan(tolerance)
  }
}

describe.skipIf(executable === undefined)('training in a browser', () => {
  let page: WorkerPage
  beforeAll(async () => {
    const program = fileURLToPath(new URL('../testing/training-worker.ts', import.meta.url))
    page = await startWorkerPage(program, softwareAdapter)
  }, 300_000)
  afterAll(() => page.close())

  describe.each(Object.entries(networks))('%s', (_, [dims, build]) => {
    const lesson = lessonOf(dims)
    const model = build()
    const learn = async (device: string) =>
      (await page.ask('learn', { model: [...encodeModel(model)], device, lesson })) as Outcome
    const inNode = () =>
      stepsOf(
        model,
        lesson,
        nodeRuntime,
        { threads: 1 },
        { target: 'standard', joinVectors: false },
      )

    it('WebAssembly learns what Node learns', async () => {
      expectAlike(await learn('cpu'), await inNode(), 2e-4)
    }, 300_000)

    it('WebGPU learns what Node learns', async ({ annotate, skip }) => {
      const found = await learn('webgpu').catch(async (error: Error) => {
        if (!/no WebGPU adapter/.test(error.message)) throw error
        await annotate(error.message)
        return undefined
      })
      if (!found) return skip('Chromium has no adapter here.')
      expectAlike(found, await inNode(), 1e-3)
    }, 240_000)
  })
})
