/** What exporters write in roundabout ways computes the same when it is written plainly. */
import { describe, expect, test } from 'vitest'
import { inspect } from '../growth/index.ts'
import { type AttributeLike, attributes } from '../model/attributes.ts'
import type { Attribute, Graph, Model, Node, Shape } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64, type Tensor } from '../tensor/tensor.ts'
import { plainly } from './plainly.ts'

const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  given: Record<string, AttributeLike> = {},
): Node => ({
  name: outputs[0]!,
  opType,
  domain: '',
  inputs,
  outputs,
  attributes: attributes(given),
})

function modelWith(
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>>,
  { shape = [2, 12, 3], outputs = ['y'], opset = 18 } = {} as {
    shape?: Shape
    outputs?: readonly string[]
    opset?: number
  },
): Model {
  const float = (name: string, dims: Shape | undefined) =>
    ({ name, type: { kind: 'tensor', dtype: 'float32', shape: dims } }) as const
  return {
    irVersion: 8,
    opsets: new Map([['', opset]]),
    metadata: new Map(),
    graph: {
      name: 'g',
      nodes,
      inputs: [float('x', shape)],
      outputs: outputs.map((name) => float(name, undefined)),
      values: [],
      initializers: new Map(Object.entries(constants).map(([name, tensor]) => [name, { tensor }])),
    },
  }
}

const draw = randomStream(7, 'plain')
async function run(model: Model, dims: readonly number[]): Promise<readonly number[][]> {
  const session = await nodeRuntime.createSession(encodeModel(model))
  const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => draw.normal())
  const results = await session.run({ x: float32(dims, values) })
  await session.release()
  const again = await nodeRuntime.createSession(encodeModel(plainly(model)))
  const plain = await again.run({ x: float32(dims, values) })
  await again.release()
  const numbers = (tensors: typeof results) =>
    Object.values(tensors).map(({ dims, data }) => [...dims, ...Array.from(data as Float32Array)])
  expect(numbers(plain)).toEqual(numbers(results))
  return numbers(results)
}
const operators = (model: Model) => plainly(model).graph.nodes.map(({ opType }) => opType)

describe('sequences', () => {
  const last = { last: int64([-1], []), one: int64([1], []) }
  test.each([
    ['parts of given sizes', node('SplitToSequence', ['x', 'sizes'], ['s'], { axis: 1 })],
    ['parts of one size', node('SplitToSequence', ['x', 'size'], ['s'], { axis: -2 })],
    [
      'single entries without their axis',
      node('SplitToSequence', ['x'], ['s'], { axis: 1, keepdims: 0 }),
    ],
  ])('%s are plain parts', async (_, split) => {
    for (const opset of [11, 13, 18]) {
      const nodes = [
        split,
        node('SequenceAt', ['s', 'one'], ['a']),
        node('SequenceAt', ['s', 'last'], ['b']),
        node('ConcatFromSequence', ['s'], ['whole'], { axis: 1 }),
        node('SequenceLength', ['s'], ['n']),
        node('Cast', ['n'], ['y'], { to: 1 }),
      ]
      const constants = { ...last, sizes: int64([3, 4, 5]), size: int64([5], []) }
      const model = modelWith(nodes, constants, { outputs: ['a', 'b', 'whole', 'y'], opset })
      await run(model, [2, 12, 3])
      expect(operators(model).join()).not.toMatch(/Sequence/)
    }
  })

  test('that are built up and taken apart are plain, too', async () => {
    const nodes = [
      node('SequenceEmpty', [], ['s0']),
      node('SequenceInsert', ['s0', 'x'], ['s1']),
      node('Neg', ['x'], ['negative']),
      node('SequenceInsert', ['s1', 'negative', 'zero'], ['s2']),
      node('SequenceConstruct', ['x', 'negative', 'x'], ['s3']),
      node('SequenceErase', ['s3', 'one'], ['s4']),
      node('ConcatFromSequence', ['s2'], ['y'], { axis: 0, new_axis: 1 }),
      node('ConcatFromSequence', ['s4'], ['z'], { axis: -1 }),
    ]
    const model = modelWith(nodes, { ...last, zero: int64([0], []) }, { outputs: ['y', 'z'] })
    await run(model, [2, 12, 3])
    expect(operators(model).join()).not.toMatch(/Sequence/)
  })

  test('of unknown length, and those that a file gives out, stay', () => {
    const unknown = modelWith(
      [node('SplitToSequence', ['x'], ['s']), node('SequenceAt', ['s', 'one'], ['y'])],
      last,
      { shape: ['n', 12, 3] },
    )
    expect(plainly(unknown)).toEqual(unknown)
    const given = modelWith(
      [node('SplitToSequence', ['x'], ['s']), node('SequenceAt', ['s', 'one'], ['y'])],
      last,
      { outputs: ['s', 'y'] },
    )
    expect(operators(given)).toEqual(['SplitToSequence', 'SequenceAt'])
  })
})

test('Erfc, which ONNX has not, is 1 − Erf, also behind another', async () => {
  const model = modelWith(
    [node('Erfc', ['x'], ['a']), node('Neg', ['a'], ['b']), node('Erfc', ['b'], ['y'])],
    {},
    { shape: [2], opset: 15 },
  )
  const session = await nodeRuntime.createSession(encodeModel(plainly(model)))
  const { y } = await session.run({ x: float32([2], [0, 1]) })
  await session.release()
  // erfc(0) = 1, erfc(1) = 0.157299…, erfc(−1) = 1.842701…, erfc(−0.157299…) = 1.176060…
  const [first, second] = [...(y!.data as Float32Array)]
  expect(first).toBeCloseTo(1.842701, 5)
  expect(second).toBeCloseTo(1.17606, 4)
})

describe('Gathers of everything', () => {
  const positions = (step: number, channels: string): readonly Node[] => [
    node('Shape', ['x'], ['n'], { start: 0, end: 1 }),
    node('Squeeze', ['n'], ['batch']),
    node('Conv', ['x', 'w'], ['c']),
    node('ReduceMean', ['c', 'last'], ['mean'], { keepdims: 1 }),
    node('Reshape', ['mean', 'flat'], ['data']),
    node('Range', ['zero', 'batch', 'one'], ['r']),
    node('Mul', ['r', `times${step}`], ['rows']),
    node('Unsqueeze', ['rows', 'axes'], ['column']),
    node('Add', ['column', channels], ['at']),
    node('Gather', ['data', 'at'], ['z']),
    node('Transpose', ['z'], ['t'], { perm: [0, 2, 1] }),
    node('MatMul', ['t', 'v'], ['y']),
  ]
  const channels = (list: readonly number[]) => int64(list, [1, list.length, 1])
  const constants = {
    w: float32(
      [4, 3, 2],
      Array.from({ length: 24 }, () => draw.normal()),
    ),
    v: float32(
      [4, 2],
      Array.from({ length: 8 }, () => draw.normal()),
    ),
    last: int64([-1]),
    flat: int64([-1]),
    zero: int64([0], []),
    one: int64([1], []),
    axes: int64([1, 2]),
    times4: int64([4], []),
    times2: int64([2], []),
    inOrder: channels([0, 1, 2, 3]),
    shuffled: channels([0, 2, 1, 3]),
  }

  test('compute the same as nothing, and what is before them grows', async () => {
    const model = modelWith(positions(4, 'inOrder'), constants, { shape: ['batch', 3, 5] })
    await run(model, [3, 3, 5])
    expect(operators(model)).toContain('Identity')
    const [layer] = inspect(plainly(model)).layers
    expect(layer).toMatchObject({ name: 'c', widen: true })
  })

  test.each([
    [2, 'inOrder'],
    [4, 'shuffled'],
  ] as const)('with other strides or orders pick something else (%s)', async (step, list) => {
    const model = modelWith(positions(step, list), constants, { shape: ['batch', 3, 5] })
    expect(operators(model)).toContain('Gather')
  })
})

describe('subgraphs', () => {
  const tensor = (name: string, dtype: 'float32' | 'int64' | 'bool', dims: Shape | undefined) =>
    ({ name, type: { kind: 'tensor', dtype, shape: dims } }) as const
  const graph = (
    nodes: readonly Node[],
    inputs: Graph['inputs'],
    outputs: readonly string[],
    constants: Readonly<Record<string, Tensor>> = {},
  ): Attribute => ({
    type: 'graph',
    value: {
      name: 'inner',
      nodes,
      inputs,
      outputs: outputs.map((name) => ({ name, type: { kind: 'opaque' } })),
      values: [],
      initializers: new Map(
        Object.entries(constants).map(([name, value]) => [name, { tensor: value }]),
      ),
    },
  })
  const weights = float32([3, 3], [0.5, -0.25, 1, 0.75, 0.5, -1, -0.5, 0.25, 0.5])

  /** h ← tanh(h·W + x[i]), while i < 3, with every h along a new axis. */
  const body = (limit: string, inputs: readonly string[] = ['i', 'more', 'h', 'count']) =>
    graph(
      [
        node('Gather', ['x', 'count'], ['entry'], { axis: 0 }),
        node('MatMul', ['h', 'W'], ['product']),
        node('Add', ['product', 'entry'], ['sum']),
        node('Tanh', ['sum'], ['next']),
        node('Add', ['count', 'one'], ['counted']),
        node('Less', ['counted', limit], ['goesOn']),
        node('Identity', ['next'], ['kept']),
      ],
      [
        tensor(inputs[0]!, 'int64', []),
        tensor(inputs[1]!, 'bool', []),
        tensor('h', 'float32', undefined),
        tensor('count', 'int64', []),
      ],
      ['goesOn', 'next', 'counted', 'kept'],
      { one: int64([1], []) },
    )
  const loop = (limit: string) =>
    node('Loop', ['most', '', 'start', 'zero'], ['last', 'n', 'all'], { body: body(limit) })
  const constants = {
    W: weights,
    most: int64([9], []),
    zero: int64([0], []),
    three: int64([3], []),
    start: float32([2, 3], [0, 1, 2, 3, 4, 5]),
  }
  const outputs = { outputs: ['last', 'all'], shape: [4, 2, 3] }

  test('a network that a loop repeats a known number of times stands there step by step, and grows', async () => {
    const model = modelWith([loop('three')], constants, outputs)
    const [last, all] = await run(model, [4, 2, 3])
    expect(all!.slice(0, 3)).toEqual([3, 2, 3])
    expect(all!.slice(-6)).toEqual(last!.slice(-6))
    expect(operators(model).filter((name) => name === 'MatMul')).toHaveLength(3)
    expect(operators(model).join()).not.toMatch(/Loop|Less/)
    // One weight for all steps.
    expect([...plainly(model).graph.initializers.keys()].filter((name) => /^W/.test(name))).toEqual(
      ['W'],
    )
  })

  test('a scan from either end of a sequence stands there step by step', async () => {
    for (const [from, to] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ]) {
      const step = graph(
        [
          node('MatMul', ['h', 'W'], ['product']),
          node('Add', ['product', 'entry'], ['next']),
          node('Identity', ['next'], ['kept']),
        ],
        [tensor('h', 'float32', [2, 3]), tensor('entry', 'float32', [2, 3])],
        ['next', 'kept'],
      )
      const scan = node('Scan', ['start', 'x'], ['last', 'all'], {
        body: step,
        num_scan_inputs: 1,
        scan_input_axes: [1],
        scan_output_axes: [-1],
        scan_input_directions: [from!],
        scan_output_directions: [to!],
      })
      const model = modelWith([scan], constants, { ...outputs, shape: [2, 4, 3] })
      await run(model, [2, 4, 3])
      expect(operators(model).join()).not.toMatch(/Scan/)
    }
  })

  test('the branch of a known condition takes the place of its node, inside of loops too', async () => {
    const branch = (opType: string) => graph([node(opType, ['x'], ['changed'])], [], ['changed'])
    const choice = (condition: string, output: string) =>
      node('If', [condition], [output], {
        then_branch: branch('Neg'),
        else_branch: branch('Relu'),
      })
    const nodes = [
      node('Less', ['zero', 'three'], ['yes']),
      node('Less', ['three', 'zero'], ['no']),
      choice('yes', 'last'),
      choice('no', 'all'),
    ]
    const model = modelWith(nodes, constants, outputs)
    await run(model, [4, 2, 3])
    expect(operators(model).join()).toMatch(/Neg.*Relu/)
    expect(operators(model).join()).not.toMatch(/If/)
  })

  test('loops without weights, and of unknown length, stay', () => {
    const given = modelWith([loop('limit')], constants, outputs)
    const unknown: Model = {
      ...given,
      graph: { ...given.graph, inputs: [...given.graph.inputs, tensor('limit', 'int64', [])] },
    }
    expect(plainly(unknown)).toBe(unknown)
    const counting = modelWith([loop('three')], { ...constants, W: float32([], [2]) }, outputs)
    expect(plainly(counting)).toBe(counting)
  })
})
