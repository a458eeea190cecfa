/**
 * The promise of growth on networks that nobody drew: whatever can be planned computes the same
 * function, and whatever cannot is refused with a node and a reason.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compare } from '../src/check/compare.ts'
import { outOfCoreSession } from '../src/check/out-of-core/segmented-session.ts'
import { Net2NetError } from '../src/errors.ts'
import { applyPlan, inspect, planDeepen, planWiden } from '../src/growth/index.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { slicingOf } from '../src/operators/table.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Feeds } from '../src/runtime/runtime.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, type Tensor } from '../src/tensor/tensor.ts'
import { randomNetwork } from './random-networks/generator.ts'

const NETWORKS = Number(process.env.RANDOM_NETWORKS ?? 2000)
const TOLERANCE = 1e-5
/** As large as half of the weights, so that noise that is not exact would show. */
const NOISE = 0.5

const tally = {
  networks: 0,
  rounded: 0,
  widened: 0,
  deepened: 0,
  refused: new Map<string, number>(),
}

async function outputsOf(model: Model, feeds: Record<string, Tensor>) {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

function inputFor(model: Model, seed: number): Record<string, Tensor> {
  const { type, name } = model.graph.inputs[0]!
  const shape = type.kind === 'tensor' ? type.shape! : []
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 2))
  const random = randomStream(seed, 'input')
  const count = dims.reduce((a, b) => a * b, 1)
  return {
    [name]: float32(
      dims,
      Array.from({ length: count }, () => random.normal()),
    ),
  }
}

/** The largest |Δ| / max(1, |y|). */
function differenceOf(before: Feeds, after: Feeds): number {
  let worst = 0
  for (const [name, expected] of Object.entries(before)) {
    const actual = after[name]!
    expect(actual.dims).toEqual(expected.dims)
    for (let i = 0; i < expected.data.length; i++) {
      const y = Number(expected.data[i])
      const error = Math.abs(Number(actual.data[i]) - y) / Math.max(1, Math.abs(y))
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error)
    }
  }
  return worst
}

/** Widens to exactly this width; undefined where a layer has no such width. */
function planOf(model: Model, layer: string, width: number, seed: number) {
  try {
    return planWiden(model, { [layer]: width }, { seed, noiseSize: NOISE })
  } catch (error) {
    if (error instanceof Net2NetError && error.kind === 'usage') return undefined
    throw error
  }
}

/** Grows a random part of a model once or twice; undefined where nothing can grow. */
function growRandomly(model: Model, seed: number): Model {
  const random = randomStream(seed, 'growth')
  let grown = model
  for (let round = 0; round < 2; round++) {
    const { layers } = inspect(grown)
    for (const layer of layers)
      for (const answer of [layer.widen, layer.deepen])
        if (answer !== true) expect(answer.length).toBeGreaterThan(10)
    const wide = layers.filter((layer) => layer.widen === true && layer.width !== null)
    const deep = layers.filter((layer) => layer.deepen === true)
    if (wide.length > 0 && random.uniform() < 0.8) {
      const layer = wide[random.below(wide.length)]!
      const factor = ['x1.2', 'x1.5', 'x2', 'x2.7'][random.below(4)]!
      // A factor takes the outermost units; a width may be that of others, as the depth of heads.
      const wanted = layer.width! + 1 + random.below(2 * layer.width!)
      const plan =
        (random.uniform() < 0.5 ? planOf(grown, layer.name, wanted, seed) : undefined) ??
        planWiden(grown, { [layer.name]: factor }, { seed, noiseSize: NOISE })
      expect(plan.units.length).toBeGreaterThan(0)
      grown = applyPlan(grown, JSON.parse(JSON.stringify(plan)))
      const width = inspect(grown).layers.find((other) => other.name === layer.name)?.width
      expect(width).toBeGreaterThan(layer.width!)
      tally.widened++
    }
    if (deep.length > 0 && random.uniform() < 0.5) {
      const layer = deep[random.below(deep.length)]!
      grown = applyPlan(grown, planDeepen(grown, [layer.name], { seed }))
      tally.deepened++
    }
  }
  return grown
}

describe('random networks', () => {
  it(
    `compute the same after random growth (${NETWORKS} networks)`,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          const model = randomNetwork(seed)
          const grown = growRandomly(model, seed)
          tally.networks++
          if (grown === model) return
          const feeds = inputFor(model, seed)
          const [before, after] = [await outputsOf(model, feeds), await outputsOf(grown, feeds)]
          if (differenceOf(before, after) <= TOLERANCE) return
          // Norms of nearly equal values enlarge what was rounded: then only a model's own rounding tells.
          tally.rounded++
          expect((await compare(model, grown)).equal).toBe(true)
        }),
        { numRuns: NETWORKS, endOnFailure: true },
      )
      expect(tally.rounded).toBeLessThanOrEqual(Math.ceil(NETWORKS / 500))
    },
    10 * 60_000,
  )

  it('compute the same in segments, however small', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 31 - 1 }),
        fc.constantFrom(1, 64, 1024),
        async (seed, blockBytes) => {
          const model = randomNetwork(seed)
          const feeds = inputFor(model, seed)
          const session = outOfCoreSession(nodeRuntime, model, {
            blockBytes,
            sumParts: 2,
            slicing: slicingOf,
          })
          const [found] = await session.run([feeds])
          expect(differenceOf(await outputsOf(model, feeds), found!)).toBeLessThanOrEqual(TOLERANCE)
        },
      ),
      { numRuns: 40, endOnFailure: true },
    )
  }, 120_000)

  it('grow for the most part', () => {
    expect(tally.widened).toBeGreaterThan(tally.networks / 2)
    expect(tally.deepened).toBeGreaterThan(tally.networks / 4)
  })

  it('refuse with a node and a reason', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (seed) => {
        const model = randomNetwork(seed)
        for (const layer of inspect(model).layers) {
          if (layer.widen === true) continue
          try {
            planWiden(model, { [layer.name]: 'x2' })
          } catch (error) {
            expect(error).toBeInstanceOf(Net2NetError)
            expect((error as Net2NetError).kind).toBe('refused')
            expect((error as Net2NetError).message).toContain(layer.name)
            continue
          }
          expect.fail(`${layer.name} was widened although inspect says: ${layer.widen}`)
        }
      }),
      { numRuns: 200 },
    )
  })
})
