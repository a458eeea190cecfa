import { test } from 'vitest'
import { pick } from '../../../testing/draw.ts'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'

test('the gradient of Einsum', () =>
  checkGradients({
    draws: 30,
    draw(random) {
      const equation = pick(random, [
        'ij,jk->ik',
        'bij,bjk->bik',
        'bhid,bhjd->bhij',
        'bij,kj->bik',
        'ij,jk',
        'ij->ji',
        'bi,bj->bij',
        'ij,jk,kl->il',
      ])
      const sizes = new Map<string, number>()
      const operands = equation.split('->')[0]!.split(',')
      return oneNode({
        op: 'Einsum',
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
      })
    },
  }))
