/** Growth where nobody knows the size of the image: sizes that pass through Shape are followed. */
import { describe, expect, test } from 'vitest'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Dim, Model } from '../model/model.ts'
import { fillTensor } from '../tensor/fill.ts'
import { int64, scalar } from '../tensor/tensor.ts'
import { inspect, widen } from './index.ts'
import { expectEqualFunctions } from './testing/check.ts'

/** Two convolutions; between them the channels go through `reshape` with sizes out of Shape. */
function network(image: readonly [Dim, Dim]): Model {
  const b = new GraphBuilder()
  const weight = (...dims: number[]) =>
    b.constant(fillTensor({ kind: 'uniform', limit: 1 }, 'float32', dims, 3, dims.length))
  b.input('x', 'float32', ['n', 3, ...image])
  const x = b.node('Conv', ['x', weight(4, 3, 3, 3)], { strides: [2, 2] }, { name: 'grown' })
  const shape = b.node('Shape', [x])
  const size = (axis: number) => b.node('Gather', [shape, b.constant(int64([axis]))], { axis: 0 })
  const minusOne = b.constant(int64([-1]))
  const target = b.node('Concat', [size(0), minusOne, size(2), size(3)], { axis: 0 })
  const same = b.node('Reshape', [x, target])
  // The first half of the channels, as chunk(2) has it.
  const channels = b.node('Gather', [b.node('Shape', [same]), b.constant(int64([1]))], { axis: 0 })
  const half = b.node('Div', [channels, b.constant(scalar('int64', 2))])
  const zero = b.constant(int64([0]))
  const part = b.node('Slice', [same, zero, half, b.constant(int64([1]))])
  b.node('Conv', [part, weight(2, 2, 1, 1)], {}, { name: 'reader', outputs: ['y'] })
  b.output('y', 'float32', undefined)
  return modelOf(b.graph(), 13)
}

describe.each([
  { what: 'unknown', image: [null, null] as const },
  { what: 'symbolic', image: ['h', 'w'] as const },
])('an image of $what size', ({ image }) => {
  const model = network(image)

  test('channels that a Reshape finds out are followed', async () => {
    const [grown] = inspect(model).layers
    expect(grown).toMatchObject({ name: 'grown', width: 4, widen: true })
    await expectEqualFunctions(model, widen(model, { grown: 6 }))
  })

  test('the sizes of the output are still unknown', () => {
    const [output] = inspect(model).outputs
    expect(output?.shape).toEqual(['n', 2, null, null])
  })
})
