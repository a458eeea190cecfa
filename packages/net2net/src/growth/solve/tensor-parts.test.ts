import { describe, expect, it } from 'vitest'
import { type Axis, product, sum } from '../../operators/contract/axis.ts'
import { float32 } from '../../tensor/tensor.ts'
import { AxisSystem } from './axis-system.ts'
import type { Reading } from './facts.ts'
import { agree, TensorParts } from './tensor-parts.ts'
import { unify } from './unify.ts'

const nothing: ReadonlySet<number> = new Set()

const variables = (...sizes: number[]) => {
  const system = new AxisSystem()
  return {
    system,
    parts: new TensorParts(system),
    list: sizes.map((size) => system.variable(size, 'axis')),
  }
}

const reading = (...dims: number[]): Reading => ({
  node: { name: '', opType: '', domain: '', inputs: [], outputs: [], attributes: new Map() },
  input: 1,
  name: 'w',
  tensor: float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1))),
})

describe('the parts of a tensor', () => {
  it('are one for each term of a concatenation that has the variable', () => {
    const { parts, list } = variables(3, 2, 5)
    const [u, other, batch] = list
    const found = parts.ofValue([batch!, sum([u!, other!, product([u!, other!])])], u!.id)
    expect(found.map(({ axis }) => axis)).toEqual([1, 1])
    expect(found.map(({ paths: [path] }) => path!.has(other!.id))).toEqual([false, true])
    expect(parts.ofValue([batch!, other!], u!.id)).toEqual([])
  })

  it('can only be copied where the variable is twice on one axis, or on two alike', () => {
    const { parts, list } = variables(3)
    const [u] = list
    expect(parts.ofValue([product([u!, u!])], u!.id)[0]!.onlyCopied).toMatch(/twice/)
    expect(parts.ofValue([u!, u!], u!.id)[0]!.onlyCopied).toMatch(/two axes/)
  })

  it('belong together where they agree in the numbers that both tensors have', () => {
    const { parts, list } = variables(3, 2, 2)
    const [u, q, k] = list
    const joined = parts.ofValue([sum([product([q!, u!]), product([k!, u!])])], u!.id)
    const queries = parts.ofValue([product([q!, u!])], u!.id)
    expect(joined.map((part) => agree(queries[0]!, part, nothing))).toEqual([true, false])
  })

  it('keep the number with which a variable was written when it is joined to another', () => {
    const { system, parts, list } = variables(3, 3)
    const [a, b] = list
    unify(system, a!, b!, 0)
    const joined = system.leaves(a!)[0]!
    const [ofA] = parts.ofValue([a!], joined)
    const [ofB] = parts.ofValue([b!], joined)
    expect(ofA!.written).toEqual([a!.id])
    expect(ofB!.written).toEqual([b!.id])
    expect(agree(ofA!, ofB!, nothing)).toBe(true)
  })

  it('of a constant are marked in its axis, products multiplied out where they differ', () => {
    const { parts, list } = variables(2, 3, 4)
    const [q, k, u] = list
    const axis: Axis = product([sum([q!, k!]), u!])
    const axes = { axes: [axis], contracted: [false] }
    const found = parts.ofConstant(reading(20), axes, u!.id)
    expect(found).toHaveLength(2)
    const marked = parts.marked(axis, new Set([found[0]!.constant!.prefix]))
    expect(marked).toEqual(sum([product([q!, { ...u!, split: true }]), product([k!, u!])]))
  })

  it('of a constant can only be copied along an axis that is contracted', () => {
    const { parts, list } = variables(4)
    const axes = { axes: [list[0]!], contracted: [true] }
    expect(parts.ofConstant(reading(4), axes, list[0]!.id)[0]!.onlyCopied).toMatch(/sums over it/)
  })

  it('are not looked at one by one where a tensor has too many', () => {
    const { system, parts } = variables()
    const axisOf = (): Axis => sum(Array.from({ length: 100 }, () => system.variable(1, 'part')))
    const [a, b] = [axisOf(), axisOf()]
    const [found] = parts.ofValue([a, b], system.leaves(a)[0]!)
    expect(found!.onlyCopied).toMatch(/too many parts/)
  })
})
