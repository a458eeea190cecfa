import { expect, test } from 'vitest'
import { attentionNetwork, drawAttention } from '../../test/random-networks/attentions.ts'
import type { SampleSet } from '../data/samples.ts'
import { type GrowthStep, grow, inspect } from '../growth/index.ts'
import {
  conv2d,
  dense,
  flatten,
  globalAveragePool2d,
  type Layer,
  sequential,
} from '../layers/index.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, toNumbers } from '../tensor/tensor.ts'
import { withParameters } from '../training/compile/trainable.ts'
import { evaluate } from '../training/run/evaluate.ts'
import { rank } from './rank.ts'

const options = { runtime: nodeRuntime, loss: 'mse' } as const
const random = randomStream(3, 'insertions')
const normal = (...dims: readonly number[]) =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )

/** One batch of normal numbers. */
function samples(name: string, input: readonly number[], target: readonly number[]): SampleSet {
  const batch = { inputs: { [name]: normal(...input) }, target: normal(...target) }
  return {
    length: input[0]!,
    *batches() {
      yield batch
    },
  }
}

/** The squared norm of the gradient of some entries of a parameter, from differences of the loss. */
async function squaredByDifferences(
  model: Model,
  name: string,
  data: SampleSet,
  counts: (place: number, dims: readonly number[]) => boolean = () => true,
): Promise<number> {
  const { tensor } = model.graph.initializers.get(name)!
  const values = toNumbers(tensor)
  const small = 0.02
  const lossWith = async (at: number, change: number) => {
    const changed = values.map((value, i) => (i === at ? value + change : value))
    const other = withParameters(model, new Map([[name, float32(tensor.dims, changed)]]))
    return (await evaluate(other, data, options)).loss
  }
  let sum = 0
  for (const at of values.keys()) {
    if (!counts(at, tensor.dims)) continue
    const slope = ((await lossWith(at, small)) - (await lossWith(at, -small))) / (2 * small)
    sum += slope * slope
  }
  return sum
}

async function insertions(layers: readonly Layer[], input: readonly number[]) {
  const model = sequential([...layers], { input, seed: 2 })
  const data = samples('input', [10, ...input], [10, 2])
  const found = await rank(model, data, { ...options, growths: ['deepen'] })
  const behind = new Map(found.map((growth) => [growth.layers[0]!, growth]))
  return { model, data, behind }
}

const only = (model: Model, step: GrowthStep) => grow(model, [step]).model

test('a layer that would be one linear map with the one before it gains nothing, and it is said why', async () => {
  const { model, data, behind } = await insertions(
    [
      dense(3, { name: 'bent', activation: 'relu' }),
      dense(3, { name: 'plain' }),
      dense(3, { name: 'smooth', activation: 'tanh' }),
      dense(2, { name: 'out' }),
    ],
    [4],
  )
  for (const name of ['plain', 'out'])
    expect(behind.get(name)).toMatchObject({
      step: { deepen: [name] },
      gain: undefined,
      reason: expect.stringMatching(/one linear map/),
    })
  // The identity does not pass a tanh twice: a branch of zero does, whose last weights have all of the gradient.
  const { step, gain } = behind.get('smooth')!
  expect(step).toEqual({ deepen: ['smooth'], block: 'residual' })
  const larger = only(model, step)
  const outer = [...larger.graph.initializers.keys()].filter((name) => name.includes('.outer.'))
  expect(outer).toHaveLength(2)
  let wanted = 0
  for (const name of outer) wanted += await squaredByDifferences(larger, name, data)
  expect(gain! / wanted).toBeCloseTo(1, 2)
  expect(behind.get('bent')!.gain).toBeGreaterThan(0)
})

test('behind a layer without a bias, or with a weight that others read, something is new', async () => {
  const { model, data, behind } = await insertions(
    [dense(3, { name: 'plain', useBias: false }), dense(2, { name: 'out' })],
    [4],
  )
  const { step, gain } = behind.get('plain')!
  const wanted = await squaredByDifferences(only(model, step), 'plain-deeper.bias', data)
  expect(gain! / wanted).toBeCloseTo(1, 2)
  expect(behind.get('out')!.reason).toMatch(/one linear map/)

  const builder = new GraphBuilder()
  const w = builder.constant(normal(4, 4))
  const b = builder.constant(normal(4))
  const first = builder.node(
    'Gemm',
    [builder.input('input', 'float32', [null, 4]), w, b],
    {},
    { name: 'first' },
  )
  const second = builder.node('Gemm', [builder.node('Tanh', [first]), w, b], {}, { name: 'second' })
  builder.output(second, 'float32', [null, 4])
  const found = await rank(modelOf(builder.graph()), samples('input', [10, 4], [10, 4]), {
    ...options,
    growths: ['deepen'],
  })
  const tied = found.find(({ layers: [name] }) => name === 'second')!
  expect(tied.gain).toBeGreaterThan(0)
})

test('of a kernel without an activation only the taps beside the middle gain', async () => {
  const { model, data, behind } = await insertions(
    [
      conv2d(2, 3, { name: 'wide' }),
      conv2d(2, 1, { name: 'point' }),
      globalAveragePool2d(),
      flatten(),
      dense(2, { name: 'out' }),
    ],
    [1, 5, 4],
  )
  const { step, gain } = behind.get('wide')!
  const name = 'wide-deeper.weight'
  const wanted = await squaredByDifferences(only(model, step), name, data, (place) => {
    const tap = place % 9
    return tap !== 4
  })
  expect(gain! / wanted).toBeCloseTo(1, 2)
  expect(behind.get('point')!.reason).toMatch(/one linear map/)
})

test.each([
  ['apart', 3, ['heads: 6', 'key-value-heads: 3', 'head-size: 7', 'value-size: 4']],
  ['alike', 6, ['heads: 6', 'key-value-heads: 3', 'key-size: 7', 'value-size: 7']],
])('heads of attention are called as widen takes them: sizes %s', async (_, valueSize, wanted) => {
  const drawn = {
    ...drawAttention(1),
    ...{ heads: 4, groups: 2, size: 6, valueSize },
    ...({ projections: 'separate', positions: 'none', bias: 'distances', whole: 'no' } as const),
  }
  const model = attentionNetwork(drawn, 1)
  const { name, layers } = inspect(model).attentions[0]!
  const data = samples('x', [2, 5, 6], [2, 5, 3])
  const found = await rank(model, data, { ...options, growths: ['widen'] })
  const steps = found.flatMap(({ step }) => ('widen' in step ? [step.widen] : []))
  const named = steps.flatMap((widen) =>
    Object.entries(widen).flatMap(([called, to]) =>
      called.startsWith(`${name}.`) ? [`${called.slice(name.length + 1)}: ${to}`] : [],
    ),
  )
  expect(named.sort()).toEqual([...wanted].sort())
  // Those that no attention names are called by a layer, and all of them grow what is said.
  for (const { step, layers: grown, addedParameters } of found) {
    if (!('widen' in step)) continue
    const [called] = Object.keys(step.widen)
    expect(called!.startsWith(`${name}.`) || grown.includes(called!)).toBe(true)
    const { parameters } = grow(model, [step])
    expect(parameters.after - parameters.before).toBe(addedParameters)
  }
  expect(found.flatMap((growth) => growth.layers)).toEqual(expect.arrayContaining([...layers]))
})
