import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { int64 } from '../../tensor/tensor.ts'
import { type Solution, solve } from '../solve/index.ts'
import { chooseSizes, parseWidth, type Widths } from './widths.ts'

class Builder extends GraphBuilder {
  constructor() {
    super()
    this.input('x', 'float32', ['n', 4])
  }
  dense(x: string, name: string, from: number, to: number): string {
    const fill = { kind: 'normal', mean: 0, deviation: 1 } as const
    const weight = this.constant(fillTensor(fill, 'float32', [from, to], 1, name))
    return this.node('Tanh', [this.node('MatMul', [x, weight], {}, { name })])
  }
}

function solved(build: (b: Builder) => string): Solution {
  const b = new Builder()
  b.output(build(b))
  return solve(b.model())
}

/** Sizes before and after, in the order in which they were chosen. */
const sizes = (solution: Solution, widths: Widths) =>
  [...chooseSizes(solution, widths)].map(([variable, to]) => [
    solution.axes.sizeOfVariable(variable),
    to,
  ])

const plain = solved((b) => b.dense(b.dense('x', 'a', 4, 6), 'head', 6, 2))
/** A layer `joined` that is added to a concatenation of two. */
const parts = solved((b) => {
  const both = b.node('Concat', [b.dense('x', 'left', 4, 2), b.dense('x', 'right', 4, 4)], {
    axis: 1,
  })
  return b.dense(b.node('Add', [b.dense('x', 'joined', 4, 6), both]), 'head', 6, 2)
})
/** A layer of 3 heads of 4. */
const heads = solved((b) => {
  const split = b.node('Reshape', [b.dense('x', 'a', 4, 12), b.constant(int64([0, 3, 4]))])
  const norm = b.node('Softmax', [split], { axis: 2 })
  return b.dense(b.node('Reshape', [norm, b.constant(int64([0, 12]))]), 'head', 12, 2)
})

describe('widths', () => {
  it('are numbers or factors', () => {
    expect(parseWidth('128', 'a')).toEqual({ width: 128 })
    expect(parseWidth(7, 'a')).toEqual({ width: 7 })
    expect(parseWidth('x1.5', 'a')).toEqual({ factor: 1.5 })
    for (const bad of ['', 'x1', 'x0.5', '-3', '2.5', 0, 'many'])
      expect(() => parseWidth(bad, 'a')).toThrow()
  })

  it('are sizes of the layer where it is alone', () => {
    expect(sizes(plain, { a: 9 })).toEqual([[6, 9]])
    expect(sizes(plain, { a: 'x1.5' })).toEqual([[6, 9]])
    // A factor makes a layer larger, however small it is.
    expect(sizes(plain, { a: 'x1.01' })).toEqual([[6, 7]])
  })

  it('grow parts of a concatenation in proportion, or else one of them', () => {
    expect(sizes(parts, { joined: 12 })).toEqual([
      [2, 4],
      [4, 8],
    ])
    expect(sizes(parts, { joined: 7 })).toEqual([[2, 3]])
  })

  it('are there already where another layer took them', () => {
    expect(sizes(parts, { left: 5, joined: 9 })).toEqual([[2, 5]])
    expect(sizes(parts, { left: 5, joined: 'x1.5' })).toEqual([[2, 5]])
    expect(() => sizes(parts, { left: 5, joined: 10 })).toThrow(/left cannot have width 5/)
  })

  it('come in groups of heads', () => {
    expect(sizes(heads, { a: 16 })).toEqual([[3, 4]])
    expect(() => sizes(heads, { a: 14 })).toThrow(
      /cannot have width 14 because its units come in groups; choose a multiple of 4/,
    )
  })

  it('are refused in words', () => {
    expect(() => sizes(plain, {})).toThrow(/No layer to widen/)
    expect(() => sizes(plain, { a: 6 })).toThrow(/has width 6; the new width must be larger, not 6/)
    expect(() => sizes(plain, { a: 2 ** 25 })).toThrow(/the largest is/)
    expect(() => sizes(plain, { head: 3 })).toThrow(/cannot be widened: its units reach/)
    expect(() => sizes(parts, { left: 9, joined: 8 })).toThrow(
      /grows together with another layer to 13; it cannot have width 8/,
    )
    expect(() => sizes(parts, { joined: 12, left: 9 })).toThrow(/cannot have width 12: it grows/)
  })
})
