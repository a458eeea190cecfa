/** Test cases of the global poolings. */
import { grows } from '../../../testing/bench.ts'
import { type Cases, type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { distinctTensor } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const overAll =
  (op: string): Draw =>
  (random) => {
    const space = Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(4))
    const dims = [1 + random.below(2), 1 + random.below(3), ...space]
    return {
      attributes: { p: op === 'GlobalLpPool' ? 1 + random.below(3) : undefined },
      inputs: [distinctTensor(random, dims)],
      shapes: random.below(2) ? { 0: ['n', dims[1]!, ...space.map((_, i) => `s${i}`)] } : {},
    }
  }

const shapes: Draw = (random) => {
  const dims = [2, 3, ...Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(4))]
  return { inputs: [normalTensor(random, dims)], shapes: someSymbols(random, dims) }
}

export const cases: OperatorCases = Object.fromEntries(
  ['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'].map((name): [string, Cases] => [
    name,
    {
      shapes,
      gradient: overAll(name),
      growth: [grows('of the channels', (b) => b.read(b.op(name, [b.conv()]), 1))],
    },
  ]),
)
