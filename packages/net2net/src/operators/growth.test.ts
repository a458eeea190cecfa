/**
 * Growth through all operators, one small network per case: the layer `grown` is widened and the network
 * computes what it did, or the layer is refused for the expected reason.
 */
import { describe, expect, it } from 'vitest'
import { allCases, caseKey } from '../../testing/all-cases.ts'
import { type GrowthCase, networkOf } from '../../testing/bench.ts'
import { expectEqualFunctions } from '../../testing/expect-equal-functions.ts'
import { deepen, inspect, widen } from '../growth/index.ts'
import type { Model, Node } from '../model/model.ts'
import { inferModel } from './inference.ts'

const layersOf = (model: Model) => inspect(model).layers
const layerOf = (model: Model, name: string) =>
  layersOf(model).find((layer) => layer.name === name)!

/** The shapes of what a node takes and gives, and the sizes that it holds as numbers. */
function seenBy(model: Model, node: Node): string {
  const values = inferModel(model)
  const of = (name: string) => {
    const { shape, elements } = values.get(name) ?? {}
    return { shape, elements }
  }
  return JSON.stringify([...node.inputs, ...node.outputs].map(of))
}

/**
 * The operator's node meets the growth: something that it takes or gives has another size, or a constant
 * took its place.
 */
function expectMet(key: string, before: Model, after: Model): void {
  const nodesOf = ({ graph }: Model) =>
    graph.nodes.filter((node) => caseKey({ name: node.opType, domain: node.domain }) === key)
  const [old, grown] = [nodesOf(before), nodesOf(after)]
  expect(old.length, `the network has no node ${key}`).toBeGreaterThan(0)
  const met =
    grown.length !== old.length ||
    grown.some((node, k) => seenBy(after, node) !== seenBy(before, old[k]!))
  expect(met, `nothing that ${key} takes or gives has grown`).toBe(true)
}

async function checkDeepening(model: Model): Promise<void> {
  const deeper = deepen(model, ['grown'])
  await expectEqualFunctions(model, deeper)
  await expectEqualFunctions(model, deepen(deeper, ['grown']))
  // The baseline is not the identity.
  const random = deepen(model, ['grown'], { init: 'random-init' })
  await expect(expectEqualFunctions(model, random)).rejects.toThrow('computes something else')
}

async function check(key: string, each: GrowthCase): Promise<void> {
  const model = networkOf(each)
  const layer = layerOf(model, 'grown')
  if (each.deepened) {
    expect(layer.deepen).toBe(true)
    await checkDeepening(model)
    return
  }
  if (each.refused) {
    expect(layer.widen).toMatch(each.refused)
    expect(() => widen(model, { grown: 6 })).toThrow(each.refused)
    return
  }
  expect(layer.widen).toBe(true)
  const { widths = [6, 10], others } = each
  if (others) expect(() => widen(model, { grown: widths[0]! - 1 })).toThrow(others)
  const options = each.unread ? { unread: each.unread } : {}
  for (const [seed, width] of widths.entries()) {
    const wider = widen(model, { grown: width }, { seed })
    expect(layerOf(wider, 'grown').width).toBe(width)
    expectMet(key, model, wider)
    await expectEqualFunctions(model, wider, { seed, ...options })
    // The other layers grow, too, beside what has grown already.
    for (const other of layersOf(wider)) {
      if (seed > 0 || other.name === 'grown' || other.widen !== true) continue
      const both = widen(wider, { [other.name]: 'x2' }, { seed })
      await expectEqualFunctions(model, both, options)
    }
  }
}

describe('growth through', () => {
  for (const [key, { growth = [] }] of allCases)
    for (const each of growth) it(`${key} ${each.what}`, () => check(key, each))

  it('a gate on the one channel that PRelu gives, whose slope is not repeated', async () => {
    const model = networkOf({
      what: 'a gate',
      build: (b) => {
        const peak = b.op('ReduceMax', [b.conv('before'), b.ints(1)])
        const value = b.op('PRelu', [peak, b.weight(1, 1, 1)])
        const gated = b.op('Mul', [value, b.conv('grown', 1)])
        return [b.read(gated, 1), b.op('Conv', [value, b.weight(3, 1, 1, 1)])]
      },
    })
    const wider = widen(model, { grown: 4 })
    const { inputs } = wider.graph.nodes.find(({ opType }) => opType === 'PRelu')!
    expect(inferModel(wider).get(inputs[1]!)?.shape).toEqual([1, 1, 1])
    await expectEqualFunctions(model, wider)
  })
})
