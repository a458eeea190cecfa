/**
 * Graphs that no exporter writes: operands, attributes and operators of random networks are exchanged. Each is read, grown and
 * differentiated, or refused in one sentence. The seeds are fixed: what is wrong with a file is drawn from too much to be met by chance.
 */
import { expect, test } from 'vitest'
import {
  applyPlan,
  inspect,
  planDeepen,
  planRepeat,
  planShrink,
  planWiden,
} from '../src/growth/index.ts'
import type { Attribute, Model, Node } from '../src/model/model.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { operators } from '../src/operators/table.ts'
import { type RandomStream, randomStream } from '../src/tensor/random.ts'
import { materialize, Tensor } from '../src/tensor/tensor.ts'
import { buildStep, sgd } from '../src/training/index.ts'
import { isDone } from '../testing/done-or-refused.ts'
import { anyOf } from '../testing/draws.ts'
import { randomNetwork } from './random-networks/generator.ts'

const NETWORKS = Number(process.env.MUTATED_GRAPHS ?? 400)
/** Characters of a refusal. */
const LONGEST = 999
const numbers = [-1n, 0n, 1n, 2n, 3n, 7n, 100_000n, 2n ** 62n, -(2n ** 63n)]
const types = operators.filter(({ domain }) => domain === undefined).map(({ name }) => name)

/** An attribute with another number, or one number more or less. */
function otherNumbers(random: RandomStream, attribute: Attribute): Attribute {
  if (attribute.type === 'int') return { type: 'int', value: anyOf(random, numbers) }
  if (attribute.type === 'float') return { type: 'float', value: anyOf(random, [0, -1, NaN, 1e30]) }
  if (attribute.type !== 'ints') return attribute
  const { value } = attribute
  const at = random.below(value.length + 1)
  return {
    type: 'ints',
    value: [...value.slice(0, at), anyOf(random, numbers), ...value.slice(at + random.below(2))],
  }
}

/** A node with something else in it. */
function otherNode(random: RandomStream, node: Node, names: readonly string[]): Node {
  const at = random.below(node.inputs.length + 1)
  const name = anyOf(random, names)
  switch (random.below(5)) {
    case 0:
      return {
        ...node,
        inputs: [...node.inputs.slice(0, at), name, ...node.inputs.slice(at + random.below(2))],
      }
    case 1:
      return { ...node, inputs: node.inputs.slice(0, at) }
    case 2:
      return { ...node, opType: anyOf(random, types) }
    case 3: {
      const attributes = new Map(node.attributes)
      const key = anyOf(random, [...attributes.keys(), ''])
      attributes.delete(key)
      return { ...node, attributes }
    }
    default: {
      const attributes = [...node.attributes].map(
        ([key, each]) => [key, otherNumbers(random, each)] as const,
      )
      return { ...node, attributes: new Map(attributes) }
    }
  }
}

function mutated(seed: number): Model {
  const random = randomStream(seed, 'mutated graph')
  const model = randomNetwork(seed)
  const { graph } = model
  const nodes = [...graph.nodes]
  const initializers = new Map(graph.initializers)
  for (let i = random.below(3); i >= 0; i--) {
    const at = random.below(nodes.length)
    if (random.below(5) > 0) {
      const before = nodes.slice(0, at).flatMap(({ outputs }) => outputs)
      nodes[at] = otherNode(random, nodes[at]!, [...initializers.keys(), ...before, 'x', ''])
    } else {
      const name = anyOf(random, [...initializers.keys()])
      const { dtype, dims, data } = materialize(initializers.get(name)!.tensor)
      const other = anyOf(random, [[...dims, 1], [1, ...dims], [...dims].reverse(), [data.length]])
      initializers.set(name, { tensor: new Tensor(dtype, other, data) })
    }
  }
  return { ...model, graph: { ...graph, nodes, initializers } }
}

test(`graphs with exchanged parts are used, or refused in one sentence (${NETWORKS} graphs)`, () => {
  let done = 0
  for (let seed = 0; seed < NETWORKS; seed++) {
    const random = randomStream(seed, 'use of a mutated graph')
    const use = () => {
      const model = decodeModel(encodeModel(mutated(seed)))
      const layers = inspect(model).layers
      const able = (what: 'widen' | 'deepen') =>
        layers.filter((layer) => layer[what] === true && layer.width !== null)
      const grow = [
        () => planWiden(model, { [anyOf(random, able('widen')).name]: 'x2' }),
        () => planDeepen(model, [anyOf(random, able('deepen')).name]),
        () => planShrink(model),
        () => planRepeat(model, ['*']),
      ]
      const isAble = [able('widen').length > 0, able('deepen').length > 0, true, true]
      grow.forEach((plan, i) => {
        if (isAble[i]) isDone(() => encodeModel(applyPlan(model, plan())), LONGEST)
      })
      isDone(
        () => buildStep(model, { loss: 'mse', optimizer: sgd({ learningRate: 0.1 }) }),
        LONGEST,
      )
    }
    try {
      if (isDone(use, LONGEST)) done++
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause })
    }
  }
  expect(done).toBeGreaterThan(NETWORKS / 10)
  expect(done).toBeLessThan(NETWORKS)
}, 120_000)
