import { describe, expect, test } from 'vitest'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { smallData, smallNetwork } from '../../../testing/small-training.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Model, Node } from '../../model/model.ts'
import { decodeModel } from '../../onnx/decode.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, materialize, type Tensor } from '../../tensor/tensor.ts'
import { withoutDefaults } from '../run/create-stepper.ts'
import { buildEvaluation } from './evaluation-graph.ts'
import { adam, averaged, sgd } from './optimizers/index.ts'
import { buildStep, type StepOptions } from './step-graph.ts'

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
  test('sums up its whole state, large values by their rows', async () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['batch', 300])
    const w = normalTensor(randomStream(1, 'sum'), [300, 256], { scale: 0.01 })
    const y = builder.node('MatMul', [x, builder.constant(w, 'w')])
    builder.output(y, 'float32', ['batch', 256])
    const step = buildStep(builder.model(), { ...plain, watch: true })
    const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)))
    const sums = async (spoiled?: number) => {
      const momentum = new Float32Array(300 * 256)
      if (spoiled !== undefined) momentum[spoiled] = Number.POSITIVE_INFINITY
      const results = await session.run({
        ...Object.fromEntries(step.state),
        'w.momentum': float32([300, 256], momentum),
        x: normalTensor(randomStream(2, 'sum'), [4, 300]),
        target: int64([1, 2, 3, 4]),
        learning_rate: float32([], [0.1]),
      })
      const all = [...step.state.keys()].flatMap((name) => [...results[`${name}.next`]!.data])
      return {
        found: Number(results[step.stateSum!]!.data[0]),
        expected: all.reduce<number>((sum, value) => sum + Number(value), 0),
      }
    }
    const { found, expected } = await sums()
    expect(Math.abs(found - expected)).toBeLessThan(1e-2)
    for (const spoiled of [0, 299 * 256, 300 * 256 - 1])
      expect(Number.isFinite((await sums(spoiled)).found)).toBe(false)
    await session.release()
  })

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

/** Scores of three classes that end in a link function, or not; files of Keras give its result another name. */
function endingIn(link: string | undefined, isCopied = false): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 4])
  const weight = float32(
    [4, 3],
    Array.from({ length: 12 }, (_, i) => Math.sin(i)),
  )
  builder.initializer('w', weight)
  const scores = builder.node('MatMul', ['x', 'w'])
  const last = isCopied && link ? builder.node(link, [scores]) : scores
  builder.nodeOutputs((!isCopied && link) || 'Identity', [last], {}, { outputs: ['y'] })
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

  test.each([
    ['Softmax', false],
    ['Softmax', true],
    ['LogSoftmax', false],
  ])('%s trains through its logits (copied: %s)', async (link, isCopied) => {
    const linked = await step(endingIn(link, isCopied), 'softmax-cross-entropy', int64([2, 0]))
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

describe('normalizations', () => {
  const x = normalTensor(randomStream(0, 'normalizations'), [6, 4])
  const vectors = {
    scale: [1, 2, 0.5, -1],
    shift: [0, 1, -1, 2],
    mean: [1, 0, 2, 0],
    variance: [1, 2, 1, 3],
  }

  /** Two normalizations in a row, of the constants with these endings. */
  function twice(first: string, second: string): Model {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 4])
    for (const ending of new Set([first, second]))
      for (const [name, values] of Object.entries(vectors))
        builder.initializer(`${name}${ending}`, float32([4], values))
    const normalize = (value: string, ending: string) =>
      builder.node(
        'BatchNormalization',
        [value, ...Object.keys(vectors).map((name) => `${name}${ending}`)],
        { momentum: float(0.9) },
      )
    const bent = builder.node('Tanh', [normalize('x', first)])
    builder.nodeOutputs('Identity', [normalize(bent, second)], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['batch', 4])
    return modelOf(builder.graph())
  }

  const run = async (model: Model, options: Partial<StepOptions> = {}) => {
    const step = buildStep(model, {
      loss: 'mse',
      optimizer: sgd({ learningRate: 0.1 }),
      gradients: true,
      ...options,
    })
    const session = await nodeRuntime.createSession(encodeModel(step.model), { threads: 1 })
    const results = await session.run({ x, target: float32([6, 4], new Float32Array(24)) })
    await session.release()
    const numbers = (name: string) => Array.from(results[name]!.data, Number)
    return { step, numbers }
  }
  const close = (a: readonly number[], b: readonly number[]) =>
    a.forEach((value, i) => {
      expect(value).toBeCloseTo(b[i]!, 5)
    })

  test('one that is used twice has the gradients of both uses, and updates its statistics twice', async () => {
    const shared = await run(twice('', ''))
    const apart = await run(twice('1', '2'))
    expect(shared.step.parameters).toEqual(['scale', 'shift'])
    close(shared.numbers('loss'), apart.numbers('loss'))
    for (const name of ['scale', 'shift']) {
      const [a, b] = [1, 2].map((k) => apart.numbers(`${name}${k}.gradient`))
      close(
        shared.numbers(`${name}.gradient`),
        a!.map((value, i) => value + b![i]!),
      )
    }
    for (const name of ['mean', 'variance'] as const) {
      const [a, b] = [1, 2].map((k) => apart.numbers(`${name}${k}.next`))
      // Each moves a tenth of the way; the second from where the first has come to.
      const expected = a!.map((value, i) => 0.9 * value + b![i]! - 0.9 * vectors[name][i]!)
      close(shared.numbers(`${name}.next`), expected)
    }
  })

  test('one with computed statistics keeps them, and gradients pass through them', async () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 4])
    builder.initializer(
      'w',
      float32(
        [3, 4],
        Array.from({ length: 12 }, (_, i) => Math.sin(i)),
      ),
    )
    for (const [name, values] of Object.entries(vectors))
      builder.initializer(name, float32([4], values))
    const rows = builder.initializer('rows', int64([0]))
    const mean = builder.node('ReduceMean', ['w', rows], { keepdims: 0 })
    const square = builder.node('ReduceSumSquare', ['w', rows], { keepdims: 0 })
    const standard = builder.node('BatchNormalization', ['w', 'scale', 'shift', mean, square])
    const turned = builder.node('Transpose', [standard], { perm: [1, 0] })
    builder.nodeOutputs('MatMul', ['x', turned], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['batch', 3])
    const step = buildStep(modelOf(builder.graph()), {
      loss: 'mse',
      optimizer: sgd({ learningRate: 0.1 }),
      gradients: true,
    })
    expect(step.statistics).toEqual([])
    expect(step.parameters).toEqual(['w', 'scale', 'shift'])
    const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)), {
      threads: 1,
    })
    const target = float32([6, 3], new Float32Array(18))
    const at = (state: Readonly<Record<string, Tensor>>) =>
      session.run({ x, target, learning_rate: float32([], [0]), ...state })
    try {
      const state = Object.fromEntries(step.state)
      const results = await at(state)
      for (const name of step.parameters) {
        const gradient = Array.from(results[`${name}.gradient`]!.data, Number)
        const { dims, data } = state[name]!
        for (const i of [0, 3]) {
          const moved = async (h: number) => {
            const changed = Float32Array.from(data as Float32Array)
            changed[i]! += h
            const { loss } = await at({ ...state, [name]: float32(dims, changed) })
            return Number(loss!.data[0])
          }
          const slope = ((await moved(0.01)) - (await moved(-0.01))) / 0.02
          expect(Math.abs(gradient[i]! - slope)).toBeLessThan(
            0.01 * Math.max(...gradient.map(Math.abs)),
          )
        }
      }
    } finally {
      await session.release()
    }
  })

  test('a frozen one in training mode is computed with its stored statistics', async () => {
    const whole = twice('1', '2')
    const trains = (node: Node): Node => ({
      ...node,
      outputs: [...node.outputs, `${node.outputs[0]}.mean`, `${node.outputs[0]}.variance`],
      attributes: new Map(node.attributes).set('training_mode', { type: 'int', value: 1n }),
    })
    const nodes = whole.graph.nodes.map((node) => (node.inputs.length === 5 ? trains(node) : node))
    const exported = { ...whole, graph: { ...whole.graph, nodes } }
    const options = { freeze: ['scale1', 'shift1'] }
    const [a, b] = [await run(exported, options), await run(whole, options)]
    expect(a.step.statistics).toEqual(['mean2', 'variance2'])
    expect(a.numbers('loss')).toEqual(b.numbers('loss'))
    expect(a.numbers('scale2.gradient')).toEqual(b.numbers('scale2.gradient'))
  })
})

describe('what is trained', () => {
  test('trainOnly and freeze choose by name or by layer, and may name any constant', () => {
    const only = (options: Partial<StepOptions>) =>
      buildStep(smallNetwork(), { ...plain, ...options }).parameters
    expect(only({ trainOnly: ['fc*'] })).toEqual(['fc.weight', 'fc.bias'])
    expect(only({ trainOnly: ['fc*', 'conv*'], freeze: ['fc.bias'] })).toEqual([
      'conv.weight',
      'fc.weight',
    ])
    expect(() => only({ trainOnly: ['nothing'] })).toThrow(/No parameter matches "nothing"/)
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 4])
    builder.initializer('factor', float32([], [2]))
    builder.nodeOutputs('Mul', ['x', 'factor'], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['batch', 4])
    const model = modelOf(builder.graph())
    expect(() => buildStep(model, { ...plain, loss: 'mse' })).toThrow(/Nothing/)
    expect(buildStep(model, { ...plain, loss: 'mse', trainOnly: ['factor'] }).parameters).toEqual([
      'factor',
    ])
  })

  test('an operator without rules is named, also where the model ends with what depends on it', () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 4])
    builder.initializer('w', float32([4, 4], new Float32Array(16)))
    const product = builder.node('MatMul', ['x', 'w'])
    const odd = builder.node('Rocket', [product], {}, { name: 'launch', domain: 'example' })
    builder.nodeOutputs('Softplus', [odd], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['batch', 4])
    const model = modelOf(builder.graph())
    expect(() => buildStep(model, { ...plain, loss: 'mse' })).toThrow(/Rocket launch/)
    const { graph } = model
    const bare = {
      ...model,
      graph: { ...graph, outputs: [{ name: 'y', type: { kind: 'opaque' as const } }] },
    }
    expect(() => buildStep(bare, { ...plain, loss: 'mse' })).toThrow(/Rocket launch/)
  })
})
