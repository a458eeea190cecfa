import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { moduleName } from '../../model/names.ts'
import { decodeModel } from '../../onnx/decode.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { applyPlan, inspect, planDeepen, planWiden } from '../index.ts'

/** As PyTorch's exporter notes it. */
const scopes: Readonly<Record<string, string>> = {
  node_linear: "['', 'blocks', 'blocks.0', 'blocks.0.fc1', 'linear']",
  node_linear_1: `['', "blocks", "blocks.0", "blocks.0.fc2", "linear_1"]`,
  node_linear_2: "['', 'linear_2']",
}

function exported(): Model {
  const b = new GraphBuilder()
  const dense = (x: string, name: string, from: number, to: number) => {
    const fill = { kind: 'normal', mean: 0, deviation: 1 } as const
    const weight = b.constant(fillTensor(fill, 'float32', [from, to], 1, name), 'val')
    return b.node('Tanh', [b.node('MatMul', [x, weight], {}, { name })])
  }
  const hidden = dense(b.input('x', 'float32', ['n', 3]), 'node_linear', 3, 4)
  b.output(dense(dense(hidden, 'node_linear_1', 4, 5), 'node_linear_2', 5, 2))
  const model = b.model()
  const nodes = model.graph.nodes.map((node) => {
    const text = scopes[node.name]
    return text ? { ...node, metadata: new Map([['pkg.torch.onnx.name_scopes', text]]) } : node
  })
  return decodeModel(encodeModel({ ...model, graph: { ...model.graph, nodes } }))
}

const widened = (name: string) => planWiden(exported(), { [name]: 'x2' }).units[0]!.members

describe('layers', () => {
  it('are known by the names of their modules, too', () => {
    const modules = inspect(exported()).layers.map(({ name, module }) => [name, module])
    expect(modules).toEqual([
      ['node_linear', 'blocks.0.fc1'],
      ['node_linear_1', 'blocks.0.fc2'],
      ['node_linear_2', undefined],
    ])
    expect(widened('blocks.0.fc1')).toEqual(['node_linear'])
    expect(widened('fc2')).toEqual(['node_linear_1'])
    expect(widened('node_linear')).toEqual(['node_linear'])
    expect(planWiden(exported(), { 'blocks.*': 'x2' }).units).toHaveLength(2)
    expect(planDeepen(exported(), ['0.fc1']).inserted[0]!.after).toBe('node_linear')
    expect(() => widened('blocks')).toThrow(/could be any of the layers node_linear, node_linear_1/)
    expect(() => widened('blocks.0.fc3')).toThrow(/There is no layer "blocks.0.fc3"/)
  })

  it('keep their modules when they grow', () => {
    const model = exported()
    const grown = applyPlan(model, planWiden(model, { fc1: 'x2' }))
    expect(inspect(grown).layers.map(({ module, width }) => [module, width])).toEqual([
      ['blocks.0.fc1', 8],
      ['blocks.0.fc2', 5],
      [undefined, 2],
    ])
  })

  it('have no module where the exporter notes none', () => {
    const node = exported().graph.nodes[0]!
    const withScopes = (text: string) =>
      moduleName({ ...node, metadata: new Map([['pkg.torch.onnx.name_scopes', text]]) })
    for (const text of ['', '[]', "['']", "['', 'add']", "['', '', 'add']", 'no list'])
      expect(withScopes(text)).toBeUndefined()
    expect(withScopes("['', 'head', 'linear']")).toBe('head')
  })
})
