/** The study of depth by growth compares what is comparable. */
import { expect, test } from 'vitest'
import { arms, costOf, fullDepth, piecesOf } from '../depth-study/arms.ts'

const vocabulary = 83
const compute = 5e12

test.each(arms)('$title: equal compute, growth at the constant rate, a decay at the end', (arm) => {
  const cost = (depth: number) => costOf(depth, vocabulary, arm.batch)
  const pieces = piecesOf(arm, compute, cost)
  const byName = new Map(pieces.map((piece) => [piece.name, piece]))
  const spent = new Map<string, number>()
  for (const piece of pieces) {
    const before = piece.after === undefined ? undefined : byName.get(piece.after)!
    expect(piece.depth).toBe((before?.depth ?? arm.depth) * 2 ** piece.doublings)
    const steps = piece.until - (before?.until ?? 0)
    expect(steps).toBeGreaterThan(0)
    spent.set(piece.name, (before ? spent.get(before.name)! : 0) + steps * cost(piece.depth))
    if (piece.end === undefined) expect(piece.decaySteps).toBe(0)
    else {
      expect(piece.decaySteps).toBe(steps)
      expect(piece.doublings).toBe(0)
      expect(piece.depth).toBe(arm.kind === 'shallow' ? arm.depth : fullDepth)
      expect(Math.abs(spent.get(piece.name)! / (piece.end * compute) - 1)).toBeLessThan(0.005)
    }
  }
  expect(pieces.flatMap(({ end }) => end ?? [])).toEqual(arm.ends)
})
