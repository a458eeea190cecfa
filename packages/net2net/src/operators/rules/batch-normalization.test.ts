import { describe, expect, test } from 'vitest'
import { checkGradients, normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { attributes, float } from '../../model/attributes.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Graph, Node } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { Target } from '../contract/gradient.ts'
import type { ValueInfo } from '../contract/infer.ts'
import { averaged } from '../helpers/running-average.ts'
import { inferModel } from '../inference.ts'
import { batchNormalization } from './batch-normalization.ts'

describe('BatchNormalization in training', () => {
  /** Runs the training form; `n` values per channel, of which the first channel is drawn. */
  async function trained(target: Target, dims: readonly number[]) {
    const random = randomStream(2, 'batch')
    const feeds = {
      x: normalTensor(random, dims, { scale: 2, shift: 3 }),
      scale: normalTensor(random, [dims[1]!]),
      shift: normalTensor(random, [dims[1]!]),
      mean: normalTensor(random, [dims[1]!]),
      variance: uniformTensor(random, [dims[1]!], 0.5, 2),
    }
    const builder = new GraphBuilder()
    const infos = new Map<string, ValueInfo>()
    for (const [name, tensor] of Object.entries(feeds)) {
      const shape = name === 'x' ? ['n', ...dims.slice(1)] : tensor.dims
      builder.input(name, 'float32', shape)
      infos.set(name, { dtype: 'float32', shape })
    }
    const emitter = new GraphEmitter(builder, infos, 18, target)
    const inputs = Object.keys(feeds)
    const node: Node = {
      name: 'bn',
      opType: 'BatchNormalization',
      domain: '',
      inputs,
      outputs: ['y'],
      attributes: attributes({ momentum: float(0.8), epsilon: float(1e-3) }),
    }
    const form = batchNormalization.training!.inTraining!({
      node,
      opset: 18,
      target,
      has: (i) => i < inputs.length,
      input: (i) => inputs[i] ?? '',
      stored: (i) => inputs[i],
      emit: (...call) => emitter.emit(...call),
      op: (...call) => emitter.op(...call),
      constant: (tensor) => emitter.constant(tensor),
      info: (name) => emitter.info(name),
      hint: (...call) => emitter.hint(...call),
      hintOf: (name) => emitter.hintOf(name),
      fresh: (hint) => hint,
      uniformLike: () => '',
    })!
    for (const replacement of form.nodes) emitter.append(replacement)
    const next = ['mean', 'variance'].map((name) =>
      averaged(emitter, name, form.averages!.get(name)!),
    )
    const gradient = backward(emitter, builder.graph().nodes, new Map([['y', 'x']]), ['x']).get(
      'x',
    )!
    for (const name of ['y', ...next, gradient]) builder.output(name)
    const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph())))
    const results = await session.run(feeds)
    await session.release()
    return {
      feeds,
      y: results.y!,
      next: next.map((name) => results[name]!),
      dx: results[gradient]!,
    }
  }

  for (const target of ['standard', 'onnxruntime-webgpu'] as const)
    test(`follows PyTorch's running statistics (${target})`, async () => {
      const dims = [3, 2, 2, 5]
      const { feeds, y, next } = await trained(target, dims)
      const area = 10
      for (let c = 0; c < 2; c++) {
        const values: number[] = []
        const normalized: number[] = []
        for (let n = 0; n < 3; n++)
          for (let i = 0; i < area; i++) {
            values.push(Number(feeds.x.data[(n * 2 + c) * area + i]))
            normalized.push(Number(y.data[(n * 2 + c) * area + i]))
          }
        const mean = values.reduce((a, b) => a + b, 0) / values.length
        const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0)
        const at = (tensor: { data: ArrayLike<number | bigint> }) => Number(tensor.data[c])
        expect(at(next[0]!)).toBeCloseTo(0.8 * at(feeds.mean) + 0.2 * mean, 5)
        const unbiased = squares / (values.length - 1)
        expect(at(next[1]!)).toBeCloseTo(0.8 * at(feeds.variance) + 0.2 * unbiased, 5)
        const factor = at(feeds.scale) / Math.sqrt(squares / values.length + 1e-3)
        values.forEach((value, i) => {
          expect(normalized[i]).toBeCloseTo((value - mean) * factor + at(feeds.shift), 4)
        })
      }
    })

  test('has the same gradients on every target', async () => {
    const [a, b] = [
      await trained('standard', [2, 3, 4]),
      await trained('onnxruntime-webgpu', [2, 3, 4]),
    ]
    a.dx.data.forEach((value, i) => {
      expect(Number(b.dx.data[i])).toBeCloseTo(Number(value), 4)
    })
  })
})

describe('BatchNormalization with statistics that the graph computes', () => {
  const dims = [3, 2, 4]
  type Kind = 'of x' | 'of another value' | 'over other axes' | 'without a mean of its own'

  /** As exporters write it: the mean twice, and the variance of what it leaves. */
  function graphOf(kind: Kind): Graph {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', dims)
    const [scale, shift] = ['scale', 'shift'].map((name) => builder.input(name, 'float32', [2]))
    const other = builder.input('other', 'float32', dims)
    const mean = (value: string, axes: readonly number[], keepdims: 0 | 1) =>
      builder.node('ReduceMean', [value, builder.constant(int64(axes))], { keepdims })
    const of = kind === 'of another value' ? other : x
    const axes = kind === 'over other axes' ? [0] : [-1, 0]
    const middle = kind === 'without a mean of its own' ? other : mean(of, axes, 1)
    const centred = builder.node('Sub', [of, middle])
    const squares = builder.node('Mul', [centred, centred])
    const variance = mean(squares, [0, 2], 0)
    const inputs = [x, scale!, shift!, mean(of, [2, 0], 0), variance]
    builder.nodeOutputs('BatchNormalization', inputs, { epsilon: float(1e-2) }, { outputs: ['y'] })
    builder.output('y', 'float32', dims)
    return builder.graph()
  }
  const drawn = (kind: Kind) => (random: RandomStream) => ({
    model: modelOf(graphOf(kind)),
    inputs: {
      x: normalTensor(random, dims),
      scale: normalTensor(random, [2]),
      shift: normalTensor(random, [2]),
      other: normalTensor(random, dims),
    },
  })
  /** Operators of the gradient of x. */
  function operatorsFor(kind: Kind): readonly string[] {
    const graph = graphOf(kind)
    const builder = new GraphBuilder(graph)
    const emitter = new GraphEmitter(builder, inferModel(modelOf(graph)), 18, 'standard')
    builder.input('seed', 'float32', dims)
    emitter.declare('seed', { dtype: 'float32', shape: dims })
    backward(emitter, graph.nodes, new Map([['y', 'seed']]), ['x'])
    return builder
      .graph()
      .nodes.slice(graph.nodes.length)
      .map(({ opType }) => opType)
  }

  test('of x, the gradient is that of the batch’s own, and no mean is passed', async () => {
    await checkGradients({ draw: drawn('of x') })
    expect(operatorsFor('of x')).not.toContain('Expand')
  })

  test.each<Kind>(['of another value', 'over other axes', 'without a mean of its own'])(
    '%s, gradients pass through them',
    async (kind) => {
      await checkGradients({ draw: drawn(kind) })
      if (kind !== 'of another value') expect(operatorsFor(kind)).toContain('Expand')
    },
  )
})
