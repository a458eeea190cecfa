import { expect, test } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { int64 } from '../../tensor/tensor.ts'
import { feedAdapter } from './feeds.ts'

test('classes for a model with one output are pointed to losses that fit', () => {
  const target = { dtype: 'int64', shape: ['batch'], perPrediction: 1, classes: 1 } as const
  const adapt = feedAdapter({ model: new GraphBuilder().model(), inputs: [], target })
  expect(adapt({ inputs: {}, target: int64([0, 0]) }, {})).toBe(2)
  expect(() => adapt({ inputs: {}, target: int64([0, 1]) }, {})).toThrow(
    expect.objectContaining({
      kind: 'input',
      message: "The data's targets hold the class 1, but the model has one output only.",
      hint: expect.stringContaining('bce-with-logits'),
    }),
  )
})
