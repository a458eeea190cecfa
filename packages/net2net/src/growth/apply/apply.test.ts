/** Plans that were made of a model as it is trained fit the model as it was exported. */
import { expect, test } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { plain } from '../../../testing/plain.ts'
import { Net2NetError } from '../../errors.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { separateConstants } from '../../operators/shared-constants.ts'
import { constantNote, parameterNote, trainableConstants } from '../../operators/trainable.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { planDeepen, planRepeat, planWiden } from '../index.ts'
import { applyPlan } from './apply.ts'

/** Two blocks of norm and layer as PyTorch exports them while they are fresh: one scale and one shift for both norms. */
function exported(): Model {
  const random = randomStream(3, 'exported')
  const builder = new GraphBuilder()
  const weight = (name: string, dims: readonly number[], make = () => random.normal()) =>
    builder.initializer(
      name,
      float32(dims, Array.from({ length: dims.reduce((a, b) => a * b) }, make)),
    )
  builder.input('x', 'float32', ['batch', 5])
  const modules: string[] = []
  const node = (module: string, ...[type, inputs, name]: [string, string[], string]) => {
    modules.push(module)
    return builder.node(type, inputs, {}, { name })
  }
  let x = node('first', 'MatMul', ['x', weight('first.weight', [5, 4])], 'first')
  const norm = [weight('h.0.norm.weight', [4], () => 1), weight('h.0.norm.bias', [4], () => 0)]
  for (const block of ['h.0', 'h.1']) {
    const y = node(`${block}.norm`, 'LayerNormalization', [x, ...norm], `${block}.norm`)
    const layer = [y, weight(`${block}.layer.weight`, [4, 4])]
    x = node(block, 'Add', [x, node(`${block}.layer`, 'MatMul', layer, `${block}.layer`)], block)
  }
  const last = [x, weight('last.weight', [4, 3])]
  builder.output(node('last', 'MatMul', last, 'last'), 'float32', ['batch', 3])
  const graph = builder.graph()
  const nodes = graph.nodes.map((one) => {
    const at = ['first', 'last'].includes(one.name) ? one.name : undefined
    const module = at ?? modules[graph.nodes.indexOf(one)]!
    return {
      ...one,
      metadata: new Map([['pkg.torch.onnx.name_scopes', `['', '${module}', '${one.name}']`]]),
    }
  })
  return modelOf({ ...graph, nodes })
}

test.each([
  ['widened', (model: Model) => planWiden(model, { first: 8 })],
  ['repeated', (model: Model) => planRepeat(model, ['h.*'])],
])('an export whose norms were merged is %s by the plan of the trained model', async (_, plan) => {
  const model = exported()
  const separate = separateConstants(model)
  expect(separate.graph.initializers.size).toBe(model.graph.initializers.size + 2)
  const planned = plan(separate)
  const grown = applyPlan(model, planned)
  expect(plain(grown)).toEqual(plain(applyPlan(separate, planned)))
  await expectEqualFunctions(model, grown)
  // What no form of the model has is refused as before.
  const strange = { ...planned.parameters[0]!, name: 'h.2.norm.weight' }
  expect(() =>
    applyPlan(model, { ...planned, parameters: [...planned.parameters, strange] }),
  ).toThrow(Net2NetError)
})

/** Two layers on sequences that share a scale, in a file that says of its constants which are parameters. */
function marked(): Model {
  const random = randomStream(4, 'marked')
  const b = new GraphBuilder()
  const weight = (name: string, ...dims: number[]) =>
    b.initializer(name, normalTensor(random, dims))
  const x = b.input('x', 'float32', ['batch', 3, 4])
  const scale = weight('scale', 4)
  const dense = (value: string, name: string) =>
    b.node('MatMul', [value, weight(`${name}_weight`, 4, 4)], {}, { name })
  const a = b.node('Mul', [dense(x, 'a'), scale])
  const c = b.node('Mul', [dense(b.node('Relu', [a]), 'c'), scale])
  b.output(b.node('MatMul', [b.node('Mul', [c, weight('mask', 4)]), weight('head', 4, 2)]))
  const model = b.model()
  const initializers = new Map(
    [...model.graph.initializers].map(([name, { tensor }]) => {
      const metadata = name === 'mask' ? constantNote : parameterNote
      return [name, { tensor, metadata }]
    }),
  )
  return { ...model, graph: { ...model.graph, initializers } }
}

test('what growth adds to a file that marks its parameters is trained', () => {
  const model = marked()
  for (const plan of [
    planDeepen(model, ['a']),
    planDeepen(model, ['a'], { block: 'residual' }),
    planWiden(model, { a: 6 }),
    planWiden(model, { c: 6 }),
  ]) {
    const grown = applyPlan(model, plan)
    const added = [...grown.graph.initializers.keys()].filter((name) => name !== 'mask')
    expect(added.length).toBeGreaterThan(4)
    expect([...trainableConstants(grown).parameters].sort()).toEqual(added.sort())
  }
})
