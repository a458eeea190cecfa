/** What a file is, by its first bytes. Node only. */
import { FileSource } from './file-source.ts'

/** Whether a file begins as a zip archive (`.keras`) or an HDF5 file (`.h5`) does. */
export function isKerasFile(file: string): boolean {
  const source = new FileSource(file, { keepOpen: false })
  const start = source.read(0, Math.min(4, source.size))
  const isZip = start[0] === 0x50 && start[1] === 0x4b && start[2] === 3
  return isZip || (start[0] === 0x89 && start[1] === 0x48 && start[2] === 0x44 && start[3] === 0x46)
}
