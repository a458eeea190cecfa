import { describe, expect, it } from 'vitest'
import { anyOf, awayFromZero, between, randomShape, vagueShapes } from '../../../testing/draws.ts'
import {
  checkGradients,
  normalTensor,
  type OneNode,
  oneNode,
  uniformTensor,
} from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { float32, type Tensor } from '../../tensor/tensor.ts'
import { activations } from '../rules/activations.ts'
import { clips } from '../rules/clip.ts'
import { mathematics } from '../rules/math.ts'

type Draw = (random: RandomStream) => Omit<OneNode, 'op'>

const shape = (random: RandomStream) => randomShape(random, between(random, 1, 3))
const normal: Draw = (random) => ({ inputs: [normalTensor(random, shape(random), { scale: 2 })] })
const bent: Draw = (random) => ({ inputs: [awayFromZero(random, shape(random), 0.01)] })
const uniform =
  (from: number, to: number): Draw =>
  (random) => ({ inputs: [uniformTensor(random, shape(random), from, to)] })

/** Draws with a random value of a float attribute; every third node uses the default. */
const withAttribute =
  (name: string, from: number, to: number, draw: Draw = bent): Draw =>
  (random) => ({
    ...draw(random),
    attributes:
      random.below(3) === 0 ? {} : { [name]: float(from + (to - from) * random.uniform()) },
  })

const bounds: Draw = (random) => {
  const [low, high] = [-0.7 - random.uniform(), 0.7 + random.uniform()]
  const x = normalTensor(random, shape(random), { scale: 2 })
  if (random.below(3) === 0)
    return {
      opset: 10,
      attributes: anyOf(random, [{ min: float(low), max: float(high) }, { max: float(high) }]),
      inputs: [x],
    }
  const bound = (value: number) => float32([], [value])
  const inputs: (Tensor | undefined)[] = anyOf(random, [
    [x, bound(low), bound(high)],
    [x, undefined, bound(high)],
    [x, bound(low)],
    [x],
  ])
  return { inputs, constants: [1, 2] }
}

const draws: Readonly<Record<string, Draw>> = {
  Relu: bent,
  LeakyRelu: withAttribute('alpha', -0.5, 0.5),
  ThresholdedRelu: withAttribute('alpha', -0.5, 1.5),
  Elu: withAttribute('alpha', 0.3, 2),
  Selu: (random) => ({
    ...bent(random),
    attributes:
      random.below(2) === 0 ? {} : { alpha: float(1 + random.uniform()), gamma: float(1.3) },
  }),
  Celu: withAttribute('alpha', 0.3, 2),
  Sigmoid: normal,
  HardSigmoid: (random) => ({
    ...normal(random),
    attributes:
      random.below(2) === 0 ? {} : { alpha: float(0.4 * random.uniform()), beta: float(0.4) },
  }),
  HardSwish: (random) => ({ inputs: [normalTensor(random, shape(random), { scale: 3 })] }),
  Tanh: normal,
  Softplus: normal,
  Softsign: normal,
  Mish: normal,
  Gelu: (random) => ({
    ...normal(random),
    opset: 20,
    attributes: anyOf(random, [{}, { approximate: 'tanh' }, { approximate: 'none' }]),
  }),
  Shrink: withAttribute('lambd', 0.2, 1, normal),
  Exp: normal,
  Log: uniform(0.3, 3),
  Sqrt: uniform(0.3, 3),
  Reciprocal: (random) => ({ inputs: [awayFromZero(random, shape(random), 0.5)] }),
  Neg: normal,
  Abs: bent,
  Erf: normal,
  Sin: normal,
  Cos: normal,
  Tan: uniform(-1.2, 1.2),
  Asin: uniform(-0.9, 0.9),
  Acos: uniform(-0.9, 0.9),
  Atan: normal,
  Sinh: normal,
  Cosh: normal,
  Asinh: normal,
  Acosh: uniform(1.2, 3),
  Atanh: uniform(-0.9, 0.9),
  Clip: bounds,
}

const family = [...activations, ...mathematics, ...clips]

describe('gradients of unary operators against differences', () => {
  it.each(Object.entries(draws))('%s', async (op, draw) => {
    await checkGradients({
      draw: (random, index) => {
        const spec = draw(random)
        const [x] = spec.inputs
        return oneNode({ op, ...spec, shapes: vagueShapes(random, index, [x]) })
      },
    })
  })

  it('leaves no rule unchecked', () => {
    const rules = family.filter(
      (operator) => typeof operator.gradient === 'function' && !operator.domain,
    )
    expect(Object.keys(draws).sort()).toEqual(rules.map((operator) => operator.name).sort())
  })
})

/** φ(x) and φ(φ(x)) for the node that a draw describes. */
async function twice(op: string, { opset = 18, attributes = {}, inputs }: Omit<OneNode, 'op'>) {
  const builder = new GraphBuilder()
  const [x, ...bounds] = inputs
  const others = bounds.map((bound) => (bound ? builder.constant(bound) : ''))
  builder.input('x', 'float32', x!.dims)
  const once = builder.node(op, ['x', ...others], attributes)
  builder.output(builder.node(op, [once, ...others], attributes, { outputs: ['z'] }), 'float32')
  builder.output(once, 'float32')
  const model = builder.model('twice', opset)
  const session = await nodeRuntime.createSession(encodeModel(model))
  const results = await session.run({ x: x! })
  await session.release()
  const node = model.graph.nodes[0]!
  return {
    node,
    once: Array.from(results[once]!.data, Number),
    z: Array.from(results.z!.data, Number),
  }
}

describe('facets of unary operators, by what ONNX Runtime computes', () => {
  const facets = family.filter(({ domain, name }) => !domain && name in draws)
  it.each(facets.map((operator) => ({ name: operator.name, operator })))(
    '$name',
    async ({ name, operator }) => {
      let everDiffers = false
      for (let index = 0; index < 20; index++) {
        const random = randomStream(index, 'facets', name)
        const spec = draws[name]!(random)
        const positive = operator.sign === 'inherited'
        const x = positive ? uniformTensor(random, [40], 0, 3) : normalTensor(random, [40])
        const { node, once, z } = await twice(name, {
          ...spec,
          inputs: [x, ...spec.inputs.slice(1)],
        })
        const defined = once.filter((value) => !Number.isNaN(value))
        if (operator.sign !== 'unknown') expect(Math.min(0, ...defined)).toBe(0)
        const same = z.every((value, i) => Object.is(value, once[i]) || value === once[i])
        if (operator.growth?.activation?.idempotent(node, () => undefined)) expect(z).toEqual(once)
        else if (!same) everDiffers = true
      }
      const always = operator.growth?.activation?.idempotent(
        { ...emptyNode, opType: name },
        () => undefined,
      )
      expect(everDiffers || always === true).toBe(true)
    },
  )
})

const emptyNode = { name: '', domain: '', inputs: [], outputs: [], attributes: new Map() }
