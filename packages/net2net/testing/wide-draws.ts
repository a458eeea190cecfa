/**
 * Random nodes at sizes where kernels of a GPU change: multiples of four and others, groups of channels, large and small
 * sums. The cases of the rules have every attribute, but small tensors. For tests only.
 */
import { float } from '../src/model/attributes.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { elementCount, float32, int64, Tensor } from '../src/tensor/tensor.ts'
import { anyOf, between, broadcastable, randomShape } from './draws.ts'
import { normalTensor, type OneNode, uniformTensor } from './gradient-check.ts'

type WideDraw = (random: RandomStream, index: number) => OneNode

/** Sizes of channels. */
const channels = [1, 2, 3, 4, 5, 6, 8, 12, 16, 32]
const few = [1, 2, 3, 4, 5, 6, 8]
const several = (random: RandomStream, rank: number, choices: readonly number[]) =>
  Array.from({ length: rank }, () => anyOf(random, choices))

const convolution =
  (rank: number): WideDraw =>
  (random, index) => {
    const group = anyOf(random, [1, 1, 2, 3, 4])
    const isDepthwise = random.below(4) === 0
    const perGroup = isDepthwise ? 1 : anyOf(random, group === 1 ? channels : few)
    const filters = isDepthwise
      ? anyOf(random, [1, 1, 2])
      : anyOf(random, group === 1 ? channels : few)
    const groups = isDepthwise ? anyOf(random, [2, 3, 4, 6, 8, 16]) : group
    const kernel = several(random, rank, rank === 3 ? [1, 2, 3] : [1, 1, 2, 3, 3, 4, 5, 7])
    const strides = several(random, rank, [1, 1, 2, 3])
    const dilations = several(random, rank, [1, 1, 1, 2, 3])
    const dims = kernel.map(
      (k, i) => (k - 1) * dilations[i]! + 1 + between(random, 0, rank === 3 ? 3 : 9),
    )
    const auto =
      random.below(4) === 0 ? anyOf(random, ['SAME_UPPER', 'SAME_LOWER', 'VALID']) : undefined
    const pads = Array.from({ length: 2 * rank }, (_, i) => random.below(kernel[i % rank]! + 1))
    return {
      op: 'Conv',
      attributes: {
        group: groups,
        strides,
        dilations: auto ? Array(rank).fill(1) : dilations,
        ...(auto ? { auto_pad: auto } : random.below(3) > 0 ? { pads } : {}),
      },
      inputs: [
        normalTensor(random, [between(random, 1, 3), perGroup * groups, ...dims]),
        normalTensor(random, [filters * groups, perGroup, ...kernel]),
        index % 2 === 0 ? normalTensor(random, [filters * groups]) : undefined,
      ],
      constants: random.below(2) === 0 ? [1, 2] : [],
    }
  }

const transposed =
  (rank: number): WideDraw =>
  (random, index) => {
    const group = anyOf(random, [1, 1, 1, 2, 3, 4])
    const perGroup = anyOf(random, few.concat(7, 10, 16))
    const filters = anyOf(random, few.concat(7, 10, 16))
    const kernel = several(random, rank, rank === 3 ? [1, 2, 3] : [1, 2, 3, 4, 5])
    const strides = several(random, rank, [1, 1, 2, 3])
    const dilations = several(random, rank, [1, 1, 1, 2, 3])
    const dims = several(random, rank, rank === 3 ? [1, 2, 3] : [1, 2, 3, 5, 8])
    const sized = random.below(5) === 0
    const pads = Array.from({ length: 2 * rank }, (_, i) =>
      random.below(Math.min(3, kernel[i % rank]!)),
    )
    const full = dims.map((d, i) => (d - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1)
    const fits = full.every((f, i) => f - pads[i]! - pads[i + rank]! > 0)
    return {
      op: 'ConvTranspose',
      attributes: {
        group,
        strides,
        dilations,
        ...(sized
          ? {
              auto_pad: anyOf(random, ['SAME_UPPER', 'SAME_LOWER', 'VALID']),
              dilations: Array(rank).fill(1),
            }
          : {
              ...(fits && random.below(3) > 0 ? { pads } : {}),
              ...(random.below(3) === 0
                ? { output_padding: strides.map((s) => random.below(s)) }
                : {}),
            }),
      },
      inputs: [
        normalTensor(random, [between(random, 1, 3), perGroup * group, ...dims]),
        normalTensor(random, [perGroup * group, filters, ...kernel]),
        index % 2 === 0 ? normalTensor(random, [filters * group]) : undefined,
      ],
    }
  }

const pooling =
  (op: string, rank: number): WideDraw =>
  (random) => {
    const kernel = several(random, rank, rank === 3 ? [1, 2, 3] : [1, 2, 3, 4, 12])
    const strides = several(random, rank, [1, 2, 3])
    const withDilations = op === 'MaxPool' && random.below(3) === 0
    const dilations = several(random, rank, withDilations ? [1, 2] : [1])
    const dims = kernel.map((k, i) => (k - 1) * dilations[i]! + 1 + between(random, 0, 7))
    const auto =
      random.below(4) === 0 ? anyOf(random, ['SAME_UPPER', 'SAME_LOWER', 'VALID']) : undefined
    const pads = Array.from({ length: 2 * rank }, (_, i) => random.below(kernel[i % rank]!))
    return {
      op,
      opset: 19,
      attributes: {
        kernel_shape: kernel,
        strides,
        // Runtimes count dilations wrongly where pads are automatic.
        ...(withDilations && !auto ? { dilations } : {}),
        ...(auto
          ? { auto_pad: auto }
          : {
              pads: random.below(3) > 0 ? pads : Array(2 * rank).fill(0),
              ceil_mode: random.below(2),
            }),
        ...(op === 'AveragePool' ? { count_include_pad: random.below(2) } : {}),
      },
      inputs: [normalTensor(random, [between(random, 1, 3), anyOf(random, channels), ...dims])],
    }
  }

const product: WideDraw = (random) => {
  const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 32, 33, 64, 65, 128]
  const [m, k, n] = [anyOf(random, sizes), anyOf(random, sizes), anyOf(random, sizes)]
  const batch = randomShape(random, random.below(3), 4)
  const other = random.below(2) === 0 ? [] : broadcastable(random, batch)
  const kind = random.below(8)
  if (kind === 0)
    return {
      op: 'MatMul',
      inputs: [normalTensor(random, [k]), normalTensor(random, [...other, k, n])],
    }
  if (kind === 1)
    return {
      op: 'MatMul',
      inputs: [normalTensor(random, [...batch, m, k]), normalTensor(random, [k])],
    }
  return {
    op: 'MatMul',
    inputs: [normalTensor(random, [...batch, m, k]), normalTensor(random, [...other, k, n])],
  }
}

const gemm: WideDraw = (random) => {
  const sizes = [1, 2, 3, 4, 5, 8, 16, 31, 32, 33, 64, 65]
  const [m, k, n] = [anyOf(random, sizes), anyOf(random, sizes), anyOf(random, sizes)]
  const [transA, transB] = [random.below(2), random.below(2)]
  const c = anyOf(random, [undefined, [m, n], [n], [1, n], [m, 1], [1], []])
  return {
    op: 'Gemm',
    attributes: {
      transA,
      transB,
      alpha: float(anyOf(random, [1, 0.5, -2])),
      beta: float(anyOf(random, [1, 0.5, 0])),
    },
    inputs: [
      normalTensor(random, transA ? [k, m] : [m, k]),
      normalTensor(random, transB ? [n, k] : [k, n]),
      c && normalTensor(random, c),
    ],
  }
}

const reduction =
  (op: string): WideDraw =>
  (random) => {
    const rank = between(random, 1, 4)
    const dims = several(
      random,
      rank,
      rank > 2 ? [1, 3, 4, 5, 8, 17] : [1, 5, 32, 64, 100, 257, 1030],
    )
    const axes = dims.map((_, i) => i).filter(() => random.below(2) === 0)
    const x =
      op === 'ReduceLogSum'
        ? uniformTensor(random, dims, 0.3, 2)
        : op === 'ReduceProd'
          ? uniformTensor(random, dims, 0.9, 1.1)
          : normalTensor(random, dims)
    return {
      op,
      attributes: { keepdims: random.below(2) },
      inputs: [x, axes.length > 0 ? int64(axes) : undefined],
      constants: [1],
    }
  }

const argument =
  (op: string): WideDraw =>
  (random) => {
    const dims = several(random, between(random, 1, 4), [1, 2, 4, 7, 33])
    return {
      op,
      attributes: {
        axis: between(random, -dims.length, dims.length - 1),
        keepdims: random.below(2),
      },
      inputs: [normalTensor(random, dims)],
    }
  }

const softmax =
  (op: string): WideDraw =>
  (random) => {
    const dims = several(random, between(random, 1, 4), [1, 2, 4, 7, 33, 64])
    return {
      op,
      attributes: { axis: between(random, -dims.length, dims.length - 1) },
      inputs: [normalTensor(random, dims, { scale: 5 })],
    }
  }

const epsilons = [1e-5, 1e-3, 0.1, 1e-8]
const epsilonOf = (random: RandomStream) => ({ epsilon: float(anyOf(random, epsilons)) })
const images = (random: RandomStream) => [
  between(random, 1, 3),
  anyOf(random, channels),
  ...several(random, between(random, 1, 3), [1, 2, 3, 5, 8]),
]
const instance: WideDraw = (random) => {
  const dims = images(random)
  return {
    op: 'InstanceNormalization',
    attributes: epsilonOf(random),
    inputs: [
      normalTensor(random, dims),
      normalTensor(random, [dims[1]!]),
      normalTensor(random, [dims[1]!]),
    ],
  }
}
const batch: WideDraw = (random) => {
  const dims =
    random.below(4) === 0 ? [between(random, 1, 3), anyOf(random, channels)] : images(random)
  const c = [dims[1]!]
  return {
    op: 'BatchNormalization',
    attributes: epsilonOf(random),
    inputs: [
      normalTensor(random, dims),
      normalTensor(random, c),
      normalTensor(random, c),
      normalTensor(random, c),
      uniformTensor(random, c, 0.5, 2),
    ],
  }
}
const layer: WideDraw = (random) => {
  const dims = several(
    random,
    between(random, 2, 4),
    [1, 2, 3, 4, 7, 64, 130].slice(0, random.below(2) === 0 ? 7 : 5),
  )
  const axis = random.below(3) === 0 ? between(random, 0, dims.length - 1) : dims.length - 1
  const own = dims.slice(axis)
  return {
    op: 'LayerNormalization',
    attributes: { axis, ...epsilonOf(random) },
    inputs: [
      normalTensor(random, dims),
      normalTensor(random, own),
      random.below(2) === 0 ? normalTensor(random, own) : undefined,
    ],
  }
}
const group: WideDraw = (random) => {
  const groups = anyOf(random, [1, 2, 3, 4])
  const c = groups * anyOf(random, few)
  const dims = [between(random, 1, 3), c, ...several(random, between(random, 1, 2), [1, 3, 5, 8])]
  return {
    op: 'GroupNormalization',
    opset: 21,
    attributes: { num_groups: groups, ...epsilonOf(random) },
    inputs: [normalTensor(random, dims), normalTensor(random, [c]), normalTensor(random, [c])],
  }
}

const binary =
  (op: string): WideDraw =>
  (random) => {
    const dims = several(random, between(random, 1, 5), [1, 2, 3, 4, 5, 8])
    const other = random.below(3) === 0 ? dims : broadcastable(random, dims)
    const values = (d: readonly number[]) =>
      op === 'Pow' || op === 'Div'
        ? uniformTensor(random, d, 0.5, 2)
        : float32(
            d,
            Array.from({ length: elementCount(d) }, () => Math.round(4 * random.normal()) / 4),
          )
    const pair = [values(dims), values(other)]
    return { op, inputs: random.below(2) === 0 ? pair : pair.reverse() }
  }

const select: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 3, 4, 5, 8])
  const some = () => (random.below(2) === 0 ? dims : broadcastable(random, dims))
  const condition = some()
  return {
    op: 'Where',
    inputs: [
      boolTensor(random, condition),
      normalTensor(random, some()),
      normalTensor(random, some()),
    ],
  }
}
const boolTensor = (random: RandomStream, dims: readonly number[]) =>
  new Tensor(
    'bool',
    dims,
    Uint8Array.from({ length: elementCount(dims) }, () => random.below(2)),
  )

const transpose: WideDraw = (random) => {
  const rank = between(random, 2, 6)
  const dims = several(random, rank, rank > 3 ? [1, 2, 3, 4, 5] : [1, 4, 5, 16, 33])
  const perm = Array.from({ length: rank }, (_, i) => ({ i, k: random.uniform() }))
    .sort((a, b) => a.k - b.k)
    .map(({ i }) => i)
  return { op: 'Transpose', attributes: { perm }, inputs: [normalTensor(random, dims)] }
}
const concat: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 3, 4, 5, 8])
  const axis = random.below(dims.length)
  const count = anyOf(random, [1, 2, 3, 5, 9, 17])
  return {
    op: 'Concat',
    attributes: { axis },
    inputs: Array.from({ length: count }, () =>
      normalTensor(
        random,
        dims.map((d, i) => (i === axis ? anyOf(random, [1, 2, 3, 4]) : d)),
      ),
    ),
  }
}
const split: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [2, 3, 4, 5, 8])
  const axis = random.below(dims.length)
  const parts: number[] = []
  const count = anyOf(random, [1, 2, 3, 9])
  for (let i = 0; i < count; i++) parts.push(between(random, 1, 5))
  dims[axis] = parts.reduce((a, b) => a + b, 0)
  return {
    op: 'Split',
    attributes: { axis },
    inputs: [normalTensor(random, dims), int64(parts)],
    constants: [1],
    outputs: count,
  }
}
const slice: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 4, 5, 8, 17])
  const axes = dims.map((_, i) => i).filter(() => random.below(2) === 0)
  if (axes.length === 0) axes.push(0)
  const steps = axes.map(() => anyOf(random, [1, 1, 2, 3, -1, -2]))
  const starts = axes.map((a, i) =>
    steps[i]! > 0 ? random.below(dims[a]!) : anyOf(random, [-1, dims[a]! - 1, 100]),
  )
  const ends = axes.map((a, i) =>
    steps[i]! > 0
      ? anyOf(random, [dims[a]!, 2 ** 31 - 1])
      : anyOf(random, [-1 - dims[a]!, -(2 ** 31)]),
  )
  return {
    op: 'Slice',
    inputs: [normalTensor(random, dims), int64(starts), int64(ends), int64(axes), int64(steps)],
    constants: [1, 2, 3, 4],
  }
}
const pad: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [3, 4, 5, 8])
  const mode = anyOf(random, ['constant', 'constant', 'reflect', 'edge', 'wrap'])
  const pads = Array.from({ length: 2 * dims.length }, () =>
    mode === 'constant' ? between(random, -1, 3) : between(random, 0, 2),
  )
  return {
    op: 'Pad',
    opset: 19,
    attributes: { mode },
    inputs: [
      normalTensor(random, dims),
      int64(pads),
      random.below(2) === 0 ? float32([], [2.5]) : undefined,
    ],
    constants: [1, 2],
  }
}
const gather: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 4, 5, 8])
  const axis = random.below(dims.length)
  const shape = several(random, random.below(3), [1, 2, 4, 5])
  const ids = int64(
    shape.length === 0
      ? [0]
      : Array.from({ length: elementCount(shape) }, () =>
          between(random, -dims[axis]!, dims[axis]! - 1),
        ),
  )
  const indices = new Tensor('int64', shape, ids.data as BigInt64Array)
  return { op: 'Gather', attributes: { axis }, inputs: [normalTensor(random, dims), indices] }
}
const tile: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 4, 5])
  return {
    op: 'Tile',
    inputs: [normalTensor(random, dims), int64(dims.map(() => between(random, 1, 3)))],
    constants: [1],
  }
}
const expand: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 4, 5, 8])
  return {
    op: 'Expand',
    inputs: [normalTensor(random, broadcastable(random, dims)), int64(dims)],
    constants: [1],
  }
}
const cumSum: WideDraw = (random) => {
  const dims = several(random, between(random, 1, 4), [1, 2, 4, 5, 33])
  return {
    op: 'CumSum',
    attributes: { exclusive: random.below(2), reverse: random.below(2) },
    inputs: [
      normalTensor(random, dims),
      new Tensor(
        'int64',
        [],
        BigInt64Array.of(BigInt(between(random, -dims.length, dims.length - 1))),
      ),
    ],
    constants: [1],
  }
}
const resize: WideDraw = (random) => {
  const rank = anyOf(random, [3, 4, 4, 4, 5])
  const dims = [
    between(random, 1, 2),
    anyOf(random, few),
    ...several(random, rank - 2, [1, 2, 3, 5, 8]),
  ]
  const mode = anyOf(random, ['nearest', 'linear', 'cubic'])
  const coordinate = anyOf(random, [
    'half_pixel',
    'asymmetric',
    'align_corners',
    'pytorch_half_pixel',
    'half_pixel_symmetric',
  ])
  const spatial = dims.slice(2)
  const bySizes = random.below(2) === 0
  const scales = float32([rank], [1, 1, ...spatial.map(() => anyOf(random, [0.5, 1, 1.5, 2, 3]))])
  const sizes = int64([
    dims[0]!,
    dims[1]!,
    ...spatial.map((s) => anyOf(random, [s, 2 * s, s + 1, Math.max(1, s - 1)])),
  ])
  return {
    op: 'Resize',
    opset: 19,
    attributes: {
      mode: mode === 'cubic' && rank !== 4 ? 'linear' : mode,
      coordinate_transformation_mode: coordinate,
      ...(mode === 'nearest'
        ? {
            nearest_mode: anyOf(random, [
              'round_prefer_floor',
              'floor',
              'ceil',
              'round_prefer_ceil',
            ]),
          }
        : {}),
    },
    inputs: bySizes
      ? [normalTensor(random, dims), undefined, undefined, sizes]
      : [normalTensor(random, dims), undefined, scales],
    constants: [2, 3],
  }
}
const depth =
  (op: string): WideDraw =>
  (random) => {
    const b = anyOf(random, [1, 2, 3, 4])
    const c = anyOf(random, few)
    const [h, w] = several(random, 2, [1, 2, 3, 5])
    return op === 'DepthToSpace'
      ? {
          op,
          attributes: { blocksize: b, mode: anyOf(random, ['DCR', 'CRD']) },
          inputs: [normalTensor(random, [2, c * b * b, h!, w!])],
        }
      : { op, attributes: { blocksize: b }, inputs: [normalTensor(random, [2, c, h! * b, w! * b])] }
  }
const slopes = new Set(['LeakyRelu', 'Elu', 'Celu', 'ThresholdedRelu', 'HardSigmoid'])
const unary =
  (op: string, low: number, high: number): WideDraw =>
  (random) => ({
    op,
    opset: 20,
    ...(slopes.has(op) && random.below(3) > 0
      ? { attributes: { alpha: float(anyOf(random, [0.01, 0.3, 1, 2])) } }
      : {}),
    inputs: [
      uniformTensor(random, several(random, between(random, 1, 4), [1, 3, 4, 5, 16]), low, high),
    ],
  })
const einsum: WideDraw = (random) => {
  const [b, i, j, k] = several(random, 4, [1, 2, 4, 5, 9]) as [number, number, number, number]
  const n = (...d: number[]) => normalTensor(random, d)
  return anyOf<() => OneNode>(random, [
    () => ({
      op: 'Einsum',
      attributes: { equation: 'bij,bjk->bik' },
      inputs: [n(b, i, j), n(b, j, k)],
    }),
    () => ({ op: 'Einsum', attributes: { equation: 'ij,kj->ik' }, inputs: [n(i, j), n(k, j)] }),
    () => ({ op: 'Einsum', attributes: { equation: 'bij->bji' }, inputs: [n(b, i, j)] }),
    () => ({
      op: 'Einsum',
      attributes: { equation: 'bhid,bhjd->bhij' },
      inputs: [n(b, 2, i, k), n(b, 2, j, k)],
    }),
    () => ({ op: 'Einsum', attributes: { equation: 'i,j->ij' }, inputs: [n(i), n(j)] }),
    () => ({ op: 'Einsum', attributes: { equation: 'bij->b' }, inputs: [n(b, i, j)] }),
    () => ({ op: 'Einsum', attributes: { equation: 'ii->i' }, inputs: [n(i, i)] }),
    () => ({
      op: 'Einsum',
      attributes: { equation: '...ij,...jk->...ik' },
      inputs: [n(b, i, j), n(b, j, k)],
    }),
  ])()
}

export const wideDraws: Readonly<Record<string, WideDraw>> = {
  'Conv 1': convolution(1),
  'Conv 2': convolution(2),
  'Conv 3': convolution(3),
  'ConvTranspose 1': transposed(1),
  'ConvTranspose 2': transposed(2),
  'ConvTranspose 3': transposed(3),
  ...Object.fromEntries(
    ['MaxPool', 'AveragePool'].flatMap((op) =>
      [1, 2, 3].map((rank) => [`${op} ${rank}`, pooling(op, rank)]),
    ),
  ),
  ...Object.fromEntries(
    ['GlobalAveragePool', 'GlobalMaxPool'].map((op) => [
      op,
      ((random) => ({ op, inputs: [normalTensor(random, images(random))] })) as WideDraw,
    ]),
  ),
  MatMul: product,
  Gemm: gemm,
  ...Object.fromEntries(
    ['Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(
      (k) => [`Reduce${k}`, reduction(`Reduce${k}`)],
    ),
  ),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Softmax: softmax('Softmax'),
  LogSoftmax: softmax('LogSoftmax'),
  InstanceNormalization: instance,
  BatchNormalization: batch,
  LayerNormalization: layer,
  GroupNormalization: group,
  ...Object.fromEntries(
    [
      'Add',
      'Sub',
      'Mul',
      'Div',
      'Pow',
      'Max',
      'Min',
      'Equal',
      'Greater',
      'Less',
      'GreaterOrEqual',
      'LessOrEqual',
    ].map((op) => [op, binary(op)]),
  ),
  Where: select,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  Tile: tile,
  Expand: expand,
  CumSum: cumSum,
  Resize: resize,
  DepthToSpace: depth('DepthToSpace'),
  SpaceToDepth: depth('SpaceToDepth'),
  Einsum: einsum,
  ...Object.fromEntries(
    (
      [
        ['Abs', -9, 9],
        ['Neg', -9, 9],
        ['Exp', -20, 20],
        ['Log', 1e-6, 50],
        ['Sqrt', 0, 50],
        ['Reciprocal', 0.1, 9],
        ['Erf', -5, 5],
        ['Tanh', -100, 100],
        ['Sigmoid', -100, 100],
        ['Relu', -5, 5],
        ['LeakyRelu', -5, 5],
        ['Elu', -9, 9],
        ['Selu', -9, 9],
        ['Celu', -9, 9],
        ['HardSigmoid', -9, 9],
        ['HardSwish', -9, 9],
        ['Softplus', -100, 100],
        ['Softsign', -50, 50],
        ['Mish', -50, 50],
        ['ThresholdedRelu', -5, 5],
        ['Gelu', -20, 20],
        ['Sin', -50, 50],
        ['Cos', -50, 50],
        ['Tan', -1.4, 1.4],
        ['Asin', -1, 1],
        ['Acos', -1, 1],
        ['Atan', -50, 50],
        ['Sinh', -9, 9],
        ['Cosh', -9, 9],
        ['Asinh', -50, 50],
        ['Acosh', 1, 50],
        ['Atanh', -0.99, 0.99],
        ['Floor', -9, 9],
        ['Ceil', -9, 9],
        ['Round', -9, 9],
        ['Sign', -5, 5],
      ] as const
    ).map(([op, low, high]) => [op, unary(op, low, high)]),
  ),
}
