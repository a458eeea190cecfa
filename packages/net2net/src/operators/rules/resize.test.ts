import { expect, test } from 'vitest'
import { checkAdjoint } from '../../../testing/adjoint-check.ts'
import { oneNode } from '../../../testing/gradient-check.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { inferModel } from '../inference.ts'

test('scales that are put together from constants are followed', () => {
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', 2, 3, 4])
  const parts = [float32([2], [1, 1]), float32([2], [2, 3])].map((value) =>
    b.node('Constant', [], { value }),
  )
  const y = b.node('Resize', ['x', '', b.node('Concat', parts, { axis: 0 })])
  expect(inferModel(modelOf(b.graph())).get(y)!.shape).toEqual(['n', 2, 6, 12])
})

test('what has no gradient rule is named', async () => {
  const drawn = oneNode({
    op: 'Resize',
    attributes: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' },
    inputs: [
      float32([1, 1, 4, 4], new Float32Array(16)),
      float32([8], [0, 0, 0.1, 0.1, 1, 1, 0.9, 0.9]),
      float32([4], [1, 1, 0.5, 0.5]),
    ],
    constants: [1, 2],
  })
  await expect(checkAdjoint(drawn, randomStream(1, 'region'))).rejects.toThrow(/cuts out a region/)
})
