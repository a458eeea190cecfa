/** The depth of queries and keys, in attention as PyTorch exports it, grows exactly. */
import { expect, test } from 'vitest'
import { compare } from '../../src/check/compare.ts'
import { applyPlan, inspect, planWiden } from '../../src/growth/index.ts'
import { decodeModel } from '../../src/onnx/decode.ts'
import { hasTorch, withTorch } from './torch.ts'

/**
 * By network: a layer of queries, and widths that more heads of 6 cannot give it: heads of 7 and of
 * 9 (of 8 and 10 where they consist of two halves).
 */
const deeper: Readonly<Record<string, readonly [layer: string, ...widths: number[]]>> = {
  separate: ['/block/q/MatMul', 14, 18],
  rotated: ['/block/q/MatMul', 16, 20],
  // Queries and keys of 7 beside values of 6.
  columns: ['/block/qkv/MatMul', 40, 48],
  entries: ['/block/qkv/MatMul', 42, 54],
  'heads-first': ['/block/qkv/MatMul', 42, 54],
  multihead: ['/block/attention/MatMul', 40, 48],
  'multihead-time-first': ['/block/attention/MatMul', 40, 48],
  'multihead-memory': ['/block/attention/MatMul', 14, 18],
  grouped: ['/block/q/MatMul', 28, 36],
  einsum: ['/block/q/MatMul', 14, 18],
  distance: ['/block/q/MatMul', 7, 11],
}

/** Here PyTorch slices the weights at places that the graph computes. */
const computed = ['multihead-memory.opset-12']

test.skipIf(!hasTorch)(
  'queries and keys of networks from PyTorch grow in depth',
  () =>
    withTorch('attention.py', {}, [], async ({ printed, file }) => {
      const { exported, failed } = printed as { exported: string[]; failed: object }
      expect(failed).toEqual({})
      expect(exported).toHaveLength(3 * (Object.keys(deeper).length + 1))
      for (const name of exported) {
        const model = decodeModel(file(`${name}.onnx`))
        const [layer, ...widths] = deeper[name.split('.')[0]!] ?? ['/block/q/MatMul']
        if (computed.includes(name)) {
          expect(() => planWiden(model, { [layer]: widths[0]! }), name).toThrow(
            /cannot be followed/,
          )
          continue
        }
        // Both factors end in a Tanh: only heads can be added.
        if (widths.length === 0)
          expect(() => planWiden(model, { [layer]: 14 }), name).toThrow(/choose a multiple of 6/)
        let student = model
        for (const [seed, width] of widths.entries()) {
          const plan = planWiden(student, { [layer]: width }, { seed, noiseSize: 1 })
          expect(plan.units, name).toHaveLength(1)
          student = applyPlan(student, plan)
          const grown = inspect(student).layers.find((each) => each.name === layer)
          expect(grown?.width, name).toBe(width)
          expect(await compare(model, student), name).toMatchObject({ equal: true })
        }
      }
    }),
  300_000,
)
