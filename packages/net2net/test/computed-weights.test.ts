/**
 * Layers whose weights are computed in random ways: whatever can be planned computes the same
 * function with every weight's constants still its own, and whatever cannot is refused.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { applyPlan, type GrowthPlan, growSlots, inspect, planWiden } from '../src/growth/index.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import { linksOf } from '../src/model/links.ts'
import type { Model, Node } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, int64, Tensor, toNumbers } from '../src/tensor/tensor.ts'
import { buildStep, sgd } from '../src/training/index.ts'
import { normalTensor } from '../testing/gradient-check.ts'
import { randomWeights } from './random-networks/weights.ts'

const NETWORKS = Number(process.env.RANDOM_WEIGHTS ?? 1000)
/** In double precision, relative to the largest output. */
const TOLERANCE = 1e-10

async function outputOf(model: Model, x: Tensor): Promise<Float64Array> {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    const [output] = Object.values(await session.run({ x }))
    return Float64Array.from(output!.data, Number)
  } finally {
    await session.release()
  }
}

/** The nodes that compute a layer's weight, and the layer. */
function nodesOf(model: Model, layer: string): readonly Node[] {
  const { producers } = linksOf(model.graph)
  const node = model.graph.nodes.find(({ name }) => name === layer)!
  const found = new Set([node])
  const visit = (value: string) => {
    const producer = producers.get(value)
    if (!producer || found.has(producer)) return
    found.add(producer)
    producer.inputs.forEach(visit)
  }
  visit(node.inputs[1]!)
  return model.graph.nodes.filter((each) => found.has(each))
}

/**
 * A constant that a weight reads in several places is one constant after the growth, too. Nodes are as they were, but for those that
 * the plan inserts: a mean that added zeros make smaller is rescaled.
 */
function expectOwnConstants(before: Model, after: Model, { inserted }: GrowthPlan): void {
  const added = new Set(inserted.map(({ name }) => name))
  for (const layer of ['a', 'b', 'c']) {
    const old = nodesOf(before, layer)
    const grown = nodesOf(after, layer).filter(({ name }) => !added.has(name))
    expect(grown.map(({ opType }) => opType)).toEqual(old.map(({ opType }) => opType))
    // A product of products is data: each layer in it has weights of its own.
    if (old.filter(({ opType }) => /MatMul|Einsum|Gemm/.test(opType)).length > 2) continue
    const names = new Map<string, Set<string>>()
    old.forEach((node, k) => {
      node.inputs.forEach((name, i) => {
        if (!before.graph.initializers.get(name)?.tensor.dtype.startsWith('float')) return
        names.set(name, (names.get(name) ?? new Set()).add(grown[k]!.inputs[i]!))
      })
    })
    for (const [name, found] of names) expect([name, ...found]).toHaveLength(2)
  }
}

const tally = { grown: 0, refused: new Map<string, number>() }

it(
  `computed weights grow exactly, or are refused (${NETWORKS} networks)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
        const model = randomWeights(seed)
        const random = randomStream(seed, 'growth')
        const { layers } = inspect(model)
        for (const { name, widen } of layers)
          if (widen !== true) {
            expect(() => planWiden(model, { [name]: 'x2' })).toThrow(`${name} cannot be widened: `)
            const kind = widen.replace(/^.*?which /, '').replace(/"[^"]*"/g, '…')
            tally.refused.set(kind, (tally.refused.get(kind) ?? 0) + 1)
          }
        const able = layers.filter(({ widen }) => widen === true)
        if (able.length === 0) return
        const chosen = able.filter(() => random.uniform() < 0.7)
        const wanted = (chosen.length > 0 ? chosen : able).map(({ name }) => [
          name,
          ['x1.5', 'x2', 'x2.7'][random.below(3)]!,
        ])
        const plan = planWiden(model, Object.fromEntries(wanted), { seed })
        const grown = applyPlan(model, JSON.parse(JSON.stringify(plan)))
        tally.grown++
        const x = new Tensor(
          'float64',
          [3, 2],
          Float64Array.from({ length: 6 }, () => random.normal()),
        )
        const [before, after] = [await outputOf(model, x), await outputOf(grown, x)]
        const largest = before.reduce((most, y) => Math.max(most, Math.abs(y)), 1)
        before.forEach((y, i) => {
          expect(Math.abs(after[i]! - y) / largest).toBeLessThanOrEqual(TOLERANCE)
        })
        expectOwnConstants(model, grown, plan)
      }),
      // The first has the mean of units that grow; the second reads a constant whole and a half of it, along an axis of two equal halves.
      { numRuns: NETWORKS, endOnFailure: true, examples: [[1751721071], [821697854]] },
    )
    if (process.env.SHOW) console.log(tally)
    expect(tally.grown).toBeGreaterThan(NETWORKS / 4)
  },
  10 * 60_000,
)

/** A normalized layer, then one of low rank beside a masked weight. */
function parametrized(): Model {
  const random = randomStream(2, 'weights')
  const b = new GraphBuilder()
  const weight = (name: string, ...dims: number[]) =>
    b.initializer(name, normalTensor(random, dims))
  const x = b.input('x', 'float32', ['n', 3])
  const v = weight('v', 4, 3)
  const direction = b.node('Div', [v, b.node('ReduceL2', [v, b.constant(int64([1]))])])
  const normalized = b.node('Mul', [weight('g', 4, 1), direction])
  const hidden = b.node('Gemm', [x, normalized], { transB: 1 }, { name: 'hidden' })
  const masked = b.node('Mul', [weight('w', 2, 4), weight('mask', 2, 4)])
  const low = b.node('MatMul', [weight('b', 2, 2), weight('a', 2, 4)])
  const sum = b.node('Add', [masked, low])
  b.output(b.node('Gemm', [b.node('Tanh', [hidden]), sum], { transB: 1 }, { name: 'head' }))
  return b.model()
}

async function gradientsOf(model: Model): Promise<ReadonlyMap<string, Tensor>> {
  const options = { loss: 'mse', optimizer: sgd({ learningRate: 0 }), gradients: true } as const
  const step = buildStep(model, options)
  const session = await nodeRuntime.createSession(encodeModel(step.model), { threads: 1 })
  try {
    const results = await session.run({
      x: float32([2, 3], [1, -0.5, 2, 0.3, 0.7, -1]),
      target: float32([2, 2], [1, 0, -1, 2]),
    })
    return new Map(
      Object.entries(results).flatMap(([name, value]) =>
        name.endsWith('.gradient') ? [[name.slice(0, -'.gradient'.length), value]] : [],
      ),
    )
  } finally {
    await session.release()
  }
}

it('optimizer slots of computed weights grow to what the student would have gathered', async () => {
  const teacher = parametrized()
  const plan = planWiden(teacher, { hidden: 7 }, { noise: 'none' })
  const roles = plan.parameters.map(({ name, axes }) => [name, axes.map(({ role }) => role)])
  expect(Object.fromEntries(roles)).toEqual({
    v: ['copied'],
    g: ['copied'],
    w: ['split'],
    mask: ['copied'],
    a: ['split'],
  })
  const [before, after] = [await gradientsOf(teacher), await gradientsOf(applyPlan(teacher, plan))]
  expect([...before.keys()].sort()).toEqual(['a', 'b', 'g', 'mask', 'v', 'w'])
  const raised = (value: Tensor, power: number) =>
    float32(
      value.dims,
      toNumbers(value).map((each) => each ** power),
    )
  for (const power of [1, 2] as const) {
    const slots = new Map([...before].map(([name, value]) => [name, raised(value, power)]))
    for (const [name, slot] of growSlots(plan, slots, power)) {
      const expected = raised(after.get(name)!, power)
      expect(slot.dims, name).toEqual(expected.dims)
      const [found, wanted] = [toNumbers(slot), toNumbers(expected)]
      found.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!), name).toBeLessThan(1e-6)
      })
    }
  }
})
