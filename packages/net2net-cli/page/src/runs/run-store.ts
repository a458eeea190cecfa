/**
 * The trainings of this browser in its IndexedDB: a record of each, and by its name and that of the part what else is kept of it:
 * networks, and what it takes to go on. They go nowhere else.
 */
import type { StepRecord } from '../../../src/runs/run-record.ts'
import { database } from '../engine/database.ts'
import type { OwnSettings } from '../train/own/protocol.ts'
import type { ChosenDevice } from '../train/protocol.ts'
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
  /** Where it stands in a training that can go on. */
  readonly place?: { readonly id: number; readonly from: number; readonly stepsBefore: number }
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
  /** How it goes on, as long as what that takes is kept. */
  readonly goOn?: { readonly settings: OwnSettings; readonly device: ChosenDevice } | undefined
}

const transact = database('net2net runs', { runs: { keyPath: 'id' }, models: {} })

const partKey = (run: string, part: string) => `${run}/${part}`
/** All keys of parts that begin so: no key has a character above. */
const partsOf = (run: string, beginning = '') =>
  IDBKeyRange.bound(partKey(run, beginning), `${partKey(run, beginning)}\uffff`)

export const allRuns = (): Promise<readonly KeptRun[]> =>
  transact<KeptRun[]>('readonly', ({ runs }) => runs.getAll())

/**
 * Keeps a record with parts of the run, all or nothing, and gives all records.
 *
 * @throws DOMException QuotaExceededError where the browser gives no more room
 */
export const putRun = (
  run: KeptRun,
  parts: ReadonlyMap<string, unknown>,
): Promise<readonly KeptRun[]> =>
  transact<KeptRun[]>('readwrite', ({ runs, models }) => {
    for (const [part, value] of parts) models.put(value, partKey(run.id, part))
    runs.put(run)
    return runs.getAll()
  })

/** Removes a record, and all parts of the run. */
export async function removeRun(id: string): Promise<void> {
  await transact('readwrite', ({ runs, models }) => {
    models.delete(partsOf(id))
    return runs.delete(id)
  })
}

/** @throws DOMException QuotaExceededError where the browser gives no more room */
export async function putPart(run: string, part: string, value: unknown): Promise<void> {
  await transact('readwrite', ({ models }) => models.put(value, partKey(run, part)))
}

export const partOf = (run: string, part: string): Promise<unknown> =>
  transact<unknown>('readonly', ({ models }) => models.get(partKey(run, part)))

/** Removes the parts of a run whose names begin so. */
export async function removeParts(run: string, beginning: string): Promise<void> {
  await transact('readwrite', ({ models }) => models.delete(partsOf(run, beginning)))
}
