/** `npm run check:imports` on small houses of its own. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

let folder: string
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'folder-')))
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(files: Readonly<Record<string, string>>) {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
}

function check(files: Readonly<Record<string, string>>) {
  write(files)
  const tsx = ['--import', import.meta.resolve('tsx')]
  const script = resolve('tools/check-imports.ts')
  const { status, stderr } = spawnSync(process.execPath, [...tsx, script], {
    cwd: folder,
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
    'src/model/a.ts': "import { b } from './b.ts'\n\nexport type A = typeof b\n",
    'src/model/b.ts': "import type { C } from './c.ts'\n\nexport const b: C = 1\n",
    'src/model/c.ts': "export type C = number\nexport type { A } from './a.ts'\n",
    'src/model/above.ts': "import { b } from './b.ts'\n\nexport const above = b\n",
  }
  const { linter } = JSON.parse(readFileSync('biome.json', 'utf8')) as { linter: unknown }
  write({ ...files, 'biome.json': JSON.stringify({ linter }) })
  const biome = resolve('node_modules/@biomejs/biome/bin/biome')
  const args = [biome, 'lint', '--reporter=github', '--only=suspicious/noImportCycles']
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  const found = [...stdout.matchAll(/noImportCycles.*?file=([^,]*)/g)].map(([, file]) =>
    relative(folder, file!),
  )
  expect(status).toBe(1)
  expect(found.sort()).toEqual(['src/model/a.ts', 'src/model/b.ts', 'src/model/c.ts'])
})

it('forbids a module that imports one above it', () => {
  const files = {
    'packages/net2net/src/tensor/a.ts': "import { b } from '../model/b.ts'\nexport const a = b\n",
    'packages/net2net/src/model/b.ts': 'export const b = 1\n',
  }
  expect(check(files)).toEqual({
    status: 1,
    problems: ['packages/net2net/src/tensor/a.ts:1 tensor must not import model.'],
  })
})
