/** Numbers that nodes compute from sizes: what they scale stays, what they reshape grows. */
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { decodeModel } from '../../onnx/decode.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { planSchema } from '../../recipe/plan-schema.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { int64, scalar } from '../../tensor/tensor.ts'
import { applyPlan, inspect, planWiden, widen } from '../index.ts'

class Sizes extends GraphBuilder {
  #seed = 0

  weight(...dims: number[]): string {
    const fill = { kind: 'normal', mean: 0, deviation: 0.4 } as const
    return this.constant(fillTensor(fill, 'float32', dims, 3, this.#seed++), 'weight')
  }
  number(value: number): string {
    return this.constant(scalar('int64', value))
  }
  list(...values: number[]): string {
    return this.constant(int64(values))
  }
  dense(x: string, name: string, from: number, to: number): string {
    return this.node('MatMul', [x, this.weight(from, to)], {}, { name })
  }
  size(x: string, axis: number): string {
    return this.node('Gather', [this.node('Shape', [x]), this.number(axis)])
  }
  /** Reshapes to sizes that are numbers or values. */
  reshape(x: string, ...sizes: (number | string)[]): string {
    const parts = sizes.map((size) =>
      typeof size === 'number' ? this.list(size) : this.node('Unsqueeze', [size, this.list(0)]),
    )
    return this.node('Reshape', [x, this.node('Concat', parts, { axis: 0 })])
  }
  finish(...outputs: [name: string, ...shape: (number | string)[]][]): Model {
    for (const [name, ...shape] of outputs) this.output(name, 'float32', shape)
    return modelOf(this.graph(), 17)
  }
}

/** Attention as PyTorch exports it where the batch is dynamic; 2 heads of 4 from a stream of 8. */
function attention(): Model {
  const b = new Sizes()
  b.input('x', 'float32', ['batch', 5, 6])
  const stream = b.dense('x', 'stream', 6, 8)
  const [n, t, d] = [0, 1, 2].map((axis) => b.size(stream, axis)) as [string, string, string]
  const depth = b.node('Div', [d, b.number(2)])
  const heads = (name: string) =>
    b.node('Transpose', [b.reshape(b.dense(stream, name, 8, 8), n, t, 2, depth)], {
      perm: [0, 2, 1, 3],
    })
  const [q, k, v] = ['q', 'k', 'v'].map(heads) as [string, string, string]
  const scale = b.node('Sqrt', [b.node('Cast', [depth], { to: 1 })])
  const turned = b.node('Transpose', [k], { perm: [0, 1, 3, 2] })
  const scores = b.node('Div', [b.node('MatMul', [q, turned]), scale])
  const mixed = b.node('MatMul', [b.node('Softmax', [scores]), v])
  const joined = b.reshape(b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }), n, t, d)
  const sum = b.node('Add', [stream, b.dense(joined, 'out', 8, 8)])
  return b.finish([b.dense(sum, 'head', 8, 3), 'batch', 5, 3])
}

describe('numbers that are computed from sizes', () => {
  it.each(['stream', 'q', 'v', 'out'])('let %s of attention grow', async (layer) => {
    const model = attention()
    const student = widen(model, { [layer]: 'x2' })
    await expectEqualFunctions(model, student)
    await expectEqualFunctions(model, widen(student, { [layer]: 'x1.5' }, { seed: 1 }))
  })

  it('keep a scale and the depth of the heads where the stream grows', () => {
    const plan = planWiden(attention(), { stream: 12 })
    const pinned = plan.pinned.map(({ dtype, elements }) => `${dtype} ${elements}`)
    expect([...new Set(pinned)]).toEqual(['int64 4', 'float32 4', 'int64 8'])
    const { nodes } = applyPlan(attention(), plan).graph
    expect(nodes.map(({ opType }) => opType)).not.toContain('Cast')
    expect(inspect(applyPlan(attention(), plan)).layers.map(({ width }) => width)).toEqual([
      12, 8, 8, 8, 12, 3,
    ])
  })

  it('are plain data in a plan', () => {
    const plan = planWiden(attention(), { stream: 12, v: 16 })
    const read = planSchema.parse(JSON.parse(JSON.stringify(plan)))
    expect(encodeModel(applyPlan(attention(), read))).toEqual(
      encodeModel(applyPlan(attention(), plan)),
    )
    const bad = { ...plan, pinned: [{ ...plan.pinned[0]!, dims: [3] }] }
    expect(planSchema.safeParse(bad).error?.issues[0]?.message).toMatch(/as many elements/)
  })

  it('are refused where the model does not compute them', () => {
    const plan = planWiden(attention(), { stream: 12 })
    const pinned = [{ ...plan.pinned[0]!, value: 'nothing', to: 'nothing' }]
    expect(() => applyPlan(attention(), { ...plan, pinned })).toThrow(/pins "nothing", which this/)
  })

  it('follow by themselves where they can', async () => {
    const b = new Sizes()
    b.input('x', 'float32', ['batch', 6])
    const h = b.dense('x', 'grown', 6, 8)
    const gate = b.node('Sigmoid', [b.reshape(h, b.size(h, 0), b.size(h, 1), 1)])
    const y = b.node('Mul', [b.reshape(h, b.size(h, 0), b.size(h, 1), 1), gate])
    const model = b.finish([
      b.dense(b.reshape(y, b.size(y, 0), b.size(y, 1)), 'head', 8, 3),
      'batch',
      3,
    ])
    const plan = planWiden(model, { grown: 13 })
    expect(plan.pinned).toEqual([])
    expect(plan.integers).toEqual([])
    await expectEqualFunctions(model, applyPlan(model, plan))
  })

  it('become one constant for each need', async () => {
    const b = new Sizes()
    b.input('x', 'float32', ['batch', 6])
    const h = b.dense('x', 'a', 6, 8)
    const other = b.dense('x', 'b', 6, 8)
    // The size of one layer reshapes the other, and scales both.
    const size = b.size(h, 1)
    const reshaped = b.reshape(other, b.size(h, 0), size)
    const scaled = b.node('Div', [
      b.node('Concat', [h, reshaped], { axis: 1 }),
      b.node('Cast', [size], { to: 1 }),
    ])
    const model = b.finish([b.dense(scaled, 'head', 16, 3), 'batch', 3])
    for (const widths of [{ a: 11 }, { b: 11 }, { a: 11, b: 13 }, { a: 11, b: 11 }])
      await expectEqualFunctions(model, widen(model, widths as Record<string, number>))
  })

  it('make no weights', async () => {
    const b = new Sizes()
    b.input('x', 'float32', ['batch', 6])
    const h = b.dense('x', 'grown', 6, 8)
    const size = b.node('Gather', [b.node('Shape', [h]), b.list(1)])
    const scaled = b.node('Div', [h, b.node('Sqrt', [b.node('Cast', [size], { to: 1 })])])
    const model = b.finish([b.dense(scaled, 'head', 8, 3), 'batch', 3])
    const plan = planWiden(model, { grown: 12 })
    expect(plan.pinned).toMatchObject([{ dtype: 'int64', dims: [1], elements: [8] }])
    await expectEqualFunctions(model, applyPlan(model, plan))
  })

  /** Zeros of the length of a weight, as exporters write a bias that a layer does not have. */
  it.each(['Shape', 'Gather', 'Slice', 'Expand'])('make a bias by %s that grows', async (how) => {
    const b = new Sizes()
    b.input('x', 'float32', ['batch', 6, 4, 3])
    const bias = (weight: string) => {
      const first = () => b.node('Shape', [weight], { start: 0, end: 1 })
      const shape = () => b.node('Shape', [weight])
      const forms: Readonly<Record<string, () => string>> = {
        Shape: first,
        Gather: () => b.node('Gather', [shape(), b.list(0)]),
        Slice: () => b.node('Slice', [shape(), b.list(0), b.list(1)]),
        Expand: () => b.node('Expand', [first(), b.list(1)]),
      }
      return b.node('Expand', [b.constant(scalar('float32', 0)), forms[how]!()])
    }
    const conv = (x: string, name: string, from: number, to: number) => {
      const weight = b.weight(to, from, 1, 1)
      return b.node('Relu', [b.node('Conv', [x, weight, bias(weight)], {}, { name })])
    }
    const image = conv(conv('x', 'first', 6, 4), 'second', 4, 5)
    const flat = b.node('Flatten', [b.node('GlobalAveragePool', [image])])
    const model = b.finish([b.dense(flat, 'head', 5, 3), 'batch', 3])
    for (const widths of [{ first: 7 }, { second: 9 }, { first: 8, second: 8 }])
      await expectEqualFunctions(model, widen(model, { ...widths }))
  })

  it('survive a file, and are refused as outputs', async () => {
    const b = new Sizes()
    b.input('x', 'float32', ['batch', 6])
    const h = b.dense('x', 'grown', 6, 8)
    const y = b.node('Div', [h, b.node('Cast', [b.size(h, 1)], { to: 1 })])
    const model = b.finish([b.dense(y, 'head', 8, 3), 'batch', 3])
    await expectEqualFunctions(model, decodeModel(encodeModel(widen(model, { grown: 9 }))))
    const shown = new Sizes()
    shown.input('x', 'float32', ['batch', 6])
    const units = shown.dense('x', 'grown', 6, 8)
    const size = shown.size(units, 1)
    shown.output(size, 'int64', [])
    const outputs = shown.finish([shown.dense(units, 'head', 8, 3), 'batch', 3])
    expect(() => widen(outputs, { grown: 9 })).toThrow(/graph output/)
  })
})

describe('a number that multiplies a size', () => {
  it('grows with the axis that it is the size of', async () => {
    const b = new Sizes()
    b.input('x', 'float32', [5, 'batch', 6])
    const h = b.dense('x', 'grown', 6, 8)
    // As in nn.MultiheadAttention: heads go to the batch.
    const batch = b.node('Mul', [b.size(h, 1), b.number(2)])
    const split = b.node('Relu', [b.reshape(h, 5, batch, 4)])
    const joined = b.reshape(split, 5, b.size(h, 1), 8)
    const model = b.finish([b.dense(joined, 'head', 8, 3), 5, 'batch', 3])
    await expectEqualFunctions(model, widen(model, { grown: 12 }))
    await expectEqualFunctions(model, widen(model, { grown: 10 }))
  })
})
