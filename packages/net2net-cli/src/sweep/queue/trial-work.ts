/** A trial of a sweep, as a worker does it. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeWhole } from 'net2net/files'
import { failureOf } from '../schedule/run-sweep.ts'
import { forkTrial, TrialCrash } from '../trial/fork-trial.ts'
import { SweepFolder } from '../trial/sweep-folder.ts'
import { trialTitle } from '../trial/trial.ts'
import type { TrialJob } from './queue.ts'
import type { QueuedWork, WorkContext } from './queued-work.ts'

export function trialWork(
  { trial, checkpointSeconds, commonFolder, children }: TrialJob,
  { folder: place, files, dataFolder }: WorkContext,
  add: (job: TrialJob) => Promise<void>,
): QueuedWork {
  const { id, spec } = trial
  const folder = new SweepFolder(place)

  /** What the trial starts from, and its last checkpoint. */
  const fetch = async (): Promise<void> => {
    makeFolder(path.join(folder.path, 'trials'))
    if (!files) return
    const { parent } = spec
    const wanted = spec.carryOptimizer ? (['model', 'state'] as const) : (['model'] as const)
    for (const which of parent === undefined ? [] : wanted) {
      const bytes = await files.get(parent!, which)
      if (bytes) await folder.write(parent!, which, bytes)
      // The submitter has it, and will see that the trial waits for it.
      else throw new TrialCrash(`The ${which} that the trial starts from is not in Redis.`)
    }
    const checkpoint = await files.get(id, 'checkpoint')
    if (!checkpoint) return
    await folder.removeCheckpoints(id)
    makeFolder(folder.checkpoints(id))
    const file = path.join(folder.checkpoints(id), 'checkpoint-0000000001.n2n')
    await writeWhole(file, checkpoint, { force: true })
  }

  return {
    id,
    title: trialTitle(trial),
    commonFolder,
    isHere: () => existsSync(folder.trial(id)),
    async isDone() {
      if (!files) return folder.isFinished(trial)
      // Another sweep may have trained it without keeping its state.
      const needed = trial.keepState ? (['result', 'state'] as const) : (['result'] as const)
      const there = await Promise.all(needed.map((which) => files.having([id], which)))
      return there.every((ids) => ids.has(id))
    },
    async run({ signal, onStart, onProgress }) {
      let uploads: Promise<unknown> = Promise.resolve()
      try {
        await fetch()
        onStart()
        await forkTrial(
          { trial, folder: folder.path, checkpointSeconds, dataFolder },
          {
            signal,
            onProgress,
            // One that cannot be sent is followed by another.
            onCheckpoint: (file) => {
              uploads = uploads.then(() => files?.upload(id, 'checkpoint', file)).catch(() => {})
            },
          },
        )
      } finally {
        await uploads
      }
      await files?.put(trial, folder)
    },
    async giveUp(error) {
      const failure = failureOf(id, error)
      if (files) await files.putText(id, 'failure', JSON.stringify(failure))
      else await folder.saveFailure(failure)
      return failure.message
    },
    async follow() {
      for (const child of children) await add(child)
    },
  }
}
