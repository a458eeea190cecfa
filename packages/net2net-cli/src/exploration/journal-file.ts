/** An exploration's journal: a line for each record, on the disk before anything follows from it. */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import type { ExplorationJournal, ExplorationRecord } from 'net2net/exploring'
import { inputError } from '../errors.ts'
import { parseRecord } from './record-schema.ts'

/**
 * The records of a journal. The last line may be torn, by a kill or a full disk: it was never waited for, and does not count.
 *
 * @throws input where the file cannot be read, or another line is no record
 */
export async function readJournal(file: string): Promise<readonly ExplorationRecord[]> {
  return (await wholeLines(file)).map((line, i) => {
    try {
      return parseRecord(line, `${file}: line ${i + 1}`)
    } catch (cause) {
      throw inputError((cause as Error).message, {
        where: file,
        hint: 'It cannot be gone on with; the networks that were found are in front/, and --force begins anew.',
        cause,
      })
    }
  })
}

async function wholeLines(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw inputError(`${file} cannot be read.`, { where: file, cause })
  }
}

export class JournalFile implements ExplorationJournal {
  readonly records: readonly ExplorationRecord[]
  readonly #file: string
  readonly #handle: FileHandle

  private constructor(file: string, records: readonly ExplorationRecord[], handle: FileHandle) {
    this.#file = file
    this.records = records
    this.#handle = handle
  }

  /** Opens a journal to go on with it; one that is not there begins. */
  static async open(file: string): Promise<JournalFile> {
    const records = await readJournal(file)
    const lines = await wholeLines(file)
    const handle = await open(file, 'a')
    try {
      await handle.truncate(Buffer.byteLength(lines.map((line) => `${line}\n`).join('')))
      await handle.sync()
      return new JournalFile(file, records, handle)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async append(record: ExplorationRecord): Promise<void> {
    try {
      await this.#handle.appendFile(`${JSON.stringify(record)}\n`)
      await this.#handle.sync()
    } catch (cause) {
      throw inputError(`${this.#file} cannot be written (${(cause as Error).message}).`, {
        where: this.#file,
        hint: 'What was done until then is kept: --resume goes on with it.',
        cause,
      })
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
