import { expect, test } from 'vitest'
import { attentionNetwork, drawAttention } from '../../test/random-networks/attentions.ts'
import { inspect } from '../growth/index.ts'
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

test('layers are widened only where more units compute more', () => {
  const layers = [
    dense(4, { name: 'bent', activation: 'relu' }),
    dense(4, { name: 'linear' }),
    dense(2, { name: 'out' }),
  ]
  const { widen } = growthCandidates(sequential(layers, { input: [3] }), { factors: [2] })
  // All together are one: with more of what stands before and behind them, more of the linear units are needed.
  expect(widen).toEqual([{ widen: { bent: 'x2' } }, { widen: { bent: 'x2', linear: 'x2' } }])
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

test('heads of attention and their sizes are candidates, under the names that widen takes', () => {
  const drawn = {
    ...drawAttention(1),
    ...{ heads: 4, groups: 4, size: 6, valueSize: 6 },
    ...({ projections: 'separate', positions: 'none', bias: 'none', whole: 'no' } as const),
  }
  const model = attentionNetwork(drawn, 1)
  const { name } = inspect(model).attentions[0]!
  const { widen } = growthCandidates(model, { factors: [1.5] })
  const names = widen.map((step) => ('widen' in step ? Object.keys(step.widen) : []))
  const alone = names.flatMap((each) => (each.length === 1 ? each : []))
  const sizes = ['heads', 'head-size', 'key-size', 'value-size'].map((size) => `${name}.${size}`)
  // As many heads write queries as keys: no layer of them is there twice, and the stream has a width of its own.
  expect(alone).toEqual(expect.arrayContaining(sizes))
  expect(alone.filter((each) => ['q', 'k', 'v'].includes(each))).toEqual([])
  expect(alone).not.toContain(`${name}.key-value-heads`)
  const onlyKeys = growthCandidates(model, { layers: ['out'], factors: [1.5] }).widen
  expect(
    onlyKeys.flatMap((step) => ('widen' in step ? Object.keys(step.widen) : [])),
  ).not.toContain(`${name}.heads`)
})
