import { describe, expect, test } from 'vitest'
import { smallData, smallNetwork } from '../../../testing/small-training.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { decodeModel } from '../../onnx/decode.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { float32, int64, materialize } from '../../tensor/tensor.ts'
import { withoutDefaults } from '../run/create-stepper.ts'
import { adam, averaged, sgd } from './optimizers/index.ts'
import { buildEvaluation, buildStep, type StepOptions } from './step-graph.ts'

const plain: StepOptions = {
  loss: 'softmax-cross-entropy',
  optimizer: sgd({ learningRate: 0.5, momentum: 0.9 }),
}
const [batch] = [...(smallData().batches(8) as Iterable<ReturnType<typeof one>>)]
function one() {
  return { inputs: { image: float32([0], []) }, target: int64([]) }
}
const feeds = { image: batch!.inputs.image, target: batch!.target }

const names = (values: readonly { readonly name: string }[]) => values.map(({ name }) => name)

describe('a step graph', () => {
  test('has the names that it promises', () => {
    const { model } = buildStep(smallNetwork(), {
      ...plain,
      optimizer: averaged(adam(), 0.9),
      gradients: true,
    })
    const parameters = ['conv.weight', 'norm.scale', 'norm.shift', 'fc.weight', 'fc.bias']
    const slots = parameters.flatMap((name) =>
      ['m', 'v', 'step', 'ema'].map((slot) => `${name}.${slot}`),
    )
    const state = [...parameters, ...slots, 'norm.mean', 'norm.variance', 'random_key']
    expect(names(model.graph.inputs).sort()).toEqual(
      ['image', 'target', 'learning_rate', ...state].sort(),
    )
    expect(names(model.graph.outputs).sort()).toEqual(
      [
        'loss',
        'correct',
        ...state.map((name) => `${name}.next`),
        ...parameters.map((name) => `${name}.gradient`),
      ].sort(),
    )
    for (const name of ['learning_rate', ...state])
      expect(model.graph.initializers.has(name), name).toBe(true)
  })

  test('is a file that plain ONNX Runtime runs, with nothing but the data', async () => {
    const { model } = buildStep(smallNetwork(), plain)
    const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
    const alone = await session.run(feeds)
    await session.release()
    const full = buildStep(smallNetwork(), plain)
    const fed = await nodeRuntime.createSession(encodeModel(withoutDefaults(full.model)), {
      threads: 1,
    })
    const same = await fed.run({
      ...feeds,
      ...Object.fromEntries(full.state),
      learning_rate: float32([], [0.5]),
    })
    await fed.release()
    expect(Number.isFinite(Number(alone.loss!.data[0]))).toBe(true)
    for (const [name, tensor] of Object.entries(alone))
      expect(same[name]!.data, name).toEqual(tensor.data)
  })

  test('survives a round trip through the file format', () => {
    const { model } = buildStep(smallNetwork(), plain)
    const bytes = encodeModel(model)
    expect(encodeModel(decodeModel(bytes))).toEqual(bytes)
  })

  test('leaves what it is fed as it is', async () => {
    const step = buildStep(smallNetwork(), plain)
    const state = Object.fromEntries(
      [...step.state].map(([name, tensor]) => [
        name,
        float32(tensor.dims, tensor.data.slice() as Float32Array),
      ]),
    )
    const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)))
    const rate = { learning_rate: float32([], [0.5]) }
    await session.run({ ...feeds, ...state, ...rate })
    await session.release()
    for (const [name, tensor] of step.state) expect(state[name]!.data, name).toEqual(tensor.data)
  })

  test('computes nothing for what is frozen', () => {
    const all = buildStep(smallNetwork(), plain)
    const head = buildStep(smallNetwork(), { ...plain, freeze: ['conv', 'norm'] })
    expect(head.parameters).toEqual(['fc.weight', 'fc.bias'])
    const convolutions = ({ model }: typeof all) =>
      model.graph.nodes.filter((node) => node.opType === 'Conv').length
    expect(convolutions(head)).toBe(1)
    expect(convolutions(all)).toBe(2)
    expect(head.model.graph.nodes.map((node) => node.opType)).not.toContain('ReduceMean')
    expect(names(head.model.graph.outputs)).not.toContain('conv.weight.next')
    expect(() => buildStep(smallNetwork(), { ...plain, freeze: ['*'] })).toThrow(/Nothing/)
  })

  test('draws new masks in every step, and the same ones again from the same key', async () => {
    const step = buildStep(smallNetwork(), plain)
    const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)))
    const rate = { learning_rate: float32([], [0]) }
    const state = Object.fromEntries(step.state)
    const first = await session.run({ ...feeds, ...state, ...rate })
    const again = await session.run({ ...feeds, ...state, ...rate })
    const second = await session.run({
      ...feeds,
      ...state,
      ...rate,
      random_key: first['random_key.next']!,
    })
    await session.release()
    expect(again.loss!.data).toEqual(first.loss!.data)
    expect(second.loss!.data).not.toEqual(first.loss!.data)
  })
})

/** Scores of three classes that end in a link function, or not. */
function endingIn(link: string | undefined): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 4])
  const weight = float32(
    [4, 3],
    Array.from({ length: 12 }, (_, i) => Math.sin(i)),
  )
  builder.initializer('w', weight)
  const scores = builder.node('MatMul', ['x', 'w'])
  builder.nodeOutputs(link ?? 'Identity', [scores], {}, { outputs: ['y'] })
  builder.output('y', 'float32', ['batch', 3])
  return modelOf(builder.graph())
}

describe('a model that ends in its link function', () => {
  const x = float32([2, 4], [1, -2, 3, 0.5, -1, 0, 2, 1])
  const step = async (
    model: Model,
    loss: StepOptions['loss'],
    target: ReturnType<typeof int64> | ReturnType<typeof float32>,
  ) => {
    const graph = buildStep(model, { loss, optimizer: sgd({ learningRate: 1 }) })
    const session = await nodeRuntime.createSession(encodeModel(graph.model))
    const results = await session.run({ x, target })
    await session.release()
    return {
      loss: Number(results.loss!.data[0]),
      next: [...results['w.next']!.data].map(Number),
      graph,
    }
  }

  test.each(['Softmax', 'LogSoftmax'])('%s trains through its logits', async (link) => {
    const linked = await step(endingIn(link), 'softmax-cross-entropy', int64([2, 0]))
    const bare = await step(endingIn(undefined), 'softmax-cross-entropy', int64([2, 0]))
    expect(linked.loss).toBe(bare.loss)
    expect(linked.next).toEqual(bare.next)
    expect(linked.graph.model.graph.nodes.map((node) => node.opType)).not.toContain(link)
  })

  test('Sigmoid trains through its logits', async () => {
    const target = float32([2, 3], [1, 0, 1, 0, 0, 1])
    const linked = await step(endingIn('Sigmoid'), 'bce-with-logits', target)
    const bare = await step(endingIn(undefined), 'bce-with-logits', target)
    expect(linked.loss).toBe(bare.loss)
    expect(linked.next).toEqual(bare.next)
  })

  test('a loss without that link takes the output itself', () => {
    const graph = buildStep(endingIn('Softmax'), {
      loss: 'mse',
      optimizer: sgd({ learningRate: 1 }),
    })
    expect(graph.model.graph.nodes.map((node) => node.opType)).toContain('Softmax')
  })
})

test('evaluation keeps the weights constant and the operators as they are', () => {
  const { model, counts } = buildEvaluation(smallNetwork(), plain)
  expect(names(model.graph.inputs)).toEqual(['image', 'target'])
  expect(names(model.graph.outputs)).toEqual(['loss', 'correct'])
  expect(counts).toBe(true)
  const weight = model.graph.initializers.get('fc.weight')!.tensor
  expect(materialize(weight).dims).toEqual([64, 3])
})
