/** What a file is, by its first bytes. Node only. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inputError } from '../errors.ts'
import { FileSource } from '../files/file-source.ts'
import { beginsAsKeras, networkFiles } from './other-format.ts'

/**
 * Whether a file begins as a zip archive (`.keras`) or an HDF5 file (`.h5`) does.
 *
 * @throws Net2NetError (input) where there is no such file, or a folder
 */
export function isKerasFile(file: string): boolean {
  if (isFolder(file)) {
    const inside = join(file, 'model.onnx')
    throw inputError(`${file} is a folder, and a network is a file.`, {
      where: file,
      hint: existsSync(inside) ? `That of this training is ${inside}.` : networkFiles,
    })
  }
  const source = new FileSource(file, { keepOpen: false })
  return beginsAsKeras(source.read(0, Math.min(4, source.size)))
}

function isFolder(file: string): boolean {
  try {
    return statSync(file).isDirectory()
  } catch {
    // Opening it says why it cannot be read.
    return false
  }
}
