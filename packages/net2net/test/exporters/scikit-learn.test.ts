/** Networks of scikit-learn as skl2onnx writes them: behind a scaler, with labels first and probabilities in a map for each sample. */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { compare } from '../../src/check/compare.ts'
import { ArrayDataset } from '../../src/data/dataset.ts'
import { applyPlan, inspect, planDeepen, planWiden } from '../../src/growth/index.ts'
import { classesOf, mustHaveClassesOf, withClasses } from '../../src/model/classes.ts'
import type { Model } from '../../src/model/model.ts'
import { load } from '../../src/onnx/file.node.ts'
import { trainableConstants } from '../../src/operators/trainable.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { float32, toNumbers } from '../../src/tensor/tensor.ts'
import { adam, evaluate, predict, train } from '../../src/training/index.ts'

const open = (name: string): Promise<Model> =>
  load(fileURLToPath(new URL(`./scikit-learn/${name}.onnx`, import.meta.url)))

/** The model with other numbers in a weight. */
function mistaken(model: Model, weight: string): Model {
  const { tensor } = model.graph.initializers.get(weight)!
  const values = [...toNumbers(tensor)].map((value) => 1.1 * value + 0.05)
  const initializers = new Map(model.graph.initializers)
  initializers.set(weight, { tensor: float32(tensor.dims, values) })
  return { ...model, graph: { ...model.graph, initializers } }
}

/** Irises, nearly: three classes that the sum of two features tells apart. */
function irises(count: number): ArrayDataset {
  const random = randomStream(5, 'irises')
  const features = Float32Array.from({ length: 4 * count }, () => 4 + random.normal())
  const labels = Int32Array.from({ length: count }, (_, i) => {
    const sum = features[4 * i + 2]! + features[4 * i + 3]!
    return sum < 7.5 ? 0 : sum < 8.5 ? 1 : 2
  })
  return new ArrayDataset(
    { X: { dtype: 'float32', dims: [4], data: features } },
    { dtype: 'int32', dims: [], data: labels },
  )
}

describe('networks of scikit-learn', () => {
  test.each(['classifier', 'names', 'regressor'])('grow: %s', async (name) => {
    const model = await open(name)
    const { layers } = inspect(model)
    expect(layers.map(({ widen, deepen }) => [widen === true, deepen])).toEqual([
      [true, true],
      [false, true],
    ])
    const wider = applyPlan(model, planWiden(model, { MatMul: 'x1.5' }))
    const deeper = applyPlan(wider, planDeepen(wider, ['MatMul']))
    expect((await compare(model, deeper)).equal).toBe(true)
    expect((await compare(model, mistaken(deeper, 'coefficient1'))).equal).toBe(false)
  })

  test('are told apart by what their classes are called as well', async () => {
    const model = await open('classifier')
    const nodes = model.graph.nodes.map((node) => {
      if (node.opType !== 'ZipMap') return node
      const labels = { type: 'ints', value: [0n, 1n, 7n] } as const
      return { ...node, attributes: new Map([['classlabels_int64s', labels] as const]) }
    })
    const renamed = { ...model, graph: { ...model.graph, nodes } }
    await expect(compare(model, renamed)).rejects.toMatchObject({ kind: 'difference' })

    const named = await open('names')
    const initializers = new Map(
      [...named.graph.initializers].map(([name, initializer]) => {
        const { tensor } = initializer
        const strings = tensor.strings && [...tensor.strings].reverse()
        return [name, strings ? { tensor: { ...tensor, strings } } : initializer] as const
      }),
    )
    const reversed = { ...named, graph: { ...named.graph, initializers } }
    await expect(compare(named, reversed)).rejects.toMatchObject({ kind: 'difference' })
  })

  test('refuse data of other classes, and say what to give: no entry of theirs could be removed', async () => {
    const named = await open('names')
    await expect(async () => mustHaveClassesOf(named, ['x', 'y', 'z'])).rejects.toMatchObject({
      kind: 'input',
      hint: "A class is known by its place: give data with the model's classes.",
    })
    const trained = withClasses(named, ['x', 'y', 'z'])
    await expect(async () => mustHaveClassesOf(trained, ['a', 'b', 'c'])).rejects.toMatchObject({
      hint: "A class is known by its place: give data with the model's classes, or remove the entry net2net.classes from the model's metadata to train it for others.",
    })
  })

  test('are trained for their probabilities, which come after the labels', async () => {
    const model = await open('classifier')
    const samples = irises(256)
    const loss = 'softmax-cross-entropy'
    const before = await evaluate(model, samples, { loss })
    const training = train(model, samples, {
      loss,
      optimizer: adam({ learningRate: 0.01 }),
      epochs: 20,
    })
    for await (const _ of training);
    const after = await evaluate(training.model, samples, { loss })
    // By its own name, too: the map that it comes in.
    const named = await evaluate(training.model, samples, { loss, output: 'output_probability' })
    expect(named.loss).toBe(after.loss)
    expect(after.loss).toBeLessThan(before.loss / 2)
    expect(after.accuracy).toBeGreaterThan(0.8)
  })

  test('predict labels and probabilities, as tensors', async () => {
    const model = await open('classifier')
    for await (const { outputs } of predict(model, irises(8), {})) {
      const [label, probabilities] = Object.values(outputs)
      expect(Object.keys(outputs)[0]).toBe('output_label')
      const shares = toNumbers(probabilities!.probabilities!)
      expect(probabilities!.values.dims).toEqual([8, 3])
      for (const [i, value] of [...toNumbers(label!.values)].entries()) {
        const own = [...shares].slice(3 * i, 3 * i + 3)
        expect(own.reduce((a, b) => a + b)).toBeCloseTo(1, 5)
        expect(own.indexOf(Math.max(...own))).toBe(value)
      }
    }
  })

  test('call classes what their labels are', async () => {
    const model = await open('names')
    const names = ['setosa', 'versicolor', 'virginica']
    expect(classesOf(model)).toEqual(names)
    for await (const { outputs } of predict(model, irises(4), {}))
      expect(outputs.probabilities!.classNames).toEqual(names)
    expect(classesOf(await open('regressor'))).toBeUndefined()
  })

  test('have all their coefficients and intercepts trained, also that of a single unit', async () => {
    for (const name of ['classifier', 'names', 'regressor'])
      expect([...trainableConstants(await open(name)).parameters].sort()).toEqual([
        'coefficient',
        'coefficient1',
        'intercepts',
        'intercepts1',
      ])
  })
})
