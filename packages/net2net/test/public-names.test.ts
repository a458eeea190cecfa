import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const entries = {
  net2net: () => import('../src/index.ts'),
  'net2net in a browser': () => import('../src/index.browser.ts'),
  'net2net/model': () => import('../src/index.model.ts'),
  'net2net/tensor': () => import('../src/tensor/index.ts'),
  'net2net/layers': () => import('../src/layers/index.ts'),
  'net2net/data': () => import('../src/data/index.ts'),
  'net2net/data in a browser': () => import('../src/data/index.browser.ts'),
  'net2net/runtime': () => import('../src/runtime/index.ts'),
  'net2net/runtime in a browser': () => import('../src/runtime/index.browser.ts'),
  'net2net/training': () => import('../src/training/index.ts'),
  'net2net/growing': () => import('../src/growing/index.ts'),
  'net2net/exploring': () => import('../src/exploring/index.ts'),
  'net2net/checkpoints': () => import('../src/checkpoints/index.ts'),
  'net2net/logs': () => import('../src/logs/index.ts'),
  'net2net/recipe': () => import('../src/recipe/index.ts'),
  'net2net/files': () => import('../src/files/index.ts'),
  'net2net/bridges': () => import('../src/bridges/index.node.ts'),
  'net2net/bridges in a browser': () => import('../src/bridges/index.browser.ts'),
} as const

// A name that appears or vanishes here changes what users can rely on: see CHANGELOG.md.
test.each(Object.keys(entries) as (keyof typeof entries)[])('the names of %s', async (entry) => {
  expect(Object.keys(await entries[entry]()).sort()).toMatchSnapshot()
})

test('every entry of the package is among them', () => {
  const { exports } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { exports: Record<string, unknown> }
  const tested = new Set(Object.keys(entries).map((name) => name.replace(' in a browser', '')))
  const published = Object.keys(exports)
    .filter((name) => !/json$/.test(name))
    .map((name) => name.replace('.', 'net2net'))
  expect([...tested].sort()).toEqual(published.sort())
})
