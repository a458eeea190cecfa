/** Sizes that a model writes down once for several layers, which grow apart. */
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { planSchema } from '../../recipe/plan-schema.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { int64, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, inspect, planWiden } from '../index.ts'

/** Tokens [batch, time, 6] through linear layers on flattened tokens, as exporters write them. */
class Tokens extends GraphBuilder {
  #seed = 0

  constructor() {
    super()
    this.input('x', 'float32', ['batch', 'time', 6])
  }
  list(...values: number[]): string {
    return this.constant(int64(values), 'sizes')
  }
  dense(x: string, name: string, from: number, to: number): string {
    const fill = { kind: 'normal', mean: 0, deviation: 0.5 } as const
    const weight = fillTensor(fill, 'float32', [from, to], 5, this.#seed++)
    const flat = this.node('Reshape', [x, this.list(-1, from)])
    return this.node('MatMul', [flat, this.constant(weight, 'weight')], {}, { name })
  }
  /** The first two sizes of the tokens, and this number. */
  sizes(last: string): string {
    const leading = this.node('Slice', [this.node('Shape', ['x']), this.list(0), this.list(2)])
    return this.node('Concat', [leading, last], { axis: 0 })
  }
}

function tokens(build: (b: Tokens) => string): Model {
  const b = new Tokens()
  b.output(build(b))
  return b.model()
}

const shared = tokens((b) => {
  // One list for all: [batch, time, 8], through a node more than it takes.
  const sizes = b.node('Identity', [b.sizes(b.list(8))])
  const layer = (name: string) =>
    b.node('Tanh', [b.node('Reshape', [b.dense('x', name, 6, 8), sizes])])
  const head = b.dense(
    b.node('Concat', [layer('q'), layer('k'), layer('v')], { axis: 2 }),
    'head',
    24,
    3,
  )
  return b.node('Reshape', [head, b.sizes(b.list(3))])
})

const widthsOf = (model: Model) =>
  Object.fromEntries(inspect(model).layers.map(({ name, width }) => [name, width]))

describe('a list of sizes that several layers share', () => {
  it.each([
    [{ q: 12 }, { q: 12, k: 8, v: 8 }],
    [{ k: 12 }, { q: 8, k: 12, v: 8 }],
    [
      { k: 12, v: 12 },
      { q: 8, k: 12, v: 12 },
    ],
    [
      { q: 9, k: 12, v: 17 },
      { q: 9, k: 12, v: 17 },
    ],
    [
      { q: 12, k: 12, v: 12 },
      { q: 12, k: 12, v: 12 },
    ],
  ])('is computed for each of them that wants other numbers: %o', async (widths, expected) => {
    const plan = planSchema.parse(JSON.parse(JSON.stringify(planWiden(shared, { ...widths }))))
    const grown = applyPlan(shared, plan)
    expect(widthsOf(grown)).toMatchObject(expected)
    await expectEqualFunctions(shared, grown)
    // As many copies as there are different widths, less one.
    expect(plan.copied).toHaveLength(new Set(Object.values(expected)).size - 1)
  })

  it('is copied no further than to where the numbers are', () => {
    const [copies] = planWiden(shared, { k: 12 }).copied
    const { nodes } = shared.graph
    const copied = nodes.filter((node) => node.outputs.some((name) => name in copies!.outputs))
    expect(copied.map(({ opType }) => opType)).toEqual(['Concat', 'Identity'])
  })

  it('grows again', async () => {
    const grown = applyPlan(shared, planWiden(shared, { q: 12 }))
    const again = applyPlan(grown, planWiden(grown, { k: 20, v: 11 }, { seed: 1 }))
    expect(widthsOf(again)).toMatchObject({ q: 12, k: 20, v: 11 })
    await expectEqualFunctions(shared, again)
  })

  it('may be read by a layer that has it in two places, with another number in each', async () => {
    const model = tokens((b) => {
      const sizes = b.sizes(b.list(4, 2))
      const q = b.node('Reshape', [b.dense('x', 'q', 6, 8), sizes])
      const k = b.node('Reshape', [b.dense('x', 'k', 6, 8), sizes])
      const flat = b.list(0, 0, -1)
      const parts = [q, k].map((each) => b.node('Reshape', [b.node('Tanh', [each]), flat]))
      const head = b.dense(b.node('Concat', parts, { axis: 2 }), 'head', 16, 3)
      return b.node('Reshape', [head, b.sizes(b.list(3))])
    })
    for (const widths of [{ q: 10 }, { k: 12 }, { q: 12, k: 10 }])
      await expectEqualFunctions(model, applyPlan(model, planWiden(model, { ...widths })))
  })
})

describe('a list of positions', () => {
  /** Layers a and b side by side; b times the last unit of a. */
  const gated = () => {
    const b = new GraphBuilder()
    const x = b.input('x', 'float32', ['batch', 2])
    const ints = (...values: number[]) => b.constant(int64(values))
    const dense = (name: string, from: string, dims: readonly [number, number]) => {
      const fill = { kind: 'normal', mean: 0, deviation: 0.5 } as const
      const weight = fillTensor(fill, 'float32', dims, 6, name)
      return b.node('MatMul', [from, b.constant(weight)], {}, { name })
    }
    const both = b.node('Concat', [dense('a', x, [2, 3]), dense('b', x, [2, 1])], { axis: 1 })
    const part = b.node('Slice', [both, ints(3), ints(4), ints(1)])
    const gate = b.node('Gather', [both, b.constant(int64([2]), 'positions')], { axis: 1 })
    b.output(dense('head', b.node('Mul', [part, gate]), [1, 2]))
    return b.model()
  }

  it('grows, and follows what grows before the positions', async () => {
    const model = gated()
    const longer = applyPlan(model, planWiden(model, { b: 3 }))
    expect(toNumbers(longer.graph.initializers.get('positions')!.tensor)).toEqual([2, 2, 2])
    const both = applyPlan(longer, planWiden(longer, { a: 5, b: 8 }, { seed: 1 }))
    expect(toNumbers(both.graph.initializers.get('positions')!.tensor)).toEqual(Array(8).fill(4))
    await expectEqualFunctions(model, both)
  })
})
