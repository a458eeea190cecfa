import { describe, expect, test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import { runGraph } from '../../../testing/run-graph.ts'
import { testSeed } from '../../../testing/seed.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import type { Emitter, Target } from '../contract/gradient.ts'
import type { KnownWindowAxis } from '../helpers/windows.ts'
import { fastWeightGradient } from './conv-weight-gradient.ts'
import { weightGradient } from './convolution-gradient.ts'

const target = 'onnxruntime-cpu'

interface Drawn {
  readonly channels: number
  readonly filters: number
  readonly size: readonly [number, number]
  readonly kernel: readonly [number, number]
  readonly strides?: readonly [number, number]
  readonly dilations?: readonly [number, number]
  readonly group?: number
}

function drawConv(random: RandomStream, spec: Drawn) {
  const { channels, filters, size, kernel, strides = [1, 1], dilations = [1, 1], group = 1 } = spec
  const pads = Array.from({ length: 4 }, () => random.below(3))
  const batch = 1 + random.below(3)
  const x = [batch, channels, ...size]
  return oneNode({
    op: 'Conv',
    attributes: { kernel_shape: kernel, strides, dilations, pads, group },
    inputs: [
      normalTensor(random, x),
      normalTensor(random, [filters, channels / group, ...kernel]),
      normalTensor(random, [filters]),
    ],
    shapes: random.below(2) ? { 0: ['n', ...x.slice(1)] } : {},
  })
}

/** The operators that the gradient of the weight alone is made of. */
function operatorsFor(
  spec: Drawn & { batch?: number },
  runtime: Target = target,
): readonly string[] {
  const { channels, filters, size, kernel, strides, group = 1, batch = 2 } = spec
  const inputs = { x: [batch, channels, ...size], w: [filters, channels / group, ...kernel] }
  const convolved = (emitter: Emitter) =>
    emitter.op('Conv', ['x', 'w'], { kernel_shape: kernel, strides, group })
  return gradientOperators(runtime, inputs, convolved, ['w'])
}

/**
 * A convolution whose products, by shifts or by columns, have factors with lines of a multiple of 1,024 numbers, and are large enough
 * that these are put apart.
 */
function collidingConvolution(random: RandomStream) {
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!
  const [batch, height, width] = pick([
    [2, 16, 32],
    [4, 16, 16],
    [8, 8, 16],
    [1, 16, 64],
    [3, 8, 128],
    [32, 4, 8],
  ] as const)
  const group = 1 + random.below(2)
  const rowStride = group > 1 ? 1 + random.below(2) : 1 + random.below(3)
  const window = [height, width].map((size, axis) => {
    const [kernel, dilation] = [2 + random.below(2), 1 + random.below(2)]
    const stride = axis === 0 ? rowStride : 1 + random.below(2)
    const pads = { begin: random.below(3), end: random.below(2) }
    // Shifts line up the rows of x, columns those of the output.
    const byShifts = axis === 0 && stride === 1 && group === 1
    const read = (size - 1) * stride + dilation * (kernel - 1) + 1 - pads.begin - pads.end
    return { kernel, stride, dilation, pads, input: Math.max(1, byShifts ? size : read) }
  })
  return {
    window,
    outputs: outputsOf(window),
    batch: batch as number,
    group,
    channels: group * 96,
    filters: group * 80,
  }
}

type DrawnConvolution = ReturnType<typeof collidingConvolution>

/** A convolution with stride 1 whose images are large beside its weight: of few channels in a group, of many, or of one tap. */
function largeImages(random: RandomStream): DrawnConvolution {
  const kinds = [
    { kernels: [4, 5, 6], channels: 3 + random.below(3), filters: 40 + random.below(30) },
    { kernels: [2, 3], channels: 17 + random.below(16), filters: 1 + random.below(40) },
    { kernels: [2, 3, 5], channels: 40 + random.below(30), filters: 2 + random.below(6) },
    { kernels: [1], channels: 65 + random.below(30), filters: 30 + random.below(40) },
  ]
  const { kernels, channels, filters } = kinds[random.below(kinds.length)]!
  const window = [20 + random.below(20), 24 + random.below(50)].map((input) => {
    const kernel = kernels[random.below(kernels.length)]!
    const pads = { begin: random.below(3), end: random.below(3) }
    return { kernel, stride: 1, dilation: 1 + random.below(2), pads, input }
  })
  const group = 1 + random.below(3)
  return {
    window,
    outputs: outputsOf(window),
    batch: 1 + random.below(3),
    group,
    channels: group * channels,
    filters: group * filters,
  }
}

const outputsOf = (window: readonly (KnownWindowAxis & { readonly input: number })[]) =>
  window.map(({ input, kernel, dilation, stride, pads }) =>
    Math.floor((input + pads.begin + pads.end - dilation * (kernel - 1) - 1) / stride + 1),
  )

/** The gradient by products is that of the standard's form. */
async function mustAgree(spec: DrawnConvolution, random: RandomStream, openBatch: boolean) {
  const { window, group, channels, filters, batch, outputs } = spec
  const x = normalTensor(random, [batch, channels, ...window.map((axis) => axis.input)])
  const dy = normalTensor(random, [batch, filters, ...outputs])
  const gradient = (form: typeof weightGradient, target: Target) =>
    runGraph({ x, dy }, (emitter) => ({ dw: form(emitter, 'dy', 'x', window, group) }), target, {
      openBatch,
    })
  const wanted = await gradient(weightGradient, 'standard')
  const found = await gradient((...given) => fastWeightGradient(...given)!, target)
  expect(found.dw.dims).toEqual(wanted.dw.dims)
  const error = difference(sent(found).dw, sent(wanted).dw!)
  expect(error, `seed ${testSeed}: ${JSON.stringify(spec)}`).toBeLessThan(3e-6)
}

const odd = (random: RandomStream): readonly [number, number] => [
  5 + random.below(4),
  6 + random.below(3),
]

describe('the weight gradient of Conv', () => {
  test('by patches', async () => {
    await checkGradients({
      draws: 12,
      targets: [target],
      draw: (random) =>
        drawConv(random, {
          channels: 1 + random.below(3),
          filters: 1 + random.below(5),
          size: odd(random),
          kernel: [1 + random.below(3), 1 + random.below(3)],
          strides: [1 + random.below(2), 1 + random.below(3)],
          dilations: [1 + random.below(2), 1],
        }),
    })
    const used = operatorsFor({ channels: 3, filters: 4, size: [8, 8], kernel: [3, 3] })
    expect(used).toContain('Conv')
    expect(used).toContain('FusedMatMul')
    // Windows that reach over the edge are gathered.
    const padded = (strides: readonly number[], filters = 5, runtime: Target = target) =>
      gradientOperators(
        runtime,
        { x: [2, 3, 8, 8], w: [filters, 3, 3, 3] },
        (emitter) =>
          emitter.op('Conv', ['x', 'w'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides }),
        ['w'],
      )
    expect(padded([1, 1])).not.toContain('Conv')
    expect(padded([2, 2])).toContain('Conv')
    expect(padded([2, 2])).not.toContain('Gather')
    expect(padded([1, 1], 5, 'onnxruntime-wasm')).toContain('Conv')
    // Filters that fill blocks meet taps of rows.
    for (const strides of [
      [1, 1],
      [2, 2],
    ]) {
      expect(padded(strides, 16)).toContain('Gather')
      expect(padded(strides, 16)).toContain('Conv')
    }
  })

  test('by shifts', async () => {
    await checkGradients({
      draws: 6,
      // On the processor some of these are made of columns.
      targets: [target, 'onnxruntime-webgpu'],
      // Few filters have one product for all rows of the kernel.
      draw: (random, i) =>
        drawConv(random, {
          channels: 11 + random.below(4),
          filters: i % 3 === 2 ? 16 : 1 + random.below(8),
          size: odd(random),
          kernel: [2 + random.below(3), 3],
          strides: [1, 1 + random.below(2)],
          dilations: [1 + random.below(2), 1 + random.below(2)],
        }),
    })
    const products = (filters: number) => {
      const used = operatorsFor({ channels: 30, filters, size: [12, 12], kernel: [3, 3] })
      expect(used).not.toContain('Conv')
      return used.filter((op) => op === 'Gemm').length
    }
    expect(products(8)).toBe(1)
    expect(products(30)).toBe(3)
  })

  test('image by image, by shifts or by taps', async () => {
    for (let draw = 0; draw < 30; draw++) {
      const random = randomStream(testSeed, 'large images', draw)
      await mustAgree(largeImages(random), random, draw % 2 === 0)
    }
    const products = (spec: Partial<Drawn>) => {
      const large = { channels: 31, filters: 15, size: [40, 40], kernel: [3, 5] } as const
      return operatorsFor({ ...large, ...spec }).filter((op) => op === 'FusedMatMul').length
    }
    // One for each tap along the columns.
    expect(products({})).toBe(5)
    expect(products({ size: [12, 12] })).toBe(0)
    // The sum over the images would be as large as they are.
    expect(products({ channels: 514, filters: 514 })).toBe(0)
    expect(products({ strides: [1, 2] })).toBe(0)
    // Of few channels all taps in one, which δ is not copied for.
    expect(products({ channels: 5, filters: 62 })).toBe(1)
    // Of few filters all taps of δ, which x is not copied for.
    expect(products({ channels: 64, filters: 5 })).toBe(1)
    // Groups are images of their own.
    expect(products({ channels: 72, filters: 72, group: 4 })).toBe(5)
    // Nothing is copied, unless lines share the places of the cache.
    const pointwise = { channels: 96, filters: 96, kernel: [1, 1] } as const
    expect(products({ ...pointwise, size: [60, 60] })).toBe(1)
    expect(products({ ...pointwise, size: [64, 64] })).toBe(0)
  })

  test('of volumes: the planes that an output reads are channels of one image', async () => {
    for (let draw = 0; draw < 16; draw++) {
      const random = randomStream(testSeed, 'volumes', draw)
      const window = [5, 6, 8].map((least) => ({
        kernel: 1 + random.below(3),
        stride: 1 + random.below(2),
        dilation: 1 + random.below(2),
        pads: { begin: random.below(3), end: random.below(3) },
        input: least + random.below(3),
      }))
      const group = 1 + random.below(2)
      const [batch, channels, filters] = [1, 1, 1].map((least) => least + random.below(3))
      const sizes = { channels: group * channels!, filters: group * filters!, batch: batch! }
      const spec = { window, outputs: outputsOf(window), group, ...sizes }
      await mustAgree(spec, random, draw % 2 === 0)
    }
    const slices = (group: number) => {
      const inputs = { x: [2, 16, 6, 12, 12], w: [16, 16 / group, 3, 3, 3] }
      const convolved = (emitter: Emitter) =>
        emitter.op('Conv', ['x', 'w'], { kernel_shape: [3, 3, 3], group })
      const used = gradientOperators(target, inputs, convolved, ['w'])
      return used.filter((op) => op === 'Slice').length
    }
    expect(slices(1)).toBe(0)
    // Of groups, one for each tap along the depth.
    expect(slices(2)).toBe(3)
  })

  test('of volumes: two planes at once, where channels are whole blocks', async () => {
    for (let draw = 0; draw < 8; draw++) {
      const random = randomStream(testSeed, 'pairs of planes', draw)
      const pads = () => ({ begin: random.below(3), end: random.below(3) })
      const plane = () => ({
        kernel: 2 + random.below(2),
        stride: 1 + random.below(2),
        dilation: 1,
      })
      const window = [
        {
          kernel: 2 + random.below(2),
          stride: 1,
          dilation: 1,
          pads: pads(),
          input: 3 + random.below(5),
        },
        ...[5, 6].map((least) => ({ ...plane(), pads: pads(), input: least + random.below(3) })),
      ]
      const sizes = { channels: 32, filters: 16 + 16 * random.below(3), batch: 1 + random.below(3) }
      const spec = { window, outputs: outputsOf(window), group: 1, ...sizes }
      await mustAgree(spec, random, draw % 2 === 0)
    }
    const used = (kernel: number) => {
      const inputs = { x: [2, 32, 6, 12, 12], w: [32, 32, kernel, 3, 3] }
      const convolved = (emitter: Emitter) =>
        emitter.op('Conv', ['x', 'w'], { kernel_shape: [kernel, 3, 3] })
      return gradientOperators(target, inputs, convolved, ['w'])
    }
    // Other types, and sizes that are not known, take the standard's form.
    const formOf = (dtype: 'float32' | 'float64', height: number | null) => {
      const emitter = new GraphEmitter(new GraphBuilder(), new Map(), 18, target)
      const window = [3, 3, 3].map((kernel, axis) => ({
        ...{ kernel, stride: 1, dilation: 1, pads: { begin: 1, end: 1 } },
        input: [6, height, 12][axis]!,
      }))
      for (const name of ['x', 'dy'])
        emitter.declare(name, { dtype, shape: ['n', 32, 6, height, 12] })
      return fastWeightGradient(emitter, 'dy', 'x', window, 1)
    }
    expect(formOf('float32', 12)).toBeDefined()
    expect(formOf('float64', 12)).toBeUndefined()
    expect(formOf('float32', null)).toBeUndefined()
    // Planes that an output reads are gathered where it is computed by itself.
    expect([3, 4].map((kernel) => used(kernel).includes('Gather'))).toEqual([false, true])
  })

  test('by columns: small images, strides along the rows, groups', async () => {
    await checkGradients({
      draws: 8,
      targets: [target],
      draw: (random, i) => {
        const group = [1, 2, 3][i % 3]!
        return drawConv(random, {
          channels: group * (4 + random.below(3)),
          filters: group * (1 + random.below(3)),
          size: odd(random),
          kernel: [3, 3 + random.below(2)],
          strides: [2 + random.below(2), 1 + random.below(3)],
          dilations: [1, 1 + random.below(2)],
          group,
        })
      },
    })
    const small = { channels: 252, filters: 252, size: [4, 4], kernel: [3, 3] } as const
    for (const spec of [
      small,
      { ...small, size: [64, 64], strides: [2, 2] } as const,
      { ...small, group: 2 },
    ]) {
      const used = operatorsFor(spec)
      expect(used.filter((op) => op === 'Gemm' || op === 'FusedMatMul')).toHaveLength(1)
      expect(used).not.toContain('Conv')
      // Of images alone: the product is in the order of the weight.
      expect(used.at(-1)).toBe('Reshape')
    }
  })

  test('by columns where these cost less than shifts: many samples of few channels, and what stays in the cache', () => {
    const products = (spec: Partial<Drawn> & { batch?: number }) => {
      const given = { channels: 6, filters: 15, size: [14, 14], kernel: [5, 5], batch: 32 } as const
      return operatorsFor({ ...given, ...spec }).filter((op) => op === 'Gemm').length
    }
    expect(products({})).toBe(1)
    // Columns of few samples are gathered number by number.
    expect(products({ batch: 1 })).toBe(5)
    expect(products({ channels: 60, filters: 62, kernel: [3, 3], size: [10, 10] })).toBe(1)
    expect(products({ channels: 60, filters: 62, kernel: [3, 3], size: [18, 18] })).toBe(3)
  })

  test('by columns: large kernels with a stride', async () => {
    await checkGradients({
      draws: 8,
      targets: [target],
      draw: (random, i) => {
        const spec: Drawn = {
          channels: 12,
          filters: 1 + random.below(3),
          size: [11 + random.below(4), 9 + random.below(4)],
          kernel: [4 + random.below(3), 5 + random.below(2)],
          strides: [[2, 2, 3, 4][i % 4]!, 1 + random.below(2)],
          dilations: [1 + random.below(2), 1],
        }
        return drawConv(random, spec)
      },
    })
    const large = { channels: 30, filters: 62, size: [64, 64], kernel: [5, 5] } as const
    const used = operatorsFor({ ...large, strides: [2, 2] })
    expect(used.filter((op) => op === 'Gemm')).toHaveLength(1)
    expect(used).toContain('Gather')
  })

  test('columns that would take hundreds of megabytes are not laid out', () => {
    const spec = { channels: 60, filters: 62, kernel: [3, 3], strides: [2, 2], batch: 32 } as const
    expect(operatorsFor({ ...spec, size: [64, 64] })).toContain('Gather')
    expect(operatorsFor({ ...spec, size: [256, 256] })).not.toContain('Gather')
    const few = { channels: 3, filters: 62, kernel: [5, 5], batch: 32 } as const
    const products = (size: readonly [number, number]) =>
      operatorsFor({ ...few, size }).filter((op) => op === 'FusedMatMul').length
    expect(products([64, 64])).toBe(1)
    expect(products([256, 256])).not.toBe(1)
  })

  test('by tall kernels, of depthwise convolutions', async () => {
    await checkGradients({
      draws: 12,
      targets: [target],
      draw: (random) => {
        const channels = 2 + random.below(3)
        return drawConv(random, {
          channels,
          filters: channels,
          size: odd(random),
          kernel: [1 + random.below(4), 1 + random.below(4)],
          strides: [1 + random.below(3), 1 + random.below(3)],
          dilations: [1 + random.below(2), 1 + random.below(2)],
          group: channels,
        })
      },
    })
    const spec = { channels: 8, filters: 8, size: [6, 6], kernel: [3, 3], group: 8 } as const
    expect(operatorsFor(spec).filter((op) => op === 'Conv')).toHaveLength(1)
  })

  test('of signals', () =>
    checkGradients({
      draws: 4,
      targets: [target],
      draw: (random) => {
        const [channels, group, kernel] = [12, 1 + random.below(3), 1 + random.below(4)]
        const x = [2, channels, 9]
        return oneNode({
          op: 'Conv',
          attributes: {
            kernel_shape: [kernel],
            pads: [1, 0],
            strides: [1 + random.below(2)],
            group,
          },
          inputs: [normalTensor(random, x), normalTensor(random, [6, channels / group, kernel])],
          shapes: random.below(2) ? { 0: ['n', ...x.slice(1)] } : {},
        })
      },
    }))

  // The smaller factor comes second.
  test('by shifts, with more filters than columns of taps', () =>
    checkGradients({
      draws: 1,
      targets: [target, 'onnxruntime-webgpu'],
      draw: (r) => drawConv(r, { channels: 7, filters: 15, size: [6, 5], kernel: [5, 2] }),
    }))

  test('by shifts of wide images, with a stride along the columns', () =>
    checkGradients({
      draws: 1,
      targets: [target, 'onnxruntime-webgpu'],
      draw: (random) =>
        drawConv(random, {
          channels: 11,
          filters: 2,
          size: [2, 65],
          kernel: [2, 3],
          strides: [1, 2],
        }),
    }))

  test.each([
    [
      [3, 4],
      [4, 5],
    ] as const,
    [
      [2, 33],
      [1, 34],
    ] as const,
  ])('by shifts, with taps that read nothing but padding: %j, dilations %j', (size, dilations) =>
    checkGradients({
      draws: 1,
      targets: [target, 'onnxruntime-webgpu'],
      draw: (random) => {
        const x = [2, 11, ...size]
        return oneNode({
          op: 'Conv',
          attributes: { kernel_shape: [3, 3], dilations, pads: [...dilations, ...dilations] },
          inputs: [normalTensor(random, x), normalTensor(random, [2, 11, 3, 3])],
          shapes: {},
        })
      },
    }),
  )

  test('of a pointwise convolution copies nothing', () => {
    for (const channels of [80, 32]) {
      const used = operatorsFor({ channels, filters: 16, size: [16, 16], kernel: [1, 1] })
      for (const op of ['Concat', 'Slice', 'Conv']) expect(used).not.toContain(op)
    }
  })

  test.each([true, false])(
    'with factors whose lines would collide in the cache, batch known: %s',
    async (known) => {
      for (let draw = 0; draw < 24; draw++) {
        const random = randomStream(3, 'colliding lines', draw)
        await mustAgree(collidingConvolution(random), random, !known)
      }
    },
  )

  test('lines that collide are put apart where products are large enough', () => {
    const products = (...given: Parameters<typeof operatorsFor>) =>
      operatorsFor(...given).filter((op) => op === 'Pad' || op === 'Gather')
    const shifts = { channels: 63, filters: 63, kernel: [3, 3], batch: 4 } as const
    // Rows of δ are gathered where lines are put apart, else padded.
    const gathered = ['Pad', 'Pad', 'Gather', 'Gather', 'Gather']
    expect(products({ ...shifts, size: [32, 18] })).toEqual(gathered)
    expect(products({ ...shifts, size: [33, 18] })).toEqual(['Pad', 'Pad', 'Pad'])
    const strided = { ...shifts, batch: 8, strides: [2, 2] } as const
    expect(products({ ...strided, size: [33, 33] })).toEqual(['Pad', 'Gather', 'Gather'])
    expect(products({ ...strided, size: [31, 31] })).toEqual(['Gather', 'Gather'])
    // Few filters: what products gain would not pay for the copies.
    const few = { ...shifts, channels: 20, filters: 13 }
    expect(products({ ...few, size: [32, 18] })).toEqual(['Pad', 'Pad', 'Pad'])
    // Elsewhere it is not known to pay.
    const onGpu = products({ ...shifts, size: [32, 18] }, 'onnxruntime-webgpu')
    expect(onGpu).toEqual(['Pad', 'Pad', 'Pad'])
    const elsewhere = products({ ...strided, size: [33, 33] }, 'onnxruntime-webgpu')
    expect(elsewhere).toEqual(['Gather', 'Gather'])
  })

  test('from the phases that a pooling above hands down', () =>
    checkGradients({
      draws: 4,
      targets: [target],
      draw(random) {
        const builder = new GraphBuilder()
        const channels = 1 + random.below(2)
        const [height, width] = [4 + 2 * random.below(2), 4 + 2 * random.below(2)]
        const x = [2, channels, height, width]
        builder.input('x', 'float32', random.below(2) ? ['n', ...x.slice(1)] : x)
        builder.input('w', 'float32', [16, channels, 3, 3])
        builder.input('b', 'float32', [16])
        const y = builder.node('Conv', ['x', 'w', 'b'], {
          kernel_shape: [3, 3],
          pads: [1, 1, 1, 1],
        })
        const pooled = builder.node('MaxPool', [y], { kernel_shape: [2, 2], strides: [2, 2] })
        builder.output(pooled, 'float32', [null, 16, height / 2, width / 2])
        return {
          model: builder.model(),
          inputs: {
            x: normalTensor(random, x),
            w: normalTensor(random, [16, channels, 3, 3]),
            b: normalTensor(random, [16]),
          },
        }
      },
    }))
})
