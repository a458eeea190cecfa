/** For tests: do two models compute the same function? */
import { expect } from 'vitest'
import { compare } from '../src/check/compare.ts'
import { inputAttempts } from '../src/check/random-inputs.ts'
import { Net2NetError } from '../src/errors.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Feeds, Session } from '../src/runtime/runtime.ts'
import { toNumbers } from '../src/tensor/tensor.ts'

/**
 * max |Δ| ≤ 1e-5 · max(1, |y|) on random inputs, in ONNX Runtime, measured without the product's own
 * check; and the check says that they are equal: a change of any layer that differs would have been seen.
 * `isBlind`: hardly anything that the network can compute depends on some layer; then it cannot tell.
 */
export async function expectEqualFunctions(before: Model, after: Model, { isBlind = false } = {}) {
  expect(await largestDifference(before, after)).toBeLessThanOrEqual(1e-5)
  const report = await compare(before, after)
  expect(isBlind ? [true, null] : [true], JSON.stringify(report)).toContain(report.equal)
}

/** The largest |Δ| / max(1, |y|) over two random samples. */
export async function largestDifference(before: Model, after: Model): Promise<number> {
  const sessions = [
    await nodeRuntime.createSession(encodeModel(before)),
    await nodeRuntime.createSession(encodeModel(after)),
  ] as const
  try {
    let worst = 0
    for (const [a, b] of await outputsOf(...sessions))
      for (const [name, tensor] of Object.entries(a)) {
        expect(b[name]!.dims).toEqual(tensor.dims)
        const [x, y] = [toNumbers(tensor), toNumbers(b[name]!)]
        x.forEach((value, i) => {
          if (Object.is(value, y[i])) return
          const difference = Math.abs(value - y[i]!) / Math.max(1, Math.abs(value))
          worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
        })
      }
    return worst
  } finally {
    for (const session of sessions) await session.release()
  }
}

/** Both models' outputs on inputs that both accept. */
async function outputsOf(a: Session, b: Session): Promise<readonly (readonly [Feeds, Feeds])[]> {
  let refusal: unknown
  for (const draw of inputAttempts(a.inputs, b.inputs, 1))
    try {
      return await Promise.all(
        [draw(0), draw(1)].map(async (feeds) => [await a.run(feeds), await b.run(feeds)] as const),
      )
    } catch (cause) {
      if (!(cause instanceof Net2NetError) || cause.kind !== 'input') throw cause
      refusal ??= cause
    }
  throw refusal
}
