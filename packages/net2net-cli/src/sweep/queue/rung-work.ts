/** A rung of an exploration's network, as a worker does it. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeWhole } from 'net2net/files'
import { usageError } from '../../errors.ts'
import { ExplorationFolder } from '../../exploration/exploration-folder.ts'
import type { RungProcesses } from '../../exploration/rung-processes.ts'
import { networkTitle } from '../../exploration/words.ts'
import { failureOf } from '../schedule/run-sweep.ts'
import { TrialCrash } from '../trial/fork-trial.ts'
import { type QueuedRung, rungId } from './parse-rung-job.ts'
import type { QueuedWork, WorkContext } from './queued-work.ts'
import type { RedisFiles } from './redis-files.ts'

export function rungWork(
  queued: QueuedRung,
  { folder: place, files, dataFolder }: WorkContext,
  processes: RungProcesses,
): QueuedWork {
  const { exploration, job, settings, commonFolder } = queued
  const id = rungId(queued)
  const folder = new ExplorationFolder(files ? path.join(place, exploration) : place)
  const store = async (bytes: Buffer, file: string) => {
    makeFolder(path.dirname(file))
    await writeWhole(file, bytes, { force: true })
  }

  /** What it starts from, and what was done of it before. */
  const fetch = async (from: RedisFiles): Promise<void> => {
    const start = await from.get(exploration, 'start')
    if (start) await store(start, folder.file('start'))
    else throw new TrialCrash('The network that the exploration began with is not in Redis.')
    const source = startOf(queued)
    if (source) {
      const network = await from.get(rungId({ exploration, job: source }), 'network')
      // The submitter has it, and adds the job again.
      if (!network) throw new TrialCrash('The network that it starts from is not in Redis.')
      await store(network, folder.rungFile(source, 'network'))
    }
    const unfinished = await from.get(id, 'unfinished')
    if (unfinished) await store(unfinished, folder.rungFile(job, 'unfinished'))
  }

  return {
    id,
    title: `exploration ${exploration}, ${networkTitle(job)}`,
    commonFolder,
    isHere: () => ExplorationFolder.isExploration(folder.path),
    async isDone() {
      if (!files) return existsSync(folder.rungFile(job, 'outcome'))
      return (await files.having([id], 'outcome')).has(id)
    },
    async run({ signal, onStart, onProgress }) {
      const data = dataOf(queued, files, dataFolder)
      if (files) await fetch(files)
      onStart()
      let uploads: Promise<unknown> = Promise.resolve()
      try {
        await processes.run(
          // Who submitted has written the settings into a common folder, and whoever reaches the Redis has not.
          {
            job,
            data,
            folder: folder.path,
            settings: files ? settings : await folder.readSettings(),
          },
          {
            signal,
            onProgress,
            // One that cannot be sent is followed by another.
            onUnfinished: (file) => {
              uploads = uploads.then(() => files?.upload(id, 'unfinished', file)).catch(() => {})
            },
          },
        )
      } finally {
        await uploads
      }
      if (!files) return
      for (const which of ['network', 'outcome'] as const)
        if (existsSync(folder.rungFile(job, which)))
          await files.upload(id, which, folder.rungFile(job, which))
      await files.remove(id, ['unfinished', 'failure'])
    },
    async giveUp(error) {
      const failure = failureOf(id, error)
      const text = JSON.stringify(failure)
      if (files) await files.putText(id, 'failure', text)
      else await writeWhole(folder.rungFile(job, 'failure'), text, { force: true })
      return failure.message
    },
    async follow() {},
  }
}

/** The rung that a job begins from; undefined for the first of the first network. */
export function startOf({ job: { network, rung, growth } }: Pick<QueuedRung, 'job'>) {
  return rung > 0 ? { network, rung: rung - 1 } : growth?.parent
}

/**
 * The data on this machine: what the worker was told, or those that the job names. A job names no file of this machine,
 * unless the machines share the folder.
 */
function dataOf(
  { settings }: QueuedRung,
  files: RedisFiles | undefined,
  own: string | undefined,
): string | undefined {
  const { spec } = settings.data
  const isName = /^[\w-]+$/.test(spec) && !existsSync(spec)
  if (own !== undefined || isName || !files) return own
  throw usageError(`The exploration is on ${spec}; say where that is on this machine: --data PATH.`)
}
