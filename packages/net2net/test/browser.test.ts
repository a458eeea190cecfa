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
import { type Lesson, type Outcome, stepsOf } from '../testing/training-steps.ts'
import { executable, startWorkerPage, type WorkerPage } from '../testing/worker-page.ts'

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
    return this.builder.model()
  }
}

/** Network → its input, what builds it, and whether WebGPU trains it (docs/lab/steps-in-webassembly.md has what is wrong where not). */
const networks: Readonly<Record<string, readonly [readonly number[], () => Model, boolean]>> = {
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
    false,
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
    false,
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
    true,
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
    // An adapter in software: slow, but it computes.
    page = await startWorkerPage(program, [
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
    ])
  }, 300_000)
  afterAll(() => page.close())

  describe.each(Object.entries(networks))('%s', (_, [dims, build, onWebGpu]) => {
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

    if (onWebGpu)
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
