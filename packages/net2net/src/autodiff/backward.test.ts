import { describe, expect, test } from 'vitest'
import { checkGradients, normalTensor } from '../../testing/gradient-check.ts'
import { hasOnnxVectors, onnxVector } from '../../testing/onnx-vectors.ts'
import { runGraph } from '../../testing/run-graph.ts'
import { testSeed } from '../../testing/seed.ts'
import { float } from '../model/attributes.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import { ancestors } from '../model/links.ts'
import type { Graph, Shape } from '../model/model.ts'
import type { Target } from '../operators/contract/gradient.ts'
import { inferModel } from '../operators/inference.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { backward } from './backward.ts'
import { GraphEmitter } from './emitter.ts'

/** Emits the gradients of the value `y` of a graph; returns their names and the new nodes. */
function differentiate(
  graph: Graph,
  wrt: readonly string[],
  shape: Shape = [3, 4],
  target: Target = 'standard',
) {
  const builder = new GraphBuilder(graph)
  const emitter = new GraphEmitter(builder, inferModel(modelOf(graph)), 18, target)
  builder.input('seed', 'float32', shape)
  emitter.declare('seed', { dtype: 'float32', shape })
  const gradients = backward(emitter, graph.nodes, new Map([['y', 'seed']]), wrt)
  return { gradients, added: builder.graph().nodes.slice(graph.nodes.length) }
}

function graphOf(build: (builder: GraphBuilder) => void): Graph {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', [3, 4])
  builder.input('w', 'float32', [4, 4])
  build(builder)
  builder.output('y', 'float32', [3, 4])
  return builder.graph()
}

describe('backward', () => {
  test('a value with several consumers collects the gradients of all of them', () =>
    checkGradients({
      draw(random) {
        const graph = graphOf((builder) => {
          const a = builder.node('MatMul', ['x', 'w'])
          const b = builder.node('MatMul', [a, 'w'])
          const c = builder.node('Mul', [a, b])
          const d = builder.node('Add', [a, a])
          builder.nodeOutputs('Sum', [c, d, b], {}, { outputs: ['y'] })
        })
        const inputs = { x: normalTensor(random, [3, 4]), w: normalTensor(random, [4, 4]) }
        return { model: modelOf(graph), inputs }
      },
    }))

  test('a value times its sigmoid, which others read too', async () => {
    const graph = graphOf((builder) => {
      const a = builder.node('MatMul', ['x', 'w'])
      const s = builder.node('Sigmoid', [a])
      const b = builder.node('Mul', [s, a])
      builder.nodeOutputs('Add', [builder.node('Mul', [b, s]), a], {}, { outputs: ['y'] })
    })
    await checkGradients({
      draw: (random) => ({
        model: modelOf(graph),
        inputs: { x: normalTensor(random, [3, 4]), w: normalTensor(random, [4, 4]) },
      }),
    })
    const { added } = differentiate(graph, ['x'])
    expect(added.filter(({ opType }) => opType === 'Sigmoid')).toEqual([])
  })

  test('a normalization that gives its statistics', () =>
    checkGradients({
      draw(random) {
        const graph = graphOf((builder) => {
          builder.input('scale', 'float32', [4])
          const outputs = ['y', 'mean', 'factor']
          const a = builder.node('MatMul', ['x', 'w'])
          builder.nodeOutputs('LayerNormalization', [a, 'scale', 'scale'], {}, { outputs })
        })
        const inputs = {
          x: normalTensor(random, [3, 4]),
          w: normalTensor(random, [4, 4]),
          scale: normalTensor(random, [4]),
        }
        return { model: modelOf(graph), inputs }
      },
    }))

  test('a normalization without scale and shift, far from zero', () =>
    checkGradients({
      draw(random) {
        const graph = graphOf((builder) => {
          const vector = (value: number) => builder.constant(float32([3], Array(3).fill(value)))
          const offset = builder.constant(float32([], [5]))
          const a = builder.node('Add', [builder.node('MatMul', ['x', 'w']), offset])
          const shape = builder.constant(int64([1, 3, 4]))
          const image = builder.node('Reshape', [a, shape])
          const y = builder.node('InstanceNormalization', [image, vector(1), vector(0)])
          builder.nodeOutputs(
            'Reshape',
            [y, builder.constant(int64([3, 4]))],
            {},
            { outputs: ['y'] },
          )
        })
        const inputs = { x: normalTensor(random, [3, 4]), w: normalTensor(random, [4, 4]) }
        return { model: modelOf(graph), inputs }
      },
    }))

  test('a GroupNorm as exporters write it, by sums over each channel', async () => {
    const draw = (random: RandomStream) => {
      const groups = 1 + random.below(3)
      const channels = groups * (1 + random.below(3))
      // Four numbers in a group at least: of two, little but their sign is left.
      const space =
        random.below(2) === 0 ? [4 + random.below(3)] : [2 + random.below(3), 2 + random.below(3)]
      const shape = [2, channels, ...space]
      const ofChannels = [...(random.below(2) === 0 ? [] : [1]), channels, ...space.map(() => 1)]
      const builder = new GraphBuilder()
      builder.input('x', 'float32', ['batch', ...shape.slice(1)])
      for (const name of ['scale', 'shift']) builder.input(name, 'float32', ofChannels)
      const vector = (value: number) =>
        builder.constant(float32([groups], Array(groups).fill(value)))
      const grouped = builder.node('Reshape', ['x', builder.constant(int64([0, groups, -1]))])
      const inputs = [grouped, vector(1), vector(0)]
      const normal = builder.node('InstanceNormalization', inputs, { epsilon: float(1e-3) })
      const images = builder.node('Reshape', [normal, builder.node('Shape', ['x'])])
      const scaled = builder.node('Mul', [images, 'scale'])
      builder.nodeOutputs('Add', [scaled, 'shift'], {}, { outputs: ['y'] })
      builder.output('y', 'float32', ['batch', ...shape.slice(1)])
      const drawn = { x: shape, scale: ofChannels, shift: ofChannels }
      return {
        model: builder.model(),
        inputs: Object.fromEntries(
          Object.entries(drawn).map(([name, dims]) => [name, normalTensor(random, dims)]),
        ),
      }
    }
    await checkGradients({ draws: 8, draw, seed: testSeed })
    const { model, inputs } = draw(randomStream(testSeed, 'one'))
    const shape = ['batch', ...inputs.x!.dims.slice(1)]
    const wrt = ['x', 'scale', 'shift']
    const { gradients, added } = differentiate(model.graph, wrt, shape, 'onnxruntime-cpu')
    // A sum over the positions of each channel, which the gradient of the shift is made of as well, and two products of its rows: with x̂, which the gradient of
    // the scale is made of as well, and with a number for each row.
    const read = ancestors(added, gradients.values())
    const readersOf = (name: string) =>
      read.filter(({ inputs, opType }) => inputs[0] === name && opType !== 'Shape')
    const [rows] = readersOf('seed').filter(({ opType }) => opType === 'Reshape')
    expect(
      readersOf('seed')
        .map(({ opType }) => opType)
        .sort(),
    ).toEqual(['ReduceSum', 'Reshape'])
    expect(readersOf(rows!.outputs[0]!).map(({ opType }) => opType)).toEqual(['Mul', 'Mul'])
  })

  test('slices of a value, as they fall: beside each other, apart, twice, overlapping, along another axis', () =>
    checkGradients({
      draws: 12,
      draw(random) {
        const graph = graphOf((builder) => {
          const a = builder.node('MatMul', ['x', 'w'])
          const ints = (...values: number[]) => builder.constant(int64(values))
          const parts = Array.from({ length: 2 + random.below(5) }, () => {
            const axis = random.below(4) === 0 ? 0 : 1
            const start = random.below(3 + axis)
            const end = start + 1 + random.below(3 + axis - start)
            const slice = ['Slice', [a, ints(start), ints(end), ints(axis)]] as const
            const entry = ['Gather', [a, ints(start)]] as const
            const [name, inputs] = random.below(2) === 0 ? slice : entry
            const part = builder.node(name, inputs, name === 'Gather' ? { axis } : {})
            const square = builder.node('Mul', [part, part])
            return builder.node('ReduceSum', [square], { keepdims: 0 })
          })
          builder.nodeOutputs('Sum', [a, ...parts], {}, { outputs: ['y'] })
        })
        const inputs = { x: normalTensor(random, [3, 4]), w: normalTensor(random, [4, 4]) }
        return { model: modelOf(graph), inputs }
      },
    }))

  test('slices that take a value apart have gradients that are joined, not padded and added', () => {
    const graph = graphOf((builder) => {
      const ints = (...values: number[]) => builder.constant(int64(values))
      const columns = [0, 1, 2, 3].map((k) => builder.node('Gather', ['x', ints(k)], { axis: 1 }))
      const turned = [2, 0, 3, 1].map((k) => columns[k]!)
      builder.nodeOutputs('Concat', turned, { axis: 1 }, { outputs: ['y'] })
    })
    const { gradients, added } = differentiate(graph, ['x'])
    const last = added.find(({ outputs }) => outputs.includes(gradients.get('x')!))
    expect(last?.opType).toBe('Concat')
    expect(added.map(({ opType }) => opType)).not.toContain('Sum')
  })

  test('builds nothing for inputs that nobody differentiates', () => {
    const graph = graphOf((builder) => {
      const a = builder.node('MatMul', ['x', 'w'])
      builder.nodeOutputs('Relu', [a], {}, { outputs: ['y'] })
    })
    const both = differentiate(graph, ['x', 'w'])
    const one = differentiate(graph, ['w'])
    expect([...one.gradients.keys()]).toEqual(['w'])
    expect(one.added.length).toBeLessThan(both.added.length)
    expect(differentiate(graph, []).added).toEqual([])
  })

  test('a value that does not matter has no gradient', () => {
    const graph = graphOf((builder) => {
      builder.node('MatMul', ['x', 'w'])
      builder.nodeOutputs('Relu', ['x'], {}, { outputs: ['y'] })
    })
    expect([...differentiate(graph, ['x', 'w']).gradients.keys()]).toEqual(['x'])
  })

  test('names the node that has no gradient, and only where one is needed', () => {
    const graph = graphOf((builder) => {
      const odd = builder.node('Rocket', ['w'], {}, { name: 'launch', domain: 'example' })
      builder.nodeOutputs('Mul', ['x', odd], {}, { outputs: ['y'] })
    })
    expect(() => differentiate(graph, ['w'])).toThrow(
      /Rocket launch cannot be trained through.*domain example/,
    )
    expect([...differentiate(graph, ['x']).gradients.keys()]).toEqual(['x'])
  })

  test('an operator without a gradient by nature cuts the path', () => {
    const graph = graphOf((builder) => {
      builder.input('v', 'float32', [3, 4])
      const mask = builder.node('Cast', [builder.node('Greater', ['x', 'v'])], { to: 1 })
      builder.nodeOutputs('Mul', ['x', mask], {}, { outputs: ['y'] })
    })
    expect([...differentiate(graph, ['x', 'v']).gradients.keys()]).toEqual(['x'])
  })
})

describe.skipIf(!hasOnnxVectors)('the cases of the Gradient operator', () => {
  test.each([
    ['simple/test_gradient_of_add', 'c'],
    ['simple/test_gradient_of_add_and_mul', 'd'],
  ])('%s', async (name, y) => {
    const { model, inputs, outputs } = onnxVector(name)
    const nodes = model.graph.nodes.filter((node) => node.domain === '')
    const wrt = ['a', 'b']
    const expected = Object.keys(outputs).filter((output) => output !== y)
    const results = await runGraph(inputs, (emitter) => {
      for (const node of nodes) emitter.append(node)
      const one = emitter.op('Div', [y, y])
      const gradients = backward(emitter, nodes, new Map([[y, one]]), wrt)
      return Object.fromEntries(wrt.map((value, i) => [expected[i]!, gradients.get(value)!]))
    })
    for (const output of expected)
      expect([...results[output]!.data]).toEqual([...outputs[output]!.data])
  })
})
