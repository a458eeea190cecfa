import { describe, expect, it } from 'vitest'
import { planWiden } from '../src/growth/index.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { float32 } from '../src/tensor/tensor.ts'

/** Residual blocks of five nodes. */
function residualNetwork(nodes: number): Model {
  const builder = new GraphBuilder()
  const weight = (name: string, dims: readonly number[]) =>
    builder.initializer(name, float32(dims, new Float32Array(dims[0]! * dims[1]!)))
  builder.input('input', 'float32', ['batch', 4])
  let value = builder.node('MatMul', ['input', weight('stem.w', [4, 8])], {}, { name: 'stem' })
  for (let i = 0; i < nodes / 5; i++) {
    const a = builder.node('MatMul', [value, weight(`a${i}.w`, [8, 8])], {}, { name: `a${i}` })
    const relu = builder.node('Relu', [a], {}, { name: `relu${i}` })
    const b = builder.node('MatMul', [relu, weight(`b${i}.w`, [8, 8])], {}, { name: `b${i}` })
    const sum = builder.node('Add', [value, b], {}, { name: `sum${i}` })
    value = builder.node('Tanh', [sum], {}, { name: `tanh${i}` })
  }
  const head = builder.node('MatMul', [value, weight('head.w', [8, 2])], {}, { name: 'head' })
  builder.output(head, 'float32', ['batch', 2])
  return builder.model('residual network')
}

/** Processor milliseconds of this process, the least of three. */
function cost(work: () => unknown): number {
  return Math.min(
    ...[0, 1, 2].map(() => {
      const before = process.cpuUsage()
      work()
      return process.cpuUsage(before).user / 1000
    }),
  )
}

describe('planning a graph of 10,000 nodes', () => {
  it.each([{ stem: 16 }, { a3: 16 }])('takes time that grows about linearly: %o', (widths) => {
    const [small, large] = [residualNetwork(2000), residualNetwork(10000)]
    planWiden(small, widths)
    const before = cost(() => planWiden(small, widths))
    const after = cost(() => planWiden(large, widths))
    expect(after).toBeLessThan(2000)
    // Five times the nodes; a quadratic part would make it twenty-five.
    expect(after / Math.max(before, 10)).toBeLessThan(15)
  })
})
