/** Small files, written whole or not at all. Node only. */
import { AtomicFiles, type ReplaceOptions } from './atomic-files.ts'

/**
 * Writes a text or bytes to a file: whole and on the disk, or not at all.
 *
 * @throws usage where the file exists (without `force`), or where no file may be; input where the
 *   system refuses
 */
export const writeWhole = (
  file: string,
  content: string | Uint8Array,
  options: ReplaceOptions = {},
): Promise<void> => writeAllWhole(new Map([[file, content]]), options)

/** The same for several files: all of them appear, or none does. */
export async function writeAllWhole(
  contents: ReadonlyMap<string, string | Uint8Array>,
  options: ReplaceOptions = {},
): Promise<void> {
  const files = new AtomicFiles(options)
  try {
    for (const [file, content] of contents) await (await files.create(file)).write(content)
    await files.publish()
  } finally {
    await files.discard()
  }
}
