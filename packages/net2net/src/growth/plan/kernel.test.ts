import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions, largestDifference } from '../../../testing/check.ts'
import { Net2NetError } from '../../errors.ts'
import { conv2d, dense, flatten, sequential } from '../../layers/index.ts'
import type { AttributeLike } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { elementCount, float32, type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, growAverages, growSlots, inspect, planKernels, planWiden } from '../index.ts'

const random = randomStream(10, 'kernels')
const tensor = (...dims: number[]): LazyTensor =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )

interface Case {
  readonly opType: 'Conv' | 'ConvTranspose'
  readonly kernel: readonly number[]
  readonly more: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly pads: readonly number[]
  readonly group: number
  readonly mode: 'NOTSET' | 'SAME_UPPER' | 'SAME_LOWER' | 'VALID'
}

const cases = fc.integer({ min: 1, max: 3 }).chain((rank) => {
  const list = (min: number, max: number, length = rank) =>
    fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length })
  return fc.record<Case>({
    opType: fc.constantFrom('Conv', 'ConvTranspose'),
    kernel: list(1, 3),
    more: list(0, 2),
    strides: list(1, 3),
    dilations: list(1, 2),
    pads: list(0, 2, 2 * rank),
    group: fc.constantFrom(1, 2),
    mode: fc.constantFrom('NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
  })
})

function modelOf({ opType, kernel, strides, dilations, pads, group, mode }: Case): Model {
  const b = new GraphBuilder()
  const sizes = kernel.map((_, i) => 7 + i)
  b.input('x', 'float32', ['n', 4, ...sizes])
  const dims = opType === 'Conv' ? [6, 4 / group, ...kernel] : [4, 6 / group, ...kernel]
  const attributes: Record<string, AttributeLike> = { strides, dilations, group }
  if (mode === 'NOTSET') attributes.pads = pads
  else attributes.auto_pad = mode
  const inputs = ['x', b.initializer('w', tensor(...dims)), b.initializer('b', tensor(6))]
  b.output(b.node(opType, inputs, attributes, { name: 'layer' }), 'float32')
  return b.model()
}

const runs = async (model: Model) => {
  try {
    await largestDifference(model, model)
    return true
  } catch {
    return false
  }
}

describe('larger kernels', () => {
  it('compute the same, for any window, or are refused', async () => {
    const tally = { equal: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(cases, async (drawn) => {
        fc.pre(drawn.more.some((zeros) => zeros > 0))
        // The runtime has no dilated windows with SAME_*.
        fc.pre(!drawn.mode.startsWith('SAME') || drawn.dilations.every((each) => each === 1))
        const model = modelOf(drawn)
        fc.pre(await runs(model))
        const size = drawn.kernel.map((taps, i) => taps + 2 * drawn.more[i]!)
        try {
          const grown = applyPlan(model, planKernels(model, { layer: size }))
          expect(grown.graph.initializers.get('w')!.tensor.dims.slice(2)).toEqual(size)
          expect(await largestDifference(model, grown)).toBeLessThanOrEqual(1e-5)
          tally.equal++
        } catch (error) {
          if (!(error instanceof Net2NetError) || error.kind !== 'refused') throw error
          expect(error.message).toMatch(/shorter than its stride, and auto_pad may not pad it/)
          tally.refused++
        }
      }),
      { numRuns: 120 },
    )
    expect(tally.equal).toBeGreaterThan(3 * tally.refused)
  })

  const network = sequential(
    [
      conv2d(4, 3, { name: 'conv1', padding: 'same', activation: 'relu' }),
      conv2d(3, [1, 3], { name: 'conv2' }),
      flatten(),
      dense(2, { name: 'fc' }),
    ],
    { input: [2, 6, 5], seed: 3 },
  )

  it('are proven by the check, and grow on', async () => {
    const grown = applyPlan(network, planKernels(network, { conv1: 7, conv2: [3, 3] }))
    await expectEqualFunctions(network, grown)
    const wider = applyPlan(grown, planWiden(grown, { conv1: 6 }, { seed: 1 }))
    expect(inspect(wider).layers[0]!.width).toBe(6)
    await expectEqualFunctions(network, wider)
    const all = planKernels(network, { '*': [3, 5] })
    expect(all.kernels!.flatMap(({ layers }) => layers.map(({ name }) => name))).toEqual([
      'conv1',
      'conv2',
    ])
  })

  it('of a constant with other readers get one of their own', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 2, 6, 5])
    const w = b.initializer('w', tensor(2, 2, 3, 3))
    const pads = { pads: [1, 1, 1, 1] }
    const first = b.node('Conv', ['x', w], pads, { name: 'first' })
    const second = b.node('Conv', [first, w], pads, { name: 'second' })
    b.output(second, 'float32')
    const model = b.model()
    const plan = planKernels(model, { first: 5 })
    expect(plan.kernels).toMatchObject([{ name: 'w', to: 'w_grown', uses: [{ input: 1 }] }])
    await expectEqualFunctions(model, applyPlan(model, plan))
    expect(planKernels(model, { '*': 5 }).kernels).toMatchObject([{ name: 'w', to: 'w' }])
  })

  it('have state of zero at the new taps', () => {
    const plan = planKernels(network, { conv1: 5 })
    const slots = new Map([['conv1.weight', tensor(4, 2, 3, 3)]])
    for (const found of [growSlots(plan, slots, 2), growAverages(plan, slots)]) {
      const grown = found.get('conv1.weight')!
      expect(grown.dims).toEqual([4, 2, 5, 5])
      const values = toNumbers(grown)
      const old = toNumbers(slots.get('conv1.weight')!)
      expect(values.filter((value) => value !== 0)).toEqual(old)
      expect(values[6]).toBe(old[0])
    }
  })

  it('say what they cannot be', () => {
    for (const [kernels, kind, message] of [
      [{ fc: 3 }, 'refused', /Gemm fc cannot have a larger kernel: it has none/],
      [{ conv1: 4 }, 'usage', /one side would get more zeros than the other; add an even number/],
      [{ conv1: 3 }, 'usage', /has the kernel \[3,3\]; the new one must be larger/],
      [{ conv1: [5, 5, 5] }, 'usage', /\[5,5,5\] is no kernel for Conv conv1/],
      [{ conv1: 1e9 + 1 }, 'usage', /give a whole number up to 1024/],
      [{}, 'usage', /No kernel/],
    ] as const)
      expect(() => planKernels(network, kernels)).toThrow(
        expect.objectContaining({ kind, message: expect.stringMatching(message) }),
      )
  })
})
