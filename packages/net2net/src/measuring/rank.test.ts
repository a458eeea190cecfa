import { expect, test } from 'vitest'
import type { SampleSet } from '../data/samples.ts'
import { solve } from '../growth/index.ts'
import { dense, sequential } from '../layers/index.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, toNumbers } from '../tensor/tensor.ts'
import { measureWidths } from './auto-widths.ts'
import { rank } from './rank.ts'

const runtime = nodeRuntime

/** Rows of normal numbers, [count, width]. */
function rows(count: number, width: number, ...key: readonly (string | number)[]): number[][] {
  const random = randomStream(1, ...key)
  return Array.from({ length: count }, () => Array.from({ length: width }, () => random.normal()))
}

function sampleSet(x: readonly number[][], y: readonly number[][]): SampleSet {
  return {
    length: x.length,
    *batches(size, order = x.map((_, i) => i)) {
      for (let start = 0; start < order.length; start += size) {
        const some = Array.from(order).slice(start, start + size)
        const tensor = (of: readonly number[][]) =>
          float32(
            [some.length, of[0]!.length],
            some.flatMap((i) => of[i]!),
          )
        yield { inputs: { input: tensor(x) }, target: tensor(y) }
      }
    },
  }
}

const weightOf = (model: Model, name: string) =>
  toNumbers(model.graph.initializers.get(`${name}.weight`)!.tensor)

/** [rows, columns] times a vector, in float64. */
const product = (matrix: readonly number[], columns: number, vector: readonly number[]) =>
  Array.from({ length: matrix.length / columns }, (_, i) =>
    vector.reduce((sum, x, j) => sum + matrix[i * columns + j]! * x, 0),
  )

test('the gains of linear units are the squared singular values of the gradient between the layers', async () => {
  const [inputs, hidden, outputs, count] = [5, 2, 3, 150]
  const network = sequential([dense(hidden, { name: 'first' }), dense(outputs, { name: 'last' })], {
    input: [inputs],
    seed: 3,
  })
  const [x, y] = [rows(count, inputs, 'x'), rows(count, outputs, 'y')]
  const [w1, w2] = [weightOf(network, 'first'), weightOf(network, 'last')]
  // M = E[δ xᵀ] with δ = ∂/∂prediction of the mean over all elements of the squared error.
  const m = Array.from({ length: outputs }, () => Array<number>(inputs).fill(0))
  x.forEach((row, n) => {
    const prediction = product(w2, hidden, product(w1, inputs, row))
    prediction.forEach((value, o) => {
      const delta = (2 * (value - y[n]![o]!)) / outputs / count
      row.forEach((each, i) => {
        m[o]![i]! += delta * each
      })
    })
  })
  // The eigenvalues of M Mᵀ, [3, 3], by Jacobi's rotations.
  const gram = m.map((a) => m.map((b) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)))
  for (let sweep = 0; sweep < 20; sweep++)
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const angle = 0.5 * Math.atan2(2 * gram[p]![q]!, gram[q]![q]! - gram[p]![p]!)
      const [c, s] = [Math.cos(angle), Math.sin(angle)]
      for (const row of gram)
        [row[p], row[q]] = [c * row[p]! - s * row[q]!, s * row[p]! + c * row[q]!]
      const [a, b] = [[...gram[p]!], [...gram[q]!]]
      a.forEach((_, k) => {
        gram[p]![k] = c * a[k]! - s * b[k]!
        gram[q]![k] = s * a[k]! + c * b[k]!
      })
    }
  const squared = gram.map((row, i) => row[i]!).sort((a, b) => b - a)
  const length = w1.reduce((sum, w) => sum + w * w, 0) / hidden

  const [best] = await rank(network, sampleSet(x, y), {
    runtime,
    loss: 'mse',
    factor: 2.5,
    turns: 12,
    growths: ['widen'],
  })
  expect(best!.step).toEqual({ widen: { first: 5 } })
  best!.unitGains!.forEach((gain, k) => {
    expect(gain / (length * squared[k]!)).toBeCloseTo(1, 3)
  })
  expect(best!.addedParameters).toBe(3 * (inputs + 1 + outputs))
})

test('units of which linear layers have enough gain nothing, and it is said why', async () => {
  const [inputs, hidden, outputs] = [5, 3, 3]
  const network = sequential([dense(hidden, { name: 'first' }), dense(outputs, { name: 'last' })], {
    input: [inputs],
    seed: 3,
  })
  const data = sampleSet(rows(40, inputs, 'x'), rows(40, outputs, 'y'))
  const found = await rank(network, data, { runtime, loss: 'mse', growths: ['widen'] })
  expect(found).toMatchObject([
    {
      step: { widen: { first: 4 } },
      gain: undefined,
      reason: expect.stringMatching(/^no activation lies between .* 3 units are enough/),
    },
  ])
  // Nor are they chosen where the gradient chooses.
  const widths = await measureWidths(solve(network), data, { runtime, loss: 'mse' })
  expect(() => widths.within({ by: 'parameters', added: 100 })).toThrow(
    /Nothing can be widened by what it gains \(first: no activation lies between/,
  )
})
