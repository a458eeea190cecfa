/** Whole files, unpacked where they are packed. Node only. */
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { inputError } from '../errors.ts'

const maxUnpackedBytes = 2 ** 32 - 1

/**
 * A whole file, unpacked if it is gzip.
 *
 * @throws input where it does not exist, cannot be read or is not whole
 */
export async function readWhole(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw inputError(`${path} ${fileProblem(cause)}.`, { where: path, cause })
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: maxUnpackedBytes })
  } catch (cause) {
    throw inputError(`${path} is not a whole gzip file: ${(cause as Error).message}.`, {
      where: path,
      cause,
    })
  }
}

/** What a file-system error means, as the end of a sentence about the path. */
export function fileProblem(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return 'does not exist'
    case 'EACCES':
    case 'EPERM':
      return 'may not be read'
    case 'EISDIR':
      return 'is a folder, not a file'
    case 'ENOTDIR':
      return 'is not in a folder'
    case 'ERR_FS_FILE_TOO_LARGE':
      return 'is larger than 2 GiB'
    default:
      return `cannot be read (${message})`
  }
}
