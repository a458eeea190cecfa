/** Test cases of GridSample. */
import { BATCH, grows } from '../../../testing/bench.ts'
import type { NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { anyOf, between } from '../../../testing/draws.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'

const inMode = (mode: string, axes = 2): NodeCase => ({
  draws: axes === 3 || mode === 'cubic' ? 8 : 15,
  what: `in mode ${mode} over ${axes} axes`,
  draw(random) {
    const [batch, channels] = [between(random, 1, 2), between(random, 1, 3)]
    const image = Array.from({ length: axes }, () => between(random, 2, 4))
    const points = Array.from({ length: axes }, () => between(random, 1, 2))
    const x = normalTensor(random, [batch, channels, ...image])
    return {
      opset: 20,
      attributes: {
        mode,
        padding_mode: anyOf(random, ['zeros', 'border', 'reflection', undefined]),
        align_corners: anyOf(random, [0, 1, undefined]),
      },
      // Now and then beyond the image.
      inputs: [x, uniformTensor(random, [batch, ...points, axes], -1.6, 1.6)],
      shapes: random.below(2) ? { 0: ['n', channels, ...image], 1: ['n', ...points, axes] } : {},
    }
  },
})

export const cases: OperatorCases = {
  GridSample: {
    shapes: (random) => ({
      opset: 16,
      attributes: { mode: anyOf(random, ['bilinear', 'bicubic', 'nearest']) },
      inputs: [
        normalTensor(random, [1, 2, 3, 4]),
        uniformTensor(random, [1, between(random, 1, 3), 2, 2], -1, 1),
      ],
    }),
    gradient: [
      inMode('linear'),
      inMode('nearest'),
      inMode('cubic'),
      inMode('linear', 3),
      inMode('nearest', 3),
    ],
    growth: [
      grows(
        'of the channels',
        (b) => b.read(b.op('GridSample', [b.conv(), b.weight(BATCH, 3, 2, 2)]), 1),
        { opset: 20 },
      ),
    ],
  },
}
