/** Saving a model that is checked, as a file, before it has its name. */

import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Model, save } from 'net2net'
import { syncFolder } from 'net2net/files'
import type { Upcoming } from 'net2net/internal/check/compare'
import { inputError, usageError } from '../errors.ts'

export interface ProvenOptions {
  readonly signal?: AbortSignal
  readonly externalData?: true | undefined
  readonly onProgress?: (written: number, total: number) => void
  /** Gets what is being written, and throws where it must not be kept. */
  readonly prove: (upcoming: Upcoming) => Promise<void>
}

/** Writes the model and its external data to a folder beside `output`, proves it, moves it there. */
export async function saveProven(
  model: Model,
  output: string,
  { prove, ...options }: ProvenOptions,
): Promise<void> {
  const folder = dirname(output)
  const temporary = await temporaryFolder(folder, output)
  try {
    const file = join(temporary, basename(output))
    let saving: Promise<string> | undefined
    const written = new Promise<Model>((onReadable, onFailure) => {
      saving = save(model, file, { ...options, onReadable }).then(() => file)
      saving.catch(onFailure)
    })
    // Who does not need it need not handle its failure.
    written.catch(() => undefined)
    const upcoming = { model, written, file: saving! }
    // Nothing is removed while something is still written.
    const [saved, proven] = await Promise.allSettled([saving, prove(upcoming)])
    for (const result of [saved, proven]) if (result.status === 'rejected') throw result.reason
    options.signal?.throwIfAborted()
    // The weights first: a model without them would be broken.
    const names = (await readdir(temporary)).sort((a, b) => b.length - a.length)
    for (const name of names) await rename(join(temporary, name), join(folder, name))
    await syncFolder(folder)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function temporaryFolder(folder: string, output: string): Promise<string> {
  try {
    return await mkdtemp(join(folder, '.net2net-'))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw usageError(`${output}: cannot be written: its folder does not exist.`, {
        where: output,
        cause,
      })
    throw inputError(`${output}: cannot be written (${message}).`, { where: output, cause })
  }
}
