import { expect, test } from 'vitest'
import { smallData } from '../../testing/small-training.ts'
import type { SampleSet } from '../data/samples.ts'
import { conv2d, dense, flatten, sequential } from '../layers/index.ts'
import { rank } from '../measuring/rank.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { byGain } from './by-gain.ts'

const images = smallData(40)
const data: SampleSet = {
  ...images,
  async *batches(...some) {
    for await (const { inputs, target } of images.batches(...some))
      yield { inputs: { input: inputs.image! }, target }
  },
}

test('wider layers, inserted layers and larger kernels come in the order of their gains for what they cost', async () => {
  const model = sequential(
    [
      conv2d(3, 3, { name: 'first', activation: 'relu' }),
      conv2d(2, 1, { name: 'second', activation: 'relu' }),
      flatten(),
      dense(3, { name: 'last' }),
    ],
    { input: [1, 4, 4], seed: 6 },
  )
  const measuring = { loss: 'softmax-cross-entropy', runtime: nodeRuntime, seed: 2 } as const
  const found = await byGain(model, data, {
    ...measuring,
    growth: { factors: [1.5] },
    objectives: {},
    random: randomStream(1),
  })
  const ranked = await rank(model, data, { ...measuring, factor: 1.5 })
  const wanted = ranked
    .filter(({ gain }) => gain !== undefined)
    .map(({ step }) => step)
    // A layer behind the last one, with nothing in between, is no candidate.
    .filter((step) => !('deepen' in step && String(step.deepen) === 'last'))
  expect(wanted.filter((step) => 'kernel' in step)).toHaveLength(2)
  const names = (step: object) =>
    Object.entries(step).flatMap(([kind, what]) =>
      ['widen', 'deepen', 'kernel'].includes(kind)
        ? [[kind, ...(Array.isArray(what) ? what : Object.keys(what as object))].join(' ')]
        : [],
    )
  expect(found.slice(0, wanted.length).map(names)).toEqual(wanted.map(names))
})
