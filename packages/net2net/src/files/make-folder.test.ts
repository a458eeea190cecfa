import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeFolder } from './make-folder.ts'

const folder = mkdtempSync(join(tmpdir(), 'net2net-folders-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('makes what is missing, and says where it began', () => {
  expect(makeFolder(join(folder, 'a/b/c'))).toBe(join(folder, 'a'))
  expect(makeFolder(join(folder, 'a/b/d/'))).toBe(join(folder, 'a/b/d/'))
  expect(makeFolder(join(folder, 'a/b'))).toBeUndefined()
  expect(readdirSync(join(folder, 'a/b'))).toEqual(['c', 'd'])
})

test('a file in the way is an error', () => {
  writeFileSync(join(folder, 'file'), '')
  expect(() => makeFolder(join(folder, 'file'))).toThrow(
    expect.objectContaining({ kind: 'usage', message: expect.stringMatching(/is a file, not a/) }),
  )
  expect(() => makeFolder(join(folder, 'file/inside'))).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: expect.stringMatching(/is not in a folder/),
    }),
  )
})

test.runIf(existsSync('/proc/self'))('a folder that takes no new one is an error, at once', () => {
  expect(() => makeFolder('/proc/net2net')).toThrow(/ENOENT/)
  expect(() => makeFolder('/proc/net2net/a/b')).toThrow(/ENOENT/)
})
