/** What exporters write in roundabout ways computes the same when it is written plainly. */
import { describe, expect, test } from 'vitest'
import { draw, modelWith, node, operators, run } from '../../testing/plain-forms.ts'
import { inspect } from '../growth/index.ts'
import type { Model, Node } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { float32, int64, type Tensor } from '../tensor/tensor.ts'
import { plainly } from './plainly.ts'

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

test('weights without a name are apart for two modules, and one for two calls of a module', async () => {
  const reads = (paths: readonly string[]) =>
    plainly(exported(paths)).graph.nodes.flatMap(({ opType, inputs }) =>
      opType === 'MatMul' ? [inputs[1]!.slice(-1)] : [],
    )
  const exported = (paths: readonly string[]) => {
    const called = (path: string, inputs: readonly string[], output: string) => ({
      ...node('MatMul', inputs, [output]),
      name: `/${path}/MatMul`,
    })
    const nodes = [
      node('Identity', ['onnx::MatMul_3'], ['onnx::MatMul_4']),
      node('Identity', ['onnx::MatMul_4'], ['onnx::MatMul_5']),
      called(paths[0]!, ['x', 'onnx::MatMul_3'], 'a'),
      called(paths[1]!, ['a', 'onnx::MatMul_4'], 'b'),
      called(paths[2]!, ['b', 'onnx::MatMul_5'], 'y'),
    ]
    return modelWith(nodes, { 'onnx::MatMul_3': float32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]) })
  }
  await run(exported(['h.0/fc', 'h.1/fc', 'h.0/fc_1']), [2, 12, 3])
  expect(reads(['h/fc', 'h/fc_1', 'h/fc_2'])).toEqual(['3', '3', '3'])
  expect(reads(['h.0/fc', 'h.1/fc', 'h.1/fc_1'])).toEqual(['3', '4', '4'])
  expect(reads(['h.0/fc', 'h.1/fc', 'h.0/fc_1'])).toEqual(['3', '4', '3'])
  expect(reads(['fc_1', 'fc_2', 'fc_3'])).toEqual(['3', '4', '5'])
  expect(reads(['a/fc', 'b/fc_1', 'fc'])).toEqual(['3', '4', '5'])
})

describe('constants that an exporter computed from one parameter', () => {
  const weight = () => float32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 10])
  const calls = [
    node('MatMul', ['x', 'first'], ['a']),
    node('Relu', ['a'], ['b']),
    node('MatMul', ['b', 'second'], ['y']),
  ]
  const exported = (second: Tensor, source: string, outputs = ['y']) => {
    const model = modelWith(calls, { first: weight(), second }, { outputs })
    const noted = (name: string, from: string) => ({
      name,
      type: { kind: 'tensor', dtype: 'float32', shape: [3, 3] } as const,
      metadata: new Map([['pkg.onnxscript.optimizer.folded_from', `['${from}']`]]),
    })
    const values = [noted('first', 'layer.weight'), noted('second', source)]
    return { ...model, graph: { ...model.graph, values } }
  }
  const constants = (model: Model) => [...plainly(model).graph.initializers.keys()]

  test('are one where they are the same', async () => {
    const model = exported(weight(), 'layer.weight')
    await run(model, [2, 12, 3])
    const { graph } = plainly(model)
    expect([...graph.initializers.keys()]).toEqual(['first'])
    expect(graph.nodes[2]!.inputs).toEqual(['b', 'first'])
    expect(graph.values.map(({ name }) => name)).toEqual(['first'])
  })

  test('are one where the program computed them anew, by values of its own', () => {
    const before = exported(weight(), 'layer.weight')
    const noted = (sources: readonly string[]) => {
      const values = before.graph.values.map((value, i) => {
        const text = `['layer.gain', 'norm_${i}', '${sources[i]}', 'val_${i}']`
        return { ...value, metadata: new Map([['pkg.onnxscript.optimizer.folded_from', text]]) }
      })
      return { ...before, graph: { ...before.graph, values } }
    }
    expect(constants(noted(['layer.weight', 'layer.weight']))).toEqual(['first'])
    expect(constants(noted(['layer.weight', 'other.weight']))).toEqual(['first', 'second'])
    const same = {
      first: float32([3, 3], new Float32Array(9)),
      second: float32([3, 3], new Float32Array(9)),
    }
    const fresh = noted(['layer.weight', 'layer.weight'])
    const initializers = new Map(Object.entries(same).map(([name, tensor]) => [name, { tensor }]))
    // Of equal numbers nothing is known.
    expect(constants({ ...fresh, graph: { ...fresh.graph, initializers } })).toEqual([
      'first',
      'second',
    ])
  })

  test('are one without a note where two calls of a module read them', () => {
    const gates = (path: string) => {
      const called = (at: string, inputs: readonly string[], output: string) => ({
        ...node('MatMul', inputs, [output]),
        name: `${at}/MatMul`,
      })
      const model = modelWith(
        [called('/l', ['x', 'onnx::LSTM_1'], 'a'), called(path, ['a', 'onnx::LSTM_2'], 'y')],
        { 'onnx::LSTM_1': weight(), 'onnx::LSTM_2': weight() },
      )
      return constants(model).length
    }
    expect(gates('/l_1')).toBe(1)
    expect(gates('/m')).toBe(2)
    expect(gates('/l/l')).toBe(2)
  })

  test('are apart where their numbers or their parameters differ, or where somebody else asks for them', () => {
    const other = float32([3, 3], [1, 4, 7, 2, 5, 8, 3, 6, 10])
    expect(constants(exported(other, 'layer.weight'))).toEqual(['first', 'second'])
    expect(constants(exported(weight(), 'another.weight'))).toEqual(['first', 'second'])
    expect(constants(exported(weight(), 'layer.weight', ['y', 'second']))).toEqual([
      'first',
      'second',
    ])
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
