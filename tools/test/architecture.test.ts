import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { architectureFile, withDiagram } from '../architecture-diagram.ts'

it('the diagram of docs/architecture.md is what `npm run docs:diagram` writes', () => {
  const text = readFileSync(architectureFile, 'utf8')
  expect(withDiagram(text)).toBe(text)
})
