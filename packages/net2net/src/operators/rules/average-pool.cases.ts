/** Test cases of AveragePool and LpPool. */
import { grows } from '../../../testing/bench.ts'
import type { Draw, NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { drawPooling, drawWindow } from '../../../testing/draw-windows.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const overAxes = (rank: number): NodeCase => ({
  what: `over ${rank} spatial axes`,
  draw(random) {
    const opset = random.below(2) ? 18 : 19
    const { space, kernel, attributes } = drawWindow(random, rank, {
      pooling: true,
      dilate: opset === 19,
    })
    const dims = [1 + random.below(2), 1 + random.below(3), ...space]
    return {
      opset,
      attributes: {
        ...attributes,
        kernel_shape: kernel,
        count_include_pad: random.below(2),
        ceil_mode: attributes.auto_pad ? undefined : random.below(2),
      },
      inputs: [normalTensor(random, dims)],
      shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
    }
  },
})

const sideBySide: NodeCase = {
  what: 'over windows that lie side by side',
  draws: 20,
  draw(random) {
    const kernel = Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(3))
    const size = kernel.map((length) => length * (1 + random.below(4)))
    const dims = [1 + random.below(2), 1 + random.below(3), ...size]
    return {
      attributes: { kernel_shape: kernel, strides: kernel },
      inputs: [normalTensor(random, dims)],
      shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
    }
  },
}

const atEveryElement: NodeCase = {
  what: 'over windows that start at every element',
  draws: 20,
  draw(random) {
    const rank = 1 + random.below(3)
    const kernel = Array.from({ length: rank }, () => 1 + random.below(4))
    const pads = [...kernel, ...kernel].map((length) => random.below(length))
    const size = kernel.map((length) => length + random.below(4))
    const dims = [1 + random.below(2), 1 + random.below(3), ...size]
    return {
      attributes: { kernel_shape: kernel, pads, count_include_pad: random.below(2) },
      inputs: [normalTensor(random, dims)],
      shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
    }
  },
}

const lpPool: Draw = (random) => {
  const { space, kernel, attributes } = drawWindow(random, 2, { pooling: true, dilate: false })
  return {
    attributes: { ...attributes, kernel_shape: kernel, p: 1 + random.below(3) },
    inputs: [normalTensor(random, [2, 2, ...space], { shift: 0.5 })],
  }
}

export const cases: OperatorCases = {
  AveragePool: {
    shapes: (random) => drawPooling(random, anyOf(random, [7, 10, 11, 18, 19, 21]), 19),
    gradient: [overAxes(1), overAxes(2), overAxes(3), sideBySide, atEveryElement],
    growth: [
      grows('of the channels', (b) => {
        const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }
        return b.read(b.op('AveragePool', [b.conv()], attributes), 1)
      }),
    ],
  },
  LpPool: {
    shapes: (random) => drawPooling(random, 18, 19),
    gradient: lpPool,
    growth: [
      grows('of the channels', (b) =>
        b.read(b.op('LpPool', [b.conv()], { kernel_shape: [2, 2] }), 1),
      ),
    ],
  },
}
