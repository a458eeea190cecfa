import { describe, expect, test } from 'vitest'
import { GraphBuilder } from './builder.ts'
import type { Model, ValueType } from './model.ts'
import { mainOutput, withTensorOutputs, wrappings } from './tensor-outputs.ts'

/** A model of these outputs, which nodes make of x. */
function modelOf(
  outputs: Readonly<Record<string, ValueType>>,
  nodes: readonly (readonly [
    op: string,
    inputs: readonly string[],
    output: string,
    domain?: string,
  ])[],
): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['n', 3])
  for (const [op, inputs, output, domain = ''] of nodes)
    builder.nodeOutputs(op, inputs, {}, { outputs: [output], domain })
  const model = builder.model()
  const declared = Object.entries(outputs).map(([name, type]) => ({ name, type }))
  return { ...model, graph: { ...model.graph, outputs: declared } }
}
const opaque: ValueType = { kind: 'opaque' }
const tensorOf = (dtype: 'float32' | 'int64' | 'string' | undefined): ValueType => ({
  kind: 'tensor',
  dtype,
  shape: undefined,
})
const namesOf = (model: Model) => withTensorOutputs(model).graph.outputs.map(({ name }) => name)

describe('outputs that are no tensors of numbers', () => {
  test('are what they are made of, through nodes that move it', () => {
    const model = modelOf(
      { label: tensorOf('string'), map: opaque, list: opaque, y: tensorOf('float32') },
      [
        ['Softmax', ['x'], 'p'],
        ['ArgMax', ['p'], 'i'],
        ['ArrayFeatureExtractor', ['x', 'i'], 'names', 'ai.onnx.ml'],
        ['Reshape', ['names', 'x'], 'label'],
        ['ZipMap', ['p'], 'map', 'ai.onnx.ml'],
        ['SequenceConstruct', ['p', 'x'], 'list'],
        ['Relu', ['x'], 'y'],
      ],
    )
    expect(namesOf(model)).toEqual(['x', 'i', 'p', 'y'])
    expect(wrappings(model)).toHaveLength(3)
    const { nodes } = withTensorOutputs(model).graph
    expect(nodes.map(({ opType }) => opType)).toEqual(['Softmax', 'ArgMax', 'Relu'])
  })

  test('stay where nothing is known of how they are made', () => {
    const model = modelOf({ map: opaque, y: tensorOf('float32') }, [
      ['Unknown', ['x'], 'map'],
      ['Relu', ['x'], 'y'],
    ])
    expect(withTensorOutputs(model)).toBe(model)
    expect(wrappings(model)).toEqual([])
  })
})

describe('the output that is meant', () => {
  test('is the first of floating-point numbers', () => {
    const nodes = [
      ['ArgMax', ['x'], 'label'],
      ['Relu', ['x'], 'y'],
      ['ZipMap', ['y'], 'map', 'ai.onnx.ml'],
    ] as const
    expect(mainOutput(modelOf({ label: tensorOf('int64'), y: tensorOf('float32') }, nodes))).toBe(
      'y',
    )
    expect(mainOutput(modelOf({ label: tensorOf('int64'), map: opaque }, nodes))).toBe('y')
    expect(mainOutput(modelOf({ label: tensorOf('int64') }, nodes))).toBe('label')
    // What is not known may be numbers.
    expect(mainOutput(modelOf({ label: tensorOf(undefined), y: tensorOf('float32') }, nodes))).toBe(
      'label',
    )
    expect(mainOutput(modelOf({}, nodes))).toBeUndefined()
  })
})
