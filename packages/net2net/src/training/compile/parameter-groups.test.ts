import { expect, test } from 'vitest'
import { dense, sequential } from '../../layers/index.ts'
import { float32, toNumbers } from '../../tensor/tensor.ts'
import { adamw, sgd, type TrainOptions, train } from '../index.ts'

const model = sequential(
  [dense(3, { name: 'first', activation: 'tanh' }), dense(2, { name: 'second' })],
  {
    input: [2],
    seed: 5,
  },
)
const data = [
  { inputs: { input: float32([2, 2], [1, -2, 0.5, 3]) }, target: float32([2, 2], [1, 0, -1, 2]) },
]

/** By how much each parameter changes in one step. */
async function changes(options: Omit<TrainOptions, 'loss' | 'runtime'>) {
  const training = train(model, data, { loss: 'mse', ...options })
  for await (const _ of training);
  return new Map(
    training.step.parameters.map((name) => {
      const before = toNumbers(training.step.state.get(name)!)
      const after = toNumbers(training.state.tensors.get(name)!)
      return [name, after.map((value, i) => value - before[i]!)]
    }),
  )
}

test('a factor on the learning rate is a factor on the step of sgd; the last pattern counts', async () => {
  const optimizer = sgd({ learningRate: 0.1 })
  const plain = await changes({ optimizer })
  const grouped = await changes({ optimizer, rates: { '*': 0.5, 'second*': 3, 'first*bias': 0 } })
  expect([...plain.keys()]).toHaveLength(4)
  for (const [name, steps] of plain) {
    const bias = name.startsWith('first') && /bias/.test(name)
    const factor = name.startsWith('second') ? 3 : bias ? 0 : 0.5
    grouped.get(name)!.forEach((step, i) => {
      expect(step, name).toBeCloseTo(factor * steps[i]!, 5)
    })
  }
})

test('weight decay leaves alone what it is not for', async () => {
  const options = { learningRate: 0.1, weightDecay: 0.5 }
  const [none, all] = [
    await changes({ optimizer: adamw({ ...options, weightDecay: 0 }) }),
    await changes({ optimizer: adamw(options) }),
  ]
  const matrices = await changes({ optimizer: adamw(options), decayOnly: 'matrices' })
  const named = await changes({ optimizer: adamw(options), decayOnly: ['first*'] })
  const l2 = { learningRate: 0.1, weightDecay: 0.5 }
  const [flat, decayed] = [
    await changes({ optimizer: sgd(l2), decayOnly: ['second*'] }),
    await changes({ optimizer: sgd({ learningRate: 0.1 }) }),
  ]
  for (const [name, steps] of all) {
    const isBias = /bias/.test(name)
    expect(matrices.get(name), name).toEqual(isBias ? none.get(name) : steps)
    expect(named.get(name), name).toEqual(name.startsWith('first') ? steps : none.get(name))
    if (name.startsWith('first')) expect(flat.get(name)).toEqual(decayed.get(name))
    else if (!isBias) expect(flat.get(name)).not.toEqual(decayed.get(name))
    // The weights are no zeros: without the option, all but fresh biases decay.
    if (!isBias) expect(steps).not.toEqual(none.get(name))
  }
})

test('patterns that match nothing, and factors that are none, are refused', () => {
  const optimizer = sgd({ learningRate: 0.1 })
  expect(() => train(model, data, { loss: 'mse', optimizer, rates: { third: 1 } })).toThrow(
    /matches "third"/,
  )
  expect(() => train(model, data, { loss: 'mse', optimizer, rates: { first: -1 } })).toThrow(
    /not negative, not -1/,
  )
  expect(() => train(model, data, { loss: 'mse', optimizer, decayOnly: ['third'] })).toThrow(
    /matches "third"/,
  )
})
