/** The trainings of this browser, kept in it with their networks, so that they are there after a reload. */
import { batch, computed, signal } from '@preact/signals'
import type { State } from '../../../src/server/api.ts'
import { heldLocks, holdLock, whenFree } from '../engine/tab-lock.ts'
import { stateParts } from '../train/own/kept.ts'
import { allRuns, type KeptRun, partOf, putRun, removeParts, removeRun } from './run-store.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** So many are kept, and of so many what it takes to go on: the newest. */
const most = 20
const mostStates = 3

/** Those that are kept, with those that go on in this tab; undefined until it is known. */
export const keptRuns = signal<ReadonlyMap<string, KeptRun> | undefined>(undefined)
/** Which go on, here or in another tab. */
const going = signal<ReadonlySet<string>>(new Set())

export const stateOf = ({ id, finished }: KeptRun): State =>
  finished ? 'finished' : going.value.has(id) ? 'running' : 'stopped'

/** Those that can go on here, the newest first. */
export const resumable = computed<readonly KeptRun[]>(() =>
  newestFirst(keptRuns.value?.values() ?? []).filter(
    ({ id, goOn }) => goOn !== undefined && !going.value.has(id),
  ),
)

const newestFirst = (runs: Iterable<KeptRun>): KeptRun[] =>
  [...runs].sort((a, b) => b.changed - a.changed)

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('net2net runs') : undefined
channel?.addEventListener('message', () => void read())

/** Reads what is kept. A browser that forbids it keeps nothing: there is what this tab has trained. */
export async function read(): Promise<void> {
  const before = removals
  const [found, held] = await Promise.all([allRuns().catch(() => []), heldLocks()])
  // What was found may have been taken away meanwhile.
  if (removals !== before) return read()
  const mine = [...(keptRuns.peek()?.values() ?? [])].filter(({ id }) => holding.has(id))
  const all = new Map([...found, ...mine].map((run) => [run.id, run]))
  const elsewhere = [...all.keys()].filter((id) => held.has(lockName(id)))
  batch(() => {
    keptRuns.value = all
    going.value = new Set([...elsewhere, ...holding.keys()])
  })
  for (const id of elsewhere) if (!holding.has(id)) watch(id)
}

let removals = 0

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
    const all = newestFirst(await putRun(run, models))
    for (const { id } of all.slice(most)) await forget(id)
    for (const old of all.filter(({ goOn }) => goOn).slice(mostStates)) {
      const { goOn: _, ...rest } = old
      await removeParts(old.id, stateParts)
      await putRun(rest, new Map())
      show(rest)
    }
  } catch {
    // Private windows and full disks: a reload will have lost it.
  }
  channel?.postMessage('changed')
}

/** Forgets all that this browser has of a run. */
export async function forget(id: string): Promise<void> {
  await removeRun(id).catch(() => undefined)
  removals++
  const rest = new Map(keptRuns.peek())
  rest.delete(id)
  keptRuns.value = rest
  channel?.postMessage('changed')
}

export const keptModel = (id: string, arm: string): Promise<Bytes | undefined> =>
  partOf(id, arm).catch(() => undefined) as Promise<Bytes | undefined>

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
