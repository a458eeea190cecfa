import { writeWhole } from 'net2net/files'
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
  await writeWhole(output, await reportHtml(runs), { force })
}
