import fc, { type GeneratorValue } from 'fast-check'
import { tensorDeclaration } from '../src/model/builder.ts'
import type { Attribute, Graph, Initializer, Model, Node } from '../src/model/model.ts'
import { stringTensor } from '../src/onnx/tensor-proto.ts'
import { byteLengthOf, type DType, dtypes } from '../src/tensor/dtype.ts'
import { elementCount, type LazyTensor } from '../src/tensor/tensor.ts'

const dtypeNames = Object.keys(dtypes) as DType[]
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constant('\ufeffmark'))

/** A model that is well-formed, but means nothing: every kind of everything. */
export function randomModel(g: GeneratorValue): Model {
  return {
    irVersion: g(fc.integer, { min: 3, max: 14 }),
    opsets: new Map([['', g(fc.integer, { min: 1, max: 30 })], ...pairs(g, fc.nat(1000))]),
    graph: randomGraph(g, [], 0),
    metadata: new Map(pairs(g, text)),
  }
}

const pairs = <T>(g: GeneratorValue, value: fc.Arbitrary<T>): [string, T][] =>
  g(() =>
    fc.uniqueArray(
      fc.tuple(
        text.filter((key) => key !== ''),
        value,
      ),
      { maxLength: 3, selector: ([key]) => key },
    ),
  )

function randomGraph(g: GeneratorValue, outer: readonly string[], depth: number): Graph {
  let named = 0
  const fresh = () => `${depth}.${named++}.${g(() => text)}`
  const declare = (name: string) =>
    tensorDeclaration(
      name,
      g(() => fc.option(fc.constantFrom(...dtypeNames), { nil: undefined })),
      g(() =>
        fc.option(
          fc.array(
            fc.oneof(
              fc.nat(),
              fc.constant(null),
              text.filter((dim) => dim !== ''),
            ),
            { maxLength: 3 },
          ),
          { nil: undefined },
        ),
      ),
    )
  const count = (max: number) => Array.from({ length: g(fc.nat, { max }) })
  const inputs = count(2).map(() => declare(fresh()))
  const initializers = new Map<string, Initializer>(
    count(3).map(() => [fresh(), { tensor: randomTensor(g) }]),
  )
  const visible = [...outer, ...inputs.map(({ name }) => name), ...initializers.keys()]
  const nodes: Node[] = []
  for (const _ of count(3)) {
    const outputs = count(2).map(() => (g(fc.boolean) ? fresh() : ''))
    nodes.push({
      name: g(() => text),
      opType: `Op${g(() => text)}`,
      domain: g(() => text),
      inputs: count(3).map(() => g(() => fc.constantFrom('', ...visible))),
      outputs,
      attributes: new Map(
        count(2).map((_, i) => [`${i}${g(() => text)}`, randomAttribute(g, visible, depth)]),
      ),
    })
    visible.push(...outputs.filter((name) => name !== ''))
  }
  return {
    name: g(() => text),
    nodes,
    inputs,
    outputs:
      visible.length === 0 ? [] : count(2).map(() => declare(g(() => fc.constantFrom(...visible)))),
    values: count(1).map(() => declare(fresh())),
    initializers,
  }
}

function randomAttribute(g: GeneratorValue, outer: readonly string[], depth: number): Attribute {
  const int = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  const float = fc.float()
  const types = ['int', 'ints', 'float', 'floats', 'string', 'strings', 'tensor'] as const
  const type = g(() =>
    fc.constantFrom(...types, ...(depth < 2 ? (['graph', 'graphs'] as const) : [])),
  )
  switch (type) {
    case 'int':
      return { type, value: g(() => int) }
    case 'ints':
      return { type, value: g(() => fc.array(int, { maxLength: 3 })) }
    case 'float':
      return { type, value: g(() => float) }
    case 'floats':
      return { type, value: g(() => fc.array(float, { maxLength: 3 })) }
    case 'string':
      return { type, value: g(() => text) }
    case 'strings':
      return { type, value: g(() => fc.array(text, { maxLength: 3 })) }
    case 'tensor':
      return { type, value: randomTensor(g) }
    case 'graph':
      return { type, value: randomGraph(g, outer, depth + 1) }
    case 'graphs':
      return {
        type,
        value: Array.from({ length: g(fc.nat, { max: 2 }) }, () =>
          randomGraph(g, outer, depth + 1),
        ),
      }
  }
}

function randomTensor(g: GeneratorValue): LazyTensor {
  const dtype = g(() => fc.constantFrom(...dtypeNames))
  const dims = g(() => fc.array(fc.nat(5), { maxLength: 3 }))
  const count = elementCount(dims)
  const bytes = (length: number) => g(() => fc.uint8Array({ minLength: length, maxLength: length }))
  if (dtype === 'string')
    return stringTensor(
      dims,
      Array.from({ length: count }, () => bytes(3)),
    )
  const data = bytes(byteLengthOf(dtype, count))
  return {
    dtype,
    dims,
    byteLength: data.length,
    read: (offset, length) => data.subarray(offset, offset + length),
  }
}
