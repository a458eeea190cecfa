/**
 * The promise of extension on networks that nobody drew: whatever can be extended gives the old entries what it gave,
 * whatever new channels hold; and the check sees a single number that is wrong.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compare } from '../src/check/compare.ts'
import { Net2NetError } from '../src/errors.ts'
import { applyPlan, type ExtensionStart, planExtend } from '../src/growth/index.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Feeds } from '../src/runtime/runtime.ts'
import { randomStream } from '../src/tensor/random.ts'
import { elementCount, float32, type Tensor, toNumbers } from '../src/tensor/tensor.ts'
import { randomNetwork } from './random-networks/generator.ts'

const NETWORKS = Number(process.env.EXTENDED_NETWORKS ?? 300)
const TOLERANCE = 1e-5

const tally = { networks: 0, outputs: 0, inputs: 0, refused: 0 }

async function run(model: Model, feeds: Feeds): Promise<Feeds> {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

const shapeOf = ({ type }: Model['graph']['inputs'][number]) =>
  (type.kind === 'tensor' ? type.shape! : []).map((dim) => (typeof dim === 'number' ? dim : 2))

/** The first entries along every axis. */
function leading(tensor: Tensor, dims: readonly number[]): readonly number[] {
  const values = toNumbers(tensor)
  return Array.from({ length: elementCount(dims) }, (_, i) => {
    let rest = i
    let position = 0
    let stride = 1
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      position += (rest % dims[axis]!) * stride
      stride *= tensor.dims[axis]!
      rest = Math.floor(rest / dims[axis]!)
    }
    return values[position]!
  })
}

/** Random numbers, the first entries along every axis those of another tensor. */
function around(tensor: Tensor, dims: readonly number[], seed: number): Tensor {
  const random = randomStream(seed, 'new channels')
  const values = Array.from({ length: elementCount(dims) }, () => 10 * random.normal())
  const old = toNumbers(tensor)
  old.forEach((value, i) => {
    let rest = i
    let position = 0
    let stride = 1
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      position += (rest % tensor.dims[axis]!) * stride
      stride *= dims[axis]!
      rest = Math.floor(rest / tensor.dims[axis]!)
    }
    values[position] = value
  })
  return float32(dims, values)
}

function expectKept(before: Feeds, after: Feeds, label: string): void {
  for (const [name, expected] of Object.entries(before)) {
    const found = leading(after[name]!, expected.dims)
    toNumbers(expected).forEach((y, i) => {
      const error = Math.abs(found[i]! - y) / Math.max(1, Math.abs(y))
      if (!(error <= TOLERANCE))
        expect.fail(`${label}: ${name}[${i}] is ${found[i]} instead of ${y}`)
    })
  }
}

const starts = [undefined, 'zero', 'random', 'mean', 'like:0'] as const satisfies readonly (
  | ExtensionStart
  | undefined
)[]

/** The network extended at random; undefined where it cannot be. */
function extended(model: Model, seed: number): Model | undefined {
  const random = randomStream(seed, 'extension')
  const start = starts[random.below(starts.length)]
  const output = model.graph.outputs[0]!.name
  const what = random.below(3)
  try {
    const plan = planExtend(
      model,
      {
        // Entries may come in groups, as those of flattened images do.
        ...(what !== 1 && { outputs: { [output]: `+${120 * (1 + random.below(2))}` } }),
        ...(what !== 0 && { inputs: { x: 1 + random.below(3) } }),
      },
      { seed, ...(start && { start }) },
    )
    if (what !== 1) tally.outputs++
    if (what !== 0) tally.inputs++
    return applyPlan(model, JSON.parse(JSON.stringify(plan)))
  } catch (error) {
    if (!(error instanceof Net2NetError)) throw error
    expect(['refused', 'usage']).toContain(error.kind)
    expect(error.message).toMatch(
      /cannot be extended|cannot get|has no entry|both get as many new ones/,
    )
    tally.refused++
    return undefined
  }
}

/** The network with other numbers in one weight, at a place that the old entries depend on. */
function corrupted(model: Model, seed: number): readonly Model[] {
  const random = randomStream(seed, 'corruption')
  const floats = [...model.graph.initializers].filter(
    ([, { tensor }]) => tensor.dtype === 'float32' && tensor.dims.length >= 2,
  )
  const [name, initializer] = floats[random.below(floats.length)] ?? []
  if (name === undefined) return []
  const { tensor } = initializer!
  const values = toNumbers(tensor)
  // The first entry of all axes is an old one of every output; its weights reach it.
  const changed = values.map((value, i) => (i === 0 ? value + 3 : value))
  const initializers = new Map(model.graph.initializers)
  initializers.set(name, { ...initializer!, tensor: float32(tensor.dims, changed) })
  return [{ ...model, graph: { ...model.graph, initializers } }]
}

describe('random networks', () => {
  it(
    `give the old entries what they gave (${NETWORKS} networks)`,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          const model = randomNetwork(seed)
          const larger = extended(model, seed)
          tally.networks++
          if (!larger) return
          const [before, after] = [
            shapeOf(model.graph.inputs[0]!),
            shapeOf(larger.graph.inputs[0]!),
          ]
          const random = randomStream(seed, 'input')
          const x = float32(
            before,
            Array.from({ length: elementCount(before) }, () => random.normal()),
          )
          expectKept(
            await run(model, { x }),
            await run(larger, { x: around(x, after, seed) }),
            `seed ${seed}`,
          )
        }),
        { numRuns: NETWORKS, endOnFailure: true },
      )
    },
    10 * 60_000,
  )

  it('are extended for the most part', () => {
    expect(tally.outputs + tally.inputs).toBeGreaterThan(tally.networks / 2)
  })

  it('are seen to keep the old entries, or not', async () => {
    let kept = 0
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
        const model = randomNetwork(seed)
        const larger = extended(model, seed)
        if (!larger) return
        const report = await compare(model, larger)
        expect(report.equal).not.toBe(false)
        if (report.equal === 'kept') kept++
        for (const wrong of corrupted(larger, seed)) {
          const outputs = await compare(larger, wrong, { samples: 1 })
          // Nothing depends on some numbers.
          if (outputs.equal === false) expect((await compare(model, wrong)).equal).not.toBe('kept')
        }
      }),
      { numRuns: Math.ceil(NETWORKS / 10), endOnFailure: true },
    )
    expect(kept).toBeGreaterThan(0)
  }, 120_000)
})
