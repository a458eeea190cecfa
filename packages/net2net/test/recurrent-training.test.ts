/** A text classifier with a recurrent layer, of which only the last state is read, learns, grows and learns on. */
import { expect, test } from 'vitest'
import type { Batch, SampleSet } from '../src/data/samples.ts'
import { widen } from '../src/growth/index.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { fillTensor } from '../src/tensor/fill.ts'
import { randomStream } from '../src/tensor/random.ts'
import { int64 } from '../src/tensor/tensor.ts'
import { adam, train } from '../src/training/index.ts'
import { expectEqualFunctions } from '../testing/expect-equal-functions.ts'

const [time, words, units] = [7, 12, 6]

function classifier(kind: 'LSTM' | 'GRU', gates: number): Model {
  const b = new GraphBuilder()
  b.input('text', 'int64', ['batch', time])
  let seed = 0
  const weight = (name: string, ...dims: readonly number[]) =>
    b.initializer(name, fillTensor({ kind: 'uniform', limit: 0.4 }, 'float32', dims, 5, seed++))
  const looked = b.node('Gather', [weight('embedding', words, 4), 'text'])
  const steps = b.node('Transpose', [looked], { perm: [1, 0, 2] })
  const weights = [
    weight('w', 2, gates * units, 4),
    weight('r', 2, gates * units, units),
    weight('b', 2, 2 * gates * units),
  ]
  const attributes = { hidden_size: units, direction: 'bidirectional' }
  b.nodeOutputs(kind, [steps, ...weights], attributes, { name: 'layer', outputs: ['', 'last'] })
  const both = b.node('Transpose', ['last'], { perm: [1, 0, 2] })
  const flat = b.node('Reshape', [both, b.constant(int64([0, -1]))])
  b.nodeOutputs(
    'Gemm',
    [flat, weight('head', 2 * units, 2)],
    {},
    { name: 'fc', outputs: ['logits'] },
  )
  b.output('logits', 'float32', ['batch', 2])
  return b.model()
}

/** Texts; the class is whether word 0 comes before word 1. */
function texts(length: number): SampleSet {
  const random = randomStream(4, 'texts')
  const rows = Array.from({ length }, (_, i) => {
    const text = Array.from({ length: time }, () => 2 + random.below(words - 2))
    const first = random.below(time - 1)
    text[first] = i % 2
    text[first + 1 + random.below(time - first - 1)] = 1 - (i % 2)
    return text
  })
  return {
    length,
    *batches(size, order): Generator<Batch> {
      const all = Array.from(order ?? rows.keys())
      for (let start = 0; start < all.length; start += size) {
        const chosen = all.slice(start, start + size)
        const text = int64(
          chosen.flatMap((i) => rows[i]!),
          [chosen.length, time],
        )
        yield { inputs: { text }, target: int64(chosen.map((i) => i % 2)) }
      }
    },
  }
}

test.each([
  ['LSTM', 4],
  ['GRU', 3],
] as const)('%s', async (kind, gates) => {
  const learn = async (model: Model, epochs: number) => {
    const options = {
      loss: 'softmax-cross-entropy',
      optimizer: adam({ learningRate: 0.02 }),
      epochs,
      batchSize: 16,
      seed: 1,
    } as const
    const training = train(model, texts(128), options)
    const losses: number[] = []
    for await (const { loss } of training) losses.push(loss)
    return { losses, model: training.model }
  }
  const first = await learn(classifier(kind, gates), 12)
  expect(first.losses.at(-1)!).toBeLessThan(0.5 * first.losses[0]!)
  const grown = widen(first.model, { layer: 9 }, { seed: 1 })
  await expectEqualFunctions(first.model, grown)
  const second = await learn(grown, 4)
  expect(second.losses.at(-1)!).toBeLessThan(first.losses.at(-1)!)
})
