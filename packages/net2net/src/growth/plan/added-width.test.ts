import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compare } from '../../check/compare.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { float32, int64, Tensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, growSlots, inspect, planWiden, widen } from '../index.ts'

const NETWORKS = Number(process.env.ADDED_WIDTHS ?? 60)
/** |Δ| ≤ TOLERANCE · max(1, |y|) in float64: an ε is stored as a float32. */
const TOLERANCE = 1e-6

const kinds = ['layer norm', 'layer norm in parts', 'rms norm', 'rms norm in parts'] as const
type Kind = (typeof kinds)[number]

/** A stream of `width` units through norms: x + block(norm(x)), or for root mean squares norm(x + block(x)), too. */
class StreamBuilder extends GraphBuilder {
  readonly dtype: 'float32' | 'float64'
  readonly #random: RandomStream
  readonly #kind: Kind
  readonly width: number

  constructor(
    random: RandomStream,
    kind: Kind,
    width: number,
    dtype: 'float32' | 'float64' = 'float32',
  ) {
    super()
    this.dtype = dtype
    this.#random = random
    this.#kind = kind
    this.width = width
  }

  floats(dims: readonly number[], values: readonly number[]): string {
    const data = this.dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values)
    return this.constant(new Tensor(this.dtype, dims, data), 'w')
  }

  normals(dims: readonly number[], mean = 0): string {
    const count = dims.reduce((a, b) => a * b, 1)
    return this.floats(
      dims,
      Array.from({ length: count }, () => mean + this.#random.normal()),
    )
  }

  dense(x: string, from: number, to: number, name: string): string {
    const product = this.node('MatMul', [x, this.normals([from, to])], {}, { name })
    return this.#random.uniform() < 0.7 ? this.node('Add', [product, this.normals([to])]) : product
  }

  #mean(x: string): string {
    return this.node('ReduceMean', [x, this.constant(int64([-1]))], { keepdims: 1 })
  }

  norm(x: string, width = this.width): string {
    const gamma = this.normals([width], 1)
    const epsilon = 10 ** -(1 + 4 * this.#random.uniform())
    if (this.#kind === 'layer norm')
      return this.node('LayerNormalization', [x, gamma, this.normals([width])], {
        epsilon: float(epsilon),
      })
    if (this.#kind === 'rms norm')
      return this.node('SimplifiedLayerNormalization', [x, gamma], {
        epsilon: float(epsilon),
        axis: -1,
      })
    const centred = this.#kind === 'rms norm in parts' ? x : this.node('Sub', [x, this.#mean(x)])
    const squares =
      this.#random.uniform() < 0.5
        ? this.node('Mul', [centred, centred])
        : this.node('Pow', [centred, this.floats([], [2])])
    const root = this.node('Sqrt', [
      this.node('Add', [this.#mean(squares), this.floats([], [epsilon])]),
    ])
    const normal =
      this.#random.uniform() < 0.5
        ? this.node('Div', [centred, root])
        : this.node('Mul', [centred, this.node('Reciprocal', [root])])
    const scaled = this.node('Mul', [gamma, normal])
    return this.#kind === 'rms norm in parts'
      ? scaled
      : this.node('Add', [scaled, this.normals([width])])
  }
}

function network(seed: number, kind: Kind, dtype?: 'float64'): Model {
  const random = randomStream(seed, 'stream')
  const width = 2 + random.below(8)
  const b = new StreamBuilder(random, kind, width, dtype)
  const hasTable = random.uniform() < 0.5
  let x: string
  if (hasTable) {
    x = b.node(
      'Gather',
      [b.normals([11, width]), b.input('ids', 'int64', [2, 3])],
      {},
      { name: 'stem' },
    )
    if (random.uniform() < 0.5) x = b.node('Add', [x, b.normals([3, width])])
  } else x = b.dense(b.input('x', b.dtype, [2, 3, 4]), 4, width, 'stem')
  const blocks = 1 + random.below(3)
  for (let i = 0; i < blocks; i++) {
    const isAfter = kind.startsWith('rms') && random.uniform() < 0.4
    const hidden = 1 + random.below(6)
    const inner = b.node(random.uniform() < 0.5 ? 'Relu' : 'Tanh', [
      b.dense(isAfter ? x : b.norm(x), width, hidden, `in${i}`),
    ])
    x = b.node('Add', [x, b.dense(inner, hidden, width, `out${i}`)])
    if (isAfter) x = b.norm(x)
  }
  // The stream is also read as it is.
  const last = random.uniform() < 0.7 ? b.norm(x) : x
  b.output(b.dense(last, width, 3, 'head'), b.dtype)
  return b.model()
}

/** Streams one after the other, of which each has a width of its own: `stem`, `stem1`, … write the first of their values. */
function streams(seed: number, kind: Kind, dtype?: 'float64'): Model {
  const random = randomStream(seed, 'streams')
  const b = new StreamBuilder(random, kind, 0, dtype)
  const count = 2 + random.below(2)
  let x = b.input('x', b.dtype, [2, 3, 4])
  let from = 4
  for (let i = 0; i < count; i++) {
    const width = 2 + random.below(6)
    // The next stream reads what a norm gives, or the stream as it is.
    const source = i === 0 || random.uniform() < 0.3 ? x : b.norm(x, from)
    x = b.dense(source, from, width, i === 0 ? 'stem' : `stem${i}`)
    const hidden = 1 + random.below(5)
    const inner = b.node('Tanh', [b.dense(b.norm(x, width), width, hidden, `in${i}`)])
    x = b.node('Add', [x, b.dense(inner, hidden, width, `out${i}`)])
    from = width
  }
  b.output(b.dense(b.norm(x, from), from, 3, 'head'), b.dtype)
  return b.model()
}

async function outputOf(model: Model, seed: number): Promise<ArrayLike<number>> {
  const random = randomStream(seed, 'input')
  const { name } = model.graph.inputs[0]!
  const feed =
    name === 'ids'
      ? int64(
          Array.from({ length: 6 }, () => random.below(11)),
          [2, 3],
        )
      : new Tensor(
          'float64',
          [2, 3, 4],
          Float64Array.from({ length: 24 }, () => random.normal()),
        )
  const session = await nodeRuntime.createSession(encodeModel(model), {
    threads: 1,
    optimization: 'basic',
  })
  try {
    return toNumbers(Object.values(await session.run({ [name]: feed }))[0]!)
  } finally {
    await session.release()
  }
}

const widthOf = (model: Model) => inspect(model).layers.find(({ name }) => name === 'stem')!.width!

/** A width that is no multiple of the old one. */
function otherWidth(width: number, seed: number): number {
  const wanted = width + 1 + randomStream(seed, 'width').below(2 * width)
  return wanted % width === 0 ? wanted + 1 : wanted
}

describe('a stream through norms', () => {
  it.each(kinds)(
    `has any width (%s, ${NETWORKS} networks)`,
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          const model = network(seed, kind, 'float64')
          const width = otherWidth(widthOf(model), seed)
          const plan = planWiden(model, { stem: width }, { seed })
          let grown = applyPlan(model, JSON.parse(JSON.stringify(plan)))
          expect(widthOf(grown)).toBe(width)
          // Once more, what was added included.
          if (seed % 3 === 0) grown = widen(grown, { stem: otherWidth(width, seed + 1) }, { seed })
          const [before, after] = [await outputOf(model, seed), await outputOf(grown, seed)]
          Array.from(before).forEach((y, i) => {
            expect(Math.abs(after[i]! - y)).toBeLessThanOrEqual(
              TOLERANCE * Math.max(1, Math.abs(y)),
            )
          })
        }),
        { numRuns: NETWORKS, endOnFailure: true },
      )
    },
    10 * 60_000,
  )

  it.each(kinds)(
    `has any width beside others (%s, ${NETWORKS} networks)`,
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          const model = streams(seed, kind, 'float64')
          const widths = Object.fromEntries(
            inspect(model)
              .layers.filter(({ name }) => name.startsWith('stem'))
              .map(({ name, width }, i) => [name, otherWidth(width!, seed + i)]),
          )
          const plan = planWiden(model, widths, { seed })
          expect(plan.units.map(({ init }) => init)).toEqual(plan.units.map(() => 'added'))
          const grown = applyPlan(model, JSON.parse(JSON.stringify(plan)))
          const [before, after] = [await outputOf(model, seed), await outputOf(grown, seed)]
          Array.from(before).forEach((y, i) => {
            expect(Math.abs(after[i]! - y)).toBeLessThanOrEqual(
              TOLERANCE * Math.max(1, Math.abs(y)),
            )
          })
        }),
        { numRuns: NETWORKS, endOnFailure: true },
      )
    },
    10 * 60_000,
  )

  it('has any width behind a norm after the block, where the scales of that norm are equal', async () => {
    const build = (scale: (i: number) => number) => {
      const b = new StreamBuilder(randomStream(5, 'post'), 'layer norm', 4, 'float64')
      const norm = (x: string) =>
        b.node('LayerNormalization', [x, b.floats([4], [0, 1, 2, 3].map(scale)), b.normals([4])])
      let x = norm(b.dense(b.input('x', b.dtype, [2, 3, 4]), 4, 4, 'stem'))
      for (const i of [0, 1]) {
        const inner = b.node('Relu', [b.dense(x, 4, 6, `in${i}`)])
        x = norm(b.node('Add', [x, b.dense(inner, 6, 4, `out${i}`)]))
      }
      b.output(b.dense(x, 4, 3, 'head'), b.dtype)
      return b.model()
    }
    const model = build(() => 1.3)
    const grown = widen(model, { stem: 7 })
    const [before, after] = [await outputOf(model, 1), await outputOf(grown, 1)]
    Array.from(before).forEach((y, i) => {
      expect(Math.abs(after[i]! - y)).toBeLessThanOrEqual(TOLERANCE * Math.max(1, Math.abs(y)))
    })
    expect(() =>
      widen(
        build((i) => i),
        { stem: 7 },
      ),
    ).toThrow(/none can be added: LayerNormalization/)
  })

  it.each(kinds)(
    'is proven equal, and a mistake is seen (%s)',
    async (kind) => {
      let proven = 0
      for (let seed = 0; seed < 6; seed++) {
        const model = network(seed, kind)
        const grown = widen(model, { stem: otherWidth(widthOf(model), seed) }, { seed })
        const { equal } = await compare(model, grown)
        expect(equal, `seed ${seed}`).not.toBe(false)
        // Some hidden units behind a Relu are never above zero: of these the check cannot tell.
        if (equal === true) proven++
        const names = [...grown.graph.initializers].flatMap(([name, { tensor }]) =>
          tensor.dtype === 'float32' && tensor.dims.length === 2 ? [name] : [],
        )
        const name = names[seed % names.length]!
        const { tensor } = grown.graph.initializers.get(name)!
        const values = toNumbers(tensor).map((value, i) => (i === 0 ? value + 1 : value))
        const changed = { tensor: float32(tensor.dims, values) }
        const initializers = new Map(grown.graph.initializers).set(name, changed)
        const wrong = { ...grown, graph: { ...grown.graph, initializers } }
        expect((await compare(model, wrong)).equal, `seed ${seed}, ${name}`).not.toBe(true)
      }
      expect(proven).toBeGreaterThanOrEqual(4)
    },
    60_000,
  )

  it('gets copies where the width is a multiple', () => {
    const model = network(1, 'layer norm')
    const { units, version } = planWiden(model, { stem: 2 * widthOf(model) })
    expect(version).toBe(2)
    expect(units[0]!.init).toBe('net2wider')
  })

  it('is read with random weights where added units hold zero, so that they learn different things', () => {
    const model = network(1, 'layer norm')
    const read = (noise: 'zero-sum' | 'none') =>
      planWiden(model, { stem: widthOf(model) + 1 }, { noise }).parameters.filter(
        ({ added }) => added?.read,
      )
    expect(read('zero-sum').length).toBeGreaterThan(0)
    expect(read('none')).toEqual([])
  })

  it('is refused where what comes to a norm cannot be the mean of the others, with the node', () => {
    const random = randomStream(3, 'refused')
    const b = new StreamBuilder(random, 'layer norm', 4)
    const x = b.dense(b.input('x', 'float32', [2, 3, 4]), 4, 4, 'stem')
    const bent = b.node('Relu', [x], {}, { name: 'bend' })
    const weights = [b.normals([4]), b.normals([4])]
    const normal = b.node('LayerNormalization', [bent, ...weights], {}, { name: 'norm' })
    b.output(b.dense(normal, 4, 3, 'head'), 'float32')
    expect(() => planWiden(b.model(), { stem: 6 })).toThrow(
      /stem cannot have width 6 \(every unit needs equally many copies: .*none can be added: LayerNormalization norm/,
    )
    expect(widthOf(widen(b.model(), { stem: 8 }))).toBe(8)
  })
})

it("has an optimizer's state: γ's gradient is that of the old one over its factor", () => {
  const model = network(1, 'layer norm')
  const plan = planWiden(model, { stem: widthOf(model) + 1 })
  const gamma = plan.parameters.find(({ factor }) => factor !== undefined)!
  const slots = new Map([[gamma.name, float32(gamma.before, Array(widthOf(model)).fill(1))]])
  const first = (power: 1 | 2) =>
    toNumbers(growSlots(plan, slots, power).get(gamma.to) as never)[0]!
  expect(first(1)).toBeCloseTo(1 / gamma.factor!, 5)
  expect(first(2)).toBeCloseTo(1 / gamma.factor! ** 2, 5)
})
