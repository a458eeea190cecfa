/** Test cases of Einsum. */
import { deepens, grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const equations = [
  'ij,jk->ik',
  'bij,bjk->bik',
  'bhid,bhjd->bhij',
  'bij,kj->bik',
  'ij,jk',
  'ij->ji',
  'bi,bj->bij',
  'ij,jk,kl->il',
]

const einsum: Draw = (random) => {
  const equation = anyOf(random, equations)
  const sizes = new Map<string, number>()
  const operands = equation.split('->')[0]!.split(',')
  return {
    attributes: { equation },
    inputs: operands.map((letters) =>
      normalTensor(
        random,
        [...letters].map((letter) => {
          if (!sizes.has(letter)) sizes.set(letter, 1 + random.below(4))
          return sizes.get(letter)!
        }),
      ),
    ),
  }
}

export const cases: OperatorCases = {
  Einsum: {
    shapes(random) {
      const equation = anyOf(random, ['ij,jk->ik', 'ij,kj', 'ij,ij->', 'bi,bj->bij'])
      const right = equation.startsWith('ij,jk') ? [3, 4] : [2, 3]
      return {
        attributes: { equation },
        inputs: [normalTensor(random, [2, 3]), normalTensor(random, right)],
        shapes: someSymbols(random, [2, 3]),
      }
    },
    gradient: einsum,
    growth: [
      deepens('with its units last', (b) => {
        const equation = 'nchw,cd->nhwd'
        return b.op(
          'Einsum',
          [b.conv('first'), b.weight(WIDTH, 5)],
          { equation },
          { name: 'grown' },
        )
      }),

      grows('over the channels, with a weight', (b) => {
        const y = b.op('Einsum', [b.conv(), b.weight(WIDTH, 5)], { equation: 'nchw,cd->ndhw' })
        return b.read(y, 1)
      }),
      grows('its own units', (b) => {
        const h = b.op(
          'Einsum',
          ['x', b.weight(6, WIDTH)],
          { equation: 'bi,ij->bj' },
          { name: 'grown' },
        )
        return b.read(b.op('Relu', [h]), 1)
      }),
    ],
  },
}
