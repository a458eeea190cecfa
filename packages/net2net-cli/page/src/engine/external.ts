/** External data of a model, in files that were opened together with it. */

import { memorySource, type OpenExternal } from 'net2net'
import { inputError } from '../../../src/errors.ts'
import type { NamedBytes } from './protocol.ts'

/**
 * A browser says nothing of folders: files are found by their names alone.
 *
 * @param used takes the names of the files that are read
 */
export function externalDataIn(files: readonly NamedBytes[], used: Set<string>): OpenExternal {
  return ({ location, offset, length }, where) => {
    const name = location.split(/[/\\]/).at(-1)!
    const file = files.find((each) => each.name === name)
    if (file === undefined)
      throw inputError(`${where()}: its data lie in another file, ${name}.`, {
        hint: `Drop both files together, the model and ${name}.`,
      })
    used.add(name)
    const size = file.bytes.byteLength
    if (offset + length > size)
      throw inputError(
        `${where()}: bytes ${offset} to ${offset + length} lie past the end of ${name}, which has ${size}.`,
      )
    return memorySource(file.bytes.subarray(offset, offset + length))
  }
}
