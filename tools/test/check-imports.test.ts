/** `npm run check:imports` on small houses of its own. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

let house: string
beforeEach(() => {
  house = mkdtempSync(join(tmpdir(), 'house-'))
})
afterEach(() => rmSync(house, { recursive: true }))

function check(files: Readonly<Record<string, string>>) {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(house, file)), { recursive: true })
    writeFileSync(join(house, file), text)
  }
  const tsx = ['--import', import.meta.resolve('tsx')]
  const script = resolve('tools/check-imports.ts')
  const { status, stderr } = spawnSync(process.execPath, [...tsx, script], {
    cwd: house,
    encoding: 'utf8',
  })
  return { status, problems: stderr.split('\n').filter(Boolean) }
}

it('accepts modules that import downwards', () => {
  const files = {
    'packages/net2net/src/model/a.ts': "import { b } from './b.ts'\nexport const a = b\n",
    'packages/net2net/src/model/b.ts':
      "import type { C } from '../tensor/c.ts'\nexport const b: C = 1\n",
    'packages/net2net/src/tensor/c.ts': 'export type C = number\n',
  }
  expect(check(files)).toEqual({ status: 0, problems: [] })
})

it('forbids circles of modules, those of types alone and of re-exports too', () => {
  const files = {
    'packages/net2net/src/model/a.ts': "import { b } from './b.ts'\nexport type A = typeof b\n",
    'packages/net2net/src/model/b.ts':
      "\nimport {\n  type C,\n} from './c.ts'\nexport const b: C = 1\n",
    'packages/net2net/src/model/c.ts': "export type C = number\nexport type { A } from './a.ts'\n",
    'packages/net2net/src/model/above.ts': "import { b } from './b.ts'\nexport const above = b\n",
    'packages/net2net/src/tensor/lazy.ts': "export const lazy = () => import('./lazy.ts')\n",
  }
  expect(check(files)).toEqual({
    status: 1,
    problems: [
      expect.stringMatching(
        /^packages\/net2net\/src\/model\/a\.ts:1 imports itself: packages\/net2net\/src\/model\/a\.ts → packages\/net2net\/src\/model\/b\.ts → packages\/net2net\/src\/model\/c\.ts → packages\/net2net\/src\/model\/a\.ts\.$/,
      ),
      expect.stringMatching(/^packages\/net2net\/src\/tensor\/lazy\.ts:1 imports itself: /),
    ],
  })
})

it('forbids a room that imports one above it', () => {
  const files = {
    'packages/net2net/src/tensor/a.ts': "import { b } from '../model/b.ts'\nexport const a = b\n",
    'packages/net2net/src/model/b.ts': 'export const b = 1\n',
  }
  expect(check(files)).toEqual({
    status: 1,
    problems: ['packages/net2net/src/tensor/a.ts:1 tensor must not import model.'],
  })
})
