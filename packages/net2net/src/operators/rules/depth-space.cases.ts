/** Test cases of SpaceToDepth and DepthToSpace. */
import { type Bench, type GrowthCase, grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, between, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const spaceToDepth: Draw = (random) => {
  const blocksize = between(random, 1, 3)
  const [n, c, h, w] = randomShape(random, 4, 3) as [number, number, number, number]
  const dims = [n, c, h * blocksize, w * blocksize]
  return { attributes: { blocksize }, inputs: [normalTensor(random, dims)] }
}

const depthToSpace: Draw = (random) => {
  const blocksize = between(random, 1, 3)
  const [n, c, h, w] = randomShape(random, 4, 3) as [number, number, number, number]
  return {
    attributes: { blocksize, mode: anyOf(random, ['DCR', 'CRD', undefined]) },
    inputs: [normalTensor(random, [n, c * blocksize ** 2, h, w])],
  }
}

/** Four channels per phase of an image of twice the size. */
const phases = (b: Bench) => b.conv('grown', 4 * WIDTH)

const pixels = (mode: 'DCR' | 'CRD'): GrowthCase =>
  grows(
    `of the channels of a layer, ${mode}`,
    (b) => b.read(b.op('DepthToSpace', [phases(b)], { blocksize: 2, mode }), 1),
    // All phases of a channel grow alike.
    { widths: [5 * 4, 8 * 4] },
  )

export const cases: OperatorCases = {
  SpaceToDepth: {
    gradient: vaguely(spaceToDepth),
    growth: [
      grows('of the channels', (b) => {
        const even = b.op('Slice', [b.conv(), b.ints(0), b.ints(4), b.ints(2)])
        return b.read(b.op('SpaceToDepth', [even], { blocksize: 2 }), 1)
      }),
    ],
  },
  DepthToSpace: { gradient: vaguely(depthToSpace), growth: [pixels('DCR'), pixels('CRD')] },
}
