import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { inputError } from '../errors.ts'
import { applyPlan, planWiden } from '../growth/index.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model, Shape } from '../model/model.ts'
import { stage } from '../onnx/save.node.ts'
import type { DType } from '../tensor/dtype.ts'
import { gather } from '../tensor/lazy.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, type LazyTensor, type Tensor } from '../tensor/tensor.ts'
import { compare } from './compare.ts'

/** y = x · scale + shift */
function affine(scale: number, shift = 0, shape: Shape = ['batch', 3]): Model {
  const graph = new GraphBuilder()
  graph.input('x', 'float32', shape)
  const product = graph.node('Mul', ['x', graph.constant(float32([1], [scale]))])
  graph.node('Add', [product, graph.constant(float32([1], [shift]))], {}, { outputs: ['y'] })
  graph.output('y', 'float32', shape)
  return graph.model()
}

/** Convolutions in a chain, each channel of the first in `copies` that share its out-weights. */
function deep({ copies = 1, scale = 1 } = {}): Model {
  const graph = new GraphBuilder()
  const random = randomStream(5, 'deep')
  const weight = (...dims: number[]) =>
    float32(
      dims,
      Array.from({ length: elementCount(dims) }, () => random.normal()),
    )
  graph.input('x', 'float32', [1, 32, 9, 7])
  const layers = Array.from({ length: 5 }, () => weight(32, 32, 3, 3))
  const repeat = (axis: number, share: number, tensor: Tensor) =>
    gather(tensor, [
      {
        axis,
        index: Uint32Array.from({ length: 32 * copies }, (_, i) => i % 32),
        factors: new Float64Array(32 * copies).fill(share),
      },
    ])
  let value = 'x'
  layers.forEach((layer, i) => {
    const grown = i === 0 ? repeat(0, scale, layer) : i === 1 ? repeat(1, 1 / copies, layer) : layer
    const name = i === 4 ? { outputs: ['y'] } : {}
    value = graph.node('Conv', [value, graph.constant(grown)], { pads: [1, 1, 1, 1] }, name)
  })
  graph.output('y', 'float32', [1, 32, 9, 7])
  return graph.model()
}

/** One node between inputs and one output. */
function single(
  opType: string,
  inputs: Readonly<Record<string, readonly [DType, Shape]>>,
  constants: Readonly<Record<string, Tensor>> = {},
  output: DType = 'float32',
): Model {
  const graph = new GraphBuilder()
  for (const [name, [dtype, shape]] of Object.entries(inputs)) graph.input(name, dtype, shape)
  for (const [name, tensor] of Object.entries(constants)) graph.initializer(name, tensor)
  graph.node(opType, [...Object.keys(constants), ...Object.keys(inputs)], {}, { outputs: ['y'] })
  graph.output('y', output, undefined)
  return graph.model()
}

describe('compare', () => {
  test('a model equals itself', async () => {
    expect(await compare(affine(2), affine(2))).toEqual({
      equal: true,
      tolerance: 1e-5,
      samples: 4,
      outputs: [{ name: 'y', maxAbs: 0, maxRel: 0 }],
    })
  })

  test('reports max |Δ|, absolute and relative to max(1, |y|) or the spread of y', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 1, max: 8 }).map((k) => 2 ** -k),
        async (values, shift) => {
          const report = await compare(affine(1), affine(1, shift), {
            inputs: [{ x: float32([1, 3], values) }],
          })
          const smallest = Math.min(...values.map(Math.abs))
          const mean = values.reduce((a, b) => a + b) / 3
          const spread = Math.sqrt(values.reduce((sum, y) => sum + (y - mean) ** 2, 0) / 3)
          const scale = Math.min(Math.max(1, smallest), spread || Number.POSITIVE_INFINITY)
          expect(report.samples).toBe(1)
          expect(report.outputs[0]!.maxAbs).toBe(shift)
          // What the last bits of a number change does not count.
          expect(report.outputs[0]!.maxRel * scale).toBeGreaterThan(shift - 50 * 2 ** -22 - 1e-9)
          expect(report.outputs[0]!.maxRel * scale).toBeLessThan(shift + 1e-9)
          expect(report.equal).toBe(false)
        },
      ),
      { numRuns: 20 },
    )
  })

  describe('dense layers whose sums are large', () => {
    /** Every unit of the hidden layer in `copies`; `scale` changes the function. */
    function dense({ copies = 1, scale = 1, inputs = 2000 } = {}): Model {
      const random = randomStream(5, 'dense')
      const [hidden, outputs] = [1500, 10]
      const normal = (rows: number, columns: number) =>
        float32(
          [rows, columns],
          Array.from({ length: rows * columns }, () => random.normal()),
        )
      const index = Uint32Array.from({ length: hidden * copies }, (_, i) => i % hidden)
      const share = (value: number) => new Float64Array(hidden * copies).fill(value)
      const first = gather(normal(inputs, hidden), [{ axis: 1, index, factors: share(scale) }])
      const second = gather(normal(hidden, outputs), [
        { axis: 0, index, factors: share(1 / copies) },
      ])
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', inputs])
      const product = graph.node('MatMul', ['x', graph.constant(first)])
      graph.node('MatMul', [product, graph.constant(second)], {}, { outputs: ['y'] })
      graph.output('y', 'float32', ['batch', outputs])
      return graph.model()
    }
    const options = {}

    test('are equal to others that sum in another order', async () => {
      const report = await compare(dense(), dense({ copies: 3 }), options)
      expect(report.outputs[0]!.maxRel).toBeGreaterThan(1e-5)
      expect(report.outputs[0]!.rounding).toBeGreaterThan(0)
      expect(report.equal).toBe(true)
    })

    test('are so, too, where they have too many weights to round all of these otherwise', async () => {
      const inputs = 6000
      const report = await compare(dense({ inputs }), dense({ inputs, copies: 3 }), options)
      expect(report.outputs[0]!.maxRel).toBeGreaterThan(1e-5)
      expect(report.equal).toBe(true)
    })

    test('are not equal where the function differs by a little more', async () => {
      const report = await compare(dense(), dense({ scale: 1 + 1e-5 }), options)
      expect(report.outputs[0]!.maxRel).toBeLessThan(1e-2)
      expect(report.equal).toBe(false)
    })

    test('are compared without being loaded whole where they are large', async () => {
      const segments = { ...options, wholeUpTo: 0 }
      expect(await compare(dense(), dense({ copies: 3 }), segments)).toMatchObject({ equal: true })
      expect(await compare(dense(), dense({ scale: 1.1 }), segments)).toMatchObject({
        equal: false,
      })
    })
  })

  describe('a deep network, which rounding moves by more than 1e-5', () => {
    test('equals what rounds differently', async () => {
      const report = await compare(deep(), deep({ copies: 2 }))
      expect(Math.max(...report.outputs.map(({ maxRel }) => maxRel))).toBeGreaterThan(1e-5)
      expect(report.outputs[0]!.rounding).toBeGreaterThan(1e-5)
      expect(report.equal).toBe(true)
    })

    test('does not equal what differs by more', async () => {
      const report = await compare(deep(), deep({ scale: 1 + 2 ** -12 }))
      expect(report.outputs[0]!.rounding).toBeGreaterThan(1e-5)
      expect(report.equal).toBe(false)
    })

    test('is rounded in further ways only where the first one is not enough', async () => {
      /** With a dense layer beside it, whose product is the same in plain kernels, but not with other weights. */
      const besideDense = (network: Model): Model => {
        const graph = new GraphBuilder(network.graph)
        graph.input('v', 'float32', [1, 50])
        const product = graph.node('MatMul', [
          'v',
          graph.constant(float32([50, 3], new Array(150).fill(1))),
        ])
        graph.output(product, 'float32', [1, 3])
        return { ...network, graph: graph.graph() }
      }
      const rounding = async (other: Model) =>
        (await compare(besideDense(deep()), besideDense(other))).outputs[1]!.rounding
      expect(await rounding(deep({ copies: 2 }))).toBe(0)
      expect(await rounding(deep({ scale: 2 }))).toBeGreaterThan(0)
    })

    test('equals nothing else where a tolerance is given', async () => {
      const report = await compare(deep(), deep({ copies: 2 }), { tolerance: 1e-5 })
      expect(report.outputs[0]!.rounding).toBeUndefined()
      expect(report.equal).toBe(false)
    })
  })

  describe('a sum of two terms that nearly cancel, which has no other order', () => {
    /** y = x·w·v - x·w·(v - 0.001), with each unit in `copies` and the first one's weight times `scale`. */
    function difference({ copies = 1, scale = 1 } = {}): Model {
      const units = Array.from({ length: 2 * copies }, (_, i) => i % 2)
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', 1])
      const first = float32(
        [1, units.length],
        units.map((unit) => (unit === 0 ? 0.7 * scale : 0.7)),
      )
      const second = float32(
        [units.length, 1],
        units.map((unit) => (unit === 0 ? 1.3 : -1.299) / copies),
      )
      const hidden = graph.node('Tanh', [graph.node('MatMul', ['x', graph.constant(first)])])
      graph.node('MatMul', [hidden, graph.constant(second)], {}, { outputs: ['y'] })
      graph.output('y', 'float32', ['batch', 1])
      return graph.model()
    }

    test('equals what rounds its terms otherwise', async () => {
      const report = await compare(difference(), difference({ copies: 7 }))
      expect(report.outputs[0]!.maxRel).toBeGreaterThan(1e-5)
      expect(report.equal).toBe(true)
    })

    test('does not equal what differs by more', async () => {
      const report = await compare(difference(), difference({ scale: 1 + 2 ** -18 }))
      expect(report.outputs[0]!.maxRel).toBeGreaterThan(1e-5)
      expect(report.equal).toBe(false)
    })
  })

  /** What is at least one of x, multiplied by a weight. */
  function atLeastOne(rows: number, columns: number, weight: readonly number[]): Model {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['batch', rows])
    const h = graph.node('MatMul', ['x', graph.constant(float32([rows, columns], weight))])
    const isKept = graph.node('GreaterOrEqual', [h, graph.constant(float32([1], [1]))])
    const flat = graph.constant(int64([-1]))
    const [values, mask] = [h, isKept].map((value) => graph.node('Reshape', [value, flat]))
    graph.node('Compress', [values!, mask!], {}, { outputs: ['y'] })
    graph.output('y', 'float32', ['kept'])
    return graph.model()
  }

  test('a size that changes with the last bits of a weight is no rounding of numbers', async () => {
    /** Of ones, all or nearly none, as the weights are rounded. */
    const scaled = (scale: number) =>
      atLeastOne(
        16,
        16,
        Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? scale : 0)),
      )
    const inputs = [{ x: float32([1, 16], new Array(16).fill(1)) }]
    const report = await compare(scaled(1), scaled(1.1), { inputs })
    expect(report.equal).toBe(false)
  })

  test('a size that changes with the order of sums is no rounding of numbers', async () => {
    const [half, columns] = [1024, 32]
    const rows = 2 * half + 1
    /** Columns whose sums are the scale, but for the rounding of large terms that cancel. */
    const summed = (scale: number) => {
      const random = randomStream(3, 'order')
      const terms = Array.from({ length: half * columns }, () => 1000 * random.normal())
      const last = new Array(columns).fill(scale)
      return atLeastOne(rows, columns, [...terms, ...terms.map((term) => -term), ...last])
    }
    const inputs = [{ x: float32([1, rows], new Array(rows).fill(1)) }]
    const report = await compare(summed(1), summed(2), { inputs })
    expect(report.equal).toBe(false)
  })

  test('differences of opposite sign do not cancel', async () => {
    const report = await compare(affine(1), affine(-1), {
      inputs: [{ x: float32([1, 3], [1, -1, 0]) }],
    })
    expect(report.outputs[0]!.maxAbs).toBe(2)
  })

  test('the tolerance grows with the values, but then it cannot tell', async () => {
    const inputs = [{ x: float32([1, 3], [1e6, 1e6, 1e6]) }]
    expect((await compare(affine(1), affine(1, 5), { inputs })).equal).toBe(null)
    expect((await compare(affine(1), affine(1, 20), { inputs })).equal).toBe(false)
    expect((await compare(affine(1), affine(1, 20), { inputs, tolerance: 1e-4 })).equal).toBe(null)
  })

  test('the tolerance shrinks with the spread of the values', async () => {
    const tiny = (scale: number) => affine(scale)
    expect((await compare(tiny(1e-7), tiny(1.001e-7))).equal).toBe(false)
    const inputs = [{ x: float32([1, 3], [1, 2, 3]) }]
    expect((await compare(affine(1e-3, 100), affine(1.1e-3, 100), { inputs })).equal).toBe(false)
  })

  test('NaN on one side is a difference, on both it is none', async () => {
    const inputs = [{ x: float32([1, 3], [1, 2, 3]) }]
    const bad = await compare(affine(1), affine(Number.NaN), { inputs })
    expect(bad).toMatchObject({ equal: false, outputs: [{ problem: '1 became NaN' }] })
    const logarithm = single('Log', { x: ['float32', ['n', 3]] })
    expect((await compare(logarithm, logarithm)).equal).toBe(true)
    // Nothing but NaN is the same function, if the models are the same, and shows nothing otherwise.
    const nothing = affine(Number.NaN)
    expect((await compare(nothing, nothing, { inputs })).equal).toBe(true)
    expect((await compare(nothing, affine(Number.NaN, 1), { inputs })).equal).toBe(null)
  })

  test('infinities are equal only to themselves', async () => {
    const inputs = [{ x: float32([1, 3], [1, 1, 1]) }]
    const infinite = affine(Number.POSITIVE_INFINITY)
    expect((await compare(infinite, infinite, { inputs })).equal).toBe(true)
    expect((await compare(infinite, affine(3e38), { inputs })).equal).toBe(false)
  })

  test('outputs of different shapes are different', async () => {
    const sum = (keepdims: number): Model => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['n', 3])
      graph.node('ReduceMax', ['x'], { keepdims }, { outputs: ['y'] })
      graph.output('y', 'float32', undefined)
      return graph.model()
    }
    const report = await compare(sum(0), sum(1))
    expect(report).toMatchObject({ equal: false, outputs: [{ problem: 'shapes [] and [1,1]' }] })
  })

  test('the only output may have another name, and so may one of several; of two it is not known which is which', async () => {
    const outputs = (...names: string[]) => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', 3])
      for (const [i, name] of names.entries()) {
        const factor = graph.constant(float32([1], [i + 1]))
        graph.node('Mul', ['x', factor], {}, { outputs: [name] })
        graph.output(name, 'float32', ['batch', 3])
      }
      return graph.model()
    }
    for (const [a, b] of [
      [['y'], ['z']],
      [
        ['y', 'z'],
        ['y', 'w'],
      ],
    ]) {
      const { equal, outputs: found } = await compare(outputs(...a!), outputs(...b!))
      expect(equal).toBe(true)
      expect(found.map(({ name }) => name)).toEqual(a)
    }
    expect((await compare(outputs('y', 'z'), outputs('w', 'y'))).equal).toBe(false)
    await expect(compare(outputs('y', 'z'), outputs('v', 'w'))).rejects.toThrow(
      /the outputs of one are y \(float32\), z \(float32\), those of the other v/,
    )
  })

  test('models with other inputs cannot be compared', async () => {
    const other = single('Abs', { z: ['float32', ['n', 3]] })
    await expect(compare(affine(1), other)).rejects.toThrow(
      expect.objectContaining({ kind: 'difference', message: expect.stringMatching(/x .*z /) }),
    )
  })

  test('a fixed size in one of the models holds for both', async () => {
    expect((await compare(affine(1), affine(1, 0, [5, 3]))).equal).toBe(true)
    expect((await compare(affine(1, 0, [5, 3]), affine(1))).equal).toBe(true)
  })

  test('indices stay inside an embedding of any size', async () => {
    for (const rows of [2, 7, 100]) {
      const table = float32(
        [rows, 4],
        Float32Array.from({ length: 4 * rows }, (_, i) => i),
      )
      const embedding = (t: Tensor) =>
        single('Gather', { ids: ['int64', ['batch', 'length']] }, { table: t })
      expect((await compare(embedding(table), embedding(table))).equal).toBe(true)
      // Both first rows occur among the indices: a difference in one of them is seen.
      const changed = float32(
        [rows, 4],
        Float32Array.from(table.data, (v, i) => (i === 5 ? 0 : v)),
      )
      expect((await compare(embedding(table), embedding(changed))).equal).toBe(false)
    }
  })

  test.each([
    ['bool', 'Not', 'bool'],
    ['float16', 'Abs', 'float16'],
    ['float64', 'Abs', 'float64'],
    ['uint8', 'Identity', 'uint8'],
    ['int32', 'Abs', 'int32'],
  ] as const)('inputs of type %s', async (dtype, opType, output) => {
    const model = single(opType, { x: [dtype, ['n', 'h', 'w']] }, {}, output)
    expect(await compare(model, model)).toMatchObject({ equal: true, samples: 4 })
  })

  test('symbolic images are not square, and several samples are in a batch', async () => {
    const shape = (target: string): Model => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', 3, 'height', 'width'])
      graph.node('Shape', ['x'], {}, { outputs: [target] })
      const zero = graph.constant(int64([0, 0, 0, 0]))
      graph.node(
        target === 's' ? 'Sub' : 'Identity',
        target === 's' ? ['s', zero] : [zero],
        {},
        {
          outputs: ['y'],
        },
      )
      graph.output('y', 'int64', undefined)
      return graph.model()
    }
    // The shape itself is an output: compared with zeros, the largest difference is the width.
    const report = await compare(shape('s'), shape('t'))
    expect(report.outputs[0]).toMatchObject({ name: 'y', maxAbs: 96 })
  })

  test('sound is long enough for a spectrogram', async () => {
    const model = single(
      'Conv',
      { x: ['float32', ['batch', 1, 'samples']] },
      { k: float32([1, 1, 400], Array<number>(400).fill(1)) },
    )
    const node = model.graph.nodes[0]!
    const graph = { ...model.graph, nodes: [{ ...node, inputs: ['x', 'k'] }] }
    expect((await compare({ ...model, graph }, { ...model, graph })).equal).toBe(true)
  })

  test('says which input has another size', async () => {
    const reading = (shape: Shape) => single('Relu', { x: ['float32', shape] })
    await expect(
      compare(reading(['batch', 1, 28, 28]), reading(['batch', 3, 32, null])),
    ).rejects.toThrow(
      /input "x" is \[batch, 1, 28, 28\] in one and \[batch, 3, 32, \?\] in the other\.$/,
    )
    await expect(compare(reading([2, 3]), reading([2, 3, 1]))).rejects.toThrow(/input "x" is/)
    expect((await compare(reading(['n', 3]), reading([2, 'c']))).equal).toBe(true)
  })

  test('says what to do where no random inputs suit', async () => {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['n'])
    graph.node('Reshape', ['x', graph.constant(int64([7, 11]))], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    await expect(compare(graph.model(), graph.model())).rejects.toThrow(
      /^No random inputs suit both models \(ONNX Runtime cannot run.*give inputs of your own\.$/,
    )
  })

  describe('computed in segments', () => {
    const normal = (...dims: number[]) => {
      const random = randomStream(1, ...dims)
      return float32(
        dims,
        Float32Array.from({ length: elementCount(dims) }, () => 0.05 * random.normal()),
      )
    }
    const inSegments = { wholeUpTo: 0 }

    test('a bias that is computed from sizes', async () => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', 1500])
      const weight = graph.initializer('w', normal(1500, 1000))
      const units = graph.node('Gather', [
        graph.node('Shape', [weight]),
        graph.constant(int64([1])),
      ])
      const bias = graph.node('Expand', [graph.constant(float32([], [0.5])), units])
      graph.node('Gemm', ['x', weight, bias], {}, { outputs: ['y'] })
      graph.output('y', 'float32', undefined)
      const model = graph.model()
      expect(await compare(model, model, inSegments)).toMatchObject({ equal: true })
    })

    test('an image that is resized to sizes from an earlier segment', async () => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', 3, 'height', 'width'])
      const conv = (x: string, name: string, inputs: number, units: number) =>
        graph.node(
          'Conv',
          [x, graph.initializer(`${name}.w`, normal(units, inputs, 3, 3))],
          { pads: [1, 1, 1, 1] },
          { name },
        )
      const part = (value: string, from: number, to: number) =>
        graph.node('Slice', [
          graph.node('Shape', [value]),
          graph.constant(int64([from])),
          graph.constant(int64([to])),
        ])
      const sizes = part('x', 2, 4)
      const small = graph.node('MaxPool', [conv('x', 'a', 3, 300)], {
        kernel_shape: [4, 4],
        strides: [4, 4],
      })
      const inner = graph.node('Relu', [conv(small, 'b', 300, 300)])
      const whole = graph.node('Concat', [part(inner, 0, 2), sizes], { axis: 0 })
      const large = graph.node('Resize', [inner, '', '', whole], { mode: 'linear' })
      graph.node('Identity', [conv(large, 'c', 300, 2)], {}, { outputs: ['y'] })
      graph.output('y', 'float32', undefined)
      const model = graph.model()
      const grown = applyPlan(model, planWiden(model, { b: 310 }))
      expect(await compare(model, grown, inSegments)).toMatchObject({ equal: true })
    })
  })

  describe('with a model whose files are still being written', () => {
    const at = temporaryFolder()
    const large = { wholeUpTo: 0 }
    /** The same, its weights not there before the promise is kept. */
    const pending = (model: Model, arrival: Promise<void>): Model => ({
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map(
          [...model.graph.initializers].map(([name, { tensor }]) => [
            name,
            { tensor: { ...lazily(tensor), ready: () => arrival } },
          ]),
        ),
      },
    })
    const lazily = (tensor: LazyTensor): LazyTensor => ({
      dtype: tensor.dtype,
      dims: tensor.dims,
      byteLength: tensor.byteLength,
      read: (offset, length) => tensor.read(offset, length),
    })
    /** Tells when the first model has been computed, by asking for its weights. */
    function watched(model: Model, onRead: () => void): Model {
      const initializers = new Map(
        [...model.graph.initializers].map(([name, { tensor }]) => [
          name,
          {
            tensor: {
              ...tensor,
              byteLength: tensor.byteLength,
              read(offset: number, length: number) {
                onRead()
                return tensor.read(offset, length)
              },
            },
          },
        ]),
      )
      return { ...model, graph: { ...model.graph, initializers } }
    }

    test.each([large, {}])('compares with what is in the files: %o', async (options) => {
      for (const externalData of [false, true]) {
        const report = async (model: Model) => {
          const staged = await stage(model, at('b.onnx'), { externalData })
          try {
            return await compare(affine(2), staged.model, options)
          } finally {
            await staged.discard()
          }
        }
        expect((await report(affine(3))).equal).toBe(false)
        expect(await report(affine(2))).toEqual(await compare(affine(2), affine(2), options))
        await expect(report(affine(2, 0, ['batch', 4]))).rejects.toMatchObject({
          kind: 'difference',
        })
      }
      expect(readdirSync(at())).toEqual([])
    })

    test('computes the first in the meantime', async () => {
      let arrive = (): void => undefined
      const arrival = new Promise<void>((resolve) => {
        arrive = resolve
      })
      let computed = (): void => undefined
      const isComputed = new Promise<void>((resolve) => {
        computed = resolve
      })
      const report = compare(watched(affine(2), computed), pending(affine(2), arrival), large)
      await isComputed
      arrive()
      expect(await report).toMatchObject({ equal: true })
    })

    test.each([0, 1])('follows the writing, large weights last; off by %s', async (shift) => {
      const tall = (first: number) => {
        const graph = new GraphBuilder()
        graph.input('x', 'float32', [1, 4500])
        const weight = new Float32Array(4500 * 1000).map(
          (_, i) => (i % 7) + (i > 4_499_000 ? first : 0),
        )
        const product = graph.node('MatMul', ['x', graph.constant(float32([4500, 1000], weight))])
        graph.node('Relu', [product], {}, { outputs: ['y'] })
        graph.output('y', 'float32', [1, 1000])
        return graph.model()
      }
      let isWritten = false
      const staged = await stage(tall(shift), at('tall.onnx'), {
        onProgress: (done, total) => {
          isWritten = done === total
        },
      })
      expect(isWritten).toBe(false)
      const report = await compare(tall(0), staged.model, large)
      await staged.discard()
      expect(isWritten).toBe(true)
      expect(report.equal).toBe(shift === 0)
    })

    test('fails as the writing does, with any inputs', async () => {
      let reads = 0
      const first = watched(affine(2), () => reads++)
      await compare(first, first, large)
      const once = reads / 2
      reads = 0
      const arrival = new Promise<void>((_, reject) => {
        setTimeout(() => reject(inputError('No space.', { where: 'b.onnx' })), 200)
      })
      arrival.catch(() => undefined)
      const second = pending(affine(2), arrival)
      await expect(compare(first, second, large)).rejects.toThrow('No space.')
      expect(reads).toBe(once)
    })
  })
})
