/** What takes the place of file.node.ts in a browser, which has no files to read by their names. */
import { usageError } from '../errors.ts'
import type { Model } from '../model/model.ts'

export function load(file: string): Promise<Model> {
  return Promise.reject(
    usageError(
      `A browser cannot open ${file}: give the model itself, as load makes it of a Blob.`,
      {
        where: file,
      },
    ),
  )
}
