/** Growth where nobody knows the size of the image: sizes that pass through Shape are followed. */
import { describe, expect, test } from 'vitest'
import { inspect, widen } from '../src/growth/index.ts'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import type { Dim, Graph, Model } from '../src/model/model.ts'
import { fillTensor } from '../src/tensor/fill.ts'
import { int64, type LazyTensor, scalar } from '../src/tensor/tensor.ts'
import { expectEqualFunctions } from '../testing/check.ts'

/** Two convolutions; between them the channels go through `reshape` with sizes out of Shape. */
function network(image: readonly [Dim, Dim]): Model {
  const b = new GraphBuilder()
  const weight = (...dims: number[]) =>
    b.constant(fillTensor({ kind: 'uniform', limit: 1 }, 'float32', dims, 3, dims.length))
  b.input('x', 'float32', ['n', 3, ...image])
  const x = b.node('Conv', ['x', weight(4, 3, 3, 3)], { strides: [2, 2] }, { name: 'grown' })
  const shape = b.node('Shape', [x])
  const size = (axis: number) => b.node('Gather', [shape, b.constant(int64([axis]))], { axis: 0 })
  const minusOne = b.constant(int64([-1]))
  const target = b.node('Concat', [size(0), minusOne, size(2), size(3)], { axis: 0 })
  const same = b.node('Reshape', [x, target])
  // The first half of the channels, as chunk(2) has it.
  const channels = b.node('Gather', [b.node('Shape', [same]), b.constant(int64([1]))], { axis: 0 })
  const half = b.node('Div', [channels, b.constant(scalar('int64', 2))])
  const zero = b.constant(int64([0]))
  const part = b.node('Slice', [same, zero, half, b.constant(int64([1]))])
  b.node('Conv', [part, weight(2, 2, 1, 1)], {}, { name: 'reader', outputs: ['y'] })
  b.output('y', 'float32', undefined)
  return modelOf(b.graph(), 13)
}

describe.each([
  { what: 'unknown', image: [null, null] as const },
  { what: 'symbolic', image: ['h', 'w'] as const },
])('an image of $what size', ({ image }) => {
  const model = network(image)

  test('channels that a Reshape finds out are followed', async () => {
    const [grown] = inspect(model).layers
    expect(grown).toMatchObject({ name: 'grown', width: 4, widen: true })
    await expectEqualFunctions(model, widen(model, { grown: 6 }))
  })

  test('the sizes of the output are still unknown', () => {
    const [output] = inspect(model).outputs
    expect(output?.shape).toEqual(['n', 2, null, null])
  })
})

const uniform = (...dims: number[]): LazyTensor =>
  fillTensor({ kind: 'uniform', limit: 1 }, 'float32', dims, 3, ...dims)

/** A branch of If that doubles the captured value `x`, or leaves it. */
function branch(output: string, doubled: boolean): Graph {
  const b = new GraphBuilder()
  const inputs = doubled ? ['x', 'x'] : ['x']
  b.output(b.node(doubled ? 'Add' : 'Identity', inputs, {}, { outputs: [output] }), 'float32')
  return b.graph()
}

describe.each([
  {
    op: 'Conv',
    shape: ['n', 3, 5, 7],
    layer: (b: GraphBuilder, x: string) =>
      b.node('Conv', [x, b.initializer('w', uniform(4, 3, 2, 2))], {}, { name: 'grown' }),
    reader: (b: GraphBuilder, x: string) =>
      b.node('Conv', [x, b.initializer('v', uniform(2, 4, 1, 1))]),
  },
  {
    op: 'ConvTranspose',
    shape: ['n', 3, 5, 7],
    layer: (b: GraphBuilder, x: string) =>
      b.node('ConvTranspose', [x, b.initializer('w', uniform(3, 4, 2, 2))], {}, { name: 'grown' }),
    reader: (b: GraphBuilder, x: string) =>
      b.node('Conv', [x, b.initializer('v', uniform(2, 4, 1, 1))]),
  },
  {
    op: 'Gemm',
    shape: ['n', 3],
    layer: (b: GraphBuilder, x: string) =>
      b.node('Gemm', [x, b.initializer('w', uniform(3, 4))], {}, { name: 'grown' }),
    reader: (b: GraphBuilder, x: string) => b.node('Gemm', [x, b.initializer('v', uniform(4, 2))]),
  },
  {
    op: 'LSTM',
    shape: [5, 'n', 3],
    layer: (b: GraphBuilder, x: string) =>
      b.node(
        'LSTM',
        [x, b.initializer('w', uniform(1, 16, 3)), b.initializer('r', uniform(1, 16, 4))],
        { hidden_size: 4 },
        { name: 'grown' },
      ),
    reader: (b: GraphBuilder, x: string) =>
      b.node('MatMul', [x, b.initializer('v', uniform(4, 2))]),
  },
])('$op behind an If, whose result has no known rank', ({ shape, layer, reader }) => {
  const b = new GraphBuilder()
  b.input('x', 'float32', shape)
  const positive = b.node('Greater', [
    b.node('ReduceSum', ['x'], { keepdims: 0 }),
    b.constant(scalar('float32', 0)),
  ])
  const chosen = b.node('If', [positive], {
    then_branch: { type: 'graph', value: branch('doubled', true) },
    else_branch: { type: 'graph', value: branch('left', false) },
  })
  b.output(reader(b, b.node('Relu', [layer(b, chosen)])), 'float32')
  const model = modelOf(b.graph(), 18)

  test('can be widened', async () => {
    const [grown] = inspect(model).layers
    expect(grown).toMatchObject({ name: 'grown', width: 4, widen: true })
    await expectEqualFunctions(model, widen(model, { grown: 7 }))
  })
})
