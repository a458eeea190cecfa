import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../testing/check.ts'
import { Net2NetError } from '../errors.ts'
import { inspect } from '../growth/index.ts'
import { activation, conv2d, dense, flatten, residual, sequential } from '../layers/index.ts'
import { encodeModel } from '../onnx/encode.ts'
import { formatRecipe, growByRecipe, parseRecipe, recipeJsonSchema } from './growth-recipe.ts'

const model = sequential(
  [
    conv2d(4, 3, { name: 'conv1', padding: 'same' }),
    activation('relu'),
    conv2d(4, 3, { name: 'conv2', padding: 'same' }),
    flatten(),
    dense(6, { name: 'fc1', activation: 'relu' }),
    dense(3, { name: 'fc2' }),
  ],
  { input: [2, 5, 4], seed: 1 },
)

const failure = (text: string): Net2NetError => {
  try {
    parseRecipe(text, 'grow.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(Net2NetError)
    return error as Net2NetError
  }
  return expect.fail('nothing was thrown')
}

const text = `
seed: 7
steps:
  - widen: { conv1: 7, fc1: x2 }
  - deepen: [conv2, fc1]
    block: identity
  - deepen: fc1
    block: residual
  - widen:
      conv*: x1.5
    noise: none
    seed: 3
`

describe('recipes', () => {
  it('extend what they say, before or after other steps, and replay to the same bits', () => {
    const recipe = parseRecipe(`
steps:
  - widen: { fc1: x2 }
  - extend: { outputs: { output: +2 }, inputs: { input: 1 } }
    start: like:1
    unlikely: true
  - widen: { conv1: 7 }
`)
    const { model: grown, plans, resolved } = growByRecipe(model, recipe)
    expect(inspect(grown)).toMatchObject({
      inputs: [{ shape: ['batch', 3, 5, 4] }],
      outputs: [{ shape: ['batch', 5] }],
    })
    expect(plans.map(({ version }) => version)).toEqual([2, 3, 2])
    for (const format of ['yaml', 'json'] as const) {
      const replayed = growByRecipe(model, parseRecipe(formatRecipe(resolved, format)))
      expect(Buffer.compare(encodeModel(replayed.model), encodeModel(grown))).toBe(0)
    }
    expect(failure('steps: [{ extend: { outputs: { output: 2.5 } } }]').message).toContain(
      'grow.yaml:1',
    )
    expect(failure('steps: [{ extend: { output: { logits: 2 } } }]').message).toContain(
      'grow.yaml:1',
    )
  })

  it('grow a model step by step', async () => {
    const { model: grown, plans, resolved } = growByRecipe(model, parseRecipe(text))
    expect(inspect(grown).layers.find((layer) => layer.name === 'conv1')?.width).toBe(11)
    expect(plans.map((plan) => [plan.seed, plan.units.length, plan.inserted.length])).toEqual([
      [7, 2, 0],
      [8, 0, 2],
      [9, 0, 1],
      [3, 3, 0],
    ])
    expect(resolved.steps[0]).toMatchObject({ init: 'net2wider', noise: 'zero-sum', seed: 7 })
    await expectEqualFunctions(model, grown)
  })

  it.each(['yaml', 'json'] as const)(
    'replay from the resolved recipe in %s to the same bits',
    (format) => {
      const first = growByRecipe(model, parseRecipe(text))
      const again = growByRecipe(model, parseRecipe(formatRecipe(first.resolved, format)))
      expect(encodeModel(again.model)).toEqual(encodeModel(first.model))
      expect(again.resolved).toEqual(first.resolved)
    },
  )

  it('repeat residual blocks, and read plans that know nothing of them', async () => {
    const blocks = sequential(
      [
        conv2d(4, 3),
        residual([conv2d(4, 3, { name: 'body', padding: 'same' })]),
        flatten(),
        dense(2),
      ],
      { input: [2, 5, 4], seed: 1 },
    )
    const { model: grown, resolved } = growByRecipe(
      blocks,
      parseRecipe(
        'steps:\n  - repeat: body\n    start: identity\n  - kernel: { body: [5, 3] }\n  - widen: { body: x2 }\n',
      ),
    )
    await expectEqualFunctions(blocks, grown)
    const again = growByRecipe(blocks, parseRecipe(formatRecipe(resolved)))
    expect(encodeModel(again.model)).toEqual(encodeModel(grown))
    expect(resolved.steps[2]!.plan).not.toHaveProperty('repeated')
    expect(failure('steps:\n  - repeat: body\n    copy: twice\n').message).toMatch(
      /^grow\.yaml:3:11: steps\[0\]\.copy: /,
    )
  })

  it('say line and column of what is wrong', () => {
    expect(failure('steps:\n  - widen: { conv1: 7 }\n    noise: loud\n').message).toMatch(
      /^grow\.yaml:3:12: steps\[0\]\.noise: /,
    )
    expect(failure('steps:\n  - widen:\n      conv1: -7\n').message).toMatch(
      /^grow\.yaml:3:14: steps\[0\]\.widen\.conv1: /,
    )
    expect(failure('steps:\n  - shorten: [conv1]\n').message).toMatch(
      /^grow\.yaml:2:5: steps\[0\]: a step has "widen"/,
    )
    expect(failure('steps:\n  - widen: {conv1: 4\n').message).toMatch(/^grow\.yaml:\d+:\d+: /)
    expect(failure('step: []\n').message).toMatch(/^grow\.yaml:1:1: /)
    expect(failure('steps: []\n').message).toMatch(/^grow\.yaml:1:8: steps: /)
    expect(failure('steps:\n  - widen: 5\n').message).toBe(
      'grow.yaml:2:12: steps[0].widen: must be a set of named fields, not a number',
    )
    expect(failure('').message).toBe(
      'grow.yaml:1:1: the recipe: must be a set of named fields, not empty',
    )
    expect(failure('- 1\n').kind).toBe('input')
  })

  it('check a plan from a file field by field', () => {
    const { resolved } = growByRecipe(model, parseRecipe(text))
    const broken = (edit: (plan: Record<string, Record<string, unknown>[]>) => void) => {
      const copy = JSON.parse(JSON.stringify(resolved))
      edit(copy.steps[0].plan)
      return failure(JSON.stringify(copy)).message
    }
    expect(broken((plan) => (plan.units![0]!.map = [0, 1, 99]))).toContain('steps[0].plan.units[0]')
    expect(broken((plan) => (plan.parameters![0]!.after = 'big'))).toContain('.parameters[0].after')
  })

  it('refuse aliases that expand without end', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nsteps: [*c,*c,*c,*c]\n`
    expect(failure(bomb).kind).toBe('input')
  })

  it('have a JSON Schema: every field with its meaning, and no others', () => {
    const schema = JSON.parse(JSON.stringify(recipeJsonSchema())) as {
      properties: Record<string, { items: { anyOf: Record<string, unknown>[] } }>
      additionalProperties: unknown
    }
    expect(Object.keys(schema.properties)).toEqual(['version', 'seed', 'steps'])
    expect(schema.additionalProperties).toBe(false)
    const [widen, deepen] = schema.properties.steps!.items.anyOf
    expect(widen).toMatchObject({ required: ['widen'], additionalProperties: false })
    expect(deepen).toMatchObject({ required: ['deepen'], additionalProperties: false })
    expect(JSON.stringify(widen)).toContain('Seed of maps, noise and random weights.')
  })
})
