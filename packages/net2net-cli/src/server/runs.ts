/** The runs and explorations of a folder: listed, read while they go on; runs are started and stopped in child processes. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError, usageError } from '../errors.ts'
import { nodeArguments, programFile } from '../package-files.ts'
import { reportHtml } from '../report/report.ts'
import { readResults, readRun } from '../runs/read-run.ts'
import type { RunRecord } from '../runs/run-record.ts'
import type { FolderContent, RunSummary } from './api.ts'
import { Explorations } from './explorations.ts'
import { fileUnder, isInside, pathSegments } from './files.ts'
import { Metrics } from './metrics.ts'
import { RunList } from './run-list.ts'
import type { ApiReply, ApiRequest } from './server.ts'
import { Watch } from './watch.ts'

/** A run that has not written for so long, and is no child of ours, goes on no more. */
const silence = 60_000
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

  readonly #runs: RunList
  readonly #metrics = new Metrics()
  readonly #explorations: Explorations
  readonly #watch: Watch

  /** `command`: how net2net is called, program first. */
  constructor(folder: string, command: readonly string[] = ourselves()) {
    this.#folder = folder
    this.#command = command
    this.#runs = new RunList(folder)
    this.#explorations = new Explorations(folder)
    this.#watch = new Watch(() => this.#everything())
  }

  readonly api = async (request: ApiRequest): Promise<ApiReply | undefined> => {
    const [top, id, what, arm, ...rest] = pathSegments(request.path) ?? []
    if (top === 'explorations') return this.#explorations.api(request)
    if (top !== 'runs' || rest.length > 0) return undefined
    if (request.method === 'POST') {
      if (id === undefined) return { status: 201, json: await this.#start(request.body) }
      if (what === 'stop' && arm === undefined) return { json: this.#stop(id) }
      return undefined
    }
    if (request.method !== 'GET') return undefined
    if (id === undefined) return { json: { folder: this.#folder, ...(await this.#everything()) } }
    if (id === 'events' && what === undefined)
      return { events: (signal) => this.#watch.events(signal) }
    if (what === undefined) return { json: await this.#read(id) }
    if (what === 'models' && arm !== undefined) {
      const path = `${encodeURIComponent(id)}/${encodeURIComponent(arm)}.onnx`
      const file = await fileUnder(this.#folder, path)
      return file === undefined
        ? undefined
        : { file, downloadAs: `${encodeURIComponent(arm)}.onnx` }
    }
    if (what === 'report' && arm === undefined)
      return {
        text: await reportHtml([await this.#record(id)]),
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

  async #everything(): Promise<FolderContent> {
    const [runs, explorations] = await Promise.all([this.#list(), this.#explorations.list()])
    return { runs, explorations }
  }

  async #list(): Promise<readonly RunSummary[]> {
    await this.#runs.look()
    return this.#summaries()
  }

  #summaries(): readonly RunSummary[] {
    // What was started here may not have a folder yet, or have failed before it had one.
    const names = new Set([...this.#runs.facts.keys(), ...this.#times.keys()])
    return [...names]
      .map((id) => this.#summary(id))
      .sort((a, b) => b.changed - a.changed || (a.id < b.id ? -1 : 1))
  }

  #summary(id: string): RunSummary {
    const facts = this.#runs.facts.get(id)
    const ours = this.#children.has(id)
    const changed = Math.max(facts?.changed ?? 0, this.#times.get(id) ?? 0)
    const failed = this.#messageOf(id) !== undefined
    const goesOn = ours || (!failed && Date.now() - changed < silence)
    const ended = this.#times.has(id) && !ours
    return {
      id,
      state: facts?.finished ? 'finished' : goesOn && !ended ? 'running' : 'stopped',
      changed,
      seed: facts?.seed ?? null,
      arms: facts?.arms ?? [],
      ours,
    }
  }

  /** Why a run failed, or why its results cannot be read. */
  readonly #messageOf = (id: string): string | undefined =>
    this.#messages.get(id) ?? this.#runs.facts.get(id)?.message

  async #read(id: string): Promise<unknown> {
    await this.#runs.look()
    const facts = this.#runs.facts.get(id)
    if (!facts && !this.#times.has(id))
      throw inputError(`There is no run called ${id} in ${this.#folder}.`)
    const folder = join(this.#folder, id)
    const metrics = await fileUnder(this.#folder, `${encodeURIComponent(id)}/metrics.jsonl`)
    return {
      ...this.#summary(id),
      message: this.#messageOf(id) ?? null,
      results: facts?.version && !facts.message ? await readResults(folder) : null,
      steps: metrics === undefined ? [] : await this.#metrics.stepsOf(metrics),
    }
  }

  /** A run's record, if no link in its folder leads out of the folder of runs. */
  async #record(id: string): Promise<RunRecord> {
    const folder = join(this.#folder, id)
    for (const name of ['', ...(await readdir(folder).catch(() => []))])
      if (!(await isInside(this.#folder, join(folder, name))))
        throw inputError(`${id} is not reported: ${name || 'it'} is not in ${this.#folder}.`)
    return readRun(folder)
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

/** `20260131-235959`, in local time. */
function timestamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('')
  return `${date}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`
}
