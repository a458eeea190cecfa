/** The explorations of a folder: listed; each as its report, which is made anew while it goes on, as data, and with its networks. */
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { encodeModel } from 'net2net'
import type { NetworkAtRung } from 'net2net/exploring'
import { ExplorationFolder, explorationFiles } from '../exploration/exploration-folder.ts'
import { explorationReport } from '../exploration/report/report.ts'
import { type ExplorationResults, frontFiles } from '../exploration/results.ts'
import { isLocked } from '../processes/folder-lock.ts'
import { reportPolicy } from '../report/html.ts'
import type { ExplorationContent, ExplorationSummary } from './api.ts'
import { fileUnder, isInside, isPlainName, pathSegments } from './files.ts'
import type { ApiReply, ApiRequest } from './server.ts'

/** Seconds after which the report of an exploration that goes on is loaded again. */
const refresh = 5
/** So many are listed: the newest. */
const most = 200
const mostBytes = 64 << 20

/** What a state of a results file says. */
interface Facts {
  readonly version: string
  /** undefined: no results of an exploration. */
  readonly summary: Pick<ExplorationSummary, 'bestLoss' | 'networks'> | undefined
  readonly finished: boolean
}

export class Explorations {
  readonly #folder: string
  readonly #facts = new Map<string, Facts>()

  constructor(folder: string) {
    this.#folder = folder
  }

  readonly api = async (request: ApiRequest): Promise<ApiReply | undefined> => {
    const [top, id, what, network, rung, ...rest] = pathSegments(request.path) ?? []
    if (top !== 'explorations' || id === undefined || rest.length > 0) return undefined
    if (request.method !== 'GET' || !(await this.#isExploration(id))) return undefined
    if (what === undefined) return this.#report(id)
    if (what === 'results' && network === undefined) return { json: await this.#content(id) }
    if (what === 'networks' && isNumber(network) && isNumber(rung))
      return this.#network(id, { network: Number(network), rung: Number(rung) })
    return undefined
  }

  async list(): Promise<readonly ExplorationSummary[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const found = await Promise.all(
      names.filter(isPlainName).map(async (id) => {
        const file = await this.#file(id, explorationFiles.results)
        return file === undefined ? [] : [{ id, file, facts: await stat(file) }]
      }),
    )
    const newest = found
      .flat()
      .sort((a, b) => b.facts.mtimeMs - a.facts.mtimeMs)
      .slice(0, most)
    const ids = new Set(newest.map(({ id }) => id))
    for (const id of this.#facts.keys()) if (!ids.has(id)) this.#facts.delete(id)
    const summaries = await Promise.all(
      newest.map(async ({ id, file, facts: { mtimeMs: changed, size, ino } }) => {
        const version = `${ino}:${size}:${changed}`
        const known = this.#facts.get(id)
        const facts =
          known?.version === version ? known : { version, ...(await factsOf(file, size)) }
        this.#facts.set(id, facts)
        const { summary, finished } = facts
        if (!summary) return []
        const goesOn = !finished && isLocked(path.join(this.#folder, id))
        const state = finished ? 'finished' : goesOn ? 'running' : 'stopped'
        return [{ id, changed, state, ...summary } as const]
      }),
    )
    return summaries.flat()
  }

  /** A file of an exploration, if it is there and no link leads out of the folder of runs. */
  #file(id: string, name: string): Promise<string | undefined> {
    return fileUnder(this.#folder, `${encodeURIComponent(id)}/${name.replaceAll(path.sep, '/')}`)
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

  async #report(id: string): Promise<ApiReply> {
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

  async #content(id: string): Promise<ExplorationContent> {
    const place = new ExplorationFolder(path.join(this.#folder, id))
    const { front, objectives, spent, trials } = await place.readResults()
    // Files are looked for by name here; what is handed out is looked at more closely.
    const [inFront, states] = await Promise.all(
      ['front', 'networks'].map(async (part) => {
        const names = await readdir(path.join(place.path, part), { recursive: true }).catch(
          () => [],
        )
        return new Set(names.map((name) => path.join(place.path, part, name)))
      }),
    )
    const files = trials.flatMap(({ network, rungs }) =>
      rungs
        .map(({ rung }) => ({ network, rung }))
        .filter(
          (at) =>
            inFront!.has(path.join(place.path, frontFiles(at).file)) ||
            states!.has(place.rungFile(at, 'network')),
        ),
    )
    return { front, objectives, spent, trials, files }
  }

  /** A network of the front is a file of its own; others lie beside the state of their training, while that is needed. */
  async #network(id: string, at: NetworkAtRung): Promise<ApiReply | undefined> {
    const downloadAs = `network-${at.network}-rung-${at.rung}.onnx`
    const file = await this.#file(id, frontFiles(at).file)
    if (file !== undefined) return { file, downloadAs }
    const state = new ExplorationFolder('').rungFile(at, 'network')
    if ((await this.#file(id, state)) === undefined) return undefined
    const { model } = await new ExplorationFolder(path.join(this.#folder, id)).read(at)
    return { bytes: encodeModel(model), downloadAs }
  }
}

const isNumber = (text: string | undefined): boolean => /^\d{1,9}$/.test(text ?? '')

async function factsOf(file: string, size: number): Promise<Omit<Facts, 'version'>> {
  const none = { summary: undefined, finished: false }
  if (size > mostBytes) return none
  try {
    const { finished, trials, front } = JSON.parse(
      await readFile(file, 'utf8'),
    ) as ExplorationResults
    return {
      finished,
      summary: { networks: trials.length, bestLoss: front[0]?.valLoss ?? null },
    }
  } catch {
    // Not one of ours, whatever it is called.
    return none
  }
}
