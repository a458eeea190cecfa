/** Other sizes of inputs, against networks that are built at these sizes with the same weights. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { largestDifference } from '../../../testing/check.ts'
import { Net2NetError } from '../../errors.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { inferModel } from '../../operators/inference.ts'
import { randomStream } from '../../tensor/random.ts'
import { elementCount, float32, int64 } from '../../tensor/tensor.ts'
import { applyPlan, extend, planExtend } from '../index.ts'

/** Nodes of a network at one size: `shape` is that of the value, batch and channels before the sizes. */
class Network {
  readonly b = new GraphBuilder()
  readonly #seed: number
  #weights = 0
  #nodes = 0
  value = 'x'
  shape: readonly number[]

  constructor(shape: readonly number[], seed: number) {
    this.shape = shape
    this.#seed = seed
    this.b.input('x', 'float32', shape)
  }

  /** The same numbers at every size. */
  weight(...dims: number[]): string {
    const random = randomStream(this.#seed, 'weight', this.#weights)
    const values = Array.from({ length: elementCount(dims) }, () => random.normal() / 2)
    return this.b.initializer(`w${this.#weights++}`, float32(dims, values))
  }

  op(
    opType: string,
    inputs: readonly string[],
    attributes: Parameters<GraphBuilder['node']>[2] = {},
    shape = this.shape,
  ): this {
    const name = `${opType.toLowerCase()}${this.#nodes++}`
    this.value = this.b.node(opType, [this.value, ...inputs], attributes, { name })
    this.shape = shape
    return this
  }

  reshape(shape: readonly number[]): this {
    return this.op('Reshape', [this.b.constant(int64(shape))], {}, shape)
  }

  model(...outputs: readonly string[]): Model {
    for (const name of outputs.length > 0 ? outputs : [this.value])
      this.b.output(name, 'float32', outputs.length > 0 ? undefined : this.shape)
    return this.b.model()
  }
}

const layers = [
  'conv',
  'strided',
  'pool',
  'norm',
  'up',
  'like',
  'tokens',
  'shuffle',
  'skip',
] as const

interface Drawn {
  readonly seed: number
  readonly layers: readonly (typeof layers)[number][]
  readonly head: 'map' | 'global' | 'mean'
  readonly batch: number
}

const drawn = fc.record<Drawn>({
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  layers: fc.array(fc.constantFrom(...layers), { minLength: 1, maxLength: 6 }),
  head: fc.constantFrom('map', 'global', 'mean'),
  batch: fc.integer({ min: 1, max: 2 }),
})

/** As an exporter writes it for one size, with each size as a number. */
function networkAt({ seed, layers, head, batch }: Drawn, sizes: readonly number[]): Model {
  const rank = sizes.length
  const net = new Network([batch, 4, ...sizes], seed)
  const every = (size: number) => Array<number>(rank).fill(size)
  const spatial = () => net.shape.slice(2)
  const scaled = (factor: number) => [batch, 4, ...spatial().map((size) => size * factor)]
  const halved = () => [batch, 4, ...spatial().map((size) => Math.ceil(size / 2))]
  for (const layer of layers)
    switch (layer) {
      case 'conv':
        net.op('Conv', [net.weight(4, 4, ...every(3)), net.weight(4)], {
          pads: every(1).concat(every(1)),
        })
        net.op('Relu', [])
        break
      case 'strided':
        net.op(
          'Conv',
          [net.weight(4, 4, ...every(3))],
          { strides: every(2), pads: every(1).concat(every(1)) },
          halved(),
        )
        break
      case 'pool':
        net.op(
          'MaxPool',
          [],
          { kernel_shape: every(3), strides: every(2), pads: every(1).concat(every(1)) },
          halved(),
        )
        break
      case 'norm':
        net.op('InstanceNormalization', [net.weight(4), net.weight(4)])
        break
      case 'up':
        net.op(
          'Resize',
          ['', net.b.constant(float32([rank + 2], [1, 1, ...every(2)]))],
          { mode: 'nearest' },
          scaled(2),
        )
        break
      case 'like': {
        // Down and up again, to the sizes that the value had.
        const shape = net.shape
        net.op(
          'AveragePool',
          [],
          { kernel_shape: every(2), strides: every(2), ceil_mode: 1 },
          halved(),
        )
        net.op('Resize', ['', '', net.b.constant(int64(shape))], { mode: 'nearest' }, shape)
        break
      }
      case 'tokens': {
        const shape = net.shape
        net.reshape([batch, 4, elementCount(spatial())])
        net.op('Transpose', [], { perm: [0, 2, 1] })
        net.op('MatMul', [net.weight(4, 4)])
        net.op('Transpose', [], { perm: [0, 2, 1] })
        net.reshape(shape)
        break
      }
      case 'shuffle': {
        const shape = net.shape
        net.reshape([batch, 2, 2, ...spatial()])
        net.op('Transpose', [], { perm: [0, 2, 1, ...shape.slice(2).map((_, i) => i + 3)] })
        net.reshape(shape)
        break
      }
      case 'skip': {
        const skip = net.value
        net.op('Conv', [net.weight(4, 4, ...every(1))]).op('Add', [skip])
        break
      }
    }
  if (head === 'map') return net.model()
  if (head === 'global') net.op('GlobalAveragePool', [], {}, [batch, 4, ...every(1)])
  else
    net
      .reshape([batch, 4, elementCount(spatial())])
      .op('ReduceMean', [net.b.constant(int64([2]))], { keepdims: 0 }, [batch, 4])
  if (head === 'global') net.reshape([batch, 4])
  return net.op('Gemm', [net.weight(4, 3), net.weight(3)], {}, [batch, 3]).model()
}

/** Can the network be at its size? */
function fits(model: Model): boolean {
  try {
    inferModel(model)
    return true
  } catch {
    return false
  }
}

const atSize = fc.integer({ min: 1, max: 3 }).chain((rank) => {
  const sizes = fc.array(fc.integer({ min: 5, max: 12 }), { minLength: rank, maxLength: rank })
  return fc.record({ before: sizes, after: sizes })
})

describe('other sizes of an input', () => {
  it('give the network that is built at these sizes, and back, or are refused', async () => {
    const tally = { equal: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(drawn, atSize, async (network, { before, after }) => {
        const model = networkAt(network, before)
        fc.pre(fits(model))
        try {
          const plan = planExtend(model, { sizes: { x: after } })
          expect(plan.parameters).toEqual([])
          const larger = applyPlan(model, JSON.parse(JSON.stringify(plan)))
          const reference = networkAt(network, after)
          expect(larger.graph.inputs).toEqual(reference.graph.inputs)
          expect(larger.graph.outputs).toEqual(reference.graph.outputs)
          expect(await largestDifference(reference, larger)).toBe(0)
          const back = extend(larger, { sizes: { x: before } })
          expect(await largestDifference(model, back)).toBe(0)
          tally.equal++
        } catch (error) {
          if (!(error instanceof Net2NetError)) throw error
          expect(error.kind, error.message).toBe('refused')
          tally.refused++
        }
      }),
      { numRuns: 150 },
    )
    expect(tally.equal).toBeGreaterThan(2 * tally.refused)
  }, 60_000)

  const network = (
    shape: readonly number[],
    build: (net: Network, b: GraphBuilder) => void,
  ): Model => {
    const net = new Network(shape, 5)
    build(net, net.b)
    return net.model()
  }

  it('are those of the axes that are no channels, whatever lies first', async () => {
    const build = (height: number, width: number, channels: number) =>
      network([2, height, width, channels], (net) =>
        net
          .op('Transpose', [], { perm: [0, 3, 1, 2] })
          .op('Conv', [net.weight(4, channels, 3, 3)], {}, [2, 4, height - 2, width - 2]),
      )
    for (const channels of [1, 3]) {
      const larger = extend(build(8, 9, channels), { sizes: { x: '12x10' } })
      expect(await largestDifference(build(12, 10, channels), larger)).toBe(0)
    }
  })

  it('change sizes that are computed, and a constant that several read, only where they are read', async () => {
    const build = (size: number) =>
      network([1, 4, size, size], (net, b) => {
        const shape = b.constant(int64([1, 4, 49]))
        const other = b.node(
          'Reshape',
          [b.initializer('table', net_table), shape],
          {},
          { name: 'table' },
        )
        const batch = b.node('Gather', [b.node('Shape', ['x']), b.constant(int64([0]))], {
          axis: 0,
        })
        const flat = size === 7 ? shape : b.constant(int64([1, 4, size * size]))
        net.op('Reshape', [flat], {}, [1, 4, size * size])
        net.op('Softmax', [], { axis: 2 })
        const back = b.node('Concat', [batch, b.constant(int64([4, size, size]))], { axis: 0 })
        net.op('Reshape', [back], {}, [1, 4, size, size])
        net.op('Conv', [net.weight(4, 4, 3, 3)], {}, [1, 4, size - 2, size - 2])
        const mean = b.node('ReduceMean', [other, b.constant(int64([2]))], { keepdims: 1 })
        net.op('Add', [b.node('Unsqueeze', [mean, b.constant(int64([3]))])])
      })
    const net_table = float32(
      [4, 49],
      Array.from({ length: 196 }, (_, i) => i / 100),
    )
    const plan = planExtend(build(7), { sizes: { x: 10 } })
    expect(plan.integers.map(({ from, to }) => [from, to])).toEqual([
      [49, 100],
      [7, 10],
      [7, 10],
    ])
    expect(plan.integers[0]).toMatchObject({ clone: expect.any(String) })
    expect(await largestDifference(build(10), applyPlan(build(7), plan))).toBe(0)
  })

  const image = [1, 4, 8, 8]
  it.each<[string, RegExp, (net: Network, b: GraphBuilder) => void]>([
    [
      'dense layers behind a flattening',
      /because of Gemm gemm1: it is for the old size/,
      (net) => net.op('Flatten', [], {}, [1, 256]).op('Gemm', [net.weight(256, 3)], {}, [1, 3]),
    ],
    [
      'learned positions',
      /because of Add add0: it is for the old size/,
      (net) => net.op('Add', [net.weight(1, 4, 8, 8)]),
    ],
    [
      'a reshaping that takes an axis apart',
      /Reshape reshape0: which of its sizes \[1,4,4,2,8\] change cannot be told/,
      (net) => net.reshape([1, 4, 4, 2, 8]),
    ],
    [
      'a resizing to sizes that nothing has',
      /Resize resize0: which of its sizes \[1,4,20,20\] change cannot be told/,
      (net, b) => net.op('Resize', ['', '', b.constant(int64([1, 4, 20, 20]))], {}, [1, 4, 20, 20]),
    ],
    [
      'a window over the whole',
      /AveragePool averagepool0: its window of 8x8 is the whole of what it reads/,
      (net) => net.op('AveragePool', [], { kernel_shape: [8, 8] }, [1, 4, 1, 1]),
    ],
    [
      'a cut at the old size',
      /Slice slice1: it cuts axis 2 at 8, which is an old size/,
      (net, b) => {
        net.op('Pad', [b.constant(int64([0, 0, 0, 0, 0, 0, 2, 0]))], {}, [1, 4, 10, 8])
        const list = (value: number) => b.constant(int64([value]))
        net.op('Slice', [list(0), list(8), list(2)], {}, image)
      },
    ],
  ])('are refused for %s', (_, message, build) => {
    const model = network(image, build)
    expect(() => planExtend(model, { sizes: { x: '16x16' } })).toThrow(message)
  })

  it('say what they cannot be', () => {
    const model = networkAt({ seed: 1, layers: ['conv'], head: 'map', batch: 1 }, [8, 8])
    for (const [extension, message] of [
      [{ sizes: { y: 16 } }, /There is no input "y"; the inputs are x/],
      [
        { sizes: { x: '16' } },
        /gives 1 size, but the input "x" has 2 spatial axes; write for example 256x256/,
      ],
      [{ sizes: { x: '+16' } }, /"\+16" is no size of the input "x"/],
      [{ sizes: { x: 0 } }, /"0" is no size/],
      [{ sizes: { x: 16 }, inputs: { x: 1 } }, /Sizes of inputs change by themselves/],
    ] as const)
      expect(() => planExtend(model, extension)).toThrow(message)
    expect(planExtend(model, { sizes: { x: 8 } }).declared).toEqual([])
  })
})
