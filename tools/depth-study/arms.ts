/** The arms of the study as plain data, and what they train: a trunk at a constant rate, and decays that leave it. */
import { countMultiplyAdds } from 'net2net'
import { type Shape, transformer } from './network.ts'

/** Sequences of a batch, but for an arm that has its own. */
export const batchSize = 16
export const shape = { length: 64, width: 128, heads: 4 } as const
export const fullDepth = 8
/** Of the compute of a decayed network, for the decay of its rate to zero. */
export const decay = 0.2
/** Sequences over which the rate rises at the beginning. */
export const warmUpSequences = 800
/** A step computes the forward pass and, for the backward pass, about twice as much. */
const passes = 3

export interface Arm {
  readonly name: string
  readonly title: string
  /** Arms that have a learning rate in common, chosen with the first of them. */
  readonly kind: 'full depth' | 'full depth, small batches' | 'grown' | 'shallow'
  readonly depth: number
  /** Sequences of a batch, where they are not as many as elsewhere. */
  readonly batch?: number
  /** When all blocks are repeated until the network is so deep, as shares of the compute. */
  readonly growths: readonly { readonly at: number; readonly depth: number }[]
  /** Shares of the compute by which a network is there whose rate has decayed. */
  readonly ends: readonly number[]
}

const ends = [0.6, 0.8, 1]

export const arms: readonly [Arm, Arm, Arm, Arm, Arm] = [
  {
    name: 'full',
    title: '8 layers from the start',
    kind: 'full depth',
    depth: 8,
    growths: [],
    ends,
  },
  {
    name: 'gradual',
    title: '1 → 2 → 4 → 8 layers',
    kind: 'grown',
    depth: 1,
    growths: [
      { at: 0.08, depth: 2 },
      { at: 0.2, depth: 4 },
      { at: 0.4, depth: 8 },
    ],
    ends,
  },
  {
    name: 'small',
    title: '8 layers from the start, small batches',
    kind: 'full depth, small batches',
    depth: 8,
    batch: 4,
    growths: [],
    ends: [1],
  },
  {
    name: 'once',
    title: '1 → 8 layers at once',
    kind: 'grown',
    depth: 1,
    growths: [{ at: 0.2, depth: 8 }],
    ends: [1],
  },
  { name: 'shallow', title: '2 layers', kind: 'shallow', depth: 2, growths: [], ends: [1] },
]

/** Multiply-adds of one step. */
export function costOf(depth: number, vocabulary: number, batch = batchSize): number {
  const whole: Shape = { ...shape, vocabulary, depth }
  return passes * batch * (countMultiplyAdds(transformer(whole, 0)) ?? Number.NaN)
}

/** A part of a training: from where the one before ended, at one depth and one course of the rate. */
export interface Piece {
  readonly name: string
  /** The piece that it goes on from; the first begins with fresh weights. */
  readonly after: string | undefined
  readonly depth: number
  /** How often all blocks are repeated first. */
  readonly doublings: number
  /** Steps since the training began. */
  readonly until: number
  /** The last so many steps of all bring the rate down to zero. */
  readonly decaySteps: number
  /** Of a decay: the share of the compute at its end. */
  readonly end?: number
}

/**
 * @param compute multiply-adds of the whole training
 * @param cost of one step at a depth
 */
export function piecesOf(
  { depth: first, growths, ends }: Arm,
  compute: number,
  cost: (depth: number) => number,
): readonly Piece[] {
  const depthAt = (share: number) => growths.findLast(({ at }) => at < share)?.depth ?? first
  const stops = [
    ...growths.map(({ at }) => ({ at, end: undefined })),
    ...ends.map((end) => ({ at: end * (1 - decay), end })),
  ].sort((a, b) => a.at - b.at)
  const pieces: Piece[] = []
  let [before, share, until, depthBefore]: [string | undefined, number, number, number] = [
    undefined,
    0,
    0,
    first,
  ]
  for (const { at, end } of stops) {
    const depth = depthAt(at)
    until += Math.round(((at - share) * compute) / cost(depth))
    const name = `trunk-${at.toFixed(2)}`
    const doublings = Math.log2(depth / depthBefore)
    pieces.push({ name, after: before, depth, doublings, until, decaySteps: 0 })
    ;[before, share, depthBefore] = [name, at, depth]
    if (end === undefined) continue
    const decaySteps = Math.round((end * decay * compute) / cost(depth))
    pieces.push({
      ...{ name: `end-${end.toFixed(2)}`, after: name, end, depth, doublings: 0, decaySteps },
      until: until + decaySteps,
    })
  }
  return pieces
}
