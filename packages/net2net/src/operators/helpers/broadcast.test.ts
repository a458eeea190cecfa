import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Shape } from '../../model/model.ts'
import { broadcastShape, sumTo } from './broadcast.ts'

const dims = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 })

describe('broadcastShape', () => {
  it('is the shape that every operand repeats to', () => {
    fc.assert(
      fc.property(dims, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), (full, ones) => {
        const other = full.map((size, k) => (ones[k] ? 1 : size))
        expect(broadcastShape([full, other])).toEqual(full)
        expect(broadcastShape([other.slice(1), full])).toEqual(full)
        expect(broadcastShape([full, []])).toEqual(full)
      }),
    )
  })

  it('knows what a symbol can be', () => {
    expect(broadcastShape([['n', 3], [1]])).toEqual(['n', 3])
    expect(broadcastShape([['n'], [5]])).toEqual([5])
    expect(broadcastShape([['n'], ['n']])).toEqual(['n'])
    expect(broadcastShape([['n'], ['m']])).toEqual([null])
    expect(broadcastShape([['n'], undefined])).toBeUndefined()
  })

  it('refuses sizes that contradict each other', () => {
    expect(() => broadcastShape([[2, 3], [4]])).toThrow(/\[2,3\] and \[4\]/)
  })
})

describe('sumTo', () => {
  /** The operators that it emits to reduce from one shape to the other. */
  function emitted(from: Shape, to: Shape, other?: Shape): readonly string[] {
    const builder = new GraphBuilder()
    const emitter = new GraphEmitter(builder, new Map(), 18)
    for (const [name, shape] of Object.entries({ g: from, y: from, x: to, other }))
      if (shape) {
        builder.input(name, 'float32', shape)
        emitter.declare(name, { dtype: 'float32', shape })
      }
    sumTo(emitter, 'g', 'y', 'x', other ? ['other'] : [])
    return builder.graph().nodes.map(({ opType }) => opType)
  }

  it('emits nothing where nothing was repeated', () => {
    expect(emitted([2, 3], [2, 3])).toEqual([])
    expect(emitted(['n', 3], ['n', 3])).toEqual([])
    expect(emitted([null, 3], [null, 3], [3])).toEqual([])
  })

  it('emits one ReduceSum where the shapes say all', () => {
    expect(emitted(['n', 3], [3])).toEqual(['ReduceSum'])
    expect(emitted(['n', 3, 4], [3, 1])).toEqual(['ReduceSum', 'Squeeze'])
    expect(emitted(['n', 3], [1, 3])).toEqual(['ReduceSum'])
  })

  it('finds out at run time what they do not say', () => {
    expect(emitted([null, 3], [null, 3], ['n', 3])).toContain('NonZero')
    expect(emitted(['n', 3], ['m', 3])).toContain('NonZero')
  })
})
