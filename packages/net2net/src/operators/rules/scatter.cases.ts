/** Test cases of ScatterElements, ScatterND and Scatter. */
import { BATCH, grows, refuses, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type DrawnNode, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape, between, randomAxis, randomIndices } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { permutation, type RandomStream } from '../../tensor/random.ts'
import { elementCount, int64, type Tensor } from '../../tensor/tensor.ts'

/** Overwriting every other time; products have zeros among their factors. */
const reductions = ['add', 'mul', 'min', 'max'] as const
type Reduction = (typeof reductions)[number]
const someReduction = (random: RandomStream): Reduction | undefined =>
  random.below(2) === 0 ? anyOf(random, reductions) : undefined

function updatesOf(random: RandomStream, dims: readonly number[], reduction?: Reduction): Tensor {
  const updates = normalTensor(random, dims)
  if (reduction === 'mul')
    (updates.data as Float32Array).forEach((_, i, all) => {
      if (random.below(4) === 0) all[i] = 0
    })
  return updates
}

/** Indices into one axis: each at most once where updates overwrite. */
const scatterElements = (random: RandomStream, reduction: Reduction | undefined): DrawnNode => {
  const dims = anyShape(random, 1, 3)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const picked = dims.map((size) => between(random, 1, size))
  const indices = reduction
    ? randomIndices(random, picked, dims[at]!)
    : int64(distinctAlong(random, picked, at, dims[at]!), picked)
  return {
    inputs: [normalTensor(random, dims), indices, updatesOf(random, picked, reduction)],
    attributes: { axis, reduction },
  }
}

function distinctAlong(
  random: RandomStream,
  dims: readonly number[],
  axis: number,
  size: number,
): number[] {
  const stride = elementCount(dims.slice(axis + 1))
  const lines = new Map<number, Uint32Array>()
  return Array.from({ length: elementCount(dims) }, (_, i) => {
    const place = Math.floor(i / stride) % dims[axis]!
    const line = i - place * stride
    const order = lines.get(line) ?? permutation(size, random)
    lines.set(line, order)
    return order[place]!
  })
}

const scatterND: Draw = (random) => {
  const dims = anyShape(random, 1, 3)
  const depth = between(random, 1, dims.length)
  const places = elementCount(dims.slice(0, depth))
  const reduction = someReduction(random)
  const count = between(random, 1, places)
  const flat = reduction
    ? Array.from({ length: count }, () => random.below(places))
    : Array.from(permutation(places, random).subarray(0, count))
  const values = flat.flatMap((place) =>
    Array.from({ length: depth }, (_, k) => {
      const stride = elementCount(dims.slice(k + 1, depth))
      return Math.floor(place / stride) % dims[k]!
    }),
  )
  return {
    inputs: [
      normalTensor(random, dims),
      int64(values, [count, depth]),
      updatesOf(random, [count, ...dims.slice(depth)], reduction),
    ],
    attributes: { reduction },
  }
}

/** Sums of three rows of `grown` at the ends of edges, as graph neural networks have them: the indices are repeated for each unit. */
const overEdges = (reduction: Reduction) =>
  grows(`of rows that edges bring (${reduction})`, (b) => {
    const source = b.op('Gather', [b.dense(), b.ints(1, 0, 1)], { axis: 0 })
    const ends = b.op('Expand', [b.constant(int64([0, 0, 1], [3, 1])), b.ints(3, WIDTH)])
    const zeros = b.op('ConstantOfShape', [b.ints(BATCH, WIDTH)])
    const start = reduction === 'mul' ? b.op('Add', [zeros, b.number(1)]) : zeros
    return b.read(b.op('ScatterElements', [start, ends, source], { axis: 0, reduction }), 1)
  })

export const cases: OperatorCases = {
  ScatterElements: {
    gradient: vaguely((random) => scatterElements(random, someReduction(random))),
    growth: [
      ...reductions.map(overEdges),
      grows('along rows with indices of their own', (b) => {
        const indices = b.constant(int64([0, 1, 1, 0, 1, 0, 0, 1], [BATCH, WIDTH]))
        const sum = b.op('ScatterElements', [b.dense(), indices, b.dense('other')], {
          axis: 0,
          reduction: 'add',
        })
        return b.read(sum, 1)
      }),
      refuses('where fewer units are written than there are', /by index/, (b) =>
        b.read(
          b.op('ScatterElements', [b.dense(), b.constant(int64([0, 1], [1, 2])), b.weight(1, 2)], {
            axis: 0,
          }),
          1,
        ),
      ),
      refuses('of units', /by index/, (b) =>
        b.read(
          b.op('ScatterElements', [b.dense(), b.constant(int64([1, 2], [2, 1])), b.weight(2, 1)], {
            axis: 1,
          }),
          1,
        ),
      ),
    ],
  },
  Scatter: {
    gradient: vaguely((random) => ({ ...scatterElements(random, undefined), opset: 10 })),
    growth: [
      refuses(
        'of units',
        /by index/,
        (b) =>
          b.read(
            b.op('Scatter', [b.dense(), b.constant(int64([1, 2], [2, 1])), b.weight(2, 1)], {
              axis: 1,
            }),
            1,
          ),
        { opset: 10 },
      ),
    ],
  },
  ScatterND: {
    gradient: vaguely(scatterND),
    growth: [
      grows('of rows', (b) => {
        const other = b.op('Slice', [b.dense('other'), b.ints(0), b.ints(1), b.ints(0)])
        return b.read(b.op('ScatterND', [b.dense(), b.constant(int64([1], [1, 1])), other]), 1)
      }),
    ],
  },
}
