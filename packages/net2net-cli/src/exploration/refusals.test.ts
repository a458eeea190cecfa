/** What the system refuses while an exploration goes on is no fault of the program. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { lockFolder } from '../processes/folder-lock.ts'
import { JournalFile } from './journal-file.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'refusals-'))

test('a folder in which no lock can be written is named', () => {
  const gone = path.join(folder, 'gone')
  expect(() => lockFolder(gone, 'an exploration')).toThrow(
    expect.objectContaining({
      kind: 'input',
      message: expect.stringMatching(/gone cannot be written \(ENOENT/),
    }),
  )
  expect(existsSync(path.join(gone, 'running.json'))).toBe(false)
})

test('a journal that cannot be written is named, with what is left', async () => {
  const journal = await JournalFile.open(path.join(folder, 'journal.jsonl'))
  await journal.close()
  await expect(
    journal.append({ kind: 'start', job: { network: 0, rung: 0 } } as never),
  ).rejects.toMatchObject({
    kind: 'input',
    message: expect.stringMatching(/journal\.jsonl cannot be written \(/),
    hint: expect.stringMatching(/--resume goes on with it/),
  })
})
