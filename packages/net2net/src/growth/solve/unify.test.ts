import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Axis, product, sum } from '../../operators/contract/axis.ts'
import { evaluateAxis } from '../apply/axis-gather.ts'
import type { GrownUnits } from '../growth-plan.ts'
import { Projection } from '../plan/project.ts'
import { equalSplit } from '../plan/replicate.ts'
import { AxisSystem, Refusal } from './axis-system.ts'
import type { Solution } from './index.ts'
import { regroup } from './regroup.ts'
import { slice, unify } from './unify.ts'

/** A unit grown by a map, for evaluation. */
const grown = (id: string, from: number, map: readonly number[]): GrownUnits => ({
  id,
  members: [],
  from,
  to: map.length,
  init: 'net2wider',
  map,
  split: equalSplit(map),
})

const projection = (axes: AxisSystem, variables: readonly number[]) =>
  new Projection(
    { axes } as unknown as Solution,
    variables.map((variable) => ({ variable, id: String(variable), to: 0 })),
  )

/** The old index of every new one, where the units of `axis` (by their number) grow by maps. */
function gathered(system: AxisSystem, axis: Axis, maps: Record<number, number[]>, total?: number) {
  const ids = Object.keys(maps)
  const map = projection(system, ids.map(Number)).map(axis, total ?? null)!
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

const idOf = (system: AxisSystem, axis: Axis) => system.leaves(axis)[0]!

describe('unification', () => {
  it('makes a weight axis of 6 the flattened c·H·W: a channel is a block of H·W neighbours', () => {
    const system = new AxisSystem()
    const [c, h, w] = [system.variable(2, 'c'), system.fixed(1, 'h', 0), system.fixed(3, 'w', 0)]
    const weight = system.variable(6, 'weight')
    unify(system, weight, product([c, h, w]), 0)
    const result = gathered(system, weight, { [c.id]: [0, 1, 1] })
    expect([...result.index]).toEqual([0, 1, 2, 3, 4, 5, 3, 4, 5])
    expect([...result.split]).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    expect([...result.added]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1])
  })

  it('gives a channel stride C in flattened NHWC', () => {
    const system = new AxisSystem()
    const [c, h, w] = [system.variable(2, 'c'), system.fixed(1, 'h', 0), system.fixed(3, 'w', 0)]
    const weight = system.variable(6, 'weight')
    unify(system, product([h, w, c]), weight, 0)
    expect([...gathered(system, weight, { [c.id]: [0, 1, 0] }).index]).toEqual([
      0, 1, 0, 2, 3, 2, 4, 5, 4,
    ])
  })

  it('infers the unknown H·W of an unknown image from the total', () => {
    const system = new AxisSystem()
    const [c, h, w] = [
      system.variable(64, 'c'),
      system.fixed('height', 'h', 0),
      system.fixed(null, 'w', 0),
    ]
    const weight = system.variable(3136, 'weight')
    unify(system, weight, product([c, h, w]), 0)
    const map = projection(system, [c.id]).map(weight, 3136)
    expect(map).toEqual({ product: [{ units: String(c.id) }, { keep: 49 }] })
  })

  it('splits heads: D = h·d', () => {
    const system = new AxisSystem()
    const d = system.variable(6, 'D')
    const [heads, size] = regroup(system, [d], [3, 2], 0)!
    expect([system.sizeOf(heads!), system.sizeOf(size!)]).toEqual([3, 2])
    const result = gathered(system, d, { [idOf(system, heads!)]: [0, 1, 2, 1] })
    expect([...result.index]).toEqual([0, 1, 2, 3, 4, 5, 2, 3])
  })

  it('shuffles channels: g·k becomes k·g', () => {
    const system = new AxisSystem()
    const channels = system.variable(6, 'channels')
    const [g, k] = regroup(system, [channels], [2, 3], 0)!
    const shuffled = regroup(system, [k!, g!], [6], 0)![0]!
    const consumer = system.variable(6, 'weight')
    unify(system, consumer, shuffled, 0)
    const result = gathered(system, consumer, { [idOf(system, k!)]: [0, 1, 2, 0] })
    // Old channels in the consumer's order: (k, g) at k·2 + g.
    expect([...result.index]).toEqual([0, 1, 2, 3, 4, 5, 0, 1])
    expect([...gathered(system, channels, { [idOf(system, k!)]: [0, 1, 2, 0] }).index]).toEqual([
      0, 1, 2, 0, 3, 4, 5, 3,
    ])
  })

  it('shuffles pixels: c·r·r with the factors r moved to the image', () => {
    const system = new AxisSystem()
    const channels = system.variable(8, 'channels')
    const [c, r] = regroup(system, [channels], [2, 4], 0)!
    system.fix(r!, 'phases', 0)
    expect([...gathered(system, channels, { [idOf(system, c!)]: [0, 1, 0] }).index]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3,
    ])
  })

  it('places the parts of a concatenation at their offsets, duplicates included', () => {
    const system = new AxisSystem()
    const [a, b] = [system.variable(2, 'a'), system.variable(1, 'b')]
    const weight = system.variable(5, 'weight')
    unify(system, weight, sum([a, b, a]), 0)
    const result = gathered(system, weight, { [a.id]: [0, 1, 0], [b.id]: [0, 0] })
    expect([...result.index]).toEqual([0, 1, 0, 2, 2, 3, 4, 3])
    expect([...result.split]).toEqual([0.5, 1, 0.5, 0.5, 0.5, 0.5, 1, 0.5])
  })

  it('flattens a concatenation: (a + b)·H·W', () => {
    const system = new AxisSystem()
    const [a, b, hw] = [system.variable(1, 'a'), system.variable(2, 'b'), system.fixed(2, 'hw', 0)]
    const weight = system.variable(6, 'weight')
    unify(system, weight, product([sum([a, b]), hw]), 0)
    expect([...gathered(system, weight, { [b.id]: [0, 1, 1] }).index]).toEqual([
      0, 1, 2, 3, 4, 5, 4, 5,
    ])
  })

  it('aligns two concatenations by cutting units', () => {
    const system = new AxisSystem()
    const [a, b, c, d] = [3, 2, 1, 4].map((size) => system.variable(size, String(size)))
    unify(system, sum([a!, b!]), sum([c!, d!]), 0)
    // a = c + a', d = a' + b: growing c grows a and leaves d alone.
    expect(system.leaves(a!)).toEqual([system.leaves(c!)[0], system.leaves(a!)[1]])
    expect(system.leaves(d!)).toEqual([system.leaves(a!)[1], system.leaves(b!)[0]])
    expect([...gathered(system, a!, { [idOf(system, c!)]: [0, 0] }).index]).toEqual([0, 0, 1, 2])
  })

  it('aligns two products by splitting units', () => {
    const system = new AxisSystem()
    const [a, b, c, d] = [4, 3, 2, 6].map((size) => system.variable(size, String(size)))
    unify(system, product([a!, b!]), product([c!, d!]), 0)
    expect(system.leaves(a!).length).toBe(2)
    expect(system.leaves(d!)).toEqual([system.leaves(a!)[1], b!.id])
  })

  it('keeps a unit at one that lies before another here and after it there: 1·u = u·v', () => {
    const system = new AxisSystem()
    const [single, u, v] = [
      system.variable(1, 'single'),
      system.variable(3, 'u'),
      system.variable(1, 'v'),
    ]
    unify(system, product([single, u]), product([u, v]), 0)
    const fixed = new Set(system.sources.map((source) => source.variable))
    expect(fixed).toEqual(new Set([single.id, v.id]))
    expect(system.resolve(u)).toBe(u)
  })

  it('ends, however the same units are composed', () => {
    class Bounded extends AxisSystem {
      override variable(...given: Parameters<AxisSystem['variable']>) {
        if (this.variableCount > 2000) throw new Error('It goes on cutting units.')
        return super.variable(...given)
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
        const system = new Bounded()
        const units = sizes.map((size) => system.variable(size, 'unit'))
        const axis = ({ compose, parts }: Composition) =>
          compose(
            parts.map((part) => part.compose(part.parts.map((i) => units[i % units.length]!))),
          )
        try {
          for (const [a, b] of equations) unify(system, axis(a), axis(b), 0)
          for (const unit of units) system.expand(unit)
        } catch (error) {
          // Products of sums of products of sums … come to have too many parts: then it says so.
          expect(error).toBeInstanceOf(Refusal)
        }
      }),
      { numRuns: 20_000 },
    )
  })

  it('fixes both sides where sizes differ, a unit contains itself, or nothing divides', () => {
    const cases: ((system: AxisSystem) => [Axis, Axis])[] = [
      (system) => [system.variable(2, 'a'), system.variable(3, 'b')],
      (system) => {
        const a = system.variable(null, 'a')
        return [a, sum([a, system.variable(null, 'b')])]
      },
      (system) => [
        product([system.variable(2, 'a'), system.variable(3, 'b')]),
        product([system.variable(3, 'c'), system.variable(2, 'd')]),
      ],
    ]
    for (const make of cases) {
      const system = new AxisSystem()
      const [a, b] = make(system)
      unify(system, a, b, 0)
      const fixed = new Set(system.sources.map((source) => source.variable))
      for (const leaf of [...system.leaves(a), ...system.leaves(b)]) expect(fixed).toContain(leaf)
    }
  })

  it('slices a sum and cuts a unit in the middle', () => {
    const system = new AxisSystem()
    const [a, b] = [system.variable(4, 'a'), system.variable(4, 'b')]
    const part = slice(system, sum([a, b]), 2, 6, 0)!
    expect(system.sizeOf(part)).toBe(4)
    expect(system.leaves(a).length).toBe(2)
    expect(system.leaves(part)).toEqual([system.leaves(a)[1], system.leaves(b)[0]])
  })

  it('fixes an outer axis of size one when an inner one is cut', () => {
    const system = new AxisSystem()
    const [single, inner] = [system.variable(1, 'single'), system.variable(4, 'inner')]
    const part = slice(system, product([single, inner]), 0, 2, 0)
    expect(part).toBeDefined()
    expect(system.sources.map((source) => source.variable)).toEqual([single.id])
  })

  it('does not cut a product across its blocks', () => {
    const system = new AxisSystem()
    expect(
      slice(system, product([system.variable(2, 'g'), system.variable(3, 'k')]), 0, 2, 0),
    ).toBeUndefined()
  })

  it('reads a concatenation of equal parts as groups', () => {
    const system = new AxisSystem()
    const [a, b] = [system.variable(3, 'a'), system.variable(3, 'b')]
    const [groups, inside] = regroup(system, [sum([a, b])], [2, 3], 0)!
    expect(system.sizeOf(groups!)).toBe(2)
    expect(system.leaves(inside!)).toEqual(system.leaves(a))
    expect(system.leaves(a)).toEqual(system.leaves(b))
  })
})

describe('sizes', () => {
  it('are the same in another order, and follow each other, but not where units differ', () => {
    const system = new AxisSystem()
    const [a, b, two] = [
      system.variable(3, 'a'),
      system.variable(3, 'b'),
      system.fixed(2, 'groups', 0),
    ]
    const halves = sum([a, b])
    expect(system.sameSize(halves, product([two, a]))).toBe(false)
    unify(system, a, b, 0)
    expect(system.sameSize(halves, product([two, a]))).toBe(true)
    expect(system.sameSize(product([b, two]), halves)).toBe(true)
    expect(system.sameSize(product([a, b]), product([a, a]))).toBe(true)
    expect(system.sameSize(product([a, b]), sum([a, a, a]))).toBe(false)
  })
})
