/** The runs of the folder that `net2net serve` shows, followed while they go on. */
import { batch, computed, effect, signal } from '@preact/signals'
import type { RunResults } from '../../../src/runs/results.ts'
import type { StepRecord } from '../../../src/runs/run-record.ts'
import type { RunSummary } from '../../../src/server/api.ts'
import type { Failure } from '../engine/protocol.ts'
import { escapeName, param, setParams, tab, unescapeName } from '../state.ts'
import { failureFrom } from '../ui/failure.tsx'
import { followEvents } from './events.ts'

export interface RunContent extends RunSummary {
  readonly message: string | null
  readonly results: RunResults | null
  readonly steps: readonly StepRecord[]
}

/** Whether a server with runs is behind this page: a static site has none. */
export const available = signal<boolean | undefined>(undefined)
export const folder = signal('')
export const list = signal<readonly RunSummary[]>([])
export const contents = signal<ReadonlyMap<string, RunContent>>(new Map())
export const failure = signal<Failure | undefined>(undefined)
/** The server was there and answers no more. */
export const lost = signal(false)

const chosenParam = param('runs')
/** No folder is called so: names that the address lists are escaped. */
const none = ','
/** The runs that are shown; the newest one where nothing is said of them. */
export const chosen = computed<readonly string[]>(() => {
  const text = chosenParam.value
  if (text !== '') return text.split(',').filter(Boolean).map(unescapeName)
  const newest = list.value[0]
  return newest === undefined ? [] : [newest.id]
})

export function choose(id: string, on: boolean): void {
  failure.value = undefined
  const others = chosen.peek().filter((name) => name !== id)
  setParams({ runs: (on ? [...others, id] : others).map(escapeName).join(',') || none })
}

/** Runs that are asked for and not there. */
export const unknown = computed<readonly string[]>(() =>
  available.value === true
    ? chosen.value.filter((id) => !list.value.some((run) => run.id === id))
    : [],
)

async function ask<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(`./api/${path}`, {
    ...(body === undefined
      ? {}
      : {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        }),
  }).catch(() => {
    throw new Error('The server does not answer.')
  })
  const isJson = response.headers.get('Content-Type')?.includes('json')
  if (!isJson) throw new Error(`${path}: ${response.status}`)
  const value = (await response.json()) as T | { readonly error: Failure }
  if (!response.ok) throw new Error((value as { error: Failure }).error.message)
  return value as T
}

async function refresh(): Promise<void> {
  const answer = await ask<{ folder: string; runs: RunSummary[] }>('runs')
  batch(() => {
    available.value = true
    folder.value = answer.folder
    list.value = answer.runs
  })
}

/** Follows the server's list while the tab is shown. */
export function follow(): () => void {
  let ended = false
  let stopEvents: (() => void) | undefined
  const versions = new Map<string, number>()
  const load = async (summary: RunSummary) => {
    versions.set(summary.id, summary.changed)
    try {
      const content = await ask<RunContent>(`runs/${encodeURIComponent(summary.id)}`)
      const next = new Map(contents.peek())
      next.set(summary.id, content)
      contents.value = next
    } catch (error) {
      failure.value = failureFrom(error)
    }
  }
  const stop = effect(() => {
    if (tab.value !== 'runs') return
    const wanted = chosen.value
    for (const summary of list.value)
      if (wanted.includes(summary.id) && versions.get(summary.id) !== summary.changed)
        void load(summary)
  })
  void refresh().then(
    () => {
      if (ended) return
      stopEvents = followEvents('./api/runs/events', ({ data, lost: silent }) => {
        lost.value = silent
        if (data !== undefined) list.value = (JSON.parse(data) as { runs: RunSummary[] }).runs
      })
    },
    () => {
      available.value = false
    },
  )
  return () => {
    ended = true
    stop()
    stopEvents?.()
  }
}

export interface StartSettings {
  readonly arms: readonly string[]
  readonly epochs: number
  readonly trainSize: number
  readonly testSize: number
  readonly batchSize: number
  readonly seed: number
}

export async function start(settings: StartSettings): Promise<void> {
  failure.value = undefined
  try {
    const { id } = await ask<{ id: string }>('runs', settings)
    await refresh()
    setParams({ runs: escapeName(id) })
  } catch (error) {
    failure.value = failureFrom(error)
  }
}

export async function stopRun(id: string): Promise<void> {
  try {
    await ask(`runs/${encodeURIComponent(id)}/stop`, {})
  } catch (error) {
    failure.value = failureFrom(error)
  }
}
