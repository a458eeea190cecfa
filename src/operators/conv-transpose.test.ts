import { describe, test } from 'vitest'
import type { RandomStream } from '../tensor/random.ts'
import { checkGradients, normalTensor, oneNode } from '../training/testing/gradient-check.ts'
import { pick } from './testing/draw.ts'

/** A random transposed convolution whose output is not empty. */
function draw(random: RandomStream, rank: number) {
  const each = <T>(f: (i: number) => T): T[] => Array.from({ length: rank }, (_, i) => f(i))
  const group = pick(random, [1, 1, 2, 3])
  const channels = group * pick(random, [1, 2])
  const kernel = each(() => 1 + random.below(3))
  const strides = each(() => 1 + random.below(3))
  const dilations = each(() => pick(random, [1, 1, 2]))
  const extra = each((i) => random.below(strides[i]!))
  const space = each(() => 2 + random.below(3))
  const full = space.map(
    (size, i) => (size - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 + extra[i]!,
  )
  const begin = each((i) => random.below(Math.min(3, Math.ceil(full[i]! / 2))))
  const end = each((i) => random.below(Math.min(3, Math.ceil(full[i]! / 2))))
  const mode = pick(random, ['pads', 'pads', 'pads', 'SAME_UPPER', 'SAME_LOWER', 'VALID', 'shape'])
  return {
    x: [1 + random.below(2), channels, ...space],
    w: [channels, 1 + random.below(3), ...kernel],
    group,
    attributes: {
      strides,
      dilations,
      group,
      output_padding: mode.startsWith('SAME') ? undefined : extra,
      pads: mode === 'pads' ? [...begin, ...end] : undefined,
      auto_pad: mode === 'pads' || mode === 'shape' ? undefined : mode,
      output_shape:
        mode === 'shape'
          ? full.map((size, i) => Math.max(1, size - begin[i]! - end[i]!))
          : undefined,
    },
  }
}

describe('the gradient of ConvTranspose', () => {
  for (const rank of [1, 2, 3])
    test(`over ${rank} spatial axes`, () =>
      checkGradients({
        draws: 30,
        seed: rank,
        draw(random, index) {
          const { x, w, group, attributes } = draw(random, rank)
          const bias = index % 2 === 0 ? normalTensor(random, [w[1]! * group]) : undefined
          return oneNode({
            op: 'ConvTranspose',
            attributes,
            inputs: [normalTensor(random, x), normalTensor(random, w), bias],
          })
        },
      }))
})
