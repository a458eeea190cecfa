import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { int64, scalar } from '../../tensor/tensor.ts'
import { type Facts, factsOf } from './facts.ts'

class Builder extends GraphBuilder {
  weight(name: string, ...dims: number[]): string {
    const fill = { kind: 'normal', mean: 0, deviation: 1 } as const
    return this.initializer(name, fillTensor(fill, 'float32', dims, 1, name))
  }
}

const factsAfter = (build: (b: Builder, x: string) => Record<string, string>) => {
  const b = new Builder()
  const names = build(b, b.input('x', 'float32', ['n', 4]))
  for (const name of Object.values(names)) b.output(b.node('Identity', [name]))
  return { facts: factsOf(b.model()), names }
}

const kindOf = (facts: Facts, name: string): string => {
  const found = facts.provenance(name)
  return found.kind === 'weight' ? `weight (${found.derivation})` : found.kind
}

describe('facts', () => {
  it('know what each value is', () => {
    const { facts, names } = factsAfter((b, x) => {
      const w = b.weight('w', 4, 3)
      const moved = b.node('Transpose', [b.node('Transpose', [w])])
      const computed = b.node('Mul', [moved, b.weight('mask', 4, 3)])
      const low = b.node('MatMul', [b.weight('down', 4, 2), b.weight('up', 2, 3)])
      const columns = b.node('Gather', [b.node('Shape', [w]), b.constant(int64([1]))])
      const filled = b.node('ConstantOfShape', [columns])
      const batch = b.node('Gather', [b.node('Shape', [x]), b.constant(int64([0]))])
      const activation = b.node('MatMul', [x, w])
      // Queries that are learned, and what a layer makes of them, are data.
      const data = b.node('MatMul', [low, b.weight('next', 3, 3)])
      return { x, w, moved, computed, low, columns, filled, batch, activation, data }
    })
    const kinds = Object.entries(names).map(([key, name]) => [key, kindOf(facts, name)])
    expect(Object.fromEntries(kinds)).toEqual({
      x: 'activation',
      w: 'constant',
      moved: 'weight (moved)',
      computed: 'weight (computed)',
      low: 'weight (product)',
      columns: 'size',
      filled: 'generated',
      batch: 'activation',
      activation: 'activation',
      data: 'activation',
    })
    expect([...facts.readingsIn(names.computed!)].map(({ name }) => name)).toEqual(['w', 'mask'])
    expect(facts.provenance(names.columns!)).toMatchObject({ numbers: { elements: [3] } })
  })

  it('list each reading of a constant as a tensor once, and no other', () => {
    const { facts } = factsAfter((b, x) => {
      const w = b.weight('w', 4, 4)
      const once = b.node('MatMul', [x, w], {}, { name: 'once' })
      const twice = b.node('MatMul', [once, w], {}, { name: 'twice' })
      const sizes = b.constant(int64([-1, 2, 2]), 'sizes')
      return { y: b.node('Reshape', [twice, sizes], {}, { name: 'reshape' }) }
    })
    const read = facts.model.graph.nodes.flatMap((node) =>
      node.inputs.flatMap((_, i) => facts.readingAt(node, i) ?? []),
    )
    expect(read.map(({ node, input, name }) => [node.name, input, name])).toEqual([
      ['once', 1, 'w'],
      ['twice', 1, 'w'],
    ])
  })

  it('tie the readings of one constant in one weight', () => {
    const { facts, names } = factsAfter((b, x) => {
      const v = b.weight('v', 4, 3)
      const norm = b.node('ReduceL2', [v, b.constant(int64([1]))])
      const direction = b.node('Div', [v, norm])
      const other = b.node('MatMul', [x, v])
      return { direction, other }
    })
    const [first, second] = [...facts.readingsIn(names.direction!)]
    expect(facts.tiedTo(first!)).toEqual(new Set([first, second]))
    const producer = facts.links.producers.get(names.direction!)!
    expect(facts.tiesAt(producer)).toEqual([[first, second]])
    const alone = facts.readingAt(facts.links.producers.get(names.other!)!, 1)!
    expect(facts.tiedTo(alone)).toEqual(new Set([alone]))
  })

  it('find layers by their weights, not those inside of a weight', () => {
    const { facts } = factsAfter((b, x) => {
      const low = b.node(
        'MatMul',
        [b.weight('down', 4, 1), b.weight('up', 1, 6)],
        {},
        { name: 'low' },
      )
      const sum = b.node('Add', [
        b.weight('w', 4, 6),
        b.node('Mul', [low, b.constant(scalar('float32', 2))]),
      ])
      return { y: b.node('MatMul', [x, sum], {}, { name: 'layer' }) }
    })
    const layers = facts.layers.map(({ name, weight, weightDims }) => [name, weight, weightDims])
    expect(layers).toEqual([['layer', 'w', [4, 6]]])
  })
})
