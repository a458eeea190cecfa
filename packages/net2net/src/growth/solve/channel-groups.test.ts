import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { int64 } from '../../tensor/tensor.ts'
import { spread } from './fixed.ts'
import { type Solution, solve } from './index.ts'

class Builder extends GraphBuilder {
  constructor() {
    super()
    this.input('x', 'float32', ['n', 4])
  }
  dense(x: string, name: string, from: number, to: number): string {
    const fill = { kind: 'normal', mean: 0, deviation: 1 } as const
    const weight = this.constant(fillTensor(fill, 'float32', [from, to], 1, name))
    return this.node('MatMul', [x, weight], {}, { name })
  }
}

function solved(build: (b: Builder) => string): Solution {
  const b = new Builder()
  b.output(build(b))
  return solve(b.model())
}

const layerOf = ({ relations }: Solution, name: string) =>
  relations.layers.find((layer) => layer.name === name)!

/** The layers that grow with one, by the variables of its width. */
const groupOf = (solution: Solution, name: string) => {
  const { groups } = solution
  const variables = groups.freeVariables(layerOf(solution, name).axis)
  return [...new Set(variables.flatMap((each) => groups.layersOf(each).map((layer) => layer.name)))]
}

describe('channel groups', () => {
  it('are the layers that a sum makes one', () => {
    const solution = solved((b) => {
      const sum = b.node('Add', [b.dense('x', 'a', 4, 6), b.dense('x', 'b', 4, 6)])
      return b.dense(b.node('Tanh', [b.dense(sum, 'c', 6, 5)]), 'head', 5, 2)
    })
    expect(groupOf(solution, 'a')).toEqual(['a', 'b'])
    expect(groupOf(solution, 'b')).toEqual(['a', 'b'])
    expect(groupOf(solution, 'c')).toEqual(['c'])
    expect(groupOf(solution, 'head')).toEqual([])
  })

  it('name the node that fixes a layer, and the way to it', () => {
    const solution = solved((b) => {
      const hidden = b.node('Tanh', [b.dense('x', 'a', 4, 6)], {}, { name: 'tanh' })
      const soft = b.node('Softmax', [hidden], { axis: 1 }, { name: 'soft' })
      return b.dense(soft, 'head', 6, 2)
    })
    const { groups } = solution
    expect(groups.refusal(layerOf(solution, 'a'))).toMatch(
      /^its units reach Softmax soft.*, which /,
    )
    expect(groups.refusal(layerOf(solution, 'head'))).toMatch(/^its units reach graph output/)
  })

  it('have balanced units under a norm, and refuse a norm over a concatenation', () => {
    const normalized = (b: Builder, x: string) =>
      b.node('Sub', [x, b.node('ReduceMean', [x, b.constant(int64([1]))])])
    const alone = solved((b) => b.dense(normalized(b, b.dense('x', 'a', 4, 6)), 'head', 6, 2))
    const [variable] = alone.groups.freeVariables(layerOf(alone, 'a').axis)
    expect(alone.groups.balanced(variable!)).toMatch(/mean|equally|average/)
    const joined = solved((b) => {
      const both = b.node('Concat', [b.dense('x', 'a', 4, 3), b.dense('x', 'b', 4, 3)], { axis: 1 })
      return b.dense(normalized(b, both), 'head', 6, 2)
    })
    for (const name of ['a', 'b']) expect(groupOf(joined, name)).toEqual([])
  })

  it('are found from reasons that spread without a change of the axes', () => {
    const { axes } = solved((b) => b.dense(b.node('Tanh', [b.dense('x', 'a', 4, 6)]), 'head', 6, 2))
    const [sources, edges] = [axes.sources.length, axes.edges.length]
    const [first, second] = [spread(axes, axes.sources), spread(axes, axes.sources)]
    expect(first).toEqual(second)
    expect([axes.sources.length, axes.edges.length]).toEqual([sources, edges])
    expect(spread(axes, []).every((reason) => reason === undefined)).toBe(true)
  })
})
