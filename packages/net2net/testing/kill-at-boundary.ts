/** Kills this process at a chosen boundary between file operations. For tests only. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/**
 * SIGKILL right before the `n`-th (from 1) operation that touches the disk from now on. A write
 * counts twice: before it, and when half of it is written.
 */
export function killAtBoundary(n: number): void {
  let count = 0
  const passed = () => {
    if (++count === n) process.kill(process.pid, 'SIGKILL')
  }
  const { open, rename, link, unlink, rm, mkdir } = fs.promises
  const counted =
    <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> => {
      passed()
      return operation(...args)
    }
  Object.assign(fs.promises, {
    rename: counted(rename),
    link: counted(link),
    unlink: counted(unlink),
    rm: counted(rm),
    mkdir: counted(mkdir),
    async open(...args: Parameters<typeof open>) {
      passed()
      const handle = await open(...args)
      const write = handle.write.bind(handle) as (
        bytes: Uint8Array,
        offset: number,
        length: number,
        position: number,
      ) => Promise<unknown>
      Object.assign(handle, {
        sync: counted(handle.sync.bind(handle)),
        close: counted(handle.close.bind(handle)),
        async write(bytes: Uint8Array, offset: number, length: number, position: number) {
          passed()
          if (count + 1 === n) await write(bytes, offset, length >> 1, position)
          passed()
          return write(bytes, offset, length, position)
        },
      })
      return handle
    },
  })
  syncBuiltinESMExports()
}
