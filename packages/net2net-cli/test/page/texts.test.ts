/** Both languages say everything. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { zh } from '../../page/src/text/zh.ts'
import { allArmNames } from '../../page/src/train/arms.ts'
import { armTitle } from '../../src/runs/run-record.ts'

const folder = fileURLToPath(new URL('../../page/src/', import.meta.url))
/** A text of TypeScript in quotes, at the beginning of a call of `t`. */
const call = /\bt\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")/g
const unquoted = (text: string) => text.slice(1, -1).replaceAll(/\\(.)/g, '$1')

describe('the texts of the page', () => {
  it('are there in Chinese, with the same places to fill', async () => {
    const names = await readdir(folder, { recursive: true })
    const wanted = new Set(allArmNames.map(armTitle))
    for (const name of names.filter((each) => /\.tsx?$/.test(each)))
      for (const [, text] of (await readFile(join(folder, name), 'utf8')).matchAll(call))
        wanted.add(unquoted(text!))
    expect(wanted.size).toBeGreaterThan(250)
    expect([...wanted].filter((text) => !(text in zh))).toEqual([])
    const places = (text: string) => [...new Set(text.match(/\{\d\}/g))].sort()
    for (const [english, chinese] of Object.entries(zh))
      expect(places(chinese), english).toEqual(places(english))
  })
})
