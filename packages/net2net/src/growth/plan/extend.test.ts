import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { classesOf, withClasses } from '../../model/classes.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import type { Feeds } from '../../runtime/runtime.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, type Tensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, extend, growSlots, inspect, planExtend } from '../index.ts'

const random = randomStream(11, 'weights')
const normals = (...dims: number[]) =>
  float32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
  )

class Builder extends GraphBuilder {
  dense(name: string, x: string, from: number, to: number, bias = true): string {
    const weights = [this.initializer(`${name}.weight`, normals(to, from))]
    if (bias) weights.push(this.initializer(`${name}.bias`, normals(to)))
    return this.node('Gemm', [x, ...weights], { transB: 1 }, { name })
  }
}

/** Inputs x [n, 3]; `build` names the outputs. */
function network(build: (b: Builder, x: string) => readonly string[]): Model {
  const b = new Builder()
  for (const name of build(b, b.input('x', 'float32', ['n', 3]))) b.output(name, 'float32')
  return b.model()
}

const classifier = (activation?: string, bias = true) =>
  network((b, x) => {
    const h = b.node('Relu', [b.dense('hidden', x, 3, 6)])
    const logits = b.dense('head', h, 6, 4, bias)
    return [activation === undefined ? logits : b.node(activation, [logits], {}, { name: 'p' })]
  })

async function run(model: Model, feeds: Feeds): Promise<Feeds> {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

const weightOf = (model: Model, name: string) => model.graph.initializers.get(name)!.tensor
const rowsOf = (tensor: Tensor): number[][] => {
  const width = tensor.dims.at(-1)!
  const values = toNumbers(tensor)
  return Array.from({ length: values.length / width }, (_, i) => [
    ...values.slice(i * width, (i + 1) * width),
  ])
}
const firstOutput = (feeds: Feeds) => Object.values(feeds)[0]!

describe('an output', () => {
  it.each([
    ['zero', () => 0],
    ['like:2', (old: readonly number[]) => old[2]!],
    ['mean', (old: readonly number[]) => old.reduce((a, b) => a + b, 0) / old.length],
  ] as const)('has new entries that start as %s, their biases with them', async (start, wanted) => {
    const model = classifier()
    const larger = extend(model, { outputs: { head: '+2' } }, { start })
    const x = normals(5, 3)
    const [before, after] = [await run(model, { x }), await run(larger, { x })]
    const rows = rowsOf(firstOutput(after))
    rowsOf(firstOutput(before)).forEach((old, i) => {
      expect(rows[i]!.slice(0, 4)).toEqual(old)
      for (const value of rows[i]!.slice(4)) expect(value).toBeCloseTo(wanted(old), 5)
    })
    expect(inspect(larger).outputs[0]!.shape).toEqual(['n', 6])
  })

  it('has new entries that start random, as spread as the old ones, and others with another seed', () => {
    const model = network((b, x) => [b.dense('head', x, 3, 40)])
    const added = (seed: number) =>
      [
        ...toNumbers(
          weightOf(
            extend(model, { outputs: { head: 60 } }, { start: 'random', seed }),
            'head.weight',
          ),
        ),
      ].slice(120)
    const deviation = (values: readonly number[]) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    const old = [...toNumbers(weightOf(model, 'head.weight'))]
    expect(deviation(added(1)) / deviation(old)).toBeGreaterThan(0.7)
    expect(deviation(added(1)) / deviation(old)).toBeLessThan(1.4)
    expect(added(1)).toEqual(added(1))
    expect(added(1)).not.toEqual(added(2))
  })

  it.each([
    ['Softmax', undefined],
    ['Softmax', 'like:1'],
    ['LogSoftmax', undefined],
  ] as const)(
    'before a %s starts so unlikely that the old probabilities stay (%s)',
    async (activation, start) => {
      for (const bias of [true, false]) {
        const model = classifier(activation, bias)
        const plan = planExtend(model, { outputs: { p: 300 } }, start ? { start } : {})
        expect(plan.version).toBe(3)
        // A thousand times the usual logits: nothing about the bound depends on what they are.
        for (const size of [1, 1e3]) {
          const x = float32(
            [6, 3],
            [...toNumbers(normals(6, 3))].map((value) => size * value),
          )
          const before = rowsOf(firstOutput(await run(model, { x })))
          const after = rowsOf(firstOutput(await run(applyPlan(model, plan), { x })))
          before.forEach((old, i) => {
            old.forEach((p, k) => {
              expect(Math.abs(after[i]![k]! - p)).toBeLessThanOrEqual(
                3e-7 * Math.max(1, Math.abs(p)),
              )
            })
          })
        }
      }
    },
  )

  it('starts unlikely for a softmax that the model does not have, if told to, and does not if told so', () => {
    const shiftOf = (model: Model, unlikely?: boolean) =>
      planExtend(
        model,
        { outputs: { [model.graph.outputs[0]!.name]: 2 } },
        unlikely === undefined ? {} : { unlikely },
      ).parameters.find(({ name }) => name === 'head.bias')!.added?.shift
    expect(shiftOf(classifier())).toBeUndefined()
    expect(shiftOf(classifier(), true)).toBeLessThan(-16)
    expect(shiftOf(classifier('Softmax'))).toBeLessThan(-16)
    expect(shiftOf(classifier('Softmax'), false)).toBeUndefined()
    expect(shiftOf(classifier('Sigmoid'))).toBeUndefined()
  })

  it('takes along the other outputs that show its units, where these come last', async () => {
    const model = network((b, x) => {
      const logits = b.dense('head', x, 3, 4)
      const boxes = b.node(
        'Concat',
        [b.dense('box', x, 3, 2), logits],
        { axis: 1 },
        { name: 'both' },
      )
      return [logits, b.node('LogSoftmax', [logits], {}, { name: 'log' }), boxes]
    })
    const plan = planExtend(model, { outputs: { head: 3 } })
    expect(plan.declared!.map(({ name, from, to }) => [name, from, to])).toEqual([
      ['head', 4, 7],
      ['log', 4, 7],
      ['both', 6, 9],
    ])
    expect(plan.declared![0]!.why).toContain('Gemm head')
    const x = normals(2, 3)
    const [before, after] = [await run(model, { x }), await run(applyPlan(model, plan), { x })]
    for (const [name, tensor] of Object.entries(before))
      rowsOf(tensor).forEach((old, i) => {
        rowsOf(after[name]!)
          [i]!.slice(0, old.length)
          .forEach((value, k) => {
            expect(value).toBeCloseTo(old[k]!, 5)
          })
      })
  })

  it('is refused with the node and the reason where old entries would not stay', () => {
    const refusal = (build: (b: Builder, x: string) => readonly string[], output = 'head') => {
      const model = network(build)
      return () => planExtend(model, { outputs: { [output]: 2 } })
    }
    expect(
      refusal((b, x) => {
        const logits = b.dense('head', x, 3, 4)
        return [logits, b.node('ArgMax', [logits], { axis: 1 }, { name: 'best' })]
      }),
    ).toThrow(
      /"head" cannot be extended: its units reach ArgMax best, which finds a position along it/,
    )
    expect(
      refusal((b, x) => {
        const logits = b.dense('head', x, 3, 4)
        const axes = b.constant(int64([1]))
        return [logits, b.node('ReduceMax', [logits, axes], {}, { name: 'most' })]
      }),
    ).toThrow(/its entries reach ReduceMax most, which reduces them/)
    expect(
      refusal((b, x) => {
        const logits = b.dense('head', x, 3, 4)
        return [
          b.node('Concat', [logits, b.dense('box', x, 3, 2)], { axis: 1 }, { name: 'both' }),
          logits,
        ]
      }),
    ).toThrow(/would come between old ones of the output "both"/)
    expect(
      refusal((b, x) => {
        const weights = [b.constant(normals(4)), b.constant(normals(4))]
        return [
          b.node(
            'LayerNormalization',
            [b.dense('head', x, 3, 4), ...weights],
            {},
            { name: 'norm' },
          ),
        ]
      }, 'norm'),
    ).toThrow(/LayerNormalization norm, which takes mean and variance over it/)
    expect(
      refusal((b, x) => {
        const h = b.dense('head', x, 3, 4)
        const column = b.node('Unsqueeze', [h, b.constant(int64([2]))])
        const row = b.node('Unsqueeze', [h, b.constant(int64([1]))])
        const square = b.node('Mul', [column, row])
        const products = b.node('Reshape', [square, b.constant(int64([0, -1]))])
        return [h, b.dense('last', products, 16, 2)]
      }),
    ).toThrow(
      'No units can be added to head: an axis of "last.weight" is a product of its units with themselves.',
    )
    const other = () => planExtend(classifier(), { outputs: { logits: 2 } })
    expect(other).toThrow(/There is no output "logits"; the outputs are head/)
    expect(() => planExtend(classifier(), { outputs: { head: '2.5' } })).toThrow(
      /no number of new entries/,
    )
    expect(() => planExtend(classifier(), { outputs: { head: 2 } }, { start: 'like:4' })).toThrow(
      /has no entry 4 to begin like: there are those from 0 to 3/,
    )
  })

  it('has names for its new classes where the model names its classes', () => {
    const named = withClasses(classifier(), ['a', 'b', 'c', 'd'])
    const larger = extend(named, { outputs: { head: 2 } }, { classes: ['e', 'f'] })
    expect(classesOf(larger)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    expect(() => extend(named, { outputs: { head: 2 } })).toThrow(
      /names its 4 classes: name the 2 new ones/,
    )
    expect(() => extend(named, { outputs: { head: 2 } }, { classes: ['e'] })).toThrow(
      /2 new classes, but 1 names/,
    )
    expect(() => extend(named, { outputs: { head: 2 } }, { classes: ['e', 'b'] })).toThrow(
      /two classes "b"/,
    )
    expect(() => extend(classifier(), { outputs: { head: 2 } }, { classes: ['e', 'f'] })).toThrow(
      /no names of classes/,
    )
  })
})

describe('an input', () => {
  it('gets channels that make no difference, whatever they hold, also of one channel and flattened', async () => {
    const b = new Builder()
    b.input('image', 'float32', ['n', 1, 2, 3])
    const scaled = b.node('Div', ['image', b.constant(normals(1, 1, 1, 1))])
    const flat = b.node('Flatten', [scaled])
    b.output(b.node('Softmax', [b.dense('head', flat, 6, 4)]), 'float32')
    const model = b.model()
    const larger = extend(model, { inputs: { image: 2 } })
    expect(inspect(larger).inputs[0]!.shape).toEqual(['n', 3, 2, 3])
    const image = normals(2, 1, 2, 3)
    const old = rowsOf(image).flat()
    const hold = (value: number) =>
      float32(
        [2, 3, 2, 3],
        [0, 6].flatMap((at) => [...old.slice(at, at + 6), ...Array<number>(12).fill(value)]),
      )
    const before = toNumbers(firstOutput(await run(model, { image })))
    for (const value of [0, 1e4]) {
      const after = await run(larger, { image: hold(value) })
      toNumbers(firstOutput(after)).forEach((p, i) => {
        expect(p).toBeCloseTo(before[i]!, 6)
      })
    }
  })

  it('is refused where a norm would see the new channels', () => {
    const model = network((b, x) => {
      const weights = [b.constant(normals(3)), b.constant(normals(3))]
      return [
        b.dense('head', b.node('LayerNormalization', [x, ...weights], {}, { name: 'norm' }), 3, 4),
      ]
    })
    expect(() => planExtend(model, { inputs: { x: 1 } })).toThrow(
      /"x" cannot be extended: its entries reach LayerNormalization norm/,
    )
  })
})

/** Tokens and positions; the head is the table again, or has a weight of its own. */
function language(tied: boolean): Model {
  const b = new Builder()
  b.input('ids', 'int64', ['n', 't'])
  const table = b.initializer('wte', normals(9, 5))
  const length = b.node('Gather', [b.node('Shape', ['ids']), b.constant(int64([1], []))])
  const positions = b.node('Range', [
    b.constant(int64([0], [])),
    length,
    b.constant(int64([1], [])),
  ])
  const x = b.node('Add', [
    b.node('Gather', [table, 'ids'], {}, { name: 'tokens' }),
    b.node('Gather', [b.initializer('wpe', normals(7, 5)), positions], {}, { name: 'places' }),
  ])
  const weight = tied
    ? b.node('Transpose', [table], { perm: [1, 0] })
    : b.initializer('head.weight', normals(5, 9))
  b.output(b.node('MatMul', [x, weight], {}, { name: 'logits' }), 'float32')
  return b.model()
}

describe.each([[true], [false]])('a language model (tied: %s)', (tied) => {
  const model = language(tied)
  const ids = int64([0, 8, 3, 4, 5, 6], [2, 3])

  it('gets tokens: rows of its table, and logits for them', async () => {
    const larger = extend(model, { vocabulary: '+4' }, { start: 'like:8' })
    expect(weightOf(larger, 'wte').dims).toEqual([13, 5])
    expect(larger.graph.initializers.size).toBe(model.graph.initializers.size)
    const before = rowsOf(firstOutput(await run(model, { ids })))
    const after = rowsOf(firstOutput(await run(larger, { ids })))
    before.forEach((old, i) => {
      old.forEach((value, k) => {
        expect(after[i]![k]).toBeCloseTo(value, 5)
      })
      for (const value of after[i]!.slice(9)) expect(value).toBeCloseTo(old[8]!, 5)
    })
    const asked = rowsOf(firstOutput(await run(larger, { ids: int64([12], [1, 1]) })))
    const like = rowsOf(firstOutput(await run(model, { ids: int64([8], [1, 1]) })))
    like[0]!.forEach((value, k) => {
      expect(asked[0]![k]).toBeCloseTo(value, 5)
    })
  })

  it('gets positions', async () => {
    const larger = extend(model, { positions: 2 }, { start: 'mean' })
    expect(weightOf(larger, 'wpe').dims).toEqual([9, 5])
    expect(
      firstOutput(await run(larger, { ids: int64(Array<number>(9).fill(1), [1, 9]) })).dims,
    ).toEqual([1, 9, 9])
    expect(firstOutput(await run(larger, { ids })).data).toEqual(
      firstOutput(await run(model, { ids })).data,
    )
  })
})

describe('a table of positions that is cut to the length of the input', () => {
  const cut = (start: number, minus = 0) => {
    const b = new Builder()
    b.input('ids', 'int64', ['n', 't'])
    const shape = b.node('Shape', ['ids'], { start: 1, end: 2 })
    const end = minus === 0 ? shape : b.node('Sub', [shape, b.constant(int64([minus]))])
    const ones = b.constant(int64([1]))
    const table = b.initializer('wpe', normals(1, 7, 5))
    const places = b.node('Slice', [table, b.constant(int64([start])), end, ones])
    const tokens = b.node('Gather', [b.initializer('wte', normals(9, 5)), 'ids'])
    const x =
      minus === 0
        ? b.node('Add', [tokens, places])
        : b.node('Concat', [tokens, places], { axis: 1 })
    b.output(b.node('MatMul', [x, b.initializer('head', normals(5, 4))]), 'float32')
    return b.model()
  }

  it('gets rows, and longer inputs are taken', async () => {
    const model = cut(0)
    const larger = extend(model, { positions: { wpe: 2 } })
    expect(weightOf(larger, 'wpe').dims).toEqual([1, 9, 5])
    const ids = (length: number) => int64(Array<number>(length).fill(1), [1, length])
    expect(firstOutput(await run(larger, { ids: ids(9) })).dims).toEqual([1, 9, 4])
    expect(firstOutput(await run(larger, { ids: ids(7) })).data).toEqual(
      firstOutput(await run(model, { ids: ids(7) })).data,
    )
  })

  it('is refused where its end may be counted from the last row', () => {
    expect(() => extend(cut(0, 3), { positions: 2 })).toThrow(/no learned table of positions/)
    expect(() => extend(cut(-7), { positions: 2 })).toThrow(/no learned table of positions/)
  })
})

it('refuses positions that are written down', () => {
  const b = new Builder()
  b.input('x', 'float32', ['n', 3, 5])
  const places = b.node(
    'Gather',
    [b.initializer('wpe', normals(7, 5)), b.constant(int64([0, 1, 2]))],
    {},
    { name: 'places' },
  )
  b.output(b.dense('head', b.node('Flatten', [b.node('Add', ['x', places])]), 15, 4), 'float32')
  expect(() => planExtend(b.model(), { positions: 2 })).toThrow(/no learned table of positions/)
})

it("carries an optimizer's state: nothing is remembered of new units, but how large gradients are", () => {
  const model = classifier()
  const plan = planExtend(model, { outputs: { head: 2 }, inputs: { x: 1 } })
  const slots = new Map(
    ['head.weight', 'head.bias', 'hidden.weight'].map(
      (name) => [name, weightOf(model, name)] as const,
    ),
  )
  const momentum = growSlots(plan, slots, 1)
  const squares = growSlots(plan, slots, 2)
  const values = (slot: ReadonlyMap<string, unknown>, name: string) => [
    ...toNumbers(slot.get(name) as Tensor),
  ]
  expect(values(momentum, 'head.bias').slice(4)).toEqual([0, 0])
  const mean = values(slots, 'head.bias').reduce((a, b) => a + b, 0) / 4
  for (const value of values(squares, 'head.bias').slice(4)) expect(value).toBeCloseTo(mean, 6)
  expect(values(momentum, 'hidden.weight').filter((_, i) => i % 4 === 3)).toEqual(Array(6).fill(0))
  expect(values(momentum, 'hidden.weight').filter((_, i) => i % 4 < 3)).toEqual(
    values(slots, 'hidden.weight'),
  )
})
