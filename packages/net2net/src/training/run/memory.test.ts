import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('5,000 steps do not need more and more memory', () => {
  const script = fileURLToPath(new URL('../../../testing/memory-child.ts', import.meta.url))
  const text = execFileSync(process.execPath, ['--import', 'tsx', script], { encoding: 'utf8' })
  const resident = text.trim().split('\n').map(Number)
  expect(resident).toHaveLength(10)
  // After a warm-up of two thousand steps.
  expect(resident.at(-1)! / resident[3]!).toBeLessThan(1.05)
})
