import { expect, test } from 'vitest'
import { Net2NetError } from '../errors.ts'
import { formatTrainingRecipe, parseTrainingRecipe } from './training-recipe.ts'

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

test('growth before the first step is written and read again', () => {
  const stages = [{ when: { epoch: 0 }, steps: [{ widen: { a: 2 } }], seed: 0 }]
  expect(parseTrainingRecipe(formatTrainingRecipe(stages))).toMatchObject(stages)
})

test.each([
  ['', 'r.yaml:1:1: the recipe: must have a list of stages'],
  ['stages: []', 'r.yaml:1:1: stages: must have a stage'],
  ['steps: []', /^r\.yaml:1:1: stages: must be a list of stages/],
  ['seed: x\nstages: [{ when: { step: 1 }, steps: [{ deepen: a }] }]', /^r\.yaml:1:1: seed: must/],
  [
    'stages:\n  - when: { year: 1 }\n    steps: [{ widen: { a: 2 } }]',
    'r.yaml:2:5: stages[0].when: must be one of epoch, step and plateau, with a whole number from 1 on (an epoch from 0 on: before the first step)',
  ],
  ['stages: [{ when: { step: 0 }, steps: [{ widen: { a: 2 } }] }]', /stages\[0\]\.when/],
  [
    'stages:\n  - when: { step: 5 }\n    steps:\n      - widen: { a: 2 }\n      - shorten: 1',
    'r.yaml:5:9: stages[0].steps[1]: a step has "widen" (layers and widths), "deepen" (layers), "repeat"',
  ],
  [
    'stages:\n  - when: { step: 5 }\n    steps: [{ widen: { a: 2 } }]\n    extra: 1',
    /^r\.yaml:2:5: stages\[0\]: .*extra/,
  ],
  ['stages:\n  - [', /^r\.yaml:2:\d+: /],
  ['stages:\n\t- when: 1', /^r\.yaml:2:1: .*[Tt]abs/],
])('%j is refused, naming the place', (text, message) => {
  expect(() => parseTrainingRecipe(text, 'r.yaml')).toThrow(Net2NetError)
  expect(() => parseTrainingRecipe(text, 'r.yaml')).toThrow(message)
})
