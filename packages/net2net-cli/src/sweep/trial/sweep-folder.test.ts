import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SweepFolder } from './sweep-folder.ts'

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'net2net-sweep-'))
})
afterEach(() => rmSync(path, { recursive: true }))

const plan = (name: string) => ({ name, experiments: [], trials: [] })

describe('the folder of a sweep', () => {
  test('takes the same sweep again, changed or not, and no other', async () => {
    const folder = SweepFolder.create(path)
    await folder.savePlan(plan('one'), 'name: one')
    await folder.savePlan(plan('one'), 'name: one # with more seeds')
    await expect(folder.savePlan(plan('two'), 'name: two')).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/holds the sweep "one", not "two"; choose another folder/),
    })
    expect(readFileSync(join(path, 'sweep.yaml'), 'utf8')).toBe('name: one # with more seeds')
  })

  test.each(['sweep.yaml', 'report.html', 'report.md'])(
    'replaces no %s of others',
    async (name) => {
      writeFileSync(join(path, name), 'precious')
      const folder = SweepFolder.create(path)
      await expect(folder.savePlan(plan('one'), 'name: one')).rejects.toMatchObject({
        kind: 'usage',
      })
      expect(readFileSync(join(path, name), 'utf8')).toBe('precious')
      expect(readdirSync(path).sort()).toEqual([name, 'trials'].sort())
    },
  )

  test('may be the one that the sweep file lies in', async () => {
    writeFileSync(join(path, 'sweep.yaml'), 'name: one')
    await SweepFolder.create(path).savePlan(plan('one'), 'name: one')
    expect(readdirSync(path).sort()).toEqual(['sweep.json', 'sweep.yaml', 'trials'])
  })

  test('has results, or says what is wrong with them', async () => {
    const folder = SweepFolder.create(path)
    expect(await folder.readResult('t1')).toBeUndefined()
    mkdirSync(folder.trial('t1'))
    for (const text of ['', '[]', '{"id":"t1"}', '{"id":"t1","spec":{},"outcome":{"curve":[]}}']) {
      writeFileSync(folder.file('t1', 'result'), text)
      await expect(folder.readResult('t1')).rejects.toMatchObject({ kind: 'input' })
    }
  })
})
