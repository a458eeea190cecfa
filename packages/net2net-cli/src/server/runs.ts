/** The runs of a folder: listed, read while they go on, started and stopped in child processes. */

import { type ChildProcess, spawn } from 'node:child_process'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError, usageError } from '../errors.ts'
import { nodeArguments, programFile } from '../package-files.ts'
import { reportHtml } from '../report/report.ts'
import { parseMetrics, readResults, readRun, type StoredResults } from '../runs/read-run.ts'
import type { StepRecord } from '../runs/run-record.ts'
import { fileUnder, isPlainName, pathSegments } from './files.ts'
import type { ApiReply, ApiRequest } from './server.ts'

/** A run as the list shows it. */
interface RunSummary {
  readonly id: string
  readonly state: 'running' | 'finished' | 'stopped'
  /** Milliseconds since 1970 of the last change. */
  readonly changed: number
  readonly seed: number | null
  readonly arms: readonly string[]
  /** Can this server stop it? */
  readonly ours: boolean
}

/** A run as its folder and its process show it. */
interface RunState {
  readonly summary: RunSummary
  readonly results: StoredResults | undefined
  /** Why it failed, or why its results cannot be read. */
  readonly message: string | undefined
}

/** A run that has not written for so long, and is no child of ours, goes on no more. */
const silence = 60_000
/** How often the folder is looked at for whoever watches it. */
const interval = 700
const mostMetrics = 64 << 20

const startSchema = z.strictObject({
  arms: z
    .array(z.string().regex(/^[a-z0-9_]+$/))
    .min(1)
    .max(20),
  epochs: z.number().int().min(1).max(1000),
  trainSize: z.number().int().min(1).max(60_000),
  testSize: z.number().int().min(1).max(10_000),
  batchSize: z.number().int().min(1).max(4096),
  seed: z.number().int().min(0).max(0xffffffff),
})

export class Runs {
  readonly #folder: string
  readonly #command: readonly string[]
  readonly #children = new Map<string, ChildProcess>()
  /** When a run that was started here began or ended, in milliseconds since 1970. */
  readonly #times = new Map<string, number>()
  /** The last words of a run that failed. */
  readonly #messages = new Map<string, string>()

  /** `command`: how net2net is called, program first. */
  constructor(folder: string, command: readonly string[] = ourselves()) {
    this.#folder = folder
    this.#command = command
  }

  readonly api = async (request: ApiRequest): Promise<ApiReply | undefined> => {
    const [top, id, what, arm, ...rest] = pathSegments(request.path) ?? []
    if (top !== 'runs' || rest.length > 0) return undefined
    if (request.method === 'POST') {
      if (id === undefined) return { status: 201, json: await this.#start(request.body) }
      if (what === 'stop' && arm === undefined) return { json: this.#stop(id) }
      return undefined
    }
    if (request.method !== 'GET') return undefined
    if (id === undefined) return { json: { folder: this.#folder, runs: await this.#list() } }
    if (id === 'events' && what === undefined) return { events: (signal) => this.#watch(signal) }
    if (what === undefined) return { json: await this.#read(id) }
    if (what === 'models' && arm !== undefined) {
      const file = await fileUnder(join(this.#folder, id), `/${encodeURIComponent(arm)}.onnx`)
      return file === undefined
        ? undefined
        : { file, downloadAs: `${encodeURIComponent(arm)}.onnx` }
    }
    if (what === 'report' && arm === undefined)
      return {
        text: await reportHtml([await readRun(join(this.#folder, id))]),
        headers: {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Disposition': 'attachment; filename="report.html"',
        },
      }
    return undefined
  }

  /** Ends what was started here. */
  async close(): Promise<void> {
    for (const child of this.#children.values()) child.kill('SIGINT')
  }

  async #list(): Promise<readonly RunSummary[]> {
    const found = await readdir(this.#folder).catch(() => [] as string[])
    // What was started here may not have a folder yet, or have failed before it had one.
    const names = new Set([...found.filter(isPlainName), ...this.#times.keys()])
    const runs = await Promise.all([...names].map((name) => this.#look(name)))
    return runs
      .flatMap((run) => (run === undefined ? [] : [run.summary]))
      .sort((a, b) => b.changed - a.changed || a.id.localeCompare(b.id))
  }

  async #look(id: string): Promise<RunState | undefined> {
    const folder = join(this.#folder, id)
    const times = await Promise.all(
      ['results.json', 'metrics.jsonl'].map((file) =>
        stat(join(folder, file)).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      ),
    )
    const changed = Math.max(...times, this.#times.get(id) ?? 0)
    if (changed === 0) return undefined
    let results: StoredResults | undefined
    let message = this.#messages.get(id)
    if (times[0] !== 0)
      try {
        results = await readResults(folder)
      } catch (error) {
        message ??= error instanceof Error ? error.message : String(error)
      }
    const ours = this.#children.has(id)
    const goesOn = ours || (message === undefined && Date.now() - changed < silence)
    const ended = this.#times.has(id) && !ours
    return {
      results,
      message,
      summary: {
        id,
        state: results?.finished ? 'finished' : goesOn && !ended ? 'running' : 'stopped',
        changed,
        seed: results?.seed ?? null,
        arms: results?.arms.map((arm) => arm.name) ?? [],
        ours,
      },
    }
  }

  async #read(id: string): Promise<unknown> {
    const run = await this.#look(id)
    if (run === undefined) throw inputError(`There is no run called ${id} in ${this.#folder}.`)
    return {
      ...run.summary,
      message: run.message ?? null,
      results: run.results ?? null,
      steps: await readSteps(join(this.#folder, id, 'metrics.jsonl')),
    }
  }

  /** Yields the list whenever something in the folder has changed. */
  async *#watch(signal: AbortSignal): AsyncGenerator<unknown> {
    let last = ''
    while (!signal.aborted) {
      const runs = await this.#list()
      const text = JSON.stringify(runs)
      if (text !== last) yield { runs }
      last = text
      await new Promise((resolve) => setTimeout(resolve, interval))
    }
  }

  async #start(body: unknown): Promise<{ readonly id: string }> {
    const parsed = startSchema.safeParse(body)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw usageError(
        `The run cannot be started: ${issue!.path.join('.') || 'the settings'}: ${schemaMessage(issue!)}.`,
      )
    }
    if (this.#children.size > 0)
      throw usageError('A run is going on already; stop it, or wait for its end.')
    const { arms, epochs, trainSize, testSize, batchSize, seed } = parsed.data
    const id = `mnist-${timestamp(new Date())}`
    const [program, ...first] = this.#command
    const child = spawn(
      program!,
      [
        ...first,
        'mnist',
        ...['--arms', arms.join(',')],
        ...['--epochs', String(epochs)],
        ...['--train-size', String(trainSize)],
        ...['--test-size', String(testSize)],
        ...['--batch-size', String(batchSize)],
        ...['--seed', String(seed)],
        ...['-o', join(this.#folder, id)],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.#children.set(id, child)
    this.#times.set(id, Date.now())
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-4000)
    })
    child.on('error', (error) =>
      this.#messages.set(id, `The run cannot be started: ${error.message}.`),
    )
    child.on('close', (code) => {
      this.#children.delete(id)
      this.#times.set(id, Date.now())
      const last = words.trim().split('\n').at(-1)
      if (code !== 0 && last) this.#messages.set(id, last.replace(/^net2net: /, ''))
    })
    return { id }
  }

  #stop(id: string): { readonly stopped: boolean } {
    const child = this.#children.get(id)
    child?.kill('SIGINT')
    return { stopped: child !== undefined }
  }
}

/** This very program. */
const ourselves = (): readonly string[] => [
  process.execPath,
  ...nodeArguments(),
  programFile('cli/main'),
]

/** At most a thousand points per arm: what a curve can show. */
async function readSteps(file: string): Promise<readonly StepRecord[]> {
  const handle = await open(file).catch(() => undefined)
  if (handle === undefined) return []
  try {
    const { size } = await handle.stat()
    const length = Math.min(size, mostMetrics)
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    const steps = parseMetrics(buffer.toString('utf8'))
    const counts = new Map<string, number>()
    for (const { arm } of steps) counts.set(arm, (counts.get(arm) ?? 0) + 1)
    const seen = new Map<string, number>()
    return steps.filter(({ arm }) => {
      const index = seen.get(arm) ?? 0
      seen.set(arm, index + 1)
      return index % Math.ceil(counts.get(arm)! / 1000) === 0
    })
  } finally {
    await handle.close()
  }
}

/** `20260131-235959`, in local time. */
function timestamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('')
  return `${date}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`
}
