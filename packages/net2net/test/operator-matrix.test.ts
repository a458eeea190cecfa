import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { matrixFile, operatorMatrix } from '../../../tools/operator-matrix.ts'

it('docs/operators.md is what `npm run docs:operators` writes', () => {
  expect(readFileSync(matrixFile, 'utf8')).toBe(operatorMatrix())
})
