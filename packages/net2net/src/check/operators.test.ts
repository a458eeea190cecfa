/** The check on growth through every operator: it proves it, and no mistake in a grown weight passes. */
import { describe, expect, it } from 'vitest'
import { allCases } from '../../testing/all-cases.ts'
import { type GrowthCase, networkOf } from '../../testing/bench.ts'
import { deepen, widen } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, toNumbers } from '../tensor/tensor.ts'
import { compare } from './compare.ts'

function grownOf(each: GrowthCase): { readonly model: Model; readonly grown: Model } {
  const model = networkOf(each)
  const [width = 6] = each.widths ?? []
  return { model, grown: each.deepened ? deepen(model, ['grown']) : widen(model, { grown: width }) }
}

/** The weights that growth has changed and that the operators read. */
const changedWeights = (model: Model, grown: Model, { unread = [] }: GrowthCase) =>
  [...grown.graph.initializers].flatMap(([name, { tensor }]) => {
    const isNew = model.graph.initializers.get(name)?.tensor !== tensor
    const isRead = grown.graph.nodes.some(({ opType, inputs }) =>
      inputs.some((input, i) => input === name && !unread.includes(`${opType} ${i}`)),
    )
    return isNew && isRead && tensor.dtype === 'float32' ? [name] : []
  })

/** The model with other numbers in a weight. */
function mistaken(model: Model, name: string): Model {
  const random = randomStream(1, 'mistake', name)
  const { tensor } = model.graph.initializers.get(name)!
  const values = toNumbers(tensor).map((value) => value + random.normal())
  const initializers = new Map(model.graph.initializers)
  initializers.set(name, { tensor: float32(tensor.dims, values) })
  return { ...model, graph: { ...model.graph, initializers } }
}

describe('growth through', () => {
  for (const [key, { growth = [] }] of allCases)
    for (const each of growth.filter(({ refused }) => !refused))
      it(`${key} ${each.what}`, async () => {
        const { model, grown } = grownOf(each)
        const report = await compare(model, grown)
        expect(report.equal, JSON.stringify(report)).toBe(true)
        for (const name of changedWeights(model, grown, each))
          expect((await compare(model, mistaken(grown, name))).equal, name).not.toBe(true)
      })
})
