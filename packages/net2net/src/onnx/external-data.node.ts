/**
 * Tensor data in files beside the model. A location is a relative path within the model's own
 * folder. What would lead out of it, or to anything but a plain file, is refused: a model from
 * outside must not be able to name the reader's other files.
 */
import fs from 'node:fs'
import path from 'node:path'
import { inputError } from '../errors.ts'
import { FileSource, readError } from '../files/file-source.ts'
import { quote } from '../model/quote.ts'
import { bytesFrom } from '../tensor/tensor.ts'
import type { OpenExternal } from './tensor-proto.ts'

/** Exporters that write one file per tensor must not use up the descriptors of the process. */
const MAX_OPEN_FILES = 64

/** Gives access to the external data of the model in `folder`, and closes it. Nothing is read yet. */
export function externalDataOf(folder: string): {
  readonly open: OpenExternal
  readonly close: () => void
} {
  const files = new Map<string, FileSource>()
  const close = () => {
    for (const file of files.values()) file.close()
  }
  const open: OpenExternal = ({ location, offset, length }, where) => {
    const place = () => `${where()}: external_data.location ${quote(location)}`
    let file = files.get(location)
    if (!file) {
      file = openConfined(folder, location, place, files.size < MAX_OPEN_FILES)
      files.set(location, file)
    }
    if (offset + length > file.size)
      throw inputError(
        `${place()}: bytes ${offset} to ${offset + length} lie past the end of the file, which has ${file.size}.`,
      )
    return { size: length, ...bytesFrom(file, offset) }
  }
  return { open, close }
}

function openConfined(
  folder: string,
  location: string,
  place: () => string,
  keepOpen: boolean,
): FileSource {
  if (location.includes('\0')) throw inputError(`${place()} has a NUL in it.`)
  if (
    path.posix.isAbsolute(location) ||
    path.win32.isAbsolute(location) ||
    /^[a-z]:/i.test(location)
  )
    throw inputError(`${place()} is an absolute path; data must lie in the model's own folder.`)
  const components = location.split(/[/\\]/)
  if (components.includes('..'))
    throw inputError(`${place()} contains "..", but data must lie in the model's own folder.`)

  const names = components.filter((name) => name !== '' && name !== '.')
  let at = folder
  for (const name of names) {
    at = path.join(at, name)
    if (lstat(at, place).isSymbolicLink())
      throw inputError(`${place()} leads through a symbolic link, which is not followed.`)
  }
  const seen = lstat(at, place)
  if (!seen.isFile()) throw inputError(`${place()} is not a regular file.`)
  const file = openFile(at, keepOpen, place)
  if (file.links > 1)
    throw inputError(`${place()} is a hard link, which may name a file from anywhere.`)
  return file
}

function lstat(file: string, place: () => string): fs.Stats {
  try {
    return fs.lstatSync(file)
  } catch (cause) {
    throw inputError(`${place()}: ${readError(file, cause).message}`, { cause })
  }
}

function openFile(file: string, keepOpen: boolean, place: () => string): FileSource {
  try {
    return new FileSource(file, { noFollow: true, keepOpen })
  } catch (cause) {
    throw inputError(`${place()}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}
