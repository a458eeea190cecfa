import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { operatorsOf, run } from '../../testing/compare-steps.ts'
import { normalTensor } from '../../testing/gradient-check.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { windowPads } from './window-pads.ts'

interface Spec {
  readonly sizes: readonly number[]
  readonly attributes?: Readonly<Record<string, number | string | readonly number[]>>
  /** Pads of all axes of [N, C, …]. */
  readonly pad?: readonly number[]
  readonly value?: number
  readonly mode?: string
  /** From and to along the spatial axes. */
  readonly slice?: readonly (readonly [number, number])[]
  readonly step?: number
  readonly kernel?: number
  readonly isReadTwice?: boolean
}

const random = () => randomStream(2, 'window pads')

function modelOf(spec: Spec): Model {
  const { sizes, kernel = 3, attributes = {}, mode = 'constant' } = spec
  const builder = new GraphBuilder()
  const ints = (...values: readonly number[]) => builder.constant(int64(values))
  builder.input('x', 'float32', ['batch', 2, ...sizes])
  const value = spec.value === undefined ? [] : [builder.constant(float32([], [spec.value]))]
  const padded = spec.pad ? builder.node('Pad', ['x', ints(...spec.pad), ...value], { mode }) : 'x'
  const weight = normalTensor(random(), [3, 2, ...sizes.map(() => kernel)])
  const y = builder.node('Conv', [padded, builder.constant(weight)], attributes)
  const step = spec.step ?? 1
  const cut = spec.slice
    ? builder.node('Slice', [
        y,
        ints(...spec.slice.map(([from]) => from)),
        ints(...spec.slice.map(([, to]) => to)),
        ints(...spec.slice.map((_, i) => i + 2)),
        ints(...spec.slice.map(() => step)),
      ])
    : y
  const last = spec.isReadTwice
    ? builder.node('Concat', [builder.node('Flatten', [cut]), builder.node('Flatten', [y])], {
        axis: 1,
      })
    : cut
  builder.output(builder.node('Relu', [last]), 'float32')
  return builder.model()
}

async function expectSame(spec: Spec): Promise<readonly string[]> {
  const model = modelOf(spec)
  const own = windowPads(model)
  const feeds = { x: normalTensor(random(), [2, 2, ...spec.sizes]) }
  const [expected, found] = [await run(model, feeds), await run(own, feeds)]
  const [[before], [after]] = [Object.values(expected), Object.values(found)]
  expect(after!.dims).toEqual(before!.dims)
  for (const [i, value] of after!.data.entries())
    expect(Math.abs(Number(value) - Number(before!.data[i]))).toBeLessThan(1e-5)
  return operatorsOf(own)
}

const along = fc.record({
  size: fc.integer({ min: 6, max: 12 }),
  before: fc.integer({ min: 0, max: 4 }),
  behind: fc.integer({ min: 0, max: 4 }),
  begin: fc.integer({ min: 0, max: 5 }),
  end: fc.integer({ min: 0, max: 5 }),
  stride: fc.integer({ min: 1, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  from: fc.integer({ min: 0, max: 2 }),
  to: fc.constantFrom(-1, -2, -3, 2 ** 31 - 1),
})

describe('pads and slices around a convolution', () => {
  test('give the same as its own pads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(along, { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        fc.boolean(),
        async (axes, isPadded, isCut) => {
          const list = (
            key: 'begin' | 'end' | 'stride' | 'dilation' | 'size' | 'before' | 'behind',
          ) => axes.map((axis) => axis[key])
          await expectSame({
            sizes: list('size'),
            attributes: {
              pads: [...list('begin'), ...list('end')],
              strides: list('stride'),
              dilations: list('dilation'),
            },
            ...(isPadded && { pad: [0, 0, ...list('before'), 0, 0, ...list('behind')] }),
            ...(isCut && { slice: axes.map(({ from, to }) => [from, to] as const) }),
          })
        },
      ),
      { numRuns: 60 },
    )
  })

  test.each<[string, Spec]>([
    [
      'a causal convolution, padded before',
      { sizes: [9], pad: [0, 0, 4, 0, 0, 0], attributes: { dilations: [2] } },
    ],
    [
      'a causal convolution, cut behind',
      { sizes: [9], attributes: { dilations: [2], pads: [4, 4] }, slice: [[0, -4]] },
    ],
    [
      'both',
      {
        sizes: [9, 7],
        pad: [0, 0, 1, 2, 0, 0, 1, 2],
        attributes: { pads: [0, 0, 1, 1] },
        slice: [[1, -1]],
      },
    ],
    [
      'pads of the same size',
      { sizes: [9], pad: [0, 0, 1, 0, 0, 1], attributes: { auto_pad: 'SAME_UPPER' } },
    ],
  ])('%s: the convolution alone is left', async (_, spec) => {
    expect(await expectSame(spec)).toEqual(['Conv', 'Relu'])
  })

  test.each<[string, Spec]>([
    ['another value than zero', { sizes: [9], pad: [0, 0, 2, 0, 0, 0], value: 1 }],
    ['reflections', { sizes: [9], pad: [0, 0, 2, 0, 0, 0], mode: 'reflect' }],
    ['pads that crop', { sizes: [9], pad: [0, 0, -1, 0, 0, 0] }],
    ['zeros as samples', { sizes: [9], pad: [1, 0, 0, 0, 0, 0] }],
    [
      'every second position',
      { sizes: [9], slice: [[0, 9]], step: 2, attributes: { pads: [2, 2] } },
    ],
    ['more than the pads give', { sizes: [9], slice: [[0, -3]], attributes: { pads: [2, 2] } }],
    [
      'what is read besides',
      { sizes: [9], slice: [[0, -1]], attributes: { pads: [2, 2] }, isReadTwice: true },
    ],
  ])('%s: all stays', async (_, spec) => {
    const model = modelOf(spec)
    expect(windowPads(model)).toBe(model)
  })
})
