import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, Net } from '../../../testing/compare-steps.ts'
import { drawnNetwork, networkOf } from '../../../testing/drawn-networks.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model, Shape, ValueDeclaration } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64, type Tensor } from '../../tensor/tensor.ts'
import { sgd } from '../../training/compile/optimizers/index.ts'
import { buildStep } from '../../training/compile/step-graph.ts'
import { withoutDefaults } from '../../training/run/create-stepper.ts'
import { formsFor } from '../../training/run/targets.ts'
import { BLOCKED_DOMAIN } from './blocked-layout.ts'
import { declareShapes, fewestNodes, shapesForPlanning } from './declare-shapes.ts'
import { lowerForWasm, lowerStep } from './lower-for-cpu.ts'

const shapeOf = ({ type }: ValueDeclaration): Shape =>
  type.kind === 'tensor' && type.shape ? type.shape : []

/** A size, with this for each symbol. */
const sizeFor =
  (batch: number) =>
  (dim: Dim): number =>
    typeof dim === 'number'
      ? dim
      : dim!
          .split('*')
          .map((factor) => (/^\d+$/.test(factor) ? Number(factor) : batch))
          .reduce((a, b) => a * b, 1)

/** What the stepper lowers. */
function stepOf(model: Model): Parameters<typeof lowerStep> {
  const graph = buildStep(model, {
    loss: 'softmax-cross-entropy',
    optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
    ...formsFor(nodeRuntime),
  })
  return [withoutDefaults(graph.model), block, graph.state.keys(), ['loss']]
}

/** What a run gives for every value whose shape the model declares. */
async function declaredValues(model: Model, batch: number): Promise<Record<string, Tensor>> {
  const { graph } = model
  const whole = { ...model, graph: { ...graph, outputs: [...graph.outputs, ...graph.values] } }
  const random = randomStream(testSeed, 'fed')
  const feeds = Object.fromEntries(
    graph.inputs.map((input) => {
      const dims = shapeOf(input).map(sizeFor(batch))
      const isClass = input.type.kind === 'tensor' && input.type.dtype === 'int64'
      const count = dims.reduce((a, b) => a * b, 1)
      return [
        input.name,
        isClass
          ? int64(Array.from({ length: count }, (_, i) => i % 5))
          : normalTensor(random, dims),
      ]
    }),
  )
  const session = await nodeRuntime.createSession(encodeModel(whole), { threads: 2 })
  try {
    return await session.run(
      feeds,
      graph.values.map(({ name }) => name),
    )
  } finally {
    await session.release()
  }
}

describe('declared shapes', () => {
  test('are those of the values in a run, of steps of networks drawn at random', async () => {
    await fc.assert(
      fc.asyncProperty(drawnNetwork, fc.integer({ min: 1, max: 5 }), async (drawn, batch) => {
        const step = stepOf(networkOf(drawn))
        for (const lowered of [lowerStep(...step).model, lowerForWasm(step[0])]) {
          const model = declareShapes(lowered, block)
          const found = await declaredValues(model, batch)
          for (const value of model.graph.values)
            expect(found[value.name]!.dims, value.name).toEqual(shapeOf(value).map(sizeFor(batch)))
        }
      }),
      { numRuns: 15, seed: testSeed },
    )
  })

  test('are there for nearly all values of a step, whatever the size of the batch', () => {
    const net = new Net()
    net.builder.input('input', 'float32', ['batch', 3, 16, 16])
    const first = net.pool(net.relu(net.conv('input', [32, 3, 3, 3])))
    const second = net.relu(net.conv(first, [32, 8, 3, 3], { group: 4 }))
    const normalized = net.builder.node('InstanceNormalization', [
      net.conv(second, [20, 32, 3, 3]),
      net.parameter('scale', [20]),
      net.parameter('shift', [20]),
    ])
    const flat = net.builder.node('Flatten', [normalized])
    const y = net.builder.node('Gemm', [flat, net.parameter('w', [20 * 8 * 8, 5])])
    net.builder.output(y, 'float32', ['batch', 5])
    const model = declareShapes(lowerStep(...stepOf(net.builder.model())).model, block)
    const results = new Set(model.graph.outputs.map(({ name }) => name))
    const values = model.graph.nodes.flatMap(({ outputs }) => outputs)
    const inner = values.filter((name) => !results.has(name))
    expect(model.graph.values.length).toBeGreaterThan(0.9 * inner.length)
  })

  test('are left out where a graph is so small that they do not pay', () => {
    const chain = (count: number) => {
      const builder = new GraphBuilder()
      const layers = Array.from({ length: count }, (_, k) => `layer${k}`)
      builder.output(
        layers.reduce(
          (x, name) => builder.nodeOutputs('Relu', [x], {}, { outputs: [name] })[0]!,
          builder.input('x', 'float32', ['batch', 4]),
        ),
        'float32',
      )
      return builder.model()
    }
    expect(shapesForPlanning(chain(fewestNodes - 1), block).graph.values).toEqual([])
    // All but the output's.
    const { values } = shapesForPlanning(chain(fewestNodes), block).graph
    expect(values).toHaveLength(fewestNodes - 1)
  })

  test('of what entries are changed of are declared in small graphs too, so that nothing is copied', () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['batch', 60])
    const rows = builder.node('Reshape', [x, builder.constant(int64([-1, 12]))])
    const doubled = builder.node('Add', [rows, rows])
    const at = builder.node('Cast', [builder.node('Abs', [doubled])], { to: 7 })
    const given = { axis: 1, reduction: 'add' }
    const changed = builder.node('ScatterElements', [doubled, at, doubled], given)
    builder.nodeOutputs('Neg', [changed], {}, { outputs: ['y'] })
    builder.output('y', 'float32')
    const { values } = shapesForPlanning(builder.model(), block).graph
    expect(values.map((value) => [value.name, shapeOf(value)])).toEqual([
      [doubled, ['5*batch', 12]],
      [changed, ['5*batch', 12]],
    ])
  })

  test.skipIf(block === 1)('of blocks are those of images with whole blocks', async () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['n', 20, 6, 5])
    builder.input('last', 'float32', ['n', 6, 5, 20])
    const domain = BLOCKED_DOMAIN
    const [first] = builder.nodeOutputs('ReorderInput', ['x'], {}, { domain })
    const [second] = builder.nodeOutputs('ReorderInput', ['last'], { channels_last: 1 }, { domain })
    const sum = builder.node('Add', [first!, second!])
    const [plain] = builder.nodeOutputs('ReorderOutput', [sum], { channels: 20 }, { domain })
    const given = { channels: 20, channels_last: 1 }
    const [turned] = builder.nodeOutputs('ReorderOutput', [sum], given, { domain })
    builder.nodeOutputs('Neg', [plain!], {}, { outputs: ['y'] })
    builder.nodeOutputs('Neg', [turned!], {}, { outputs: ['z'] })
    for (const name of ['y', 'z']) builder.output(name, 'float32')
    const model = builder.model()
    const opsets = new Map([...model.opsets, [domain, 1]])
    const declared = declareShapes({ ...model, opsets }, block)
    const found = await declaredValues(declared, 3)
    expect(declared.graph.values.map(({ name }) => name).sort()).toEqual(
      [first, second, sum, plain, turned].sort(),
    )
    for (const value of declared.graph.values)
      expect(found[value.name]!.dims, value.name).toEqual(shapeOf(value).map(sizeFor(3)))
  })
})
