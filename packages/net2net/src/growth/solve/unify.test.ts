import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Axis, product, sum } from '../../operators/contract/axis.ts'
import type { GrownUnits } from '../growth-plan.ts'
import { axisMapOf, evaluateAxis } from '../plan/project.ts'
import { equalShares } from '../plan/replicate.ts'
import { regroup } from './regroup.ts'
import { AxisAlgebra } from './unify.ts'

/** A unit grown by a map, for evaluation. */
const grown = (id: string, from: number, map: readonly number[]): GrownUnits => ({
  id,
  members: [],
  from,
  to: map.length,
  init: 'net2wider',
  map,
  shares: equalShares(map),
})

/** The old index of every new one, where the units of `axis` (by their number) grow by maps. */
function gathered(
  algebra: AxisAlgebra,
  axis: Axis,
  maps: Record<number, number[]>,
  total?: number,
) {
  const ids = new Map(Object.keys(maps).map((id) => [Number(id), id]))
  const map = axisMapOf(algebra, axis, total ?? null, ids)!
  const units = new Map(
    Object.entries(maps).map(([id, list]) => [id, grown(id, new Set(list).size, list)]),
  )
  return evaluateAxis(map, units)
}

/** A product or sum of products or sums of units. */
interface Composition {
  readonly compose: typeof product
  readonly parts: readonly {
    readonly compose: typeof product
    readonly parts: readonly number[]
  }[]
}

const idOf = (algebra: AxisAlgebra, axis: Axis) => algebra.leaves(axis)[0]!

describe('unification', () => {
  it('makes a weight axis of 6 the flattened c·H·W: a channel is a block of H·W neighbours', () => {
    const algebra = new AxisAlgebra()
    const [c, h, w] = [algebra.unit(2, 'c'), algebra.fixed(1, 'h'), algebra.fixed(3, 'w')]
    const weight = algebra.unit(6, 'weight')
    algebra.same(weight, product([c, h, w]))
    const result = gathered(algebra, weight, { [c.id]: [0, 1, 1] })
    expect([...result.index]).toEqual([0, 1, 2, 3, 4, 5, 3, 4, 5])
    expect([...result.shares]).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    expect([...result.added]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1])
  })

  it('gives a channel stride C in flattened NHWC', () => {
    const algebra = new AxisAlgebra()
    const [c, h, w] = [algebra.unit(2, 'c'), algebra.fixed(1, 'h'), algebra.fixed(3, 'w')]
    const weight = algebra.unit(6, 'weight')
    algebra.same(product([h, w, c]), weight)
    expect([...gathered(algebra, weight, { [c.id]: [0, 1, 0] }).index]).toEqual([
      0, 1, 0, 2, 3, 2, 4, 5, 4,
    ])
  })

  it('infers the unknown H·W of an unknown image from the total', () => {
    const algebra = new AxisAlgebra()
    const [c, h, w] = [
      algebra.unit(64, 'c'),
      algebra.fixed('height', 'h'),
      algebra.fixed(null, 'w'),
    ]
    const weight = algebra.unit(3136, 'weight')
    algebra.same(weight, product([c, h, w]))
    const map = axisMapOf(algebra, weight, 3136, new Map([[c.id, 'c']]))
    expect(map).toEqual({ product: [{ units: 'c' }, { keep: 49 }] })
  })

  it('splits heads: D = h·d', () => {
    const algebra = new AxisAlgebra()
    const d = algebra.unit(6, 'D')
    const [heads, size] = regroup(algebra, [d], [3, 2])!
    expect([algebra.sizeOf(heads!), algebra.sizeOf(size!)]).toEqual([3, 2])
    const result = gathered(algebra, d, { [idOf(algebra, heads!)]: [0, 1, 2, 1] })
    expect([...result.index]).toEqual([0, 1, 2, 3, 4, 5, 2, 3])
  })

  it('shuffles channels: g·k becomes k·g', () => {
    const algebra = new AxisAlgebra()
    const channels = algebra.unit(6, 'channels')
    const [g, k] = regroup(algebra, [channels], [2, 3])!
    const shuffled = regroup(algebra, [k!, g!], [6])![0]!
    const consumer = algebra.unit(6, 'weight')
    algebra.same(consumer, shuffled)
    const result = gathered(algebra, consumer, { [idOf(algebra, k!)]: [0, 1, 2, 0] })
    // Old channels in the consumer's order: (k, g) at k·2 + g.
    expect([...result.index]).toEqual([0, 1, 2, 3, 4, 5, 0, 1])
    expect([...gathered(algebra, channels, { [idOf(algebra, k!)]: [0, 1, 2, 0] }).index]).toEqual([
      0, 1, 2, 0, 3, 4, 5, 3,
    ])
  })

  it('shuffles pixels: c·r·r with the factors r moved to the image', () => {
    const algebra = new AxisAlgebra()
    const channels = algebra.unit(8, 'channels')
    const [c, r] = regroup(algebra, [channels], [2, 4])!
    algebra.freeze(r!, 'phases')
    expect([...gathered(algebra, channels, { [idOf(algebra, c!)]: [0, 1, 0] }).index]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3,
    ])
  })

  it('places the parts of a concatenation at their offsets, duplicates included', () => {
    const algebra = new AxisAlgebra()
    const [a, b] = [algebra.unit(2, 'a'), algebra.unit(1, 'b')]
    const weight = algebra.unit(5, 'weight')
    algebra.same(weight, sum([a, b, a]))
    const result = gathered(algebra, weight, { [a.id]: [0, 1, 0], [b.id]: [0, 0] })
    expect([...result.index]).toEqual([0, 1, 0, 2, 2, 3, 4, 3])
    expect([...result.shares]).toEqual([0.5, 1, 0.5, 0.5, 0.5, 0.5, 1, 0.5])
  })

  it('flattens a concatenation: (a + b)·H·W', () => {
    const algebra = new AxisAlgebra()
    const [a, b, hw] = [algebra.unit(1, 'a'), algebra.unit(2, 'b'), algebra.fixed(2, 'hw')]
    const weight = algebra.unit(6, 'weight')
    algebra.same(weight, product([sum([a, b]), hw]))
    expect([...gathered(algebra, weight, { [b.id]: [0, 1, 1] }).index]).toEqual([
      0, 1, 2, 3, 4, 5, 4, 5,
    ])
  })

  it('aligns two concatenations by cutting units', () => {
    const algebra = new AxisAlgebra()
    const [a, b, c, d] = [3, 2, 1, 4].map((size) => algebra.unit(size, String(size)))
    algebra.same(sum([a!, b!]), sum([c!, d!]))
    // a = c + a', d = a' + b: growing c grows a and leaves d alone.
    expect(algebra.leaves(a!)).toEqual([algebra.leaves(c!)[0], algebra.leaves(a!)[1]])
    expect(algebra.leaves(d!)).toEqual([algebra.leaves(a!)[1], algebra.leaves(b!)[0]])
    expect([...gathered(algebra, a!, { [idOf(algebra, c!)]: [0, 0] }).index]).toEqual([0, 0, 1, 2])
  })

  it('aligns two products by splitting units', () => {
    const algebra = new AxisAlgebra()
    const [a, b, c, d] = [4, 3, 2, 6].map((size) => algebra.unit(size, String(size)))
    algebra.same(product([a!, b!]), product([c!, d!]))
    expect(algebra.leaves(a!).length).toBe(2)
    expect(algebra.leaves(d!)).toEqual([algebra.leaves(a!)[1], b!.id])
  })

  it('keeps a unit at one that lies before another here and after it there: 1·u = u·v', () => {
    const algebra = new AxisAlgebra()
    const [single, u, v] = [algebra.unit(1, 'single'), algebra.unit(3, 'u'), algebra.unit(1, 'v')]
    algebra.same(product([single, u]), product([u, v]))
    const frozen = new Set(algebra.sources.map((source) => source.unit))
    expect(frozen).toEqual(new Set([single.id, v.id]))
    expect(algebra.resolve(u)).toBe(u)
  })

  it('ends, however the same units are composed', () => {
    class Bounded extends AxisAlgebra {
      override unit(...given: Parameters<AxisAlgebra['unit']>) {
        if (this.unitCount > 2000) throw new Error('It goes on cutting units.')
        return super.unit(...given)
      }
    }
    const sizes = fc.array(fc.constantFrom(1, 1, 2, 3, 4, null), { minLength: 2, maxLength: 4 })
    const composition = fc.record({
      compose: fc.constantFrom(product, sum),
      parts: fc.array(
        fc.record({
          compose: fc.constantFrom(product, sum),
          parts: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    })
    const equations = fc.array(fc.tuple(composition, composition), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(sizes, equations, (sizes, equations) => {
        const algebra = new Bounded()
        const units = sizes.map((size) => algebra.unit(size, 'unit'))
        const axis = ({ compose, parts }: Composition) =>
          compose(
            parts.map((part) => part.compose(part.parts.map((i) => units[i % units.length]!))),
          )
        for (const [a, b] of equations) algebra.same(axis(a), axis(b))
        for (const unit of units) algebra.expand(unit)
      }),
      { numRuns: 20_000 },
    )
  })

  it('freezes both sides where sizes differ, a unit contains itself, or nothing divides', () => {
    const cases: ((algebra: AxisAlgebra) => [Axis, Axis])[] = [
      (algebra) => [algebra.unit(2, 'a'), algebra.unit(3, 'b')],
      (algebra) => {
        const a = algebra.unit(null, 'a')
        return [a, sum([a, algebra.unit(null, 'b')])]
      },
      (algebra) => [
        product([algebra.unit(2, 'a'), algebra.unit(3, 'b')]),
        product([algebra.unit(3, 'c'), algebra.unit(2, 'd')]),
      ],
    ]
    for (const make of cases) {
      const algebra = new AxisAlgebra()
      const [a, b] = make(algebra)
      algebra.same(a, b)
      const frozen = new Set(algebra.sources.map((source) => source.unit))
      for (const leaf of [...algebra.leaves(a), ...algebra.leaves(b)])
        expect(frozen).toContain(leaf)
    }
  })

  it('slices a sum and cuts a unit in the middle', () => {
    const algebra = new AxisAlgebra()
    const [a, b] = [algebra.unit(4, 'a'), algebra.unit(4, 'b')]
    const part = algebra.slice(sum([a, b]), 2, 6)!
    expect(algebra.sizeOf(part)).toBe(4)
    expect(algebra.leaves(a).length).toBe(2)
    expect(algebra.leaves(part)).toEqual([algebra.leaves(a)[1], algebra.leaves(b)[0]])
  })

  it('freezes an outer axis of size one when an inner one is cut', () => {
    const algebra = new AxisAlgebra()
    const [single, inner] = [algebra.unit(1, 'single'), algebra.unit(4, 'inner')]
    const part = algebra.slice(product([single, inner]), 0, 2)
    expect(part).toBeDefined()
    expect(algebra.sources.map((source) => source.unit)).toEqual([single.id])
  })

  it('does not cut a product across its blocks', () => {
    const algebra = new AxisAlgebra()
    expect(
      algebra.slice(product([algebra.unit(2, 'g'), algebra.unit(3, 'k')]), 0, 2),
    ).toBeUndefined()
  })

  it('reads a concatenation of equal parts as groups', () => {
    const algebra = new AxisAlgebra()
    const [a, b] = [algebra.unit(3, 'a'), algebra.unit(3, 'b')]
    const [groups, inside] = regroup(algebra, [sum([a, b])], [2, 3])!
    expect(algebra.sizeOf(groups!)).toBe(2)
    expect(algebra.leaves(inside!)).toEqual(algebra.leaves(a))
    expect(algebra.leaves(a)).toEqual(algebra.leaves(b))
  })
})

describe('sizes', () => {
  it('are the same in another order, and follow each other, but not where units differ', () => {
    const algebra = new AxisAlgebra()
    const [a, b, two] = [algebra.unit(3, 'a'), algebra.unit(3, 'b'), algebra.fixed(2, 'groups')]
    const halves = sum([a, b])
    expect(algebra.sameSize(halves, product([two, a]))).toBe(false)
    algebra.same(a, b)
    expect(algebra.sameSize(halves, product([two, a]))).toBe(true)
    expect(algebra.sameSize(product([b, two]), halves)).toBe(true)
    expect(algebra.sameSize(product([a, b]), product([a, a]))).toBe(true)
    expect(algebra.sameSize(product([a, b]), sum([a, a, a]))).toBe(false)
  })
})

describe('regrouping', () => {
  it('leaves a shuffled axis alone whose size is that of another composition', () => {
    const algebra = new AxisAlgebra()
    const [a, two] = [algebra.unit(3, 'a'), algebra.fixed(2, 'groups')]
    const frozen = algebra.sources.length
    const [shuffled] = regroup(algebra, [a, two], [sum([a, a])])!
    expect(algebra.leaves(shuffled!)).toEqual([a.id, two.id])
    expect(algebra.sources.length).toBe(frozen)
  })

  it('keeps an unknown batch and flattens the rest', () => {
    const algebra = new AxisAlgebra()
    const axes = ['n', 64, null, null].map((size) => algebra.unit(size, 'axis'))
    const [batch, features] = regroup(algebra, axes, [null, 3136])!
    expect(algebra.leaves(batch!)).toEqual([axes[0]!.id])
    expect(algebra.leaves(features!)).toEqual(axes.slice(1).map((axis) => axis.id))
  })

  it('takes an axis that the rule names', () => {
    const algebra = new AxisAlgebra()
    const axes = [null, null, 6].map((size) => algebra.unit(size, 'axis'))
    const result = regroup(algebra, axes, [axes[0]!, axes[1]!, 2, 3])!
    expect(algebra.leaves(result[1]!)).toEqual([axes[1]!.id])
    expect(result.map((axis) => algebra.sizeOf(axis))).toEqual([null, null, 2, 3])
  })

  it('gives up where sizes do not divide', () => {
    const algebra = new AxisAlgebra()
    const axes = [2, 3].map((size) => algebra.unit(size, 'axis'))
    expect(regroup(algebra, axes, [3, 2])).toBeUndefined()
  })
})
