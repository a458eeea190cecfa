import { expect, test } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { SCOPES } from '../../model/names.ts'
import { FOLDED_FROM } from '../../operators/trainable.ts'
import { float32 } from '../../tensor/tensor.ts'
import { chooseParameters, matchingParameters } from './trainable.ts'

/** Nodes and constants with the names that exporters give. */
function exported(): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 4])
  const weight = (name: string) => builder.initializer(name, float32([4, 4], new Float32Array(16)))
  let value = 'x'
  const layers = [
    ['node_addmm', 'h.0.mlp.c_fc.weight', "['', 'h.0', 'h.0.mlp', 'h.0.mlp.c_fc', 'addmm']"],
    ['node_addmm_1', 'val_3', "['', 'h.0', 'h.0.mlp', 'h.0.mlp.c_proj', 'addmm']"],
    ['node_addmm_2', 'h.10.mlp.c_fc.weight', "['', 'h.10', 'h.10.mlp', 'h.10.mlp.c_fc', 'addmm']"],
    ['sequential_1/conv1_1/MatMul', 'sequential_1/conv1_1/ReadVariableOp', undefined],
  ] as const
  for (const [name, constant] of layers)
    value = builder.node('MatMul', [value, weight(constant)], {}, { name })
  builder.output(value, 'float32', ['batch', 4])
  const model = builder.model('exported')
  const folded = new Map([[FOLDED_FROM, "['h.0.mlp.c_proj.weight', 'val_2']"]])
  const type = { kind: 'tensor', dtype: 'float32', shape: [4, 4] } as const
  return {
    ...model,
    graph: {
      ...model.graph,
      values: [{ name: 'val_3', type, metadata: folded }],
      nodes: model.graph.nodes.map((node, i) => {
        const scopes = layers[i]![2]
        return scopes === undefined ? node : { ...node, metadata: new Map([[SCOPES, scopes]]) }
      }),
    },
  }
}

const model = exported()
const names = [...model.graph.initializers.keys()]
const [fc, projection, tenth, keras] = names

test('parameters are found by the names that people know', () => {
  for (const [pattern, ...expected] of [
    ['h.0.mlp.c_fc', fc],
    ['h.0.mlp.c_fc.weight', fc],
    ['h.0.mlp.c_proj', projection],
    ['h.0.mlp.c_proj.weight', projection],
    ['h.0', fc, projection],
    ['h.*.c_fc', fc, tenth],
    ['h.10', tenth],
    ['h', fc, projection, tenth],
    ['node_addmm_1', projection],
    ['conv1*', keras],
    ['sequential_1/conv1_1/MatMul', keras],
    ['*', ...names],
  ])
    expect([...matchingParameters(model, names, [pattern!])], pattern).toEqual(expected)
})

test('what matches nothing is refused with the nearest name, and not with all of a thousand', () => {
  expect(() => matchingParameters(model, names, ['h.0.mlp.c_fx'])).toThrow(
    /No parameter matches "h\.0\.mlp\.c_fx"/,
  )
  try {
    chooseParameters(model, ['h.0.mlp.c_fx'], [])
  } catch (error) {
    expect(error).toMatchObject({ hint: 'Did you mean "h.0.mlp.c_fc"?' })
  }
  const many = Array.from({ length: 1000 }, (_, i) => `p${i}`)
  expect(() => matchingParameters(model, many, ['q'])).toThrow(/p19 and 980 more\.$/)
})
