/** For tests: temporary files of processes that are gone. */
import { spawnSync } from 'node:child_process'
import { temporaryName } from '../src/files/temporary-name.ts'

/** The name that a process which has ended would have given to its temporary file. */
export function leftover(target: string): string {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  return temporaryName(target).replace(`-${process.pid}-`, `-${pid}-`)
}
