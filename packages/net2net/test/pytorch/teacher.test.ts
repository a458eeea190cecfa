import { describe, expect, test } from 'vitest'
import { loadMnist } from '../../src/data/index.ts'
import { conv2d, dense, flatten, maxPool2d, sequential } from '../../src/layers/index.ts'
import { int64, materialize, type Tensor } from '../../src/tensor/tensor.ts'
import { sgd, train } from '../../src/training/index.ts'
import { hasTorch, withTorch } from './torch.ts'

describe.skipIf(!hasTorch)('against PyTorch', () => {
  test('the first 20 losses of the teacher agree to 1e-4', async () => {
    const teacher = sequential(
      [
        conv2d(64, 3, { padding: 'same', name: 'conv1' }),
        maxPool2d(2, { name: 'pool1' }),
        conv2d(64, 3, { padding: 'same', name: 'conv2' }),
        maxPool2d(2, { name: 'pool2' }),
        flatten({ name: 'flatten' }),
        dense(64, { activation: 'relu', name: 'fc1' }),
        dense(10, { activation: 'softmax', name: 'fc2' }),
      ],
      { input: [1, 28, 28], seed: 3 },
    )
    const data = (await loadMnist()).train.slice(0, 640)
    const losses: number[] = []
    const training = train(teacher, data, {
      loss: 'softmax-cross-entropy',
      optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
      shuffle: false,
      onStep: ({ loss }) => losses.push(loss),
    })
    for await (const _epoch of training);

    const [all] = [...data.batches(640)]
    const inputs: Record<string, Tensor> = {
      images: Object.values(all!.inputs)[0]!,
      labels: int64([...all!.target.data].map(Number)),
    }
    for (const [name, { tensor }] of teacher.graph.initializers) inputs[name] = materialize(tensor)
    const expected = await withTorch('teacher.py', inputs, [], async (run) => run.printed)
    expect(losses).toHaveLength(20)
    for (const [step, loss] of (expected as number[]).entries())
      expect(Math.abs(losses[step]! - loss) / loss, `step ${step + 1}`).toBeLessThan(1e-4)
  })
})
