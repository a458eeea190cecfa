import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomNetwork } from '../../test/random-networks/generator.ts'
import { Evaluator64 } from '../../testing/evaluate64.ts'
import type { SampleSet } from '../data/samples.ts'
import { applyPlan, type GrowthPlan, groupWeights, solve } from '../growth/index.ts'
import {
  batchNorm,
  concatenate,
  conv2d,
  dense,
  flatten,
  globalAveragePool2d,
  relu,
  residual,
  sequential,
} from '../layers/index.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, type Tensor, toNumbers } from '../tensor/tensor.ts'
import { withConstantsAsInitializers, withParameters } from '../training/compile/trainable.ts'
import { gradientMeter } from './gradients.ts'
import { planChosen, planGradmax } from './gradmax.ts'
import { insertionRounds, insertionsOf } from './insertions.ts'
import { type Candidate, type Gain, measureRounds, type Round } from './rounds.ts'
import { type Widening, wideningRounds, wideningsOf } from './widenings.ts'

const runtime = nodeRuntime

const normals = (dims: readonly number[], ...key: readonly (string | number)[]): Tensor => {
  const random = randomStream(1, ...key)
  return float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )
}

async function outputOf(model: Model, x: Tensor): Promise<Tensor> {
  const session = await runtime.createSession(encodeModel(model), { threads: 1 })
  const name = model.graph.inputs[0]!.name
  const results = await session.run({ [name]: x })
  await session.release()
  return results[model.graph.outputs[0]!.name]!
}

/** Random inputs of a network and random targets, which are one batch. */
async function randomSamples(model: Model, seed: number) {
  const { type } = model.graph.inputs[0]!
  const shape = type.kind === 'tensor' ? type.shape! : []
  const x = normals(
    shape.map((dim) => (typeof dim === 'number' ? dim : 4)),
    seed,
    'x',
  )
  const before = await outputOf(model, x)
  const target = normals(before.dims, seed, 'y')
  const samples: SampleSet = {
    length: x.dims[0]!,
    *batches() {
      yield { inputs: { input: x }, target }
    },
  }
  return { x, before, target, samples }
}

/** The mean squared error of a network in float64. */
async function loss64(model: Model, x: Tensor, target: Tensor): Promise<number> {
  const evaluator = new Evaluator64(model)
  const results = await evaluator.run({ [model.graph.inputs[0]!.name]: x })
  await evaluator.release()
  const wanted = toNumbers(target)
  const errors = toNumbers(results[model.graph.outputs[0]!.name]!).map(
    (value, i) => (value - wanted[i]!) ** 2,
  )
  return errors.reduce((sum, error) => sum + error, 0) / errors.length
}

/** Elements of parameters, by name. */
type Places = ReadonlyMap<string, Iterable<number>>

/** The squared norm of the gradient with respect to some elements. */
async function squaredGradient(
  model: Model,
  places: Places,
  { samples }: Awaited<ReturnType<typeof randomSamples>>,
): Promise<number> {
  const meter = await gradientMeter(model, samples, [...places.keys()], { runtime, loss: 'mse' })
  const { gradients } = await meter.measure()
  await meter.release()
  let squared = 0
  for (const [name, indices] of places)
    for (const i of indices) squared += (gradients.get(name)?.[i] ?? 0) ** 2
  return squared
}

/** How the loss falls in the direction against the gradient of some elements, and their squared gradient. */
async function slopeOf(
  model: Model,
  places: Places,
  { x, target, samples }: Awaited<ReturnType<typeof randomSamples>>,
) {
  const names = [...places.keys()]
  const meter = await gradientMeter(model, samples, names, { runtime, loss: 'mse' })
  const { gradients } = await meter.measure()
  await meter.release()
  const { initializers } = withConstantsAsInitializers(model).graph
  let squared = 0
  for (const [name, indices] of places)
    for (const i of indices) squared += (gradients.get(name)?.[i] ?? 0) ** 2
  const moved = (by: number) =>
    withParameters(
      model,
      new Map(
        [...places].map(([name, indices]) => {
          const { tensor } = initializers.get(name)!
          const values = toNumbers(tensor)
          for (const i of indices) values[i]! += by * (gradients.get(name)?.[i] ?? 0)
          return [name, float32(tensor.dims, values)] as const
        }),
      ),
    )
  const step = 1e-3 / Math.sqrt(Math.max(squared, 1e-12))
  const [up, down] = [await loss64(moved(step), x, target), await loss64(moved(-step), x, target)]
  return { squared, slope: (up - down) / (2 * step) }
}

/** The out-weights of a plan's new units. */
function outWeightsOf(plan: GrowthPlan): Places {
  const places = new Map<string, number[]>()
  for (const { from, units } of groupWeights(plan))
    for (const { outWeights } of units.slice(from))
      for (const { parameter, starts, offsets } of outWeights)
        for (const start of starts)
          for (const offset of offsets)
            places.set(parameter, [...(places.get(parameter) ?? []), start + offset])
  return places
}

const smooth = { activation: 'tanh', padding: 'same' } as const
const networks: Readonly<Record<string, (seed: number) => Model>> = {
  'a chain of convolutions': (seed) =>
    sequential(
      [
        conv2d(3, 3, { name: 'conv1', ...smooth }),
        conv2d(2, 3, { name: 'conv2', ...smooth, strides: 2 }),
        flatten(),
        dense(4, { name: 'fc1', activation: 'tanh' }),
        dense(3, { name: 'fc2' }),
      ],
      { input: [2, 6, 5], seed },
    ),
  'a residual stream': (seed) =>
    sequential(
      [
        conv2d(3, 3, { name: 'stem', ...smooth }),
        residual([
          conv2d(2, 3, { name: 'in', ...smooth }),
          conv2d(3, 3, { name: 'out', padding: 'same' }),
        ]),
        globalAveragePool2d(),
        dense(2, { name: 'last' }),
      ],
      { input: [1, 5, 5], seed },
    ),
  'branches side by side, which two layers read': (seed) =>
    sequential(
      [
        concatenate([
          [conv2d(2, 1, { name: 'a', ...smooth })],
          [conv2d(3, 3, { name: 'b', ...smooth })],
        ]),
        concatenate([
          [conv2d(2, 3, { name: 'c', ...smooth })],
          [conv2d(2, 1, { name: 'd', ...smooth })],
        ]),
        flatten(),
        dense(2, { name: 'last' }),
      ],
      { input: [2, 4, 4], seed },
    ),
}

describe.each(Object.keys(networks))('in %s', (kind) => {
  const options = { runtime, loss: 'mse', turns: 1 } as const
  const model = networks[kind]!(4)
  const solution = solve(model)

  test('the gain of new units is the slope of the loss, in float64', async () => {
    const drawn = await randomSamples(model, 1)
    for (const widening of wideningsOf(solution, 1.5)) {
      const found = await gainsOf(wideningRounds(solution, [widening], drawn.samples, options))
      const gain = gainOf(found[0]!)
      const plan = await planGradmax(solution, widthsOf(widening), drawn.samples, options)
      const { squared, slope } = await slopeOf(applyPlan(model, plan), outWeightsOf(plan), drawn)
      // The plan lists directions to four digits.
      expect(squared / gain).toBeCloseTo(1, 2)
      expect(slope / squared).toBeCloseTo(1, 3)
    }
  })

  test('the gain of inserted layers is the slope of the loss, in float64', async () => {
    const drawn = await randomSamples(model, 2)
    for (const kind of ['deepen', 'repeat'] as const) {
      const insertions = insertionsOf(solution, kind)
      const rounds = insertionRounds(solution, insertions, drawn.samples, options)
      const gains = await measureRounds(rounds)
      for (const insertion of insertions) {
        const { plan, reason } = insertion
        const found = gains.get(insertion)!
        if (reason !== undefined) {
          expect(found).toEqual({ reason })
          continue
        }
        const { squared, slope } = await slopeOf(applyPlan(model, plan), insertedBy(plan), drawn)
        expect(squared / gainOf(found)).toBeCloseTo(1, 4)
        expect(slope / squared).toBeCloseTo(1, 3)
      }
    }
  })
})

const gainsOf = async <T extends Candidate>(
  rounds: readonly Round<T>[],
): Promise<readonly Gain[]> => [...(await measureRounds(rounds)).values()]

const gainOf = (found: Gain): number => {
  if ('reason' in found) throw new Error(found.reason)
  return found.gain
}

function widthsOf({ step }: Widening) {
  if (!('widen' in step)) throw new Error('no widening')
  return step.widen
}

/** All elements of the parameters that a plan inserts; of a layer without an activation the taps of kernels beside the middle. */
const insertedBy = ({ inserted, repeated = [] }: GrowthPlan): Places =>
  new Map([
    ...inserted.flatMap(({ layer, names }) => {
      const isLinear = !layer.nodes.some(({ opType }) => /^(Relu|Tanh)$/.test(opType))
      return layer.parameters.map(({ name, dims }) => {
        const taps = dims.slice(2).reduce((product, size) => product * size, 1)
        const places = elementsOf(dims).filter((i) => !isLinear || i % taps !== (taps - 1) / 2)
        return [names[name]!, places] as const
      })
    }),
    ...repeated.flatMap(({ parameters }) =>
      parameters.map(({ to, dims }) => [to, elementsOf(dims)] as const),
    ),
  ])
const elementsOf = (dims: readonly number[]) =>
  Array.from({ length: elementCount(dims) }, (_, i) => i)

test('on random networks the function stays, and the gain is that of the plan', async () => {
  let measured = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(100_000), async (seed) => {
      const model = randomNetwork(seed)
      const solution = solve(model)
      const drawn = await randomSamples(model, seed)
      const old = toNumbers(drawn.before)
      const options = { runtime, loss: 'mse', turns: 1, seed } as const
      for (const widening of wideningsOf(solution, 1.3)) {
        const [found] = await gainsOf(wideningRounds(solution, [widening], drawn.samples, options))
        if (!found || 'reason' in found || !found.units) continue
        const plan = await planGradmax(solution, widthsOf(widening), drawn.samples, options)
        const grown = applyPlan(model, plan)
        for (const [i, value] of toNumbers(await outputOf(grown, drawn.x)).entries())
          expect(Math.abs(value - old[i]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(old[i]!)))
        expect(found.units).toEqual(found.units.toSorted((a, b) => b - a))
        if (gainOf(found) < 1e-6) continue
        const places = outWeightsOf(plan)
        expect((await squaredGradient(grown, places, drawn)) / gainOf(found)).toBeCloseTo(1, 2)
        measured++
      }
    }),
    // An InstanceNormalization scales new units of the first differently; an axis of the second is a product of units with themselves.
    { numRuns: 6, examples: [[67985], [66899]] },
  )
  expect(measured).toBeGreaterThan(0)
}, 60_000)

describe('the directions', () => {
  const model = sequential([dense(4, { name: 'first' }), dense(7, { name: 'last' })], {
    input: [6],
    seed: 2,
  })
  const gainsFrom = async (network: Model, turns: number, seed: number) => {
    const { samples } = await randomSamples(network, 3)
    const solution = solve(network)
    const widenings = wideningsOf(solution, 1.25)
    const options = { runtime, loss: 'mse', turns, seed } as const
    return Promise.all(
      (await gainsOf(wideningRounds(solution, widenings, samples, options))).map((found) =>
        gainOf(found),
      ),
    )
  }

  test('of linear units are the best that there are', async () => {
    const [best] = await gainsFrom(model, 10, 0)
    for (let seed = 1; seed <= 20; seed++) {
      const [random] = await gainsFrom(model, 0, seed)
      expect(random!).toBeLessThan(best! * 1.001)
    }
  })

  test('through a Relu are no worse than those that the search begins with', async () => {
    const network = sequential(
      [dense(4, { name: 'first', activation: 'relu' }), dense(3, { name: 'last' })],
      { input: [6], seed: 2 },
    )
    for (let seed = 0; seed < 5; seed++) {
      const [[start], [found]] = [
        await gainsFrom(network, 0, seed),
        await gainsFrom(network, 3, seed),
      ]
      expect(found!).toBeGreaterThanOrEqual(start!)
    }
  })
})

test('new units give norms what these expect of them', async () => {
  const model = sequential(
    [
      conv2d(2, 1, { name: 'conv' }),
      batchNorm({ name: 'norm' }),
      relu(),
      flatten(),
      dense(1, { name: 'last' }),
    ],
    { input: [1, 3, 3], seed: 1 },
  )
  const drawn = await randomSamples(model, 5)
  const plan = await planGradmax(solve(model), { conv: 4 }, drawn.samples, { runtime, loss: 'mse' })
  const { initializers } = applyPlan(model, plan).graph
  const of = (name: string) => toNumbers(initializers.get(name)!.tensor)
  const pixels = toNumbers(drawn.x)
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length
  const variance = pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels.length
  for (const unit of [2, 3]) {
    const weight = of('conv.weight')[unit]!
    expect(of('norm.running_mean')[unit]! / (weight * mean)).toBeCloseTo(1, 2)
    expect(of('norm.running_var')[unit]! / (weight ** 2 * variance)).toBeCloseTo(1, 2)
  }
})

test.each([
  ['every unit must be copied equally often', 'LayerNormalization'],
  ['reduces them without weights', 'ReduceMax'],
])('units for which it cannot be are refused: %s', (reason, op) => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', 3])
  const weight = (name: string, dims: number[]) => builder.initializer(name, normals(dims, name))
  weight('w1', [3, 4])
  weight('w2', [op === 'ReduceMax' ? 1 : 4, 2])
  weight('scale', [4])
  const h = builder.node('MatMul', ['x', 'w1'], {}, { name: 'first' })
  const norm =
    op === 'ReduceMax'
      ? builder.node('ReduceMax', [h], { axes: [1], keepdims: 1 })
      : builder.node(op, [h, 'scale'])
  builder.nodeOutputs('MatMul', [norm, 'w2'], {}, { outputs: ['y'], name: 'last' })
  builder.output('y', 'float32', ['batch', 2])
  const solution = solve(builder.model())
  expect(() => planChosen(solution, { first: 8 })).toThrow(reason)
})

describe('units whose products make up an axis', () => {
  /** The outer product of the units of two layers, or of one with itself, as features of a last layer. */
  const outer = (left: string, right: string): Model => {
    const builder = new GraphBuilder()
    builder.input('input', 'float32', ['batch', 3])
    const layer = (name: string, x: string, dims: number[], outputs?: readonly [string]) => {
      builder.initializer(`${name}.weight`, normals(dims, name))
      const named = { name, ...(outputs && { outputs }) }
      return builder.nodeOutputs('MatMul', [x, `${name}.weight`], {}, named)[0]!
    }
    const sizes = (...dims: number[]) => builder.constant(int64(dims))
    const units = new Map(
      [...new Set([left, right])].map((name) => [
        name,
        builder.node('Tanh', [layer(name, 'input', [3, 2])]),
      ]),
    )
    const column = builder.node('Unsqueeze', [units.get(left)!, sizes(2)])
    const row = builder.node('Unsqueeze', [units.get(right)!, sizes(1)])
    const product = builder.node('Mul', [column, row])
    layer('last', builder.node('Reshape', [product, sizes(0, -1)]), [4, 2], ['y'])
    builder.output('y', 'float32', ['batch', 2])
    return builder.model()
  }

  test('can be added to the one and to the other, one after the other', async () => {
    const model = outer('a', 'b')
    const solution = solve(model)
    const { samples } = await randomSamples(model, 1)
    const options = { runtime, loss: 'mse', turns: 1 } as const
    expect(() => planChosen(solution, { a: 3, b: 3 })).toThrow(
      'Units cannot be added to a and to b at once: an axis of "last.weight" is a product of both. Let one grow after the other.',
    )
    const rounds = wideningRounds(solution, wideningsOf(solution, 1.5), samples, options)
    const gains = await gainsOf(rounds)
    expect(gains.map((found) => gainOf(found) > 0)).toEqual([true, true])
    expect(() => planChosen(solution, { a: 3 })).not.toThrow()
  })

  test('cannot be added where it is a product of them with themselves', async () => {
    const model = outer('a', 'a')
    const solution = solve(model)
    const { samples } = await randomSamples(model, 1)
    const reason =
      'No units can be added to a: an axis of "last.weight" is a product of its units with themselves'
    expect(() => planChosen(solution, { a: 3 })).toThrow(reason)
    const options = { runtime, loss: 'mse', turns: 1 } as const
    const rounds = wideningRounds(solution, wideningsOf(solution, 1.5), samples, options)
    expect(await gainsOf(rounds)).toEqual([{ reason }])
  })
})
