/**
 * What it takes to go on with a training after its tab was closed: parts of the kept run. The page keeps with what each network
 * begins; each worker keeps how far its network is, and finds it there when it begins again.
 */
import type { NamedBytes } from '../../engine/protocol.ts'
import { partOf, putPart } from '../../runs/run-store.ts'
import type { ArmKey, ArmProgress, Beginning } from './protocol.ts'

/** How the names of these parts begin. */
export const stateParts = 'state/'

const filesPart = `${stateParts}files`
const armPart = (arm: number, part: 'beginning' | 'progress') => `${stateParts}${arm}/${part}`

export const keepFiles = (training: string, files: readonly NamedBytes[]): Promise<void> =>
  putPart(training, filesPart, files)

export const keptFiles = async (training: string): Promise<readonly NamedBytes[]> =>
  ((await partOf(training, filesPart)) as readonly NamedBytes[] | undefined) ?? []

export const keepBeginning = ({ training, arm }: ArmKey, value: Beginning): Promise<void> =>
  putPart(training, armPart(arm, 'beginning'), value)

export const keptBeginning = ({ training, arm }: ArmKey): Promise<Beginning | undefined> =>
  partOf(training, armPart(arm, 'beginning')) as Promise<Beginning | undefined>

export const keepProgress = ({ training, arm }: ArmKey, value: ArmProgress): Promise<void> =>
  putPart(training, armPart(arm, 'progress'), value)

export const keptProgress = ({ training, arm }: ArmKey): Promise<ArmProgress | undefined> =>
  partOf(training, armPart(arm, 'progress')) as Promise<ArmProgress | undefined>
