import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sum } from '../../operators/contract/axis.ts'
import { AxisSystem } from './axis-system.ts'
import { regroup } from './regroup.ts'

describe('regrouping', () => {
  it('leaves a shuffled axis alone whose size is that of another composition', () => {
    const system = new AxisSystem()
    const [a, two] = [system.variable(3, 'a'), system.fixed(2, 'groups', 0)]
    const fixed = system.sources.length
    const [shuffled] = regroup(system, [a, two], [sum([a, a])], 0)!
    expect(system.leaves(shuffled!)).toEqual([a.id, two.id])
    expect(system.sources.length).toBe(fixed)
  })

  it('keeps an unknown batch and flattens the rest', () => {
    const system = new AxisSystem()
    const axes = ['n', 64, null, null].map((size) => system.variable(size, 'axis'))
    const [batch, features] = regroup(system, axes, [null, 3136], 0)!
    expect(system.leaves(batch!)).toEqual([axes[0]!.id])
    expect(system.leaves(features!)).toEqual(axes.slice(1).map((axis) => axis.id))
  })

  it('takes an axis that the rule names', () => {
    const system = new AxisSystem()
    const axes = [null, null, 6].map((size) => system.variable(size, 'axis'))
    const result = regroup(system, axes, [axes[0]!, axes[1]!, 2, 3], 0)!
    expect(system.leaves(result[1]!)).toEqual([axes[1]!.id])
    expect(result.map((axis) => system.sizeOf(axis))).toEqual([null, null, 2, 3])
  })

  it('gives up where sizes do not divide', () => {
    const system = new AxisSystem()
    const axes = [2, 3].map((size) => system.variable(size, 'axis'))
    expect(regroup(system, axes, [3, 2], 0)).toBeUndefined()
  })

  it('gives the wanted sizes, and the same elements in the same order', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(sizes, sizes, (from, to) => {
        const count = (list: readonly number[]) => list.reduce((a, b) => a * b, 1)
        // The last size makes the numbers of elements equal.
        const targets = [...to, 1]
        fc.pre(count(from) % count(to) === 0)
        targets[targets.length - 1] = count(from) / count(to)
        const system = new AxisSystem()
        const axes = from.map((size) => system.variable(size, 'axis'))
        const result = regroup(system, axes, targets, 0)
        if (!result) return
        expect(result.map((axis) => system.sizeOf(axis))).toEqual(targets)
        const factors = (list: typeof result) => list.flatMap((axis) => system.factors(axis))
        const kept = (list: typeof result) =>
          factors(list).filter((axis) => system.sizeOf(axis) !== 1)
        expect(kept(result)).toEqual(kept(axes))
      }),
      { numRuns: 2000 },
    )
  })
})
