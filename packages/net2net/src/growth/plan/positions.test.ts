/** Nodes that read every entry of an axis by its position, in order: they only give it another shape. */
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { planSchema } from '../../recipe/plan-schema.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { int64, Tensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, inspect, planWiden } from '../index.ts'

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Two images, pooled and flattened as PyTorch exports `AdaptiveAvgPool2d(1)` behind a permutation. */
function pooled(indices: readonly number[], readers = 1): Model {
  const b = new GraphBuilder()
  const x = b.input('x', 'float32', [2, 3, 4, 5])
  const ints = (...values: number[]) => b.constant(int64(values))
  const weight = (...dims: number[]) => {
    const fill = { kind: 'normal', mean: 0, deviation: 0.5 } as const
    return b.constant(fillTensor(fill, 'float32', dims, 7, String(dims)))
  }
  const list = BigInt64Array.from(indices, BigInt)
  const positions = b.constant(new Tensor('int64', [2, 6, 1, 1], list), 'positions')
  const parts = upTo(readers).map((i) => {
    const image = b.node('Conv', [x, weight(6, 3, 1, 1)], {}, { name: `conv${i}` })
    const mean = b.node('ReduceMean', [image, ints(-1, -2)], { keepdims: 1 })
    const strided = b.node('Gather', [b.node('Reshape', [mean, ints(-1)]), positions], { axis: 0 })
    const flat = b.node('Tanh', [b.node('Reshape', [strided, ints(2, 6)])])
    return b.node('MatMul', [flat, weight(6, 2)], {}, { name: `head${i}` })
  })
  b.output(parts.length === 1 ? parts[0]! : b.node('Add', parts))
  return { ...b.model(), opsets: new Map([['', 18]]) }
}

const widenOf = (model: Model, name: string) =>
  inspect(model).layers.find((layer) => layer.name === name)!.widen

describe('a constant that lists all positions', () => {
  it('is listed anew where its axes grow', async () => {
    const model = pooled(upTo(12))
    const plan = planSchema.parse(JSON.parse(JSON.stringify(planWiden(model, { conv0: 9 }))))
    expect(plan.positions).toMatchObject([{ before: [2, 6, 1, 1], after: [2, 9, 1, 1] }])
    const grown = applyPlan(model, plan)
    expect(toNumbers(grown.graph.initializers.get('positions')!.tensor)).toEqual(upTo(18))
    await expectEqualFunctions(model, grown)
    await expectEqualFunctions(model, applyPlan(grown, planWiden(grown, { conv0: 'x1.5' })))
  })

  it('has a clone for each reader that needs another', async () => {
    const model = pooled(upTo(12), 2)
    for (const widths of [{ conv0: 8 }, { conv0: 8, conv1: 11 }, { conv0: 8, conv1: 8 }])
      await expectEqualFunctions(model, applyPlan(model, planWiden(model, { ...widths })))
  })

  it('is no such list where a position is elsewhere, or twice', () => {
    const swapped = upTo(12).with(3, 4).with(4, 3)
    for (const indices of [swapped, upTo(12).with(5, 4)])
      expect(widenOf(pooled(indices), 'conv0')).toMatch(/Gather .*picks entries of it by index/)
  })
})
