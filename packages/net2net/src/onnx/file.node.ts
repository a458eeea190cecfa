/** ONNX files: weights are read when they are needed. Node only. */
import path from 'node:path'
import { inputError, Net2NetError } from '../errors.ts'
import { FileSource } from '../files/file-source.ts'
import type { Model } from '../model/model.ts'
import { decodeSource } from './decode.ts'
import { externalDataOf } from './external-data.node.ts'

/** A model whose weights lie in files; `using` closes these. */
export interface LoadedModel extends Model, Disposable {}

/**
 * Reads the ONNX file at `file`. Weights stay in the file (or in the files of external data beside
 * it) until somebody reads them; the files may be replaced in the meantime (those of the last hundred
 * models at least), but not changed in place. Throws an `input` error that names the file and the field for whatever is broken.
 *
 * The files are closed when nobody can read the model any more, or as soon as it is disposed of:
 * `using model = await load(file)`. Then neither it nor a model that was grown from it can be read.
 */
export async function load(file: string): Promise<LoadedModel> {
  const source = new FileSource(file)
  const external = externalDataOf(path.dirname(file))
  const close = () => {
    source.close()
    external.close()
  }
  try {
    const model = decodeSource(source, { name: file, openExternal: external.open })
    // Not enumerable: a model that is made of this one by spreading is not the owner of the files.
    return Object.defineProperty(model as LoadedModel, Symbol.dispose, { value: close })
  } catch (cause) {
    close()
    if (!(cause instanceof Net2NetError) || cause.where !== undefined) throw cause
    throw inputError(`${file}: ${cause.message}`, { where: file, cause })
  }
}
