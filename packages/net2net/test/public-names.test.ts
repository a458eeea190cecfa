import { expect, test } from 'vitest'

const entries = {
  net2net: () => import('../src/index.ts'),
  'net2net/layers': () => import('../src/layers/index.ts'),
  'net2net/training': () => import('../src/training/index.ts'),
  'net2net/data': () => import('../src/data/index.ts'),
} as const

// A name that appears or vanishes here changes what users can rely on: see CHANGELOG.md.
test.each(Object.keys(entries) as (keyof typeof entries)[])('the names of %s', async (entry) => {
  expect(Object.keys(await entries[entry]()).sort()).toMatchSnapshot()
})
