/** Attention in all its forms grows by heads, by heads of keys and values and by their size, and computes the same. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Net2NetError } from '../src/errors.ts'
import { applyPlan, inspect, planWiden } from '../src/growth/index.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, toNumbers } from '../src/tensor/tensor.ts'
import {
  attentionNetwork,
  type DrawnAttention,
  drawAttention,
} from './random-networks/attentions.ts'

const NETWORKS = Number(process.env.RANDOM_ATTENTIONS ?? 60)
const TOLERANCE = 2e-5

async function outputOf(model: Model, seed: number): Promise<readonly number[]> {
  const random = randomStream(seed, 'input')
  const x = float32(
    [2, 5, 6],
    Array.from({ length: 60 }, () => random.normal()),
  )
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    return Array.from(toNumbers(Object.values(await session.run({ x }))[0]!))
  } finally {
    await session.release()
  }
}

/** A size that the attention can have, and one of each measure. */
function wantedOf(drawn: DrawnAttention, random: ReturnType<typeof randomStream>) {
  const { heads, groups, size, positions } = drawn
  const more = 1 + random.below(2)
  return [
    ['heads', heads + groups * more],
    ['key-value-heads', groups + more],
    // Of rotated channels pairs are added; beside these one by one.
    ['head-size', size + (positions === 'none' ? more : 2 * more)],
  ] as const
}

const tally = { grown: 0, refused: new Map<string, number>() }

describe('attention', () => {
  it(
    `computes the same with more heads and larger ones (${NETWORKS} networks)`,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
          const drawn = drawAttention(seed)
          const model = attentionNetwork(drawn, seed)
          const [found, another] = inspect(model).attentions
          expect(another).toBeUndefined()
          const { heads, groups, size, valueSize } = drawn
          expect(found).toMatchObject({ headSize: size, valueSize })
          const before = await outputOf(model, seed)
          const random = randomStream(seed, 'wanted')
          for (const [measure, wanted] of wantedOf(drawn, random)) {
            const key = `${found!.name}.${measure}`
            let grown: Model
            try {
              const plan = planWiden(model, { [key]: wanted }, { seed, noiseSize: 0.5 })
              grown = applyPlan(model, JSON.parse(JSON.stringify(plan)))
            } catch (error) {
              if (!(error instanceof Net2NetError)) throw error
              const text = `${measure}: ${error.kind} ${JSON.stringify(drawn)} ${error.message}`
              tally.refused.set(text, (tally.refused.get(text) ?? 0) + 1)
              continue
            }
            tally.grown++
            const after = await outputOf(grown, seed)
            before.forEach((y, i) => {
              expect(Math.abs(after[i]! - y), JSON.stringify([measure, drawn])).toBeLessThanOrEqual(
                TOLERANCE * Math.max(1, Math.abs(y)),
              )
            })
            const now = inspect(grown).attentions[0]
            const isHeads = measure !== 'head-size'
            expect(now).toMatchObject(
              isHeads
                ? { headSize: size, valueSize }
                : { heads: found!.heads, headSize: wanted, keyValueHeads: found!.keyValueHeads },
            )
            if (measure === 'heads') expect(now!.heads).toBe(wanted)
            if (measure === 'key-value-heads') {
              expect(now!.keyValueHeads).toBe(wanted)
              expect(now!.heads).toBe((wanted * heads) / groups)
            }
          }
        }),
        { numRuns: NETWORKS, endOnFailure: true },
      )
    },
    10 * 60_000,
  )

  it('grows for the most part', () => {
    if (process.env.SHOW) for (const [text, count] of tally.refused) console.log(count, text)
    expect(tally.grown).toBeGreaterThan(2 * NETWORKS)
  })
})
