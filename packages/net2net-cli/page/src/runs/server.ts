/** The server behind the page, if there is one: its runs and explorations, followed while somebody looks. */
import { batch, signal } from '@preact/signals'
import type { RunResults } from '../../../src/runs/results.ts'
import type { StepRecord } from '../../../src/runs/run-record.ts'
import type {
  ExplorationContent,
  ExplorationSummary,
  FolderContent,
  RunSummary,
} from '../../../src/server/api.ts'
import type { Failure } from '../engine/protocol.ts'
import { followEvents } from './events.ts'

export interface RunContent extends RunSummary {
  readonly message: string | null
  readonly results: RunResults | null
  readonly steps: readonly StepRecord[]
}

/** Whether a server with runs is behind this page: a static site has none. */
export const available = signal<boolean | undefined>(undefined)
export const folder = signal('')
export const runs = signal<readonly RunSummary[]>([])
export const explorations = signal<readonly ExplorationSummary[]>([])
/** The server was there and answers no more. */
export const lost = signal(false)

/** @throws Error with the server's words */
export async function ask<T>(path: string, body?: unknown): Promise<T> {
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

function take(content: FolderContent): void {
  runs.value = content.runs
  explorations.value = content.explorations
}

export async function refresh(): Promise<void> {
  const answer = await ask<FolderContent & { readonly folder: string }>('runs')
  batch(() => {
    available.value = true
    folder.value = answer.folder
    take(answer)
  })
}

let asked: Promise<boolean> | undefined

/** Whether there is a server: asked once, since every question to a static site is a 404 in its logs. */
const connected = (): Promise<boolean> => {
  asked ??= refresh().then(
    () => true,
    () => {
      available.value = false
      return false
    },
  )
  return asked
}

/** Follows what the server has, until the function that it returns is called. */
export function followServer(): () => void {
  let ended = false
  let stop: (() => void) | undefined
  void connected().then((isThere) => {
    if (ended || !isThere) return
    stop = followEvents('./api/runs/events', ({ data, lost: silent }) => {
      batch(() => {
        lost.value = silent
        if (data !== undefined) take(JSON.parse(data) as FolderContent)
      })
    })
  })
  return () => {
    ended = true
    stop?.()
  }
}

export const runContent = (id: string): Promise<RunContent> => ask(`runs/${encodeURIComponent(id)}`)
export const explorationContent = (id: string): Promise<ExplorationContent> =>
  ask(`explorations/${encodeURIComponent(id)}/results`)
