/** Replication maps: which old unit each new unit copies, and with which share. */
import { permutation, randomStream } from '../../tensor/random.ts'

/**
 * The replication mapping g of Net2WiderNet (Chen et al., section 2.2): the identity on the first
 * `from` units; the rest are drawn uniformly with replacement from the old units. The stream is
 * keyed by (seed, 'map', name).
 */
export function randomMap(from: number, to: number, seed: number, name: string): number[] {
  const random = randomStream(seed, 'map', name)
  return Array.from({ length: to }, (_, i) => (i < from ? i : random.below(from)))
}

/** The same where every unit must have equally many copies: random permutations, one after another. */
export function balancedMap(from: number, to: number, seed: number, name: string): number[] {
  const random = randomStream(seed, 'map', name)
  const map = Array.from({ length: from }, (_, i) => i)
  while (map.length < to) map.push(...permutation(from, random))
  return map
}

/** Equal shares: one over the number of copies, so that the copies of each unit sum to one. */
export const equalShares = (map: readonly number[]): number[] =>
  inProportion(
    map,
    map.map(() => 1),
  )

/**
 * Shares that break the symmetry between copies where noise cannot: behind a Relu, copies α·w and β·w
 * compute α and β times the same, but receive equal gradients. Proportional to exp(size · N(0, 1)),
 * so that they are positive; the stream is keyed by (seed, 'shares', name).
 */
export function unequalShares(
  map: readonly number[],
  size: number,
  seed: number,
  name: string,
): number[] {
  const random = randomStream(seed, 'shares', name)
  return inProportion(
    map,
    map.map(() => Math.exp(size * random.normal())),
  )
}

/** Shares in proportion to weights, those of the copies of each unit summing to one. */
function inProportion(map: readonly number[], weights: readonly number[]): number[] {
  const totals = new Map<number, number>()
  map.forEach((unit, i) => {
    totals.set(unit, (totals.get(unit) ?? 0) + weights[i]!)
  })
  return map.map((unit, i) => weights[i]! / totals.get(unit)!)
}
