import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** A fresh folder for each test; the result joins names to it. */
export function temporaryFolder(): (...names: string[]) => string {
  let folder = ''
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'net2net-'))
  })
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true })
  })
  return (...names) => path.join(folder, ...names)
}
