import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { bundle } from '../../packages/net2net/testing/bundle.ts'

/** What every example must print, by its number. */
const expected: Readonly<Record<string, readonly RegExp[]>> = {
  '1-grow.ts': [/out: width 10, cannot: .*Softmax/, /equal: true, max \|Δ\| \d/],
  '2-train-and-grow.ts': [
    /small, epoch 2: validation loss 0\.\d+/,
    /grown: validation loss (\d\.\d{4}) → \1\n/,
    /grown, epoch 1: validation loss 0\.\d+/,
  ],
  '3-plan.ts': [
    /(stem and branch|branch and stem): 6 → 9 units, the new ones copy \d,\d,\d\n/,
    /equal: true/,
  ],
  '4-own-data.ts': [/best validation error: 0\.00\d+/],
  '5-step-graph.ts': [/y = 3\.00 x \+ 2\.00/],
}

describe('examples', () => {
  test('are all here', () => {
    expect(readdirSync('examples').filter((name) => name.endsWith('.ts'))).toEqual(
      Object.keys(expected),
    )
  })

  test.each(Object.entries(expected))(
    '%s',
    async (name, patterns) => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [
        await bundle(`examples/${name}`),
      ])
      for (const pattern of patterns) expect(stdout).toMatch(pattern)
      expect(stderr).toBe('')
    },
    120_000,
  )
})
