import { AtomicFile } from 'net2net/files'
import { readRun } from '../runs/read-run.ts'
import { reportHtml } from './report.ts'

/**
 * Writes the report of one or several runs' folders to a file, whole or not at all.
 *
 * @throws input where a folder is no run's; usage where the file exists (without `force`)
 */
export async function writeReport(
  folders: readonly string[],
  output: string,
  { force = false } = {},
): Promise<void> {
  const runs = await Promise.all(folders.map(readRun))
  const html = await reportHtml(runs)
  const file = await AtomicFile.create(output)
  try {
    await file.write(new TextEncoder().encode(html))
    await file.finish()
    await file.publish(force)
  } finally {
    await file.discard()
  }
}
