import fc from 'fast-check'
import { expect, test } from 'vitest'
import { numbers, operatorsOf, run } from '../../../testing/compare-steps.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { maximaInParts } from './maxima-in-parts.ts'

const maxima = fc.record({
  leading: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 2 }),
  size: fc.oneof(fc.integer({ min: 250, max: 1200 }), fc.constantFrom(256, 1000, 1024, 509, 1018)),
  keepdims: fc.constantFrom(0, 1),
  isOpen: fc.boolean(),
  /** How many numbers there are to be equal. */
  values: fc.constantFrom(1, 2, 50, 1e6),
})

test('the position of a maximum is found in parts, the first one of equal maxima', () =>
  fc.assert(
    fc.asyncProperty(maxima, async ({ leading, size, keepdims, isOpen, values }) => {
      const dims = [...leading, size]
      const builder = new GraphBuilder()
      const x = builder.input('x', 'float32', isOpen ? ['batch', ...dims.slice(1)] : dims)
      builder.nodeOutputs('ArgMax', [x], { axis: -1, keepdims }, { outputs: ['y'] })
      builder.output('y', 'int64')
      const model = builder.model()
      const changed = maximaInParts(model)
      const random = randomStream(1, 'maxima', size)
      const count = dims.reduce((a, b) => a * b, 1)
      const feeds = {
        x: float32(
          dims,
          Float32Array.from({ length: count }, () => random.below(values) - values),
        ),
      }
      const [y, wanted] = [(await run(changed, feeds)).y!, (await run(model, feeds)).y!]
      expect(y.dims).toEqual(wanted.dims)
      expect(numbers(y)).toEqual(numbers(wanted))
    }),
    { seed: testSeed, numRuns: 60 },
  ))

test.each<[string, readonly Dim[], Readonly<Record<string, number>>, boolean]>([
  ['of many entries', ['batch', 64, 1000], { axis: 2 }, true],
  ['of entries that have no parts', ['batch', 1009], { axis: 1 }, false],
  ['of few entries', ['batch', 240], { axis: 1 }, false],
  ['along another axis', [8, 1000, 64], { axis: 1 }, false],
  ['where the last one counts', [8, 1000], { axis: 1, select_last_index: 1 }, false],
  ['where two sizes are open', ['batch', 'tokens', 1000], { axis: 2 }, false],
])('the position of a maximum %s', (_, shape, entries, isInParts) => {
  const builder = new GraphBuilder()
  builder.nodeOutputs('ArgMax', [builder.input('x', 'float32', shape)], entries, { outputs: ['y'] })
  builder.output('y', 'int64')
  expect(operatorsOf(maximaInParts(builder.model())).includes('GatherND')).toBe(isInParts)
})
