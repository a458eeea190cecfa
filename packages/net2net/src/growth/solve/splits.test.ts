/** Units that computed values are summed over: one factor is split, the others are copied. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { planSchema } from '../../recipe/plan-schema.ts'
import { fillTensor } from '../../tensor/fill.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import type { GrowthPlan } from '../growth-plan.ts'
import { rolesIn } from '../growth-plan.ts'
import { applyPlan, inspect, planWiden, type WidenOptions } from '../index.ts'

/** Tokens [batch, 5, 6]. */
const [TOKENS, STREAM] = [5, 6]

class Attention extends GraphBuilder {
  #seed = 0

  weight(name: string, ...dims: number[]): string {
    const fill = { kind: 'normal', mean: 0, deviation: 0.4 } as const
    return this.initializer(name, fillTensor(fill, 'float32', dims, 3, this.#seed++))
  }
  ints(...values: number[]): string {
    return this.constant(int64(values))
  }
  linear(x: string, name: string, from: number, to: number): string {
    const product = this.node('MatMul', [x, this.weight(`${name}.w`, from, to)], {}, { name })
    return this.node('Add', [product, this.weight(`${name}.b`, to)])
  }
  project(name: string, to: number): string {
    return this.linear('x', name, STREAM, to)
  }
  unary(opType: string, x: string): string {
    return this.node(opType, [x], {}, { name: `${opType} of ${x}` })
  }
  /** q·kᵀ over the last axis of [batch, tokens, depth]. */
  scores(q: string, k: string): string {
    const turned = this.node('Transpose', [k], { perm: [0, 2, 1] })
    return this.node('MatMul', [q, turned], {}, { name: 'scores' })
  }
  /** [batch, tokens, heads · depth] to [batch, heads, tokens, depth], or the last two turned. */
  heads(x: string, heads: number, depth: number, perm = [0, 2, 1, 3]): string {
    const apart = this.node('Reshape', [x, this.ints(0, TOKENS, heads, depth)])
    return this.node('Transpose', [apart], { perm })
  }
}

function build(make: (b: Attention) => string): Model {
  const b = new Attention()
  b.input('x', 'float32', ['batch', TOKENS, STREAM])
  b.output(make(b), 'float32')
  return b.model()
}

/** The roles of the axes that a plan grows, by parameter; `+` where noise comes with them. */
const roles = ({ parameters }: GrowthPlan) =>
  Object.fromEntries(
    parameters.map(({ to, axes, noise }) => [
      to,
      `${axes.map(({ role }) => role).join()}${noise ? '+' : ''}`,
    ]),
  )

const refusal = (model: Model, name: string) =>
  inspect(model).layers.find((layer) => layer.name === name)?.widen

/** Grows with noise as large as the weights, so that nothing but exact noise passes. */
async function expectExact(
  model: Model,
  widths: Record<string, number>,
  more: WidenOptions = {},
  seen: { readonly isBlind?: boolean } = {},
) {
  const plan = planWiden(model, widths, { noiseSize: 1, ...more })
  const read = planSchema.parse(JSON.parse(JSON.stringify(plan))) as GrowthPlan
  const student = applyPlan(model, read)
  expect(encodeModel(student)).toEqual(encodeModel(applyPlan(model, plan)))
  await expectEqualFunctions(model, student, seen)
  return plan
}

describe('of two factors q·k', () => {
  it('the first is split, with noise, and the second copied', async () => {
    const model = build((b) => b.scores(b.project('q', 4), b.project('k', 4)))
    expect(inspect(model).layers.map(({ widen, group }) => [widen, group])).toEqual([
      [true, ['k']],
      [true, ['q']],
    ])
    const plan = await expectExact(model, { q: 7 })
    expect(roles(plan)).toEqual({
      'q.w': 'split+',
      'q.b': 'split+',
      'k.w': 'copied',
      'k.b': 'copied',
    })
  })

  it('the second takes them where the first does not scale', async () => {
    const model = build((b) => b.scores(b.unary('Tanh', b.project('q', 4)), b.project('k', 4)))
    expect(roles(await expectExact(model, { k: 7 }))).toMatchObject({
      'q.w': 'copied',
      'k.b': 'split+',
    })
  })

  it('the second takes them where something else reads the first', async () => {
    const model = build((b) => {
      const q = b.project('q', 4)
      const other = b.linear(b.unary('Sigmoid', q), 'other', 4, TOKENS)
      return b.node('Add', [b.scores(q, b.project('k', 4)), other])
    })
    expect(roles(await expectExact(model, { q: 9 }))).toMatchObject({
      'q.b': 'copied',
      'k.b': 'split+',
      'other.w': 'split+',
    })
  })

  it('neither takes them where neither scales, and the refusal says why', () => {
    const model = build((b) => {
      const q = b.unary('Tanh', b.project('q', 4))
      return b.scores(q, b.node('Softmax', [b.project('k', 4)], { axis: 1 }, { name: 'soft' }))
    })
    expect(refusal(model, 'q')).toMatch(
      /^its units reach MatMul scores, which sums products of two activations over it, and neither can be split along it \(Tanh .* does not scale with its input; Softmax soft does not scale with its input\)$/,
    )
    expect(() => planWiden(model, { k: 7 })).toThrow(/MatMul scores.*neither can be split/)
  })

  it('a value cannot be both', () => {
    const model = build((b) => {
      const x = b.project('q', 4)
      return b.scores(x, x)
    })
    expect(refusal(model, 'q')).toMatch(/MatMul scores.*copied and split at once/)
  })

  it('a number for all units does not scale with them', async () => {
    const shifted = (b: Attention, x: string) =>
      b.node('Add', [x, b.constant(float32([], [0.5]))], {}, { name: `shift ${x}` })
    const model = build((b) => b.scores(shifted(b, b.project('q', 4)), b.project('k', 4)))
    expect(roles(await expectExact(model, { q: 6 }))).toMatchObject({
      'q.w': 'copied',
      'k.w': 'split+',
    })
    const both = build((b) =>
      b.scores(shifted(b, b.project('q', 4)), shifted(b, b.project('k', 4))),
    )
    expect(refusal(both, 'k')).toMatch(/Add shift .* cannot be scaled alike/)
  })

  it('the scale and shift of a norm take them in the place of its input', async () => {
    const normed = (b: Attention, name: string) =>
      b.node(
        'LayerNormalization',
        [b.project(name, 4), b.weight(`${name}.scale`, 4), b.weight(`${name}.shift`, 4)],
        { epsilon: float(0.01) },
      )
    const model = build((b) => b.scores(normed(b, 'q'), normed(b, 'k')))
    expect(roles(await expectExact(model, { q: 8 }))).toMatchObject({
      'q.w': 'copied',
      'q.scale': 'split+',
      'q.shift': 'split+',
      'k.scale': 'copied',
    })
  })

  it('take no noise behind what only keeps positive factors, but unequal split coefficients', async () => {
    const model = build((b) =>
      b.scores(b.unary('Relu', b.project('q', 4)), b.unary('Relu', b.project('k', 4))),
    )
    const plan = await expectExact(model, { q: 8 })
    expect(roles(plan)).toMatchObject({ 'q.w': 'split', 'q.b': 'split' })
    /** The least difference between the coefficients of copies of one unit. */
    const apart = ({ units: [units] }: GrowthPlan) => {
      const { map, split } = units!
      return Math.min(
        ...map.flatMap((unit, i) =>
          map.flatMap((other, j) =>
            j < i && other === unit ? [Math.abs(split[i]! - split[j]!)] : [],
          ),
        ),
      )
    }
    expect(apart(plan)).toBeGreaterThan(0)
    expect(apart(await expectExact(model, { q: 8 }, { noise: 'none' }))).toBe(0)
    // A linear way is taken first.
    const half = build((b) => b.scores(b.unary('Relu', b.project('q', 4)), b.project('k', 4)))
    const linear = await expectExact(half, { q: 8 })
    expect(roles(linear)).toMatchObject({ 'q.w': 'copied', 'k.w': 'split+' })
    expect(apart(linear)).toBe(0)
  })

  it('take noise along the axis that allows it', async () => {
    const model = build((b) => {
      const h = b.unary('Tanh', b.project('h', 5))
      const gemm = (name: string) => {
        const flat = b.node('Reshape', [h, b.ints(-1, 5)])
        const inputs = [flat, b.weight(`${name}.w`, 4, 5), b.weight(`${name}.b`, 4)]
        const rows = b.unary('Relu', b.node('Gemm', inputs, { transB: 1 }, { name }))
        return b.node('Reshape', [rows, b.ints(-1, TOKENS, 4)])
      }
      return b.scores(gemm('q'), gemm('k'))
    })
    const plan = await expectExact(model, { q: 7, h: 9 })
    expect(plan.parameters.find(({ name }) => name === 'q.w')).toMatchObject({
      axes: [
        { axis: 0, role: 'split' },
        { axis: 1, role: 'split' },
      ],
      noise: { axis: 1 },
    })
    expect(plan.parameters.find(({ name }) => name === 'k.w')?.noise).not.toHaveProperty('axis')
  })

  it('may be of an Einsum', async () => {
    const model = build((b) => {
      const q = b.node('Reshape', [b.project('q', 8), b.ints(0, TOKENS, 2, 4)])
      const k = b.node('Reshape', [b.project('k', 8), b.ints(0, TOKENS, 2, 4)])
      return b.node('Einsum', [q, k], { equation: 'bihd,bjhd->bhij' }, { name: 'scores' })
    })
    // Two heads of seven.
    expect(roles(await expectExact(model, { q: 14 }))).toMatchObject({ 'q.w': 'split+' })
  })

  it('may be of rotated positions', async () => {
    const model = build((b) => {
      const tables = ['cos', 'sin'].map((name) => b.weight(name, TOKENS, 4)) as [string, string]
      const rotated = (x: string) => {
        const [first, second] = b.nodeOutputs(
          'Split',
          [x],
          { axis: 2, num_outputs: 2 },
          { outputs: 2 },
        )
        const turned = b.node('Concat', [b.unary('Neg', second!), first!], { axis: 2 })
        const parts = [b.node('Mul', [x, tables[0]]), b.node('Mul', [turned, tables[1]])]
        return b.node('Add', parts)
      }
      return b.scores(rotated(b.project('q', 4)), rotated(b.project('k', 4)))
    })
    const plan = await expectExact(model, { q: 10 })
    expect(roles(plan)).toMatchObject({ 'q.w': 'split+', cos: 'copied', sin: 'copied' })
  })
})

describe('queries, keys and values of one layer', () => {
  const mixed = (b: Attention, [q, k, v]: readonly string[]) =>
    b.node('MatMul', [b.node('Softmax', [b.scores(q!, k!)], { axis: -1 }), v!])

  it.each([4, 3])('as columns, values of %i', async (values) => {
    const model = build((b) => {
      const all = b.project('qkv', 8 + values)
      const sizes = b.ints(4, 4, values)
      const parts = b.nodeOutputs('Split', [all, sizes], { axis: 2 }, { outputs: 3 })
      return b.linear(mixed(b, parts), 'out', values, 3)
    })
    const before = 8 + values
    const plan = await expectExact(model, { qkv: before + 6 })
    const weight = plan.parameters.find(({ name }) => name === 'qkv.w')!
    expect(weight).toMatchObject({ axes: [{ role: 'copied' }], noise: { kind: 'zero-sum' } })
    expect([...rolesIn(weight.axes[0]!.map, 'copied')]).toEqual(['split', 'copied'])
    expect(JSON.stringify(weight.axes[0]!.map)).toMatch(
      /^{"sum":\[{"units":"qkv","role":"split"},{"units":"qkv"},/,
    )
  })

  it.each(['Gather', 'Split'])('as entries of an axis, taken by %s', async (how) => {
    const model = build((b) => {
      const apart = b.node('Reshape', [b.project('qkv', 12), b.ints(0, TOKENS, 3, 4)])
      const front = b.node('Transpose', [apart], { perm: [2, 0, 1, 3] })
      const parts =
        how === 'Gather'
          ? [0, 1, -1].map((i) =>
              b.node('Gather', [front, b.constant(int64([i], []))], { axis: 0 }),
            )
          : b
              .nodeOutputs('Split', [front, b.ints(1, 1, 1)], { axis: 0 }, { outputs: 3 })
              .map((part) => b.node('Squeeze', [part, b.ints(0)]))
      return b.linear(mixed(b, parts), 'out', 4, 3)
    })
    await expectExact(model, { qkv: 21 })
  })

  it('in heads, of which there may be more and deeper ones', async () => {
    const model = build((b) => {
      const apart = b.node('Reshape', [b.project('qkv', 18), b.ints(0, TOKENS, 3, 2, 3)])
      const front = b.node('Transpose', [apart], { perm: [2, 0, 3, 1, 4] })
      const [q, k, v] = [0, 1, 2].map((i) =>
        b.node('Gather', [front, b.constant(int64([i], []))], { axis: 0 }),
      ) as [string, string, string]
      const turned = b.node('Transpose', [k], { perm: [0, 1, 3, 2] })
      const scores = b.node('MatMul', [q, turned], {}, { name: 'scores' })
      const heads = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), v])
      const back = b.node('Transpose', [heads], { perm: [0, 2, 1, 3] })
      return b.linear(b.node('Reshape', [back, b.ints(0, TOKENS, 6)]), 'out', 6, 3)
    })
    // 3 · 2 heads of 4, then 3 · 3 heads of 4.
    const deeper = await expectExact(model, { qkv: 24 })
    expect(deeper.units).toMatchObject([{ from: 3, to: 4 }])
    const student = applyPlan(model, deeper)
    const wider = await expectExact(student, { qkv: 36 })
    expect(wider.units).toMatchObject([{ from: 2, to: 3 }])
    // Its copies do not keep deeper heads from growing again.
    await expectExact(applyPlan(student, wider), { qkv: 45 })
  })
})

describe('more heads and deeper ones in one plan', () => {
  it('take noise that sums to zero within each head', async () => {
    const model = build((b) => {
      const q = b.heads(b.project('q', 6), 2, 3)
      const k = b.heads(b.project('k', 6), 2, 3, [0, 2, 3, 1])
      const scores = b.node('MatMul', [q, k], {}, { name: 'scores' })
      const v = b.heads(b.project('v', 4), 2, 2)
      const mixed = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), v])
      const back = b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] })
      return b.linear(b.node('Reshape', [back, b.ints(0, TOKENS, 4)]), 'out', 4, 3)
    })
    const plan = await expectExact(model, { v: 8, q: 20 })
    expect(plan.parameters.find(({ name }) => name === 'q.w')?.axes).toEqual([
      {
        axis: 1,
        map: { product: [{ units: 'q' }, { units: 'q#2', role: 'split' }] },
        role: 'copied',
      },
    ])
  })
})

describe('a sum over computed values', () => {
  it('splits what it sums', async () => {
    const model = build((b) => b.node('ReduceSum', [b.project('a', 4), b.ints(2)]))
    expect(roles(await expectExact(model, { a: 7 }))).toEqual({
      'a.w': 'split+',
      'a.b': 'split+',
    })
  })

  it('takes those of one factor of a product', async () => {
    const product = (b: Attention, a: string, c: string) =>
      b.node(
        'ReduceSum',
        [b.node('Mul', [a, c], {}, { name: 'product' }), b.ints(2)],
        {},
        { name: 'sum' },
      )
    const model = build((b) => product(b, b.project('a', 4), b.unary('Tanh', b.project('b', 4))))
    expect(roles(await expectExact(model, { a: 7 }))).toMatchObject({
      'a.w': 'split+',
      'b.w': 'copied',
    })
    const other = build((b) => product(b, b.unary('Tanh', b.project('a', 4)), b.project('b', 4)))
    expect(roles(await expectExact(other, { a: 7 }))).toMatchObject({
      'a.w': 'copied',
      'b.w': 'split+',
    })
    const square = build((b) => {
      const a = b.project('a', 4)
      return product(b, a, a)
    })
    expect(refusal(square, 'a')).toMatch(
      /ReduceSum sum.*sums over it, and what it sums cannot be split/,
    )
  })

  it('splits all parts of an axis that was split before and is taken as equal parts', async () => {
    const model = build((b) => {
      const a = b.project('a', 8)
      b.nodeOutputs('Split', [a, b.ints(4, 4)], { axis: 2 }, { outputs: 2 })
      const apart = b.node('Reshape', [a, b.ints(0, TOKENS, 2, 4)])
      const first = b.node('Gather', [apart, b.constant(int64([0], []))], { axis: 2 })
      return b.node('ReduceSum', [first, b.ints(2)])
    })
    expect(roles(await expectExact(model, { a: 12 }))).toMatchObject({ 'a.w': 'split+' })
  })

  it('is refused where nothing can be split', () => {
    const model = build((b) => b.node('ReduceSum', [b.unary('Exp', b.project('a', 4)), b.ints(2)]))
    expect(refusal(model, 'a')).toMatch(/sums over it, and what it sums cannot be split \(Exp /)
  })
})

describe('random attention', () => {
  /** Steps between a projection and the scores. */
  const steps = ['Identity', 'Neg', 'Relu', 'Tanh', 'scale', 'positions', 'gate', 'normed'] as const
  type Step = (typeof steps)[number]

  function step(b: Attention, x: string, kind: Step, name: string, depth: number): string {
    switch (kind) {
      case 'scale':
        return b.node('Mul', [x, b.weight(`${name}.scale`, depth)])
      case 'positions':
        return b.node('Add', [x, b.weight(`${name}.positions`, TOKENS, depth)])
      case 'gate':
        return b.node('Mul', [x, b.unary('Sigmoid', b.project(`${name}.gate`, depth))])
      case 'normed':
        return b.node('LayerNormalization', [x, b.weight(`${name}.norm`, depth)], {
          epsilon: float(0.1),
        })
      default:
        return b.unary(kind, x)
    }
  }

  const side = fc.array(fc.constantFrom(...steps), { maxLength: 3 })

  it('keeps its function in ONNX Runtime, or is refused', async () => {
    let grown = 0
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          q: side,
          k: side,
          heads: fc.integer({ min: 1, max: 3 }),
          depth: fc.integer({ min: 1, max: 4 }),
          more: fc.integer({ min: 1, max: 5 }),
          einsum: fc.boolean(),
          fused: fc.boolean(),
          seed: fc.nat(1000),
        }),
        async ({ q, k, heads, depth, more, einsum, fused, seed }) => {
          const width = heads * depth
          const model = build((b) => {
            const both = fused
              ? b.nodeOutputs(
                  'Split',
                  [b.project('q', 2 * width), b.ints(width, width)],
                  { axis: 2 },
                  { outputs: 2 },
                )
              : [b.project('q', width), b.project('k', width)]
            const [query, key] = [q, k].map((kinds, i) =>
              kinds.reduce((x, kind, n) => step(b, x, kind, `${'qk'[i]}${n}`, width), both[i]!),
            ) as [string, string]
            if (einsum) {
              const parts = [query, key].map((x) =>
                b.node('Reshape', [x, b.ints(0, TOKENS, heads, depth)]),
              )
              return b.node('Einsum', parts, { equation: 'bihd,bjhd->bhij' })
            }
            return b.node('MatMul', [
              b.heads(query, heads, depth),
              b.heads(key, heads, depth, [0, 2, 3, 1]),
            ])
          })
          const equal = [...q, ...k].includes('normed')
          const deeper = heads * depth * (equal ? more + 1 : 1) + (equal ? 0 : heads * more)
          const target = fused ? 2 * deeper : deeper
          if (refusal(model, 'q') !== true) return
          // Norms of few channels and saturated gates leave networks in which hardly anything shows a mistake.
          await expectExact(model, { q: target }, { seed }, { isBlind: true })
          grown++
        },
      ),
      { numRuns: 120, endOnFailure: true },
    )
    expect(grown).toBeGreaterThan(60)
  }, 120_000)
})
