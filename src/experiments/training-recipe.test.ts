import { expect, test } from 'vitest'
import { Net2NetError } from '../errors.ts'
import { parseTrainingRecipe } from './training-recipe.ts'

test('a training recipe says when to grow, and how', () => {
  const text = `
seed: 3
stages:
  - when: { epoch: 2 }
    steps:
      - widen: { conv1: 8 }
        noise: none
      - deepen: [fc1]
  - when: { plateau: 1 }
    learningRate: 0.5
    steps:
      - widen: { fc1: x2 }
`
  expect(parseTrainingRecipe(text)).toEqual([
    {
      when: { epoch: 2 },
      seed: 3,
      steps: [{ widen: { conv1: 8 }, noise: 'none' }, { deepen: ['fc1'] }],
    },
    {
      when: { plateau: 1 },
      seed: 1003,
      learningRateFactor: 0.5,
      steps: [{ widen: { fc1: 'x2' } }],
    },
  ])
})

test.each([
  ['stages: []', /r\.yaml\.stages/],
  [
    'stages: [{ when: { year: 1 }, steps: [{ widen: { a: 2 } }] }]',
    /stages\.0\.when: when must be/,
  ],
  ['stages: [{ when: { step: 0 }, steps: [{ widen: { a: 2 } }] }]', /stages\.0\.when/],
  ['stages: [{ when: { step: 5 }, steps: [{ shrink: 1 }] }]', /stages\.0: .*widen.*deepen/],
  ['stages: [{ when: { step: 5 }, steps: [{ widen: { a: 2 } }], extra: 1 }]', /stages\.0.*extra/],
  ['stages: [', /r\.yaml/],
])('%s is refused, naming the place', (text, message) => {
  expect(() => parseTrainingRecipe(text, 'r.yaml')).toThrow(Net2NetError)
  expect(() => parseTrainingRecipe(text, 'r.yaml')).toThrow(message)
})
