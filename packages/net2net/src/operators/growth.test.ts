/** Growth through the operators of networks: grown models compute the same function. */
import { describe, expect, test } from 'vitest'
import { expectEqualFunctions } from '../../testing/check.ts'
import { normalTensor, uniformTensor } from '../../testing/gradient-check.ts'
import { applyPlan, deepen, inspect, planDeepen, planWiden, widen } from '../growth/index.ts'
import { type AttributeLike, float } from '../model/attributes.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { float32, int64 } from '../tensor/tensor.ts'

interface Net {
  readonly b: GraphBuilder
  readonly random: RandomStream
  /** A random constant. */
  weight(name: string, ...dims: number[]): string
  op(
    op: string,
    inputs: string[],
    attributes?: Record<string, AttributeLike>,
    name?: string,
  ): string
}
/** Builds what lies between two convolutions; gives the value and its number of channels. */
type Middle = (net: Net, x: string, channels: number) => readonly [string, number]

function build(seed: number, channels: number, middle: Middle, opset = 18): Model {
  const b = new GraphBuilder()
  const random = randomStream(seed, 'growth')
  const weight = (name: string, ...dims: number[]) =>
    b.initializer(name, normalTensor(random, dims, { scale: 0.5 }))
  const op: Net['op'] = (opType, inputs, attributes, name) =>
    b.node(opType, inputs, attributes, name === undefined ? {} : { name })
  b.input('x', 'float32', ['n', 3, 8, 6])
  const first = op(
    'Conv',
    ['x', weight('a.w', channels, 3, 3, 3), weight('a.b', channels)],
    { pads: [1, 1, 1, 1] },
    'a',
  )
  const [value, count] = middle({ b, random, weight, op }, op('Relu', [first]), channels)
  b.nodeOutputs('Conv', [value, weight('z.w', 2, count, 1, 1)], {}, { name: 'z', outputs: ['y'] })
  b.output('y', 'float32')
  return modelOf(b.graph(), opset)
}

const middles: Readonly<Record<string, Middle>> = {
  'Conv, strided, dilated, asymmetric': ({ op, weight }, x, c) => [
    op('Conv', [x, weight('m.w', 5, c, 3, 2), weight('m.b', 5)], {
      strides: [2, 1],
      dilations: [1, 2],
      pads: [1, 0, 2, 1],
    }),
    5,
  ],
  'depthwise Conv': ({ op, weight }, x, c) => [
    op('Conv', [x, weight('m.w', c, 1, 3, 3), weight('m.b', c)], { group: c, pads: [1, 1, 1, 1] }),
    c,
  ],
  'depthwise Conv with a multiplier': ({ op, weight }, x, c) => [
    op('Conv', [x, weight('m.w', 2 * c, 1, 3, 3)], { group: c, pads: [1, 1, 1, 1] }),
    2 * c,
  ],
  'two depthwise Convs': ({ op, weight }, x, c) => {
    const first = op('Conv', [x, weight('m.w', c, 1, 3, 3)], { group: c, pads: [1, 1, 1, 1] })
    return [op('Conv', [first, weight('n.w', c, 1, 1, 1)], { group: c }), c]
  },
  'grouped Conv': ({ op, weight }, x, c) => [
    op('Conv', [x, weight('m.w', 6, c / 2, 3, 3), weight('m.b', 6)], {
      group: 2,
      pads: [1, 1, 1, 1],
    }),
    6,
  ],
  ConvTranspose: ({ op, weight }, x, c) => [
    op('ConvTranspose', [x, weight('m.w', c, 5, 3, 3), weight('m.b', 5)], {
      strides: [2, 2],
      output_padding: [1, 0],
    }),
    5,
  ],
  'depthwise ConvTranspose': ({ op, weight }, x, c) => [
    op('ConvTranspose', [x, weight('m.w', c, 1, 2, 2), weight('m.b', c)], {
      strides: [2, 2],
      group: c,
    }),
    c,
  ],
  MaxPool: ({ op }, x, c) => [op('MaxPool', [x], { kernel_shape: [3, 2], strides: [2, 1] }), c],
  AveragePool: ({ op }, x, c) => [
    op('AveragePool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
    c,
  ],
  LpPool: ({ op }, x, c) => [op('LpPool', [x], { kernel_shape: [2, 2] }), c],
  GlobalAveragePool: ({ op }, x, c) => [op('GlobalAveragePool', [x]), c],
  GlobalMaxPool: ({ op }, x, c) => [op('GlobalMaxPool', [x]), c],
  BatchNormalization: ({ op, weight, b, random }, x, c) => [
    op('BatchNormalization', [
      x,
      weight('g', c),
      weight('h', c),
      weight('mu', c),
      b.initializer('var', uniformTensor(random, [c], 0.5, 2)),
    ]),
    c,
  ],
  'BatchNormalization in training mode': ({ weight, b, random }, x, c) => [
    b.nodeOutputs(
      'BatchNormalization',
      [
        x,
        weight('g', c),
        weight('h', c),
        weight('mu', c),
        b.initializer('var', uniformTensor(random, [c], 0.5, 2)),
      ],
      { training_mode: 1 },
      { outputs: 3 },
    )[0]!,
    c,
  ],
  InstanceNormalization: ({ op, weight }, x, c) => [
    op('InstanceNormalization', [x, weight('g', c), weight('h', c)], { epsilon: float(1e-3) }),
    c,
  ],
  'Softmax over positions': ({ op }, x, c) => [op('Softmax', [x], { axis: 3 }), c],
  'PRelu per channel': ({ op, weight }, x, c) => [op('PRelu', [x, weight('s', c, 1, 1)]), c],
  'PRelu with one slope': ({ op, weight }, x, c) => [op('PRelu', [x, weight('s', 1)]), c],
  Dropout: ({ op }, x, c) => [op('Dropout', [x]), c],
  'Resize by scales': ({ op, b }, x, c) => [
    op('Resize', [x, '', b.constant(float32([4], [1, 1, 2, 1.5]))], { mode: 'linear' }),
    c,
  ],
  'Resize by sizes': ({ op, b }, x, c) => [
    op('Resize', [x, '', '', b.constant(int64([2, c, 16, 12]))], { mode: 'nearest' }),
    c,
  ],
  'a matrix of weights on the left': ({ op, weight, b }, x, c) => {
    const flat = op('Reshape', [x, b.constant(int64([0, c, 48]))])
    const mixed = op('MatMul', [weight('m.w', 5, c), flat], {}, 'm')
    const biased = op('Add', [mixed, weight('m.b', 5, 1)])
    return [op('Reshape', [biased, b.constant(int64([0, 5, 8, 6]))]), 5]
  },
  'a MatMul per position': ({ op, weight }, x, c) => {
    const last = op('Transpose', [x], { perm: [0, 2, 3, 1] })
    const biased = op('Add', [op('MatMul', [last, weight('m.w', c, 5)], {}, 'm'), weight('m.b', 5)])
    return [op('Transpose', [biased], { perm: [0, 3, 1, 2] }), 5]
  },
  Einsum: ({ op, weight }, x, c) => [
    op('Einsum', [x, weight('m.w', c, 5)], { equation: 'nchw,cd->ndhw' }),
    5,
  ],
  'Gemm over the flattened map': ({ op, weight, b }, x, c) => {
    const flat = op('Flatten', [x])
    const hidden = op(
      'Gemm',
      [flat, weight('m.w', 7, 48 * c), weight('m.b', 7)],
      { transB: 1, alpha: float(0.5), beta: float(2) },
      'm',
    )
    return [op('Reshape', [hidden, b.constant(int64([0, 7, 1, 1]))]), 7]
  },
  'a MatMul whose weight is stored as [channels, height, width, units]': (
    { op, weight, b },
    x,
    c,
  ) => {
    const flat = op('Reshape', [x, b.constant(int64([0, c * 48]))])
    const matrix = op('Reshape', [weight('m.w', c, 8, 6, 5), b.constant(int64([c * 48, 5]))])
    const hidden = op('MatMul', [flat, matrix], {}, 'm')
    return [op('Reshape', [hidden, b.constant(int64([0, 5, 1, 1]))]), 5]
  },
  'Gemm with a scalar bias': ({ op, weight, b }, x, c) => {
    const pooled = op('Flatten', [op('GlobalMaxPool', [x])])
    const hidden = op('Gemm', [pooled, weight('m.w', c, 7), weight('m.b', 1)], {}, 'm')
    return [op('Reshape', [hidden, b.constant(int64([0, 7, 1, 1]))]), 7]
  },
}

const layersOf = (model: Model) => inspect(model).layers.map((layer) => layer.name)

describe('widening is exact through', () => {
  for (const [name, middle] of Object.entries(middles))
    test(name, async () => {
      for (const [seed, to] of [
        [1, 7],
        [2, 10],
        [3, 6],
      ] as const) {
        const model = build(seed, 4, middle)
        const others = layersOf(model).filter((layer) => layer !== 'a' && layer !== 'z')
        const able = inspect(model).layers.filter((layer) => layer.widen === true)
        expect(able.map((layer) => layer.name)).toContain('a')
        // Groups of channels grow by whole groups, or all groups alike.
        const width = name === 'grouped Conv' ? 8 : to
        const wider = widen(model, { a: width }, { seed })
        expect(inspect(wider).layers.find((layer) => layer.name === 'a')!.width).toBe(width)
        await expectEqualFunctions(model, wider)
        for (const other of others) {
          const layer = inspect(wider).layers.find((found) => found.name === other)!
          if (layer.widen !== true) continue
          await expectEqualFunctions(model, widen(wider, { [other]: 'x2' }, { seed }))
        }
      }
    })
})

describe('widening with equal copies is exact through', () => {
  const normalized: Readonly<Record<string, Middle>> = {
    LayerNormalization: ({ op, weight }, x, c) => {
      const last = op('Transpose', [x], { perm: [0, 2, 3, 1] })
      const normal = op('LayerNormalization', [last, weight('g', c), weight('h', c)], {
        epsilon: float(1e-3),
      })
      return [op('Transpose', [normal], { perm: [0, 3, 1, 2] }), c]
    },
    RMSNormalization: ({ op, weight }, x, c) => {
      const last = op('Transpose', [x], { perm: [0, 2, 3, 1] })
      const normal = op('RMSNormalization', [last, weight('g', c)], { epsilon: float(1e-3) })
      return [op('Transpose', [normal], { perm: [0, 3, 1, 2] }), c]
    },
    'GroupNormalization 18': ({ op, weight }, x, c) => [
      op('GroupNormalization', [x, weight('g', 2), weight('h', 2)], {
        num_groups: 2,
        epsilon: float(1e-3),
      }),
      c,
    ],
    'GroupNormalization 21': ({ op, weight }, x, c) => [
      op('GroupNormalization', [x, weight('g', c), weight('h', c)], {
        num_groups: 2,
        epsilon: float(1e-3),
      }),
      c,
    ],
  }
  for (const [name, middle] of Object.entries(normalized))
    test(name, async () => {
      const opset = name.startsWith('RMS') ? 23 : name.endsWith('21') ? 21 : 18
      const model = build(5, 4, middle, opset)
      await expectEqualFunctions(model, widen(model, { a: 8 }, { seed: 1 }))
      await expectEqualFunctions(model, widen(model, { a: 12 }, { seed: 1 }))
    })
})

test('the units of an Einsum with a weight are its own axis of the result', () => {
  const model = build(4, 4, middles.Einsum!)
  const layer = inspect(model).layers.find((found) => found.op === 'Einsum')!
  expect(layer.width).toBe(5)
  expect(layer.widen).toBe(true)
})

test('a random layer has Keras’s fans: window size times channels in and out', () => {
  const model = build(6, 4, middles['Conv, strided, dilated, asymmetric']!)
  const layer = inspect(model).layers[1]!
  const [insertion] = planDeepen(model, [layer.name]).inserted
  const parameter = insertion!.layer.parameters.find((found) => found.name === 'weight')!
  expect(parameter.dims).toEqual([5, 5, 3, 2])
  expect(parameter.random).toEqual({ kind: 'uniform', limit: Math.sqrt(6 / (6 * 5 + 6 * 5)) })
})

describe('refusals name the node and the reason', () => {
  const refusals: Readonly<Record<string, readonly [Middle, RegExp]>> = {
    'Softmax over channels': [
      ({ op }, x, c) => [op('Softmax', [x], { axis: 1 }, 'soft'), c],
      /Softmax soft.*normalizes over it/,
    ],
    LRN: [
      ({ op }, x, c) => [op('LRN', [x], { size: 3 }, 'lrn'), c],
      /LRN lrn.*neighbouring channels/,
    ],
    'unequal copies under LayerNormalization': [
      ({ op, weight }, x, c) => {
        const last = op('Transpose', [x], { perm: [0, 2, 3, 1] })
        const normal = op('LayerNormalization', [last, weight('g', c)], {}, 'norm')
        return [op('Transpose', [normal], { perm: [0, 3, 1, 2] }), c]
      },
      /width 7 .*every unit/,
    ],
    'a product of two activations': [
      ({ op, b }, x, c) => {
        const flat = op('Reshape', [x, b.constant(int64([0, c, 48]))])
        const gram = op('MatMul', [op('Transpose', [flat], { perm: [0, 2, 1] }), flat], {}, 'gram')
        return [op('Reshape', [gram, b.constant(int64([0, 48, 48, 1]))]), 48]
      },
      /MatMul gram.*two/,
    ],
  }
  for (const [name, [middle, message]] of Object.entries(refusals))
    test(name, () => {
      const model = build(7, 4, middle)
      expect(() => planWiden(model, { a: 7 })).toThrow(message)
    })
})

describe('deepening is exact after', () => {
  const layers: Readonly<Record<string, readonly [string, Middle]>> = {
    ...Object.fromEntries(
      [
        [3, 3],
        [2, 4],
        [1, 1],
        [5, 2],
      ].map(([h = 1, w = 1]) => [
        `Conv ${h} × ${w}, strided, without pads`,
        [
          'm',
          ({ op, weight }: Net, x: string, c: number) =>
            [op('Conv', [x, weight('m.w', 5, c, h, w)], { strides: [2, 1] }, 'm'), 5] as const,
        ],
      ]),
    ),
    'dilated Conv': [
      'm',
      ({ op, weight }, x, c) => [
        op('Conv', [x, weight('m.w', 5, c, 3, 2)], { dilations: [2, 3], pads: [2, 1, 2, 2] }, 'm'),
        5,
      ],
    ],
    'depthwise Conv': [
      'm',
      ({ op, weight }, x, c) => [
        op('Conv', [x, weight('m.w', 2 * c, 1, 3, 3)], { group: c }, 'm'),
        2 * c,
      ],
    ],
    'grouped Conv': [
      'm',
      ({ op, weight }, x, c) => [
        op('Conv', [x, weight('m.w', 6, c / 2, 3, 3)], { group: 2 }, 'm'),
        6,
      ],
    ],
    ConvTranspose: [
      'm',
      ({ op, weight }, x, c) => [
        op('ConvTranspose', [x, weight('m.w', c, 5, 2, 2)], { strides: [2, 2] }, 'm'),
        5,
      ],
    ],
    'grouped ConvTranspose': [
      'm',
      ({ op, weight }, x, c) => [
        op('ConvTranspose', [x, weight('m.w', c, 3, 3, 3)], { strides: [2, 2], group: 2 }, 'm'),
        6,
      ],
    ],
    'Conv over one axis': [
      'm',
      ({ op, weight, b }, x, c) => {
        const flat = op('Reshape', [x, b.constant(int64([0, c, 48]))])
        const conv = op('Conv', [flat, weight('m.w', 5, c, 4)], { strides: [2] }, 'm')
        return [op('Reshape', [conv, b.constant(int64([0, 5, 23, 1]))]), 5]
      },
    ],
    'Conv over three axes': [
      'm',
      ({ op, weight, b }, x, c) => {
        const deep = op('Reshape', [x, b.constant(int64([0, c, 4, 2, 6]))])
        const conv = op('Conv', [deep, weight('m.w', 5, c, 2, 1, 3)], { dilations: [2, 1, 1] }, 'm')
        return [op('Reshape', [conv, b.constant(int64([0, 5, 4, 4]))]), 5]
      },
    ],
    MatMul: ['m', middles['a MatMul per position']!],
    Einsum: [
      'm',
      ({ op, weight }, x, c) => {
        const last = op('Einsum', [x, weight('m.w', c, 5)], { equation: 'nchw,cd->nhwd' }, 'm')
        return [op('Transpose', [last], { perm: [0, 3, 1, 2] }), 5]
      },
    ],
    Gemm: ['m', middles['Gemm over the flattened map']!],
    'MatMul with its weight on the left': ['m', middles['a matrix of weights on the left']!],
  }
  for (const [name, [layer, middle]] of Object.entries(layers))
    test(name, async () => {
      const model = build(9, 4, middle)
      const plan = planDeepen(model, [layer])
      await expectEqualFunctions(model, applyPlan(model, plan))
      const twice = deepen(deepen(model, [layer, 'a']), [layer])
      await expectEqualFunctions(model, twice)
      // The baseline is not the identity.
      const random = deepen(model, [layer], { init: 'random-init' })
      await expect(expectEqualFunctions(model, random)).rejects.toThrow()
    })
})
