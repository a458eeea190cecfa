import { describe, expect, it } from 'vitest'
import { attentionNetwork, drawAttention } from '../../../test/random-networks/attentions.ts'
import { inspect, widen } from '../index.ts'
import type { Widths } from './widths.ts'

const drawn = {
  ...drawAttention(1),
  heads: 4,
  groups: 2,
  size: 6,
  valueSize: 6,
  projections: 'separate',
  positions: 'none',
  bias: 'distances',
  whole: 'no',
} as const
const model = attentionNetwork(drawn, 1)
const shared = attentionNetwork({ ...drawn, groups: 1 }, 1)

/** Heads, those of keys and values, and their sizes after growth. */
function grown(widths: Widths, from = model) {
  const { heads, keyValueHeads, headSize, valueSize } = inspect(widen(from, widths)).attentions[0]!
  return [heads, keyValueHeads, headSize, valueSize]
}

describe('the heads of an attention', () => {
  const { name } = inspect(model).attentions[0]!

  it('are listed with the layers that write them, and with what can grow', () => {
    expect(inspect(model).attentions).toMatchObject([
      {
        heads: 4,
        keyValueHeads: 2,
        headSize: 6,
        valueSize: 6,
        widen: { heads: true, keyValueHeads: true, headSize: true },
        layers: ['q', 'k', 'v'],
      },
    ])
    expect(inspect(shared).attentions[0]!.widen.keyValueHeads).toMatch(/has no axis of its own/)
  })

  it('grow within the groups that share keys and values, if these do not suffice with them', () => {
    expect(grown({ [`${name}.heads`]: 6 })).toEqual([6, 2, 6, 6])
    expect(grown({ [`${name}.heads`]: 'x2' })).toEqual([8, 2, 6, 6])
    expect(grown({ [`${name}.key-value-heads`]: 3 })).toEqual([6, 3, 6, 6])
  })

  it('grow together with those of keys and values, in whatever order they are given', () => {
    const [all, keys] = [`${name}.heads`, `${name}.key-value-heads`]
    expect(grown({ [all]: 12, [keys]: 4 })).toEqual([12, 4, 6, 6])
    expect(grown({ [keys]: 4, [all]: 8 })).toEqual([8, 4, 6, 6])
    expect(() => grown({ [all]: 6, [keys]: 4 })).toThrow(/cannot have 6 heads/)
  })

  it('have one size of queries, keys and values, where it was one', () => {
    expect(grown({ [`${name}.head-size`]: 7 })).toEqual([4, 2, 7, 7])
    const other = attentionNetwork({ ...drawn, valueSize: 3 }, 1)
    expect(grown({ [`${name}.head-size`]: 7 }, other)).toEqual([4, 2, 7, 3])
  })

  it('have a size of queries and keys, and one of values, where only one of them is to grow', () => {
    expect(grown({ [`${name}.key-size`]: 7 })).toEqual([4, 2, 7, 6])
    expect(grown({ [`${name}.value-size`]: 8 })).toEqual([4, 2, 6, 8])
  })

  it('are known by a layer and by a pattern, too', () => {
    expect(grown({ 'k.heads': 8 })).toEqual([8, 2, 6, 6])
    expect(grown({ '*.heads': 8 })).toEqual([8, 2, 6, 6])
  })

  it('are refused in words', () => {
    expect(() => grown({ 'nothing.heads': 8 })).toThrow(
      /There is no attention "nothing"; there are/,
    )
    expect(() => grown({ [`${name}.heads`]: 4 })).toThrow(/has 4 heads; the new width must be/)
    expect(() => grown({ [`${name}.heads`]: 7 })).toThrow(/cannot have 7 heads.*a multiple of 2/)
    expect(() => grown({ [`${name}.key-value-heads`]: 2 }, shared)).toThrow(
      /cannot be widened: the only head of its keys and values has no axis of its own/,
    )
  })
})
