import { expect, it } from 'vitest'
import { z } from 'zod'
import { wordsOf } from './schema-messages.ts'

const said = (schema: z.ZodType, value: unknown) =>
  wordsOf(schema.safeParse(value).error!.issues[0]!)

it('says in words what is wrong', () => {
  expect(said(z.record(z.string(), z.number()), 5)).toBe(
    'must be a set of named fields, not a number',
  )
  expect(said(z.strictObject({}), null)).toBe('must be a set of named fields, not empty')
  expect(said(z.number(), 'x')).toBe('must be a number, not text')
  expect(said(z.int(), 1.5)).toBe('must be a whole number, not a number')
  expect(said(z.strictObject({ a: z.string() }), {})).toBe('is missing; it must be text')
  expect(said(z.literal(1), 2)).toBe('must be 1')
  expect(said(z.enum(['a', 'b']), 'c')).toBe('must be one of a, b')
  expect(said(z.array(z.number()).min(1), [])).toBe('must not be empty')
  expect(said(z.number().positive(), 0)).toBe('must be more than 0')
  expect(said(z.number().min(2), 0)).toBe('must be at least 2')
  expect(said(z.number().max(2), 3)).toBe('must be at most 2')
  expect(said(z.strictObject({}), { a: 1 })).toBe('has no field "a"')
})

it('leaves what a schema says itself', () => {
  expect(said(z.number('must be the number of epochs'), 'x')).toBe('must be the number of epochs')
})
