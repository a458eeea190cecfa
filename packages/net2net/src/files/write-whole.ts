/** Small files, written whole or not at all. Node only. */
import type { BytePart } from '../tensor/bytes.ts'
import type { AtomicFile } from './atomic-file.ts'
import { AtomicFiles, type ReplaceOptions } from './atomic-files.ts'
import type { FileSource } from './file-source.ts'

/** What a file shall hold: a text, bytes, or parts that are read one after the other. */
export type FileContent = string | Uint8Array | readonly BytePart[]

/** Bytes of a part that are in memory at a time. */
const PIECE = 2 ** 22

/** Appends a content to a file. */
export async function writeContent(file: AtomicFile, content: FileContent): Promise<void> {
  if (typeof content === 'string' || content instanceof Uint8Array) return file.write(content)
  for (const part of content)
    for (let at = 0; at < part.byteLength; at += PIECE)
      await file.write(part.read(at, Math.min(PIECE, part.byteLength - at)))
}

/** Appends a content to an empty file, and reads it from there. */
export async function writtenSource(file: AtomicFile, content: FileContent): Promise<FileSource> {
  await writeContent(file, content)
  return file.reader(lengthOf(content))
}

function lengthOf(content: FileContent): number {
  if (typeof content === 'string') return new TextEncoder().encode(content).length
  if (content instanceof Uint8Array) return content.length
  return content.reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/**
 * Writes a content to a file: whole and on the disk, or not at all.
 *
 * @throws usage where the file exists (without `force`), or where no file may be; input where the
 *   system refuses
 */
export const writeWhole = (
  file: string,
  content: FileContent,
  options: ReplaceOptions = {},
): Promise<void> => writeAllWhole(new Map([[file, content]]), options)

/** The same for several files: all of them appear, or none does. */
export async function writeAllWhole(
  contents: ReadonlyMap<string, FileContent>,
  options: ReplaceOptions = {},
): Promise<void> {
  const files = new AtomicFiles(options)
  try {
    for (const [file, content] of contents) await writeContent(await files.create(file), content)
    await files.publish()
  } finally {
    await files.discard()
  }
}
