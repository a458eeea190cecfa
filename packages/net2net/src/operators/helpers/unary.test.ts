import { describe, expect, it } from 'vitest'
import { allCases, nodeCases } from '../../../testing/all-cases.ts'
import type { DrawnNode } from '../../../testing/cases.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { activations } from '../rules/activations.ts'
import { clips } from '../rules/clip.ts'
import { mathematics } from '../rules/math.ts'

/** φ(x) and φ(φ(x)) for the node that a draw describes. */
async function twice(op: string, { opset = 18, attributes = {}, inputs }: DrawnNode) {
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

const family = [...activations, ...mathematics, ...clips]

describe('facets of unary operators, by what ONNX Runtime computes', () => {
  const facets = family.filter(({ domain, gradient }) => !domain && typeof gradient === 'function')
  it.each(facets.map((operator) => ({ name: operator.name, operator })))(
    '$name',
    async ({ name, operator }) => {
      let everDiffers = false
      for (let index = 0; index < 20; index++) {
        const random = randomStream(index, 'facets', name)
        const spec = nodeCases(allCases.get(name)!)[0]!.draw(random, 0)
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
