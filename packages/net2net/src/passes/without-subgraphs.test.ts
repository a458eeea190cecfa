/** Branches, loops and scans of which all is known compute the same as plain nodes. */
import { describe, expect, test } from 'vitest'
import { modelWith, node, operators, run } from '../../testing/plain-forms.ts'
import type { Attribute, Graph, Model, Node, Shape } from '../model/model.ts'
import { float32, int64, type Tensor } from '../tensor/tensor.ts'
import { plainly } from './plainly.ts'

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

  test('loops in loops, sixty deep, and a thousand beside one another, are left soon', () => {
    const nested = (depth: number): Node => {
      const inner = depth === 0 ? [node('MatMul', ['x', 'W'], ['end0'])] : [nested(depth - 1)]
      const own = graph(
        [...inner, node('Identity', [`c${depth}`], [`again${depth}`])],
        [tensor(`i${depth}`, 'int64', []), tensor(`c${depth}`, 'bool', [])],
        [`again${depth}`, `end${depth}`],
      )
      return node('Loop', ['most', ''], [`end${depth + 1}`], { body: own })
    }
    const deep = modelWith([nested(60)], constants, { outputs: ['end61'], shape: [2, 3] })
    const beside = modelWith(
      Array.from({ length: 1000 }, (_, i) => ({
        ...loop('three'),
        outputs: [`a${i}`, '', `b${i}`],
      })),
      { ...constants, most: int64([500], []), three: int64([600], []) },
      { outputs: ['a999'], shape: [4, 2, 3] },
    )
    for (const model of [deep, beside])
      expect(plainly(model).graph.nodes.length).toBeLessThan(25_000)
  })
})
