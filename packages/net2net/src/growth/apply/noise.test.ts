import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomStream } from '../../tensor/random.ts'
import { float32, type LazyTensor, materialize, toNumbers } from '../../tensor/tensor.ts'
import { emptyPlan } from '../empty-plan.ts'
import type { GrowthPlan, NoiseKind, ParameterChange } from '../growth-plan.ts'
import { equalSplit } from '../plan/replicate.ts'
import { growTensor } from './grow-tensor.ts'

const FROM = 50
const OUT = 40
const map = [
  ...Array.from({ length: FROM }, (_, i) => i),
  ...Array.from({ length: 30 }, (_, i) => i % 20),
]

function planWith(init: 'net2wider' | 'random-pad'): GrowthPlan {
  return {
    ...emptyPlan(3),
    units: [
      { id: 'fc', members: [], from: FROM, to: map.length, init, map, split: equalSplit(map) },
    ],
  }
}

const change = (noise: NoiseKind): ParameterChange => ({
  name: 'w',
  to: 'w',
  before: [FROM, OUT],
  after: [map.length, OUT],
  axes: [{ axis: 0, map: { units: 'fc' }, role: 'split' }],
  noise: { kind: noise, relative: 0.05 },
})

const random = randomStream(1, 'test')
const weight: LazyTensor = float32(
  [FROM, OUT],
  Array.from({ length: FROM * OUT }, () => random.normal()),
)
const grow = (noise: NoiseKind, init: 'net2wider' | 'random-pad' = 'net2wider') =>
  toNumbers(growTensor(planWith(init), change(noise), weight))
const deviation = (values: readonly number[]) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
}

it('a unit with one copy keeps its out-weights bit for bit', () => {
  // A signalling NaN: any arithmetic would make it a quiet one.
  const bits = (values: ArrayBufferLike) => new Uint32Array(values)
  const [rows, columns] = [FROM, 100]
  const values = new Float32Array(rows * columns).fill(1)
  bits(values.buffer).fill(0x7fa00001, 30 * columns)
  const wide = { ...change('zero-sum'), before: [rows, columns], after: [map.length, columns] }
  const { data } = materialize(
    growTensor(planWith('net2wider'), wide, float32([rows, columns], values)),
  )
  expect(new Set(bits(data.buffer).subarray(30 * columns, FROM * columns))).toEqual(
    new Set([0x7fa00001]),
  )
  expect(data[0]).not.toBe(1)
})

describe('noise on out-weights', () => {
  const plain = grow('none')
  const added = plain.slice(FROM * OUT)

  it('sums to zero over the copies of each unit, of 5% of their deviation', () => {
    const noise = grow('zero-sum').map((value, i) => value - plain[i]!)
    const sums = Array.from({ length: FROM * OUT }, () => 0)
    noise.forEach((value, i) => {
      sums[map[Math.floor(i / OUT)]! * OUT + (i % OUT)]! += value
    })
    for (const sum of sums) expect(Math.abs(sum)).toBeLessThan(1e-6)
    // Of two copies, each keeps half the variance when the mean is taken off.
    const pairs = noise.slice(10 * OUT, 20 * OUT)
    const expected = (0.05 * deviation(added)) / Math.sqrt(2)
    expect(deviation(pairs) / expected).toBeGreaterThan(0.85)
    expect(deviation(pairs) / expected).toBeLessThan(1.15)
    // Units that were not copied keep their weights.
    expect(noise.slice(20 * OUT, FROM * OUT).every((value) => value === 0)).toBe(true)
  })

  it('falls on the new copies alone in the paper’s way, with 5% of their deviation', () => {
    const noise = grow('paper').map((value, i) => value - plain[i]!)
    expect(noise.slice(0, FROM * OUT).every((value) => value === 0)).toBe(true)
    const ratio = deviation(noise.slice(FROM * OUT)) / deviation(added)
    expect(ratio).toBeGreaterThan(0.045)
    expect(ratio).toBeLessThan(0.055)
  })

  it('divides by the number of copies, counting the original', () => {
    // Unit 0 has three copies in all: itself and two new ones.
    expect(plain[0]).toBeCloseTo(weight.dims.length === 2 ? toNumbers(weight)[0]! / 3 : 0, 6)
    expect(plain[15 * OUT]).toBeCloseTo(toNumbers(weight)[15 * OUT]! / 2, 6)
    expect(plain[30 * OUT]).toBe(toNumbers(weight)[30 * OUT])
  })

  it('is that of independent normals less their mean, for any number of copies', () => {
    for (const copies of [2, 3, 5, 8, 13]) {
      const columns = 30_000
      const to = Array.from({ length: copies }, () => 0)
      const plan: GrowthPlan = {
        ...planWith('net2wider'),
        units: [
          {
            ...planWith('net2wider').units[0]!,
            from: 1,
            to: copies,
            map: to,
            split: equalSplit(to),
          },
        ],
      }
      const wide = { ...change('zero-sum'), before: [1, columns], after: [copies, columns] }
      const values = float32(
        [1, columns],
        Float32Array.from({ length: columns }, (_, i) => copies * ((i % 2) - 0.5)),
      )
      const grown = toNumbers(growTensor(plan, wide, values))
      const noise = grown.map((value, i) => value - ((i % columns) % 2) + 0.5)
      // The deviation of what was added is 0.5, and 5% of it that of the normals.
      const variance = (0.05 * 0.5) ** 2
      for (let a = 0; a < copies; a++)
        for (let b = 0; b <= a; b++) {
          let sum = 0
          for (let i = 0; i < columns; i++) sum += noise[a * columns + i]! * noise[b * columns + i]!
          const expected = variance * ((a === b ? 1 : 0) - 1 / copies)
          // Five standard deviations of a covariance of normals.
          expect(Math.abs(sum / columns - expected)).toBeLessThan(
            (5 * Math.SQRT2 * variance) / Math.sqrt(columns),
          )
        }
    }
  })

  it('takes time in proportion to the width, not to its square', () => {
    const time = (width: number) => {
      const wideMap = Array.from({ length: width }, (_, i) => i % 4)
      const unit = { ...planWith('net2wider').units[0]!, from: 4, to: width }
      const plan = {
        ...planWith('net2wider'),
        units: [{ ...unit, map: wideMap, split: equalSplit(wideMap) }],
      }
      const wide = { ...change('zero-sum'), before: [4, 8], after: [width, 8] }
      const grown = growTensor(plan, wide, float32([4, 8], new Float32Array(32).fill(1)))
      const start = process.cpuUsage()
      grown.read(0, grown.byteLength)
      const { user, system } = process.cpuUsage(start)
      return user + system
    }
    const least = (width: number) => Math.min(time(width), time(width), time(width))
    least(3000)
    // 32 times the width: 1,024 times the time where each copy reads all others. Some kernels
    // count processor time in ticks, so a short time can read as zero: a millisecond is the least.
    expect(least(96_000) / Math.max(least(3000), 1000)).toBeLessThan(200)
  })

  it('reads the same by ranges where units have many copies, in any order', () => {
    const many = Array.from({ length: 300 }, (_, i) => (i < 7 ? i : (i * i) % 7))
    const unit = { ...planWith('net2wider').units[0]!, from: 7, to: many.length, map: many }
    const plan = { ...planWith('net2wider'), units: [{ ...unit, split: equalSplit(many) }] }
    const axes = [{ axis: 1, map: { units: 'fc' }, role: 'split' as const }]
    const wide = { ...change('zero-sum'), before: [3, 7, 5], after: [3, many.length, 5], axes }
    const source = float32(
      [3, 7, 5],
      Float32Array.from({ length: 105 }, (_, i) => i % 11),
    )
    const lazy = () => growTensor(plan, wide, source)
    const whole = lazy().read(0, lazy().byteLength)
    const again = lazy()
    const ranges = fc.array(fc.tuple(fc.nat(4499), fc.integer({ min: 1, max: 3000 })))
    fc.assert(
      fc.property(ranges, (reads) => {
        for (const [start, count] of reads) {
          const end = Math.min(4500, start + count)
          expect(again.read(4 * start, 4 * (end - start))).toEqual(whole.slice(4 * start, 4 * end))
        }
      }),
      { numRuns: 15 },
    )
  })

  it('reads the same by ranges', () => {
    const lazy = growTensor(planWith('net2wider'), change('zero-sum'), weight)
    const whole = lazy.read(0, lazy.byteLength)
    for (const [start, end] of [
      [0, 4],
      [1000, 5000],
      [60 * OUT * 4, lazy.byteLength],
    ] as const)
      expect(lazy.read(start, end - start)).toEqual(whole.slice(start, end))
  })
})

describe('random padding', () => {
  it('leaves old weights alone and draws new ones from N(0, 0.1²)', () => {
    const padded = grow('none', 'random-pad')
    expect(padded.slice(0, FROM * OUT)).toEqual(toNumbers(weight))
    const ratio = deviation(padded.slice(FROM * OUT)) / 0.1
    expect(ratio).toBeGreaterThan(0.93)
    expect(ratio).toBeLessThan(1.07)
  })

  it('pads vectors with one value', () => {
    const vector = (padding?: number) =>
      toNumbers(
        growTensor(
          planWith('random-pad'),
          {
            name: 'b',
            to: 'b',
            before: [FROM],
            after: [map.length],
            axes: [{ axis: 0, map: { units: 'fc' }, role: 'copied' }],
            ...(padding !== undefined && { padding }),
          },
          float32([FROM], new Float32Array(FROM).fill(7)),
        ),
      )
    expect(vector().slice(FROM)).toEqual(Array(30).fill(Math.fround(0.1)))
    expect(vector(1).slice(FROM)).toEqual(Array(30).fill(1))
    expect(vector().slice(0, FROM)).toEqual(Array(FROM).fill(7))
  })
})
