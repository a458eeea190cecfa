import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Axis, product, sum } from '../../operators/contract/axis.ts'
import { type AxisMap, sizeWith } from '../growth-plan.ts'
import { AxisSystem } from '../solve/axis-system.ts'
import type { Solution } from '../solve/index.ts'
import { Projection } from './project.ts'

const projectionOf = (axes: AxisSystem, grown: Readonly<Record<number, number>>) =>
  new Projection(
    { axes } as unknown as Solution,
    Object.entries(grown).map(([variable, to]) => ({
      variable: Number(variable),
      id: `v${variable}`,
      to,
    })),
  )

/** Sums and products of variables, by their numbers. */
type Shape = number | { readonly of: 'sum' | 'product'; readonly parts: readonly Shape[] }
const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 3 },
    fc.nat(4),
    fc.record({
      of: fc.constantFrom('sum' as const, 'product' as const),
      parts: fc.array(tie('shape'), { minLength: 1, maxLength: 3 }),
    }),
  ),
}))

describe('the projection of axes onto what grows', () => {
  it('has the sizes of before and after', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 5, maxLength: 5 })
    const grown = fc.uniqueArray(fc.nat(4), { minLength: 1 })
    fc.assert(
      fc.property(shape, sizes, grown, (written, before, growing) => {
        const system = new AxisSystem()
        const variables = before.map((size, i) => system.variable(size, `v${i}`))
        const axisOf = (part: Shape): Axis =>
          typeof part === 'number'
            ? variables[part]!
            : (part.of === 'sum' ? sum : product)(part.parts.map(axisOf))
        const after = before.map((size, i) => (growing.includes(i) ? size + i + 1 : size))
        const sizeOf = (part: Shape, list: readonly number[]): number =>
          typeof part === 'number'
            ? list[part]!
            : part.parts.reduce<number>(
                (total, each) =>
                  part.of === 'sum' ? total + sizeOf(each, list) : total * sizeOf(each, list),
                part.of === 'sum' ? 0 : 1,
              )
        const projection = projectionOf(
          system,
          Object.fromEntries(growing.map((i) => [i, after[i]!])),
        )
        const axis = axisOf(written)
        const map = projection.map(axis, sizeOf(written, before))
        expect(projection.sizeAfter(axis, sizeOf(written, before))).toBe(sizeOf(written, after))
        if (map)
          expect(sizeWith(map, (id) => before[Number(id.slice(1))]!)).toBe(sizeOf(written, before))
        else expect(after.every((size, i) => size === before[i] || !uses(written, i))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('joins what does not grow to blocks, and finds the one size that the model leaves open', () => {
    const system = new AxisSystem()
    const [c, h, w] = [4, 'h', null].map((size) => system.variable(size, 'axis'))
    const projection = projectionOf(system, { [c!.id]: 6 })
    const expected: AxisMap = { product: [{ units: `v${c!.id}` }, { keep: 15 }] }
    expect(projection.map(product([c!, h!, w!]), 60)).toEqual(expected)
    expect(projection.map(product([h!, w!]), 15)).toBeUndefined()
  })

  it('is refused where a size does not follow, or does not divide', () => {
    const system = new AxisSystem()
    const [c, h, w] = [4, null, null].map((size) => system.variable(size, 'axis'))
    const projection = projectionOf(system, { [c!.id]: 6 })
    expect(() => projection.map(product([h!, c!, w!]), 60)).toThrow(/leaves sizes open/)
    expect(() => projection.map(product([c!, h!]), null)).toThrow(/leaves sizes open/)
    expect(() => projection.map(product([c!, h!]), 61)).toThrow(/not made up of parts/)
  })
})

const uses = (written: Shape, i: number): boolean =>
  typeof written === 'number' ? written === i : written.parts.some((part) => uses(part, i))
