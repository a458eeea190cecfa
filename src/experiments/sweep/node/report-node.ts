/** Reads what a sweep's folder holds, and writes its report. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { type SweepRecord, type SweepSummary, summarize } from '../analysis.ts'
import { summaryMarkdown, sweepHtml } from '../report.ts'
import type { TrialFailure, TrialResult } from '../trial.ts'
import { SweepFolder, writeWhole } from './sweep-folder.ts'

/** @throws input where the folder is no sweep's, or a file in it is broken */
export async function readSweepRecord(directory: string): Promise<SweepRecord> {
  const folder = new SweepFolder(directory)
  const plan = await folder.readPlan()
  const results = new Map<string, TrialResult>()
  const failures = new Map<string, TrialFailure>()
  const known = new Set(await readdir(path.join(directory, 'trials')).catch(() => []))
  for (const { id } of plan.trials) {
    if (!known.has(id)) continue
    const result = await folder.readResult(id)
    const failure = result ? undefined : await folder.readFailure(id)
    if (result) results.set(id, result)
    if (failure) failures.set(id, failure)
  }
  return { plan, results, failures }
}

/**
 * Writes the page, and beside it the same as Markdown.
 *
 * @param target validation loss that times are measured to, in place of the sweep file's
 */
export async function writeSweepReport(
  directory: string,
  output: string,
  target?: number,
): Promise<{ readonly summary: SweepSummary; readonly markdown: string }> {
  const record = await readSweepRecord(directory)
  const summary = summarize(record, target)
  const markdown = output.replace(/(\.html?)?$/, '.md')
  await writeWhole(markdown, summaryMarkdown(summary))
  await writeWhole(output, await sweepHtml(record, target))
  return { summary, markdown }
}
