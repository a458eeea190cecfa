/** Reads what a sweep's folder holds, and writes its report. */

import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder, writeAllWhole } from 'net2net/files'
import { summarize } from '../analysis/analysis.ts'
import type { SweepRecord, SweepSummary } from '../analysis/findings.ts'
import { isResults, parseResults } from '../analysis/results-file.ts'
import { SweepFolder } from '../trial/sweep-folder.ts'
import type { SweepPlan, TrialFailure, TrialResult } from '../trial/trial.ts'
import { summaryMarkdown, sweepHtml } from './report.ts'
import { answersFile, resultsFile, summaryFiles } from './summary.ts'

/**
 * Whether a folder holds the summary of a sweep: its figures, without networks. The figures of a single run lie in a file
 * of the same name.
 */
function isSummary(directory: string): boolean {
  const file = path.join(directory, resultsFile)
  return existsSync(file) && isResults(readFileSync(file, 'utf8'))
}

/** Whether a folder can be reported as a sweep. */
export const holdsSweep = (directory: string): boolean =>
  SweepFolder.isSweep(directory) || isSummary(directory)

/**
 * @param directory a sweep's folder, or that of a summary
 * @param wanted the plan whose trials are looked for in a sweep's folder, in place of its own
 * @throws input where the folder is neither, or a file in it is broken
 */
export async function readSweepRecord(directory: string, wanted?: SweepPlan): Promise<SweepRecord> {
  if (!SweepFolder.isSweep(directory) && isSummary(directory)) {
    const file = path.join(directory, resultsFile)
    const record = parseResults(await readFile(file, 'utf8'), file)
    return wanted ? { ...record, plan: wanted } : record
  }
  const folder = new SweepFolder(directory)
  const plan = wanted ?? (await folder.readPlan())
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

export interface SweepReportOptions {
  /** Validation loss that times are measured to, in place of the sweep file's. */
  readonly target?: number | undefined
  /** The plan to report, in place of the folder's own. */
  readonly plan?: SweepPlan | undefined
  /** Replaces files that exist. */
  readonly force?: boolean | undefined
}

/** Writes the page, and beside it the same as Markdown. */
export async function writeSweepReport(
  directory: string,
  output: string,
  { target, plan, force }: SweepReportOptions = {},
): Promise<{ readonly summary: SweepSummary; readonly markdown: string }> {
  const record = await readSweepRecord(directory, plan)
  const summary = summarize(record, target)
  const markdown = output.replace(/(\.html?)?$/, '.md')
  const contents = new Map([
    [markdown, summaryMarkdown(summary)],
    [output, await sweepHtml(record, target)],
  ])
  await writeAllWhole(contents, { force })
  return { summary, markdown }
}

/**
 * Writes the summary that fits into a repository; `answers.md`, if it is there, stands at its top.
 *
 * @returns the files
 */
export async function writeSweepSummary(
  directory: string,
  output: string,
  { target, plan, force }: SweepReportOptions = {},
): Promise<{ readonly summary: SweepSummary; readonly files: readonly string[] }> {
  const record = await readSweepRecord(directory, plan)
  const answers = await readAnswers(path.join(output, answersFile))
  const files = await summaryFiles(record, {
    answers,
    target,
  })
  makeFolder(output)
  const contents = new Map([...files].map(([name, content]) => [path.join(output, name), content]))
  await writeAllWhole(contents, { force })
  return { summary: summarize(record, target), files: [...contents.keys()] }
}

async function readAnswers(file: string): Promise<string | undefined> {
  return existsSync(file) ? await readFile(file, 'utf8') : undefined
}
