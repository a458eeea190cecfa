/** Inferred shapes and types of all operators against those that ONNX Runtime computes. */
import { describe, expect, test } from 'vitest'
import { allCases, nodeCases, operatorAt } from '../../testing/all-cases.ts'
import type { Draw } from '../../testing/cases.ts'
import { oneNode } from '../../testing/gradient-check.ts'
import type { Dim } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { inferModel } from './inference.ts'

/** The number that a dimension stands for; undefined where nothing is said of it. */
function numberOf(dim: Dim, symbols: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim !== 'string') return dim ?? undefined
  const factors = dim.split('*').map((part) => symbols.get(part) ?? Number(part))
  const product = factors.reduce((a, b) => a * b, 1)
  return Number.isNaN(product) ? undefined : product
}

/** `complete`: nothing may be left open where everything is known. */
async function check(key: string, draw: Draw, draws: number, complete: boolean): Promise<void> {
  for (let i = 0; i < draws; i++) {
    const { observed: _, ...node } = draw(randomStream(11, key, i), i)
    const { model, inputs } = oneNode({ ...operatorAt(key), ...node })
    const inferred = inferModel(model)
    const session = await nodeRuntime.createSession(encodeModel(model))
    const results = await session.run(inputs)
    await session.release()
    const symbols = new Map<string, number>()
    for (const [name, { dims }] of Object.entries(inputs))
      inferred.get(name)!.shape?.forEach((dim, k) => {
        if (typeof dim === 'string') symbols.set(dim, dims[k]!)
      })
    for (const [output, { dims, dtype }] of Object.entries(results)) {
      const found = inferred.get(output)!
      const shape = found.shape?.map((dim, k) => numberOf(dim, symbols) ?? dims[k])
      const what = `draw ${i}, ${output} of ${JSON.stringify(inferred.get('x0')!.shape)}`
      expect(found.dtype, what).toBe(dtype)
      if (found.shape || complete) expect(shape, what).toEqual(dims)
      if (complete && symbols.size === 0) expect(found.shape, what).not.toContain(null)
    }
  }
}

describe('inferred shapes are those that ONNX Runtime computes', () => {
  for (const [key, cases] of allCases) {
    const { shapes } = cases
    if (shapes) test(key, () => check(key, shapes, 60, true))
    const others = nodeCases(cases)
    if (others.length > 0)
      test(`${key}, for the nodes of its gradient cases`, async () => {
        for (const { draw } of others) await check(key, draw, 12, false)
      })
  }
})
