import { expect, test } from 'vitest'
import { conv2d, dense, flatten, type Layer, sequential } from '../layers/index.ts'
import { growthCandidates } from './candidates.ts'

const insertions = (layers: readonly Layer[], input: readonly number[]) =>
  growthCandidates(sequential([...layers], { input, seed: 1 })).deepen

test('layers are inserted only where the two compute more than one', () => {
  const layers = [
    dense(4, { name: 'bent', activation: 'relu' }),
    dense(4, { name: 'linear' }),
    dense(4, { name: 'smooth', activation: 'tanh' }),
    dense(2, { name: 'out' }),
  ]
  expect(insertions(layers, [3])).toEqual([
    { deepen: ['bent'] },
    // The identity does not pass a tanh twice: a branch of zero does.
    { deepen: ['smooth'], block: 'residual' },
  ])
})

test('a kernel of several taps after another sees more, one by one does not', () => {
  const layers = [
    conv2d(3, 3, { name: 'wide' }),
    conv2d(3, 1, { name: 'point' }),
    flatten(),
    dense(2, { name: 'out' }),
  ]
  expect(insertions(layers, [1, 5, 5])).toEqual([{ deepen: ['wide'] }])
})
