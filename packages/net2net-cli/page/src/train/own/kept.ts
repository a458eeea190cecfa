/**
 * Trainings are kept in this browser, so that they go on after the tab was closed. The page keeps what is trained; each worker
 * keeps how far its network is, and finds it there when it begins again.
 */
import { table } from '../../engine/database.ts'
import type { NamedBytes } from '../../engine/protocol.ts'
import { heldLocks, holdLock } from '../../engine/tab-lock.ts'
import type { ChosenDevice } from '../protocol.ts'
import type { ArmProgress, Beginning, OwnSettings } from './protocol.ts'

export interface KeptTraining {
  readonly id: string
  /** Of the network. */
  readonly name: string
  /** When it was kept last, in milliseconds since 1970. */
  readonly time: number
  readonly settings: OwnSettings
  readonly device: ChosenDevice
  readonly arms: readonly KeptArm[]
}

export interface KeptArm {
  readonly id: number
  readonly title: string
  readonly from: number
  readonly stepsBefore: number
  readonly threads: number
}

/** So many trainings are kept: of more, the oldest are removed. */
const most = 3

const trainings = table('net2net trainings')
const armKey = (training: string, arm: number, part: string) => `${training}/${arm}/${part}`

export const keepTraining = (training: KeptTraining): Promise<void> =>
  trainings.put(`${training.id}/training`, training)

export const keepFiles = (training: string, files: readonly NamedBytes[]): Promise<void> =>
  trainings.put(`${training}/files`, files)

export const keptFiles = async (training: string): Promise<readonly NamedBytes[]> =>
  ((await trainings.get(`${training}/files`)) as readonly NamedBytes[] | undefined) ?? []

export const keepBeginning = (training: string, arm: number, value: Beginning): Promise<void> =>
  trainings.put(armKey(training, arm, 'beginning'), value)

export const keptBeginning = (training: string, arm: number): Promise<Beginning | undefined> =>
  trainings.get(armKey(training, arm, 'beginning')) as Promise<Beginning | undefined>

export const keepProgress = (training: string, arm: number, value: ArmProgress): Promise<void> =>
  trainings.put(armKey(training, arm, 'progress'), value)

export const keptProgress = (training: string, arm: number): Promise<ArmProgress | undefined> =>
  trainings.get(armKey(training, arm, 'progress')) as Promise<ArmProgress | undefined>

export const forgetTraining = (training: string): Promise<void> => trainings.remove(`${training}/`)

/** What is kept, the newest first, but for what goes on in another tab. A browser that keeps nothing has none. */
export async function keptTrainings(): Promise<readonly KeptTraining[]> {
  try {
    const all = ((await trainings.ending('/training')) as KeptTraining[]).sort(
      (a, b) => b.time - a.time,
    )
    for (const { id } of all.slice(most)) await forgetTraining(id)
    const running = await heldLocks()
    return all.slice(0, most).filter(({ id }) => !running.has(lockName(id)))
  } catch {
    return []
  }
}

const lockName = (training: string) => `net2net training ${training}`

/** Tells other tabs that this one goes on with a training, until the function is called that comes back. */
export const hold = (training: string): (() => void) => holdLock(lockName(training))
