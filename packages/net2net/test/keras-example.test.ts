import { describe, expect, it } from 'vitest'
import {
  applyPlan,
  countParameters,
  deepen,
  inspect,
  planDeepen,
  planWiden,
  widen,
} from '../src/growth/index.ts'
import { conv2d, dense, flatten, maxPool2d, sequential } from '../src/layers/index.ts'
import { toNumbers } from '../src/tensor/tensor.ts'
import { expectEqualFunctions, largestDifference } from '../testing/check.ts'

/** The Keras example's teacher, on smaller and non-square images. */
const teacher = (width = 8, seed = 1) =>
  sequential(
    [
      conv2d(width, 3, { name: 'conv1', padding: 'same' }),
      maxPool2d(2, { name: 'pool1' }),
      conv2d(width, 3, { name: 'conv2', padding: 'same' }),
      maxPool2d(2, { name: 'pool2' }),
      flatten({ name: 'flatten' }),
      dense(width, { name: 'fc1', activation: 'relu' }),
      dense(10, { name: 'fc2', activation: 'softmax' }),
    ],
    { input: [1, 12, 8], seed },
  )

describe('the Keras example’s network', () => {
  it('is inspected', () => {
    const { layers } = inspect(teacher())
    expect(layers.map(({ name, width, widen: able }) => [name, width, able === true])).toEqual([
      ['conv1', 8, true],
      ['conv2', 8, true],
      ['fc1', 8, true],
      ['fc2', 10, false],
    ])
    expect(layers[3]!.widen).toMatchInlineSnapshot(
      `"its units reach Softmax fc2.softmax, which normalizes over it: a copy would change the other probabilities"`,
    )
    expect(layers.map((layer) => layer.deepen)).toEqual([true, true, true, true])
  })

  it('computes the same function when widened', async () => {
    const model = teacher()
    const plan = planWiden(model, { conv1: 13, conv2: 21, fc1: 16 }, { seed: 3 })
    const wider = applyPlan(model, plan)
    expect(inspect(wider).layers.map((layer) => layer.width)).toEqual([13, 21, 16, 10])
    await expectEqualFunctions(model, wider)
  })

  it('computes the same function when deepened', async () => {
    const model = teacher()
    const deeper = applyPlan(model, planDeepen(model, ['conv2', 'fc1']))
    expect(deeper.graph.nodes.map((node) => node.name)).toMatchInlineSnapshot(`
      [
        "conv1",
        "pool1",
        "conv2",
        "conv2-deeper",
        "pool2",
        "flatten",
        "fc1",
        "fc1.relu",
        "fc1-deeper",
        "fc1-deeper.relu",
        "fc2",
        "fc2.softmax",
      ]
    `)
    await expectEqualFunctions(model, deeper)
  })

  it('computes the same function when widened and deepened again and again', async () => {
    const model = teacher()
    const once = widen(model, { conv2: 'x2', fc1: 9 }, { seed: 1 })
    const twice = widen(deepen(once, ['conv1', 'conv2', 'fc1']), {
      'conv2-deeper': 20,
      'fc1-deeper': 31,
    })
    const thrice = deepen(widen(twice, { conv2: 33 }), ['conv2', 'fc2'])
    await expectEqualFunctions(model, thrice)
  })

  it('differs for the baselines, and slightly for the paper’s noise', async () => {
    const model = teacher()
    const paper = widen(model, { conv1: 16, fc1: 16 }, { noise: 'paper' })
    await expect(expectEqualFunctions(model, paper)).rejects.toThrow()
    expect(await largestDifference(model, paper)).toBeLessThan(0.2)
    const padded = widen(model, { conv1: 16, fc1: 16 }, { init: 'random-pad' })
    await expect(expectEqualFunctions(model, padded)).rejects.toThrow()
    const random = deepen(model, ['conv2', 'fc1'], { init: 'random-init' })
    await expect(expectEqualFunctions(model, random)).rejects.toThrow()
  })

  it('pads as the seed does: old weights untouched, new biases 0.1', () => {
    const model = teacher()
    const padded = widen(model, { fc1: 12 }, { init: 'random-pad' })
    const bias = toNumbers(padded.graph.initializers.get('fc1.bias')!.tensor)
    expect(bias.slice(8)).toEqual(Array(4).fill(Math.fround(0.1)))
  })

  it('counts its parameters', () => {
    expect(countParameters(teacher())).toBe(8 * 9 + 8 + 8 * 8 * 9 + 8 + 48 * 8 + 8 + 80 + 10)
  })
})
