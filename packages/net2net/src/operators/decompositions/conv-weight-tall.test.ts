import { describe, expect, test } from 'vitest'
import { block, numbers, operatorsOf, relativeError, run } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import { testSeed } from '../../../testing/seed.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { lowerForCpu } from '../../passes/cpu-layout/lower-for-cpu.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import type { Emitter, Target } from '../contract/gradient.ts'
import { range } from '../helpers/emission.ts'
import type { KnownWindowAxis } from '../helpers/windows.ts'
import { weightGradientByTallKernels } from './conv-weight-tall.ts'
import { imageConvolution } from './convolution-columns.ts'
import { weightGradient } from './convolution-gradient.ts'

interface Drawn {
  readonly batch: number
  readonly channels: number
  readonly filters: number
  readonly groups: number
  readonly window: readonly (KnownWindowAxis & { readonly input: number })[]
}

type Kind = (random: RandomStream) => Pick<Drawn, 'channels' | 'filters' | 'groups'>

const pick = <T>(random: RandomStream, from: readonly T[]): T => from[random.below(from.length)]!
const few = (random: RandomStream) => 1 + random.below(3)

const kinds: Readonly<Record<string, Kind>> = {
  'images in blocks': (random) => ({
    channels: 16 * few(random),
    filters: 16 * few(random),
    groups: 1,
  }),
  'groups of blocks': (random) => {
    const groups = pick(random, [2, 3, 8, 16])
    return { channels: 16 * groups * few(random), filters: 16 * groups, groups }
  },
  'groups that are joined': (random) => {
    const [width, filters] = pick(random, [
      [8, 8],
      [8, 24],
      [4, 8],
      [2, 2],
      [24, 8],
      [8, 16],
    ] as const)
    const groups = (16 / Math.min(width, filters)) * few(random)
    return { channels: width * groups, filters: filters * groups, groups }
  },
  'images in no blocks': (random) => ({
    channels: 1 + random.below(15),
    filters: 4 * (1 + random.below(12)),
    groups: 1,
  }),
  'channel by channel': (random) => {
    const channels = 4 * (1 + random.below(12))
    return { channels, filters: channels, groups: channels }
  },
}

function draw(kind: Kind, random: RandomStream): Drawn {
  const window = range(2).map(() => {
    const [kernel, stride, dilation] = [1 + random.below(4), few(random), few(random)]
    const pads = { begin: random.below(3), end: random.below(3) }
    const least = Math.max(1, dilation * (kernel - 1) + 1 - pads.begin - pads.end)
    return { kernel, stride, dilation, pads, input: least + random.below(8) }
  })
  return { ...kind(random), batch: 1 + random.below(4), window }
}

type Form = (emitter: Emitter, drawn: Drawn) => string

const byTallKernels: Form = (emitter, { window, groups }) => {
  const convolution = imageConvolution(emitter, 'x', 'dy', window, groups)!
  return weightGradientByTallKernels({ ...convolution, emitter, x: 'x', dy: 'dy' })
}

const byStandard: Form = (emitter, { window, groups }) =>
  weightGradient(emitter, 'dy', 'x', window, groups)

function feedsOf({ batch, channels, filters, window }: Drawn, random: RandomStream) {
  const outputs = window.map(({ input, kernel, dilation, stride, pads }) =>
    Math.floor((input + pads.begin + pads.end - dilation * (kernel - 1) - 1) / stride + 1),
  )
  return {
    x: normalTensor(random, [batch, channels, ...window.map(({ input }) => input)]),
    dy: normalTensor(random, [batch, filters, ...outputs]),
  }
}

/** The images of a batch, each alone. */
const imagesOf = ({ x, dy }: ReturnType<typeof feedsOf>, batch: number) =>
  range(batch).map((k) => {
    const [image, gradient] = [x, dy].map(({ dims, data }) => {
      const count = elementCount(dims.slice(1))
      const own = (data as Float32Array).slice(k * count, (k + 1) * count)
      return float32([1, ...dims.slice(1)], own)
    })
    return { x: image!, dy: gradient! }
  })

function modelOf(
  drawn: Drawn,
  feeds: ReturnType<typeof feedsOf>,
  form: Form,
  target: Target,
): Model {
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  for (const [name, { dims }] of Object.entries(feeds)) {
    const shape = ['n', ...dims.slice(1)]
    builder.input(name, 'float32', shape)
    emitter.declare(name, { dtype: 'float32', shape })
  }
  builder.nodeOutputs('Identity', [form(emitter, drawn)], {}, { outputs: ['dw'] })
  builder.output('dw', 'float32')
  return builder.model()
}

describe('the weight gradient by tall kernels is that of the standard', () => {
  test.each(Object.entries(kinds))('%s', async (name, kind) => {
    for (let i = 0; i < 12; i++) {
      const random = randomStream(testSeed, name, i)
      const drawn = draw(kind, random)
      const feeds = feedsOf(drawn, random)
      const expected = sent(await run(modelOf(drawn, feeds, byStandard, 'standard'), feeds)).dw!
      const emitted = modelOf(drawn, feeds, byTallKernels, 'onnxruntime-cpu')
      for (const model of [emitted, lowerForCpu(emitted, block), lowerForCpu(emitted, 1)]) {
        const found = sent(await run(model, feeds)).dw
        const error = difference(found, expected)
        expect(error, `seed ${testSeed}: ${JSON.stringify(drawn)}`).toBeLessThan(3e-6)
      }
    }
  })
})

describe('kernels that leave the second-level cache are taken apart, in batches of any size', () => {
  const axis = (input: number) => ({
    ...{ kernel: 3, stride: 1, dilation: 1, pads: { begin: 1, end: 1 } },
    input,
  })
  test.skipIf(block === 1).each([
    ['images in blocks', { window: [axis(41), axis(40)] }],
    ['groups of blocks', { channels: 64, filters: 64, groups: 2, window: [axis(40), axis(41)] }],
    ['a stride', { window: [axis(81), axis(80)].map((given) => ({ ...given, stride: 2 })) }],
    ['every second column apart, filtered', { window: [axis(40), { ...axis(40), dilation: 2 }] }],
    ['filtered rows', { channels: 64, filters: 128, window: [axis(48), axis(48)] }],
  ])('%s', async (name, given) => {
    const drawn = { batch: 1, channels: 32, filters: 32, groups: 1, ...given }
    const random = randomStream(testSeed, name)
    const feedsFor = (batch: number) => feedsOf({ ...drawn, batch }, random)
    const lowered = lowerForCpu(
      modelOf(drawn, feedsFor(1), byTallKernels, 'onnxruntime-cpu'),
      block,
    )
    expect(operatorsOf(lowered)).toContain('Min')
    for (const batch of [1, 5, 8, 12]) {
      const feeds = feedsFor(batch)
      const found = numbers((await run(lowered, feeds)).dw!)
      // Each element is a sum of up to 20,000 products. Those of single images are added up in float64.
      const expected = new Float64Array(found.length)
      for (const image of imagesOf(feeds, batch)) {
        const standard = modelOf(drawn, image, byStandard, 'standard')
        for (const [i, value] of numbers((await run(standard, image)).dw!).entries())
          expected[i]! += value
      }
      const error = relativeError(found, [...expected])
      // Minimal filtering adds up larger numbers, of which much cancels.
      const bound = name.includes('filtered') ? 2e-5 : 3e-6
      expect(error, `seed ${testSeed}, batch ${batch}`).toBeLessThan(bound)
    }
  })
})

describe('in ONNX Runtime’s blocked layout', () => {
  const same = { stride: 1, dilation: 1, pads: { begin: 1, end: 1 } }
  const square = { kernel: 3, ...same, input: 8 }
  const lowered = (drawn: Partial<Drawn>, size = block) => {
    const spec = { batch: 2, channels: 32, filters: 48, groups: 1, window: [square, square] }
    const all = { ...spec, ...drawn }
    const feeds = feedsOf(all, randomStream(1, 'blocks'))
    return operatorsOf(lowerForCpu(modelOf(all, feeds, byTallKernels, 'onnxruntime-cpu'), size))
  }
  const isConvolution = (operator: string) => /(^|:)Conv$/.test(operator)

  test.skipIf(block === 1).each([
    // Its rows are filtered (`row-tiles.ts`): a product gives the tiles, and those of x get zeros beside them.
    ['dense', { window: [square, square].map((axis) => ({ ...axis, input: 12 })) }, 2],
    ['in groups', { channels: 64, filters: 64, groups: 2 }, 3],
    // Only the images of δ are in blocks, and there is no row of zeros between them.
    ['of few channels', { channels: 3 }, 1],
    // Every second column apart; images of nine columns get one more.
    ['with a dilation', { filters: 32, window: [square, { ...square, dilation: 2, input: 9 }] }, 3],
    ['with a stride', { window: [square, square].map((axis) => ({ ...axis, stride: 2 })) }, 3],
  ] as const)('%s: images are moved as blocks', (_, drawn, count) => {
    const used = lowered(drawn as Partial<Drawn>)
    // The gradient itself, and those that put zeros beside images.
    expect(used.filter(isConvolution)).toEqual(Array(count).fill('com.microsoft.nchwc:Conv'))
    expect(used.filter((operator) => operator === 'Concat')).toHaveLength(0)
    expect(
      used.filter((operator) => operator === 'com.microsoft.nchwc:ReorderOutput'),
    ).toHaveLength(1)
  })

  test('a processor that has none computes matrix products', () => {
    for (const drawn of [{}, { channels: 64, filters: 64, groups: 2 }, { channels: 24 }]) {
      const used = lowered(drawn, 1)
      expect(used.filter(isConvolution)).toEqual([])
      expect(used.some((operator) => /Gemm|MatMul/.test(operator))).toBe(true)
    }
  })
})

test('is chosen where it costs less than matrix products', () => {
  interface Chosen {
    readonly channels?: number
    readonly filters?: number
    readonly group?: number
    readonly size?: number
    readonly kernel?: number
    readonly dilations?: readonly number[]
    readonly target?: Target
  }
  const isChosen = ({ target = 'onnxruntime-cpu', ...chosen }: Chosen) => {
    const { channels = 64, filters = 64, group = 1, size = 16, kernel = 3 } = chosen
    const { dilations = [1, 1] } = chosen
    const inputs = {
      x: [32, channels, size, size],
      w: [filters, channels / group, kernel, kernel],
    }
    const convolved = (emitter: Emitter) =>
      emitter.op('Conv', ['x', 'w'], { kernel_shape: [kernel, kernel], dilations, group })
    return gradientOperators(target, inputs, convolved, ['w']).includes('Conv')
  }
  expect(isChosen({})).toBe(true)
  expect(isChosen({ target: 'onnxruntime-wasm' })).toBe(false)
  expect(isChosen({ target: 'onnxruntime-webgpu' })).toBe(false)
  // The taps along the columns are places beside each other.
  expect(isChosen({ dilations: [2, 1] })).toBe(true)
  expect(isChosen({ dilations: [1, 2] })).toBe(true)
  // Every seventh column of ten: two of each would be four more.
  expect(isChosen({ dilations: [1, 7] })).toBe(false)
  // The weight is large beside images, of which the rows of zeros between them are a good part.
  expect(isChosen({ channels: 256, filters: 256, size: 6 })).toBe(false)
  // Products of whole images copy nothing where there is one tap, unless they are small beside the weight.
  expect(isChosen({ kernel: 1 })).toBe(false)
  expect(isChosen({ kernel: 1, channels: 128, filters: 128 })).toBe(true)
  // Of channels that fill no blocks taps are copied; filters must fill some, or be fours, which are filled up.
  expect(isChosen({ channels: 24, size: 32 })).toBe(true)
  expect(isChosen({ channels: 24, filters: 24, size: 32 })).toBe(true)
  expect(isChosen({ channels: 72, filters: 128, size: 8 })).toBe(false)
  expect(isChosen({ channels: 24, filters: 22, size: 32 })).toBe(false)
  // Groups of one block, and two of half a block; four of twelve channels would be three blocks.
  expect(isChosen({ channels: 128, filters: 128, group: 8 })).toBe(true)
  expect(isChosen({ channels: 64, filters: 64, group: 8 })).toBe(true)
  expect(isChosen({ channels: 48, filters: 48, group: 4 })).toBe(false)
  // ONNX Runtime would take nine groups for channels of which nine are in no blocks.
  expect(isChosen({ channels: 144, filters: 144, group: 9 })).toBe(false)
})
