/** The trainings of this browser, kept in it with their networks, so that they are there after a reload. They go nowhere else. */
import { signal } from '@preact/signals'
import type { StepRecord } from '../../../src/runs/run-record.ts'
import type { State } from '../../../src/server/api.ts'
import { database } from '../engine/database.ts'
import { heldLocks, holdLock, whenFree } from '../engine/tab-lock.ts'
import type { Reached } from '../train/results.tsx'

export interface KeptArm extends Reached {
  readonly name: string
  /** undefined: the experiment's arm of that name. */
  readonly title?: string
  readonly threads: number
  /** Epochs since growth before it began, where it grew on the way. */
  readonly epochsBefore?: number
  /** Whether its network is kept. */
  readonly hasModel: boolean
}

export interface KeptRun {
  readonly id: string
  /** The network's name; undefined: the experiment. */
  readonly title?: string | undefined
  readonly data: string
  /** Milliseconds since 1970. */
  readonly changed: number
  /** Whether all epochs were made. */
  readonly finished: boolean
  readonly seed: number
  readonly epochs: number
  readonly batchSize: number
  readonly arms: readonly KeptArm[]
  /** A step is counted from the moment of growth, or from the arm's first. */
  readonly steps: readonly StepRecord[]
}
type Bytes = Uint8Array<ArrayBuffer>

/** So many are kept: the newest. */
const most = 20

/** Those that are kept, with those that go on in this tab; undefined until it is known. */
export const keptRuns = signal<ReadonlyMap<string, KeptRun> | undefined>(undefined)
/** Which go on, here or in another tab. */
const going = signal<ReadonlySet<string>>(new Set())

export const stateOf = ({ id, finished }: KeptRun): State =>
  finished ? 'finished' : going.value.has(id) ? 'running' : 'stopped'

const transact = database('net2net runs', { runs: { keyPath: 'id' }, models: {} })

const modelKey = (id: string, arm: string) => `${id}/${arm}`
/** All keys of a run's networks: no key has a character above. */
const modelsOf = (id: string) => IDBKeyRange.bound(`${id}/`, `${id}/\uffff`)

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('net2net runs') : undefined
channel?.addEventListener('message', () => void read())

/** Reads what is kept. A browser that forbids it keeps nothing. */
export async function read(): Promise<void> {
  let found: readonly KeptRun[] = []
  try {
    found = (await transact('readonly', ({ runs }) => runs.getAll())) as KeptRun[]
  } catch {
    // Private windows: there is what this tab has trained.
  }
  const mine = [...(keptRuns.peek() ?? new Map<string, KeptRun>()).values()].filter(({ id }) =>
    holding.has(id),
  )
  keptRuns.value = new Map([...found, ...mine].map((run) => [run.id, run]))
  const elsewhere = await heldElsewhere()
  going.value = new Set([...elsewhere, ...holding.keys()])
  for (const id of elsewhere) if (!holding.has(id)) watch(id)
}

const watched = new Set<string>()

/** Reads again when another tab lets go of a run, be it closed. */
function watch(id: string): void {
  if (watched.has(id)) return
  watched.add(id)
  whenFree(lockName(id), () => {
    watched.delete(id)
    void read()
  })
}

/** Shows how a run is now, without keeping it. */
export function show(run: KeptRun): void {
  keptRuns.value = new Map([...(keptRuns.peek() ?? []), [run.id, run]])
}

/** Keeps a run as it is now, with networks of its arms. */
export async function keep(run: KeptRun, models: ReadonlyMap<string, Bytes>): Promise<void> {
  show(run)
  try {
    const all = (await transact('readwrite', ({ runs, models: networks }) => {
      for (const [arm, bytes] of models) networks.put(bytes, modelKey(run.id, arm))
      runs.put(run)
      return runs.getAll()
    })) as KeptRun[]
    const old = all.sort((a, b) => b.changed - a.changed).slice(most)
    for (const { id } of old) await forget(id)
  } catch {
    // Private windows and full disks: a reload will have lost it.
  }
  channel?.postMessage('changed')
}

export async function forget(id: string): Promise<void> {
  await transact('readwrite', ({ runs, models: networks }) => {
    networks.delete(modelsOf(id))
    return runs.delete(id)
  }).catch(() => undefined)
  const rest = new Map(keptRuns.peek())
  rest.delete(id)
  keptRuns.value = rest
  channel?.postMessage('changed')
}

export async function keptModel(id: string, arm: string): Promise<Bytes | undefined> {
  const bytes = await transact('readonly', ({ models }) => models.get(modelKey(id, arm))).catch(
    () => undefined,
  )
  return bytes as Bytes | undefined
}

/** A run goes on as long as a tab holds the lock of its name: a tab that is closed lets go of it. */
const lockName = (id: string) => `run ${id} goes on`
const holding = new Map<string, () => void>()

export function hold(id: string): void {
  holding.set(id, holdLock(lockName(id)))
  going.value = new Set([...going.peek(), id])
}

export function release(id: string): void {
  holding.get(id)?.()
  holding.delete(id)
  going.value = new Set([...going.peek()].filter((other) => other !== id))
}

async function heldElsewhere(): Promise<readonly string[]> {
  const held = await heldLocks()
  return [...(keptRuns.peek() ?? new Map<string, KeptRun>()).keys()].filter((id) =>
    held.has(lockName(id)),
  )
}
