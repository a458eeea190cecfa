import { describe, expect, it } from 'vitest'
import { attributes } from '../model/attributes.ts'
import { GraphBuilder, modelOf, tensorDeclaration } from '../model/builder.ts'
import type { Model, Node, Shape } from '../model/model.ts'
import { float32, int64, scalar } from '../tensor/tensor.ts'
import type { ValueInfo } from './contract/infer.ts'
import { inferModel, inferNode } from './inference.ts'

const node = (opType: string, inputs: readonly string[], entries = {}): Node => ({
  name: 'n',
  opType,
  domain: '',
  inputs,
  outputs: ['y'],
  attributes: attributes(entries),
})

/** Infers a graph around `x` of this shape. */
function infer(shape: Shape, build: (b: GraphBuilder) => string, opset = 18): ValueInfo {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', shape)
  const y = build(builder)
  return inferModel(modelOf(builder.graph(), opset)).get(y)!
}

const ints = (b: GraphBuilder, ...values: number[]) => b.constant(int64(values))
const index = (b: GraphBuilder, value: number) => b.constant(scalar('int64', value))
const size = (b: GraphBuilder, axis: number) =>
  b.node('Unsqueeze', [b.node('Gather', [b.node('Shape', ['x']), index(b, axis)]), ints(b, 0)])

describe('symbolic sizes', () => {
  const images: Shape = ['batch', 64, 7, 7]

  it.each([
    ['[-1, 3136]', (b: GraphBuilder) => ints(b, -1, 3136), ['batch', 3136]],
    ['[0, -1]', (b: GraphBuilder) => ints(b, 0, -1), ['batch', 3136]],
    ['[0, 64, -1]', (b: GraphBuilder) => ints(b, 0, 64, -1), ['batch', 64, 49]],
    ['[-1, 6, 64]', (b: GraphBuilder) => ints(b, -1, 6, 64), [null, 6, 64]],
    [
      '[size(0), -1]',
      (b: GraphBuilder) => b.node('Concat', [size(b, 0), ints(b, -1)], { axis: 0 }),
      ['batch', 3136],
    ],
    [
      '[size(0), size(1) · size(2), 7]',
      (b: GraphBuilder) => {
        const area = b.node('Mul', [size(b, 1), size(b, 2)])
        return b.node('Concat', [size(b, 0), area, ints(b, 7)], { axis: 0 })
      },
      ['batch', 448, 7],
    ],
  ] as const)('survive Reshape to %s', (_, target, expected) => {
    const { shape } = infer(images, (b) => b.node('Reshape', ['x', target(b)]))
    expect(shape).toEqual(expected)
  })

  it('survive Flatten, Concat on another axis, and broadcasting', () => {
    expect(infer(images, (b) => b.node('Flatten', ['x'])).shape).toEqual(['batch', 3136])
    const joined = infer(images, (b) => b.node('Concat', ['x', 'x'], { axis: 1 }))
    expect(joined.shape).toEqual(['batch', 128, 7, 7])
    const bias = float32([64, 1, 1], new Float32Array(64))
    const sum = infer(images, (b) => b.node('Add', ['x', b.constant(bias)]))
    expect(sum.shape).toEqual(images)
  })

  it('can be joined and taken apart again', () => {
    const joined = (b: GraphBuilder) => b.node('Reshape', ['x', ints(b, -1, 7, 7)])
    expect(infer(images, joined).shape).toEqual(['64*batch', 7, 7])
    const apart = infer(images, (b) => {
      const target = b.node('Concat', [size(b, 0), ints(b, -1, 49)], { axis: 0 })
      return b.node('Reshape', [joined(b), target])
    })
    expect(apart.shape).toEqual(['batch', 64, 49])
  })

  it('are not invented', () => {
    const halves = infer(['batch', 4], (b) =>
      b.node('Slice', ['x', ints(b, 0), ints(b, 2), ints(b, 0)]),
    )
    expect(halves.shape).toEqual([null, 4])
    const unequal = infer([null, 4], (b) => b.node('Concat', ['x', 'x'], { axis: 0 }))
    expect(unequal.shape).toEqual([null, 4])
  })

  it('are found behind an axis that is counted from either end, as exporters write unflatten', () => {
    const modulo = (a: number, b: number, entries = {}) =>
      infer(images, (graph) => graph.node('Mod', [ints(graph, a), ints(graph, b)], entries))
        .elements
    for (const [a, b] of [
      [-1, 4],
      [7, 4],
      [-7, 4],
      [7, -4],
      [0, 4],
    ] as const) {
      expect(modulo(a, b)).toEqual([((a % b) + b) % b])
      expect(modulo(a, b, { fmod: 1 })).toEqual([a % b])
    }
    const { shape } = infer(images, (b) => {
      const axis = b.node('Mod', [ints(b, -3), ints(b, 4)])
      const sizes = b.node('Shape', ['x'])
      const before = b.node('Slice', [sizes, ints(b, 0), axis])
      const after = b.node('Slice', [sizes, b.node('Add', [axis, ints(b, 1)]), ints(b, 99)])
      const target = b.node('Concat', [before, ints(b, 4, 16), after], { axis: 0 })
      return b.node('Reshape', ['x', target])
    })
    expect(shape).toEqual(['batch', 4, 16, 7, 7])
  })

  it('are known as elements of Shape', () => {
    expect(infer(images, (b) => b.node('Shape', ['x'])).elements).toEqual(images)
    const part = infer(images, (b) => b.node('Shape', ['x'], { start: -3, end: -1 }))
    expect(part).toMatchObject({ shape: [2], elements: [64, 7] })
  })
})

describe('the driver', () => {
  const declaring = (opType: string, domain: string, shape: Shape): Model => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 3])
    builder.node(opType, ['x'], {}, { domain, outputs: ['h'] })
    builder.node('Relu', ['h'], {}, { outputs: ['y'] })
    builder.output('y')
    const graph = builder.graph()
    return modelOf({ ...graph, values: [tensorDeclaration('h', 'float32', shape)] })
  }

  it('takes declared types where it knows nothing', () => {
    const values = inferModel(declaring('Mystery', 'com.example', [2, 5]))
    expect(values.get('h')).toMatchObject({ dtype: 'float32', shape: [2, 5] })
    expect(values.get('y')).toMatchObject({ dtype: 'float32', shape: [2, 5] })
  })

  it('does not believe stale declarations', () => {
    const values = inferModel(declaring('Sigmoid', '', [2, 99]))
    expect(values.get('h')!.shape).toEqual(['batch', 3])
  })

  it('leaves the outputs of unknown operators open', () => {
    expect(inferNode(node('Mystery', ['x']), 18, () => undefined)).toEqual([{}])
  })

  it('names the node that contradicts its inputs', () => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', [2, 3])
    builder.node('Reshape', ['x', builder.constant(int64([4, 2]))], {}, { name: 'view' })
    expect(() => inferModel(builder.model())).toThrow(/^Reshape view: .*\[2,3\].*\[4,2\]/)
  })

  it('treats an initializer that is also an input as the constant that it is', () => {
    const builder = new GraphBuilder()
    builder.input('shape', 'int64', [2])
    builder.input('x', 'float32', [6])
    builder.initializer('shape', int64([2, 3]))
    const y = builder.node('Reshape', ['x', 'shape'])
    expect(inferModel(builder.model()).get(y)!.shape).toEqual([2, 3])
  })

  it('reads the axes of old operator sets from attributes', () => {
    const info = (name: string) =>
      name === 'x' ? ({ dtype: 'float32', shape: [2, 3] } as const) : undefined
    const old = node('Unsqueeze', ['x'], { axes: [0] })
    expect(inferNode(old, 11, info)[0]!.shape).toEqual([1, 2, 3])
    const mean = node('ReduceMean', ['x'], { axes: [1], keepdims: 0 })
    expect(inferNode(mean, 13, info)[0]!.shape).toEqual([2])
  })
})

describe('what prepares features', () => {
  const shapeOf = (opType: string, entries = {}, shape: Shape = ['batch', 4]) => {
    const builder = new GraphBuilder()
    builder.input('x', 'float64', shape)
    const { nodes, ...graph } = builder.graph()
    const prepared = { ...node(opType, ['x'], entries), domain: 'ai.onnx.ml' }
    const { dtype, shape: found } = inferModel(
      modelOf({ ...graph, nodes: [...nodes, prepared] }, 18),
    ).get('y')!
    return [dtype, found]
  }

  it('gives as many numbers, or one for each category', () => {
    for (const opType of ['Scaler', 'Normalizer'])
      expect(shapeOf(opType), opType).toEqual(['float32', ['batch', 4]])
    for (const opType of ['Imputer', 'Binarizer'])
      expect(shapeOf(opType), opType).toEqual(['float64', ['batch', 4]])
    expect(shapeOf('OneHotEncoder', { cats_int64s: [1, 2, 5] })).toEqual([
      'float32',
      ['batch', 4, 3],
    ])
    expect(shapeOf('OneHotEncoder')).toEqual(['float32', undefined])
  })
})
