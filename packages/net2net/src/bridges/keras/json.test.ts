import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonText, parseJson } from './json.ts'

test('floats stay floats, and integers integers, in copies too', () => {
  const text = '{"a":0.0,"b":{"c":1,"d":-2.0,"e":1e+22,"f":[0.5,3.0,4],"g":"1.0 \\"2.0\\" \\\\"}}'
  const value = parseJson(text, 'it')
  expect(jsonText({ ...value })).toBe(text)
  expect(JSON.parse(JSON.stringify(value))).toEqual(JSON.parse(text))
  expect(jsonText({ ...value, a: 7 })).toMatch(/"a":7\.0/)
})

test('reads and writes what JSON does', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (table) => {
      const text = JSON.stringify(table)
      expect(JSON.parse(jsonText(parseJson(text, 'it')))).toEqual(JSON.parse(text))
    }),
  )
})

test('refuses what is none', () => {
  expect(() => parseJson('{"a": }', 'config.json')).toThrow('config.json is not JSON.')
  expect(() => parseJson('[1.0]', 'config.json')).toThrow('config.json is not a table.')
})
