import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Tensor } from '../../tensor/tensor.ts'
import { Peer } from './rendezvous.ts'
import type { SlicedRun } from './sliced-node.ts'

/** What one of the two does at each of its stages, and after how many turns of the event loop. */
interface Stage {
  readonly key: string | undefined
  readonly does: 'compute' | 'skip' | 'fail'
  readonly turns: number
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** The stages of both one after the other, and which were computed together. */
async function follow(sides: readonly (readonly Stage[])[]) {
  const computed: string[][] = []
  const peers = Peer.pair(async (runs) => {
    const names = runs.map((run) => String(run))
    computed.push(names)
    await turns(1)
    return names.map((name) => [name as unknown as Tensor])
  })
  const ended = await Promise.allSettled(
    sides.map(async (stages, side) => {
      const peer = peers[side]!
      try {
        await turns(stages.length)
        peer.join(stages.map(({ key }) => key))
        for (const [i, { does, turns: count }] of stages.entries()) {
          await turns(count)
          if (does === 'fail') throw new Error('failed')
          const run = `${side}:${i}`
          if (does === 'compute')
            expect(await peer.compute(i, run as unknown as SlicedRun)).toEqual([run])
          peer.passed(i + 1)
        }
      } finally {
        peer.passed()
      }
    }),
  )
  for (const end of ended)
    if (end.status === 'rejected') expect(end.reason).toEqual(new Error('failed'))
  return computed
}

const stages = (does: readonly Stage['does'][], keys: readonly (string | undefined)[]) =>
  fc.array(
    fc.record({
      key: fc.constantFrom(...keys),
      does: fc.constantFrom(...does),
      turns: fc.nat(3),
    }),
    { maxLength: 6 },
  )

test('each stage is computed once, whatever the other does, and together only with its like', () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(
        stages(['compute', 'compute', 'compute', 'skip', 'fail'], ['a', 'b', 'c', undefined]),
        stages(['compute', 'compute', 'compute', 'skip', 'fail'], ['a', 'b', 'c', undefined]),
      ),
      async (sides) => {
        const computed = await follow(sides)
        const expected = sides.flatMap((list, side) => {
          const end = list.findIndex(({ does }) => does === 'fail')
          return list
            .slice(0, end < 0 ? undefined : end)
            .flatMap(({ does }, i) => (does === 'compute' ? [`${side}:${i}`] : []))
        })
        expect(computed.flat().sort()).toEqual(expected.sort())
        for (const names of computed.filter(({ length }) => length > 1)) {
          const keys = names.map((name) => {
            const [side, i] = name.split(':').map(Number)
            return sides[side!]![i!]!.key
          })
          expect(keys[0]).toBeDefined()
          expect(keys[1]).toBe(keys[0])
        }
      },
    ),
    { numRuns: 500 },
  ))

test('what both have is computed together, however far one is ahead', () =>
  fc.assert(
    fc.asyncProperty(
      stages(['compute'], ['a', 'b', 'c']),
      fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }),
      async (own, delays) => {
        const other = own.map((stage, i) => ({ ...stage, turns: delays[i]! }))
        // Stages of its own are no hindrance.
        const more = [...other, { key: undefined, does: 'compute', turns: 0 } as const]
        const computed = await follow([own, more])
        expect(computed.filter(({ length }) => length === 2).length).toBe(own.length)
      },
    ),
    { numRuns: 200 },
  ))
