import { expect, test } from 'vitest'
import { ArrayDataset } from '../../../data/dataset.ts'
import { dense, sequential } from '../../../layers/index.ts'
import { toNumbers } from '../../../tensor/tensor.ts'
import { accumulated, adamw, averaged, type Optimizer, sgd, train } from '../../index.ts'

const model = sequential([dense(6, { activation: 'tanh' }), dense(2)], { input: [3], seed: 2 })
const samples = new ArrayDataset(
  {
    input: {
      dtype: 'float32',
      dims: [3],
      data: Float32Array.from({ length: 144 }, (_, i) => Math.sin(i * i)),
    },
  },
  {
    dtype: 'float32',
    dims: [2],
    data: Float32Array.from({ length: 96 }, (_, i) => Math.cos(3 * i)),
  },
)

async function trained(optimizer: Optimizer, batchSize: number, epochs: number, clipNorm?: number) {
  const options = { loss: 'mse', optimizer, batchSize, epochs, clipNorm, shuffle: false } as const
  const training = train(model, samples, options)
  for await (const _ of training);
  return training
}

test('several small batches make the steps of a large one', async () => {
  const optimizers = [
    sgd({ learningRate: 0.1, momentum: 0.9 }),
    adamw({ learningRate: 0.05 }),
    averaged(sgd({ learningRate: 0.1 }), 0.5),
  ]
  for (const optimizer of optimizers)
    for (const clipNorm of [undefined, 0.3]) {
      const large = await trained(optimizer, 24, 3, clipNorm)
      const small = await trained(accumulated(optimizer, 3), 8, 3, clipNorm)
      expect(small.state.step).toBe(3 * large.state.step)
      for (const [name, tensor] of large.state.tensors)
        for (const [i, value] of toNumbers(tensor).entries())
          expect(toNumbers(small.state.tensors.get(name)!)[i], name).toBeCloseTo(value, 5)
    }
})

test('what is left over waits for the next epoch, and nothing changes meanwhile', async () => {
  // Six batches of eight an epoch, an update every fourth: one in the first epoch, two more in the second.
  const optimizer = sgd({ learningRate: 0.1 })
  const first = await trained(accumulated(optimizer, 4), 8, 1)
  const alone = await trained(accumulated(optimizer, 4), 8, 2)
  const parameters = first.step.parameters
  const values = (of: typeof first, name: string) => toNumbers(of.state.tensors.get(name)!)
  for (const name of parameters) {
    expect(values(first, `${name}.batches`)).toEqual([2])
    expect(values(alone, `${name}.batches`)).toEqual([0])
    expect(values(alone, name)).not.toEqual(values(first, name))
  }
})

test('numbers of batches that are none are refused', () => {
  for (const batches of [0, -1, 1.5])
    expect(() => accumulated(sgd({ learningRate: 1 }), batches)).toThrow(/whole number/)
})
