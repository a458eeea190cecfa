import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareSteps, numbers, operatorsOf, run } from '../../testing/compare-steps.ts'
import { normalTensor } from '../../testing/gradient-check.ts'
import { testSeed } from '../../testing/seed.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64, Tensor } from '../tensor/tensor.ts'
import { positionMaps } from './position-maps.ts'

const int = (value: number): Tensor => int64([value], [])

/** What PyTorch's exporter writes of the windows along an axis. */
interface Windows {
  /** [pooled, longest window] */
  readonly positions: string
  readonly longest: number
  /** Sizes of the windows [pooled], and which places belong to none [pooled, longest]: where they differ. */
  readonly lengths?: string
  readonly beyond?: string
}

function windowsOf(builder: GraphBuilder, size: number, pooled: number): Windows {
  const node = builder.node.bind(builder)
  const ints = (...values: number[]) => builder.constant(int64(values))
  const number = (value: number) => builder.constant(int(value))
  const all = (count: number) =>
    node(
      'Range',
      [0, count, 1].map((value) => node('Cast', [number(value)], { to: 7 })),
    )
  /** Rounds down as the exporter does. */
  const quotient = (value: string) => {
    const exact = node('Div', [
      node('Cast', [value], { to: 1 }),
      node('Cast', [number(pooled)], { to: 1 }),
    ])
    const whole = node('Floor', [node('Abs', [exact])])
    return node('CastLike', [node('Mul', [whole, node('Sign', [exact])]), value])
  }
  const rest = size % pooled
  const differs = rest !== 0 && pooled % rest !== 0
  const longest = Math.floor(size / pooled) + (differs ? 2 : rest === 0 ? 0 : 1)
  const own = all(pooled)
  const starts = quotient(node('Mul', [own, number(size)]))
  const places = all(longest)
  const positions = node('Add', [node('Unsqueeze', [starts, ints(-1)]), places])
  if (!differs) return { positions, longest }
  const next = node('Mul', [node('Add', [own, number(1)]), number(size)])
  const ends = quotient(node('Sub', [node('Add', [next, number(pooled)]), number(1)]))
  const lengths = node('Sub', [ends, starts])
  const beyond = node('GreaterOrEqual', [places, node('Unsqueeze', [lengths, ints(-1)])])
  const last = node('Cast', [number(size - 1)], { to: 7 })
  return { positions: node('Min', [positions, last]), longest, lengths, beyond }
}

interface Pooling {
  readonly before: readonly [number, number]
  readonly after: readonly [number, number]
}

/** An adaptive average pooling of images in the form of the exporter; returns the windows' entries too. */
function adaptivePool(builder: GraphBuilder, x: string, { before, after }: Pooling) {
  const node = builder.node.bind(builder)
  const ints = (...values: number[]) => builder.constant(int64(values))
  const rows = windowsOf(builder, before[0], after[0])
  const columns = windowsOf(builder, before[1], after[1])
  const deep = node('Unsqueeze', [node('Unsqueeze', [rows.positions, ints(-1)]), ints(-1)])
  const sizes = node('Shape', [node('Max', [deep, columns.positions])])
  const indices = [deep, columns.positions].map((positions) =>
    node('Unsqueeze', [node('Expand', [positions, sizes]), ints(-1)]),
  )
  const picked = node('GatherND', [
    node('Transpose', [x], { perm: [2, 3, 0, 1] }),
    node('Concat', indices, { axis: -1 }),
  ])
  const entries = node('Transpose', [picked], { perm: [4, 5, 0, 1, 2, 3] })
  if (!rows.beyond && !columns.beyond)
    return { entries, y: node('ReduceMean', [entries, ints(-3, -1)], { keepdims: 0 }) }
  const zero = node('CastLike', [builder.constant(float32([], [0])), x])
  let masked = entries
  if (rows.beyond) {
    const mask = node('Unsqueeze', [node('Unsqueeze', [rows.beyond, ints(-1)]), ints(-1)])
    masked = node('Where', [mask, zero, masked])
  }
  if (columns.beyond) masked = node('Where', [columns.beyond, zero, masked])
  let sum: string | undefined
  for (let i = 0; i < rows.longest; i++)
    for (let j = 0; j < columns.longest; j++) {
      const line = node('Gather', [masked, builder.constant(int(i))], { axis: 3 })
      const entry = node('Gather', [line, builder.constant(int(j))], { axis: 4 })
      sum = sum === undefined ? entry : node('Add', [sum, entry])
    }
  const counts = node('Mul', [
    rows.lengths ? node('Unsqueeze', [rows.lengths, ints(-1)]) : ints(rows.longest),
    columns.lengths ?? ints(columns.longest),
  ])
  return { entries, y: node('Div', [sum!, node('Cast', [counts], { to: 1 })]) }
}

const window = (i: number, size: number, pooled: number) => ({
  start: Math.floor((i * size) / pooled),
  end: Math.ceil(((i + 1) * size) / pooled),
})

function poolingOf(image: readonly number[], { before, after }: Pooling): number[] {
  const [height, width] = before
  const results: number[] = []
  for (let from = 0; from < image.length; from += height * width)
    for (let i = 0; i < after[0]; i++)
      for (let j = 0; j < after[1]; j++) {
        const [rows, columns] = [window(i, height, after[0]), window(j, width, after[1])]
        let sum = 0
        for (let h = rows.start; h < rows.end; h++)
          for (let w = columns.start; w < columns.end; w++) sum += image[from + h * width + w]!
        results.push(sum / ((rows.end - rows.start) * (columns.end - columns.start)))
      }
  return results
}

const difference = (a: readonly number[], b: readonly number[]): number =>
  a.length === b.length
    ? a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
    : Number.POSITIVE_INFINITY

const pooling: Pooling = { before: [5, 7], after: [3, 4] }

/** A model that reads images of five rows and seven columns, and what became of it. */
function modelOf(layers: (builder: GraphBuilder) => readonly string[]): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 2, ...pooling.before])
  for (const name of layers(builder)) builder.output(name)
  return builder.model()
}

/** The entries that two positions along the columns share, by constant indices: [N, C, 5, 2, 3]. */
const pickedBy = (builder: GraphBuilder, indices: string) =>
  builder.node('Gather', ['x', indices], { axis: 3 })
const pairs = int64([0, 1, 3, 4, 5, 6], [2, 3])
const sumOver = (builder: GraphBuilder, value: string, ...axes: number[]) =>
  builder.node('ReduceSum', [value, builder.constant(int64(axes))], { keepdims: 0 })

async function expectSame(model: Model, mapped: Model, feeds = {}): Promise<void> {
  const x = normalTensor(randomStream(testSeed, 'position maps'), [3, 2, ...pooling.before])
  const [expected, found] = [await run(model, { x, ...feeds }), await run(mapped, { x, ...feeds })]
  for (const [name, tensor] of Object.entries(expected)) {
    expect(found[name]?.dims, `seed ${testSeed}: ${name}`).toEqual(tensor.dims)
    const error = difference(numbers(tensor), numbers(found[name]!))
    expect(error, `seed ${testSeed}: ${name}`).toBeLessThan(1e-5)
  }
}

describe('an adaptive average pooling as an exporter writes it', () => {
  const size = fc.integer({ min: 1, max: 14 })

  test('of images of any size is products with what its windows weigh', () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size),
        fc.tuple(size, size),
        fc.boolean(),
        async (before, after, isFixed) => {
          const builder = new GraphBuilder()
          const batch = isFixed ? 2 : 'batch'
          builder.input('x', 'float32', [batch, 3, ...before])
          builder.output(adaptivePool(builder, 'x', { before, after }).y)
          const mapped = positionMaps(builder.model())
          // Where nothing is added up, a Gather does.
          const { nodes } = mapped.graph
          if (nodes.some(({ opType }) => opType === 'ReduceMean' || opType === 'Add'))
            expect(nodes.length).toBeLessThan(5)
          const x = normalTensor(randomStream(1, 'images'), [2, 3, ...before])
          const [y] = Object.values(await run(mapped, { x }))
          expect(y!.dims).toEqual([2, 3, ...after])
          expect(difference(numbers(y!), poolingOf(numbers(x), { before, after }))).toBeLessThan(
            1e-5,
          )
          expect(operatorsOf(mapped)).not.toContain('GatherND')
        },
      ),
      { numRuns: 40 },
    ))

  test('of signals', () =>
    fc.assert(
      fc.asyncProperty(size, size, async (length, pooled) => {
        const builder = new GraphBuilder()
        builder.input('x', 'float32', ['batch', 3, length])
        const axes = builder.constant(int64([-2]))
        const line = builder.node('Unsqueeze', ['x', axes])
        const form: Pooling = { before: [1, length], after: [1, pooled] }
        const { y } = adaptivePool(builder, line, form)
        builder.output(builder.node('Squeeze', [y, axes]))
        const mapped = positionMaps(builder.model())
        expect(operatorsOf(mapped)).not.toContain('GatherND')
        const x = normalTensor(randomStream(2, 'signals'), [2, 3, length])
        const [found] = Object.values(await run(mapped, { x }))
        expect(found!.dims).toEqual([2, 3, pooled])
        expect(difference(numbers(found!), poolingOf(numbers(x), form))).toBeLessThan(1e-5)
      }),
      { numRuns: 20 },
    ))

  test.each<Pooling>([
    { before: [9, 6], after: [4, 4] },
    { before: [6, 8], after: [4, 6] },
    { before: [2, 2], after: [5, 3] },
    // By rows and columns apart.
    { before: [36, 40], after: [5, 7] },
  ])('has the gradient of the standard step: $before to $after', async (form) => {
    const lowered = await compareSteps({
      input: [2, ...form.before],
      layers: (net) => {
        const x = net.relu(net.conv('input', [4, 2, 3, 3]))
        const [rows, columns] = form.after
        return [adaptivePool(net.builder, x, form).y, 4 * rows * columns]
      },
    })
    const used = operatorsOf(lowered)
    for (const slow of ['GatherND', 'ScatterND', 'ScatterElements', 'Where', 'Range'])
      expect(used).not.toContain(slow)
  })

  test('of large images costs a product for rows and one for columns', () => {
    const form = (size: number, pooled: number) => {
      const builder = new GraphBuilder()
      builder.input('x', 'float32', ['batch', 3, size, size])
      const pooling: Pooling = { before: [size, size], after: [pooled, pooled] }
      builder.output(adaptivePool(builder, 'x', pooling).y)
      return operatorsOf(positionMaps(builder.model())).filter((name) => name !== 'Identity')
    }
    expect(form(16, 7)).toEqual(['Reshape', 'MatMul', 'Reshape'])
    expect(form(60, 7)).toEqual(['MatMul', 'MatMul'])
  })
})

test('a large image whose rows and columns are not apart: a product with all positions, where that is not too large', async () => {
  const form = (size: number, after: Pooling['after']): readonly [Model, Model] => {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['batch', 1, size, size])
    const node = builder.node.bind(builder)
    const pooled = adaptivePool(builder, 'x', { before: [size, size], after }).y
    const weights = normalTensor(randomStream(testSeed, 'weights'), after)
    builder.output(node('Mul', [pooled, builder.constant(weights)]))
    return [builder.model(), positionMaps(builder.model())]
  }
  const [model, mapped] = form(32, [5, 5])
  expect(operatorsOf(mapped)).toEqual(['Reshape', 'MatMul', 'Reshape', 'Identity'])
  const x = normalTensor(randomStream(testSeed, 'image'), [2, 1, 32, 32])
  const [[expected], [found]] = [
    Object.values(await run(model, { x })),
    Object.values(await run(mapped, { x })),
  ]
  expect(difference(numbers(expected!), numbers(found!)), `seed ${testSeed}`).toBeLessThan(1e-5)
  // What comes before the weights is what rows and columns weigh.
  expect(operatorsOf(form(210, [20, 4])[1]).filter((name) => name !== 'Identity')).toEqual([
    'MatMul',
    'MatMul',
    'Mul',
  ])
})

test('entries that are picked and added up, and what is read in other places', async () => {
  const model = modelOf((builder) => {
    const entries = pickedBy(builder, builder.constant(pairs))
    const weights = builder.constant(float32([2, 1], [0.5, -2]))
    const sum = sumOver(builder, builder.node('Mul', [entries, weights]), 3)
    return [sum, builder.node('Relu', [sum]), sumOver(builder, entries, 2, 4), 'x']
  })
  const mapped = positionMaps(model)
  expect(operatorsOf(mapped)).not.toContain('Gather')
  await expectSame(model, mapped)
  const beside = modelOf((builder) => {
    const { entries, y } = adaptivePool(builder, 'x', pooling)
    return [entries, y]
  })
  const both = positionMaps(beside)
  expect(operatorsOf(both)).toContain('GatherND')
  expect(operatorsOf(both)).toContain('MatMul')
  expect(operatorsOf(both)).not.toContain('Where')
  await expectSame(beside, both)
})

test('positions in another order than batch and channels first', async () => {
  const model = modelOf((builder) => {
    const last = builder.node('Transpose', ['x'], { perm: [3, 1, 2, 0] })
    const entries = builder.node('Gather', [last, builder.constant(pairs)], { axis: 0 })
    return [sumOver(builder, entries, 1)]
  })
  const mapped = positionMaps(model)
  expect(operatorsOf(mapped)).toEqual(['Reshape', 'MatMul', 'Reshape', 'Transpose', 'Identity'])
  await expectSame(model, mapped)
})

test('what ends a chain: the part before it is a product, and the rest stays', async () => {
  const model = modelOf((builder) => {
    builder.initializer('trained', float32([3], [1, 2, 3]))
    const sum = sumOver(builder, pickedBy(builder, builder.constant(pairs)), 3)
    const scaled = builder.node('Mul', [sum, 'trained'])
    // A number that is added, the square, and sums over channels are none of its positions alone.
    const moved = builder.node('Add', [sum, builder.constant(float32([], [1]))])
    return [scaled, moved, builder.node('Mul', [sum, sum]), sumOver(builder, sum, 1)]
  })
  const mapped = positionMaps(model, new Set(['trained']))
  expect(operatorsOf(mapped)).toEqual([
    ...['Reshape', 'MatMul', 'Reshape'],
    ...['Mul', 'Add', 'Mul', 'ReduceSum'],
  ])
  await expectSame(model, mapped)
})

test('a Squeeze that may take the batch away ends a chain', async () => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', [1, 2, ...pooling.before])
  const picked = pickedBy(builder, builder.constant(pairs))
  const mean = builder.node('ReduceMean', [picked, builder.constant(int64([2, 3]))])
  builder.output(builder.node('Squeeze', [mean]))
  const mapped = positionMaps(builder.model())
  const used = ['Reshape', 'MatMul', 'Reshape', 'Squeeze']
  expect(operatorsOf(mapped)).toEqual(used)
  const x = normalTensor(randomStream(1, 'one image'), [1, 2, ...pooling.before])
  expect(Object.values(await run(mapped, { x }))[0]!.dims).toEqual([2, 3])
})

test('what is not known before, or is no map of positions, stays as it is', () => {
  const isLeft = (
    layers: (builder: GraphBuilder) => string,
    variables: readonly string[] = [],
  ): void => {
    const model = modelOf((builder) => [layers(builder)])
    expect(positionMaps(model, new Set(variables))).toBe(model)
  }
  const indices = (builder: GraphBuilder, ...values: number[]) => builder.constant(int64(values))
  isLeft((builder) => sumOver(builder, pickedBy(builder, builder.input('at', 'int64', [2, 3])), 3))
  isLeft(
    (builder) => {
      builder.initializer('at', pairs)
      return sumOver(builder, pickedBy(builder, 'at'), 3)
    },
    ['at'],
  )
  isLeft((builder) => {
    const mask = builder.input('mask', 'bool', [2, 3])
    const zero = builder.constant(float32([], [0]))
    const entries = pickedBy(builder, builder.constant(pairs))
    return sumOver(builder, builder.node('Where', [mask, zero, entries]), 3)
  })
  // Nothing is added up, or nothing is picked.
  isLeft((builder) => pickedBy(builder, builder.constant(pairs)))
  isLeft((builder) => sumOver(builder, 'x', 2))
  // Of channels, of the batch, and beyond the axis.
  isLeft((builder) => {
    const entries = builder.node('Gather', ['x', indices(builder, 0, 1)], { axis: 1 })
    return sumOver(builder, entries, 1)
  })
  isLeft((builder) => sumOver(builder, builder.node('Gather', ['x', indices(builder, 0)]), 0))
  isLeft((builder) => sumOver(builder, pickedBy(builder, indices(builder, 0, 7)), 3))
  // Not by a mask that is known to hide the numbers beside the entries.
  isLeft((builder) => {
    const mask = builder.constant(new Tensor('bool', [3], Uint8Array.of(1, 0, 1)))
    const one = builder.constant(float32([], [1]))
    const entries = pickedBy(builder, builder.constant(pairs))
    return sumOver(builder, builder.node('Where', [mask, one, entries]), 3)
  })
})

test('a value that a subgraph reads keeps its name and its nodes', async () => {
  const model = modelOf((builder) => {
    const sum = sumOver(builder, pickedBy(builder, builder.constant(pairs)), 3)
    const branch = (opType: string) => {
      const inner = new GraphBuilder(undefined, builder.names)
      inner.output(inner.node(opType, [sum]), 'float32')
      return { type: 'graph' as const, value: inner.graph(opType) }
    }
    const condition = builder.input('condition', 'bool', [])
    const branches = { then_branch: branch('Relu'), else_branch: branch('Neg') }
    return [builder.node('If', [condition], branches)]
  })
  const mapped = positionMaps(model)
  expect(mapped).toBe(model)
})

test('a sum of few entries of a long signal costs less than a product with all of them', () => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 2, 900])
  const neighbours = Array.from({ length: 1798 }, (_, i) => Math.floor((i + 1) / 2))
  const indices = builder.constant(int64(neighbours, [899, 2]))
  const entries = builder.node('Gather', ['x', indices], { axis: 2 })
  builder.output(sumOver(builder, entries, 3))
  const model = builder.model()
  expect(positionMaps(model)).toBe(model)
})

test('sums that double in number with each node are followed for a while, and stay right', async () => {
  const model = modelOf((builder) => {
    let sum = sumOver(builder, pickedBy(builder, builder.constant(pairs)), 3)
    for (let doublings = 0; doublings < 40; doublings++) {
      sum = builder.node('Add', [sum, sum])
      sum = builder.node('Mul', [sum, builder.constant(float32([], [0.5]))])
    }
    return [sum]
  })
  const mapped = positionMaps(model)
  expect(operatorsOf(mapped)).toContain('MatMul')
  expect(operatorsOf(mapped)).toContain('Add')
  await expectSame(model, mapped)
})

test('batch and channels in each other’s place, and an axis of size one before them', async () => {
  const model = modelOf((builder) => {
    const sum = sumOver(builder, pickedBy(builder, builder.constant(pairs)), 3)
    const turned = builder.node('Transpose', [sum], { perm: [1, 2, 0, 3] })
    return [builder.node('Unsqueeze', [turned, builder.constant(int64([0]))])]
  })
  const mapped = positionMaps(model)
  expect(operatorsOf(mapped)).not.toContain('Gather')
  await expectSame(model, mapped)
})
