/** The explorations of a folder: listed, and each shown as its report, which is made anew while it goes on. */
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { ExplorationFolder, explorationFiles } from '../exploration/exploration-folder.ts'
import { explorationReport } from '../exploration/report/report.ts'
import type { ExplorationResults } from '../exploration/results.ts'
import { reportPolicy } from '../report/html.ts'
import type { ExplorationSummary } from './api.ts'
import { fileUnder, isInside, isPlainName, pathSegments } from './files.ts'
import type { ApiReply, ApiRequest } from './server.ts'

/** Seconds after which the report of an exploration that goes on is loaded again. */
const refresh = 5
/** So many are listed: the newest. */
const most = 200
const mostBytes = 64 << 20

export class Explorations {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  readonly api = async (request: ApiRequest): Promise<ApiReply | undefined> => {
    const [top, id, ...rest] = pathSegments(request.path) ?? []
    if (top !== 'explorations' || rest.length > 0 || request.method !== 'GET') return undefined
    if (id === undefined) return { json: { explorations: await this.#list() } }
    if (!(await this.#isExploration(id))) return undefined
    const text = await explorationReport(path.join(this.#folder, id), refresh)
    return {
      text,
      headers: {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': `${reportPolicy(text)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
        'Cache-Control': 'no-store',
      },
    }
  }

  /** Whether all that its report reads lies in the folder of runs. */
  async #isExploration(id: string): Promise<boolean> {
    const folder = path.join(this.#folder, id)
    if (!ExplorationFolder.isExploration(folder)) return false
    const front = await readdir(path.join(folder, 'front')).catch(() => [])
    const read = [
      '.',
      explorationFiles.settings,
      explorationFiles.results,
      ...front.map((name) => path.join('front', name)),
    ]
    for (const name of read)
      if (!(await isInside(this.#folder, path.join(folder, name)))) return false
    return true
  }

  async #list(): Promise<readonly ExplorationSummary[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const found = await Promise.all(
      names.filter(isPlainName).map(async (id) => {
        const file = await fileUnder(
          this.#folder,
          `${encodeURIComponent(id)}/${explorationFiles.results}`,
        )
        return file === undefined ? [] : [{ id, file, changed: (await stat(file)).mtimeMs }]
      }),
    )
    const newest = found
      .flat()
      .sort((a, b) => b.changed - a.changed)
      .slice(0, most)
    const summaries = await Promise.all(newest.map(summaryOf))
    return summaries.flat()
  }
}

async function summaryOf({
  id,
  file,
  changed,
}: {
  readonly id: string
  readonly file: string
  readonly changed: number
}): Promise<readonly ExplorationSummary[]> {
  try {
    if ((await stat(file)).size > mostBytes) return []
    const { finished, trials, front } = JSON.parse(
      await readFile(file, 'utf8'),
    ) as ExplorationResults
    return [{ id, changed, finished, networks: trials.length, bestLoss: front[0]?.valLoss ?? null }]
  } catch {
    // Not one of ours, whatever it is called.
    return []
  }
}
