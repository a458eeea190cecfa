/** Jobs of explorations. Whoever reaches the Redis can put jobs there: they are read like a file from a stranger. */
import { createHash } from 'node:crypto'
import type { NetworkAtRung, RungJob } from 'net2net/exploring'
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError } from '../../errors.ts'
import { rungJob } from '../../exploration/record-schema.ts'
import { type ExplorationSettings, explorationSettings } from '../../exploration/settings.ts'

const queuedRung = z.strictObject({
  kind: z.literal('rung'),
  exploration: z.string().regex(/^e[0-9a-f]{16}$/),
  settings: explorationSettings,
  commonFolder: z.boolean(),
  job: rungJob,
})

/** A job of an exploration in the queue. */
export interface QueuedRung {
  readonly kind: 'rung'
  /** See `explorationId`. */
  readonly exploration: string
  readonly settings: ExplorationSettings
  /** Whether the workers see the exploration's folder; otherwise files travel through Redis. */
  readonly commonFolder: boolean
  readonly job: RungJob
}

export const isRungJob = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'rung'

/** @throws input, saying what is wrong where */
export function parseRungJob(data: unknown): QueuedRung {
  const { success, data: value, error } = queuedRung.safeParse(data)
  if (success) return value
  const [issue] = error.issues
  throw inputError(`The job is not valid: ${issue!.path.join('.')} ${schemaMessage(issue!)}.`)
}

/** The identity of a job: adding it twice adds it once. */
export const rungId = ({
  exploration,
  job,
}: {
  readonly exploration: string
  readonly job: NetworkAtRung
}): string => `${exploration}-n${job.network}-r${job.rung}`

/** The name of an exploration among those that share a queue: the same whenever it is gone on with. */
export const explorationId = (folder: string, settings: unknown): string =>
  `e${createHash('sha256')
    .update(JSON.stringify([folder, settings]))
    .digest('hex')
    .slice(0, 16)}`
