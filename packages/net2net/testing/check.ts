/** For tests: do two models compute the same function? */
import { expect } from 'vitest'
import { compare } from '../src/check/compare.ts'
import type { Model } from '../src/model/model.ts'

/** max |Δ| ≤ 1e-5 · max(1, |y|) on random inputs, in ONNX Runtime. */
export async function expectEqualFunctions(before: Model, after: Model, tolerance = 1e-5) {
  const report = await compare(before, after, { tolerance })
  expect(report.outputs.map((output) => ({ ...output }))).toSatisfy(
    () => report.equal,
    JSON.stringify(report.outputs),
  )
  return report
}
