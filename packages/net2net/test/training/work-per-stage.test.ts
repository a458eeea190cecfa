/** How often a stage of growth plans, applies and compiles. */
import { expect, test, vi } from 'vitest'
import { ArrayDataset } from '../../src/data/dataset.ts'
import { trainGrowing } from '../../src/growing/index.ts'
import { dense, sequential } from '../../src/layers/index.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { sgd } from '../../src/training/index.ts'

const calls = vi.hoisted(() => ({ solve: 0, applyPlan: 0, buildStep: 0 }))
vi.mock('../../src/growth/apply/apply.ts', async (original) => {
  const module = await original<typeof import('../../src/growth/apply/apply.ts')>()
  const applyPlan: typeof module.applyPlan = (...args) => {
    calls.applyPlan++
    return module.applyPlan(...args)
  }
  return { ...module, applyPlan }
})
// Solving begins with the facts of a model.
vi.mock('../../src/growth/solve/facts.ts', async (original) => {
  const module = await original<typeof import('../../src/growth/solve/facts.ts')>()
  const factsOf: typeof module.factsOf = (...args) => {
    calls.solve++
    return module.factsOf(...args)
  }
  return { ...module, factsOf }
})
vi.mock('../../src/training/compile/step-graph.ts', async (original) => {
  const module = await original<typeof import('../../src/training/compile/step-graph.ts')>()
  const buildStep: typeof module.buildStep = (...args) => {
    calls.buildStep++
    return module.buildStep(...args)
  }
  return { ...module, buildStep }
})

test('each step of a stage is solved and applied once, and each stage compiled once', async () => {
  const model = sequential(
    [
      dense(4, { name: 'a', activation: 'relu' }),
      dense(4, { name: 'b', activation: 'relu' }),
      dense(2),
    ],
    { input: [3] },
  )
  const random = randomStream(1, 'data')
  const data = new ArrayDataset(
    { x: { dtype: 'float32', dims: [3], data: Float32Array.from({ length: 60 }, random.normal) } },
    { dtype: 'int32', dims: [], data: Int32Array.from({ length: 20 }, (_, i) => i % 2) },
  )
  const training = trainGrowing(model, data, {
    loss: 'softmax-cross-entropy',
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    epochs: 3,
    stages: [
      { when: { epoch: 1 }, steps: [{ widen: { a: 6 } }, { deepen: 'b' }] },
      { when: { epoch: 2 }, steps: [{ widen: { b: 6 } }] },
    ],
  })
  const counts: (typeof calls)[] = []
  for await (const { kind } of training) if (kind === 'growth') counts.push({ ...calls })
  // All steps were tried, and the first model was compiled, before the first step.
  expect(counts).toEqual([
    { solve: 3 + 2, applyPlan: 3 + 2, buildStep: 1 + 1 },
    { solve: 3 + 2 + 1, applyPlan: 3 + 2 + 1, buildStep: 1 + 1 + 1 },
  ])
  expect(calls).toEqual(counts.at(-1))
})
