import { expect, test } from 'vitest'
import { networkOf } from '../../../testing/bench.ts'
import { planDeepen } from '../../growth/index.ts'

test('a random layer has the fans of Keras: window size times channels in and out', () => {
  const model = networkOf({
    what: 'a convolution of 5 filters',
    build: (b) => b.op('Conv', ['image', b.weight(5, 3, 3, 2)], {}, { name: 'grown' }),
  })
  const [insertion] = planDeepen(model, ['grown']).inserted
  const parameter = insertion!.layer.parameters.find((found) => found.name === 'weight')!
  expect(parameter.dims).toEqual([5, 5, 3, 2])
  expect(parameter.random).toEqual({ kind: 'uniform', limit: Math.sqrt(6 / (6 * 5 + 6 * 5)) })
})
