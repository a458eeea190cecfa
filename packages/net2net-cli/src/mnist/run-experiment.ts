/** Runs the experiment in Node: the teacher first, then its students, several at a time. */

import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { load, type Model, Net2NetError } from 'net2net'
import { nodeRuntime } from 'net2net/runtime'
import { internalError } from '../errors.ts'
import { nodeArguments, programFile } from '../package-files.ts'
import { supervise } from '../processes/child-process.ts'
import type { ArmEvent, ArmResult, RunResults } from '../runs/results.ts'
import { RunFolder } from '../runs/run-folder.ts'
import type { ArmTask } from './arm-process.ts'
import { type Arm, selectArms, teacherArm } from './arms.ts'
import { type DataSettings, loadRunData } from './data.ts'
import { trainArm } from './train-arm.ts'

export interface RunOptions extends DataSettings {
  readonly seed: number
  readonly epochs: number
  readonly batchSize: number
  readonly arms: readonly string[]
  /** Where results and networks go. */
  readonly directory: string
  /** Replace what a former run left there. */
  readonly force?: boolean | undefined
  /** How many arms are trained at the same time, once the teacher is. Default 2. */
  readonly jobs?: number | undefined
  /** Threads per arm. Default: all cores for the teacher, half of them for the others. */
  readonly threads?: number | undefined
  /** For the record: the command that makes this run again. */
  readonly command: string
  readonly signal?: AbortSignal | undefined
  readonly onEvent: (event: RunEvent) => void
}

export type RunEvent =
  | ArmEvent
  | { readonly kind: 'download'; readonly url: string }
  | {
      readonly kind: 'data'
      /** Shapes as Keras prints them: images and one-hot labels. */
      readonly shapes: Readonly<Record<'xTrain' | 'yTrain' | 'xTest' | 'yTest', readonly number[]>>
      readonly jobs: number
      readonly arms: readonly Arm[]
    }

/**
 * The teacher, on which all others wait, is trained with all cores; the other arms with half of
 * them each, two at a time: faster than one after the other with all. The number of threads may
 * decide the last bits, so it follows from the machine alone, not from `jobs` or the load, and
 * is recorded with each arm.
 */
const teacherThreads = (): number => availableParallelism()
const otherThreads = (): number => Math.max(1, Math.floor(availableParallelism() / 2))
const defaultJobs = (): number => Math.min(2, availableParallelism())

/**
 * Runs the arms and keeps everything in the folder, after each epoch: an interrupted run leaves
 * what was finished usable.
 *
 * @throws usage for unknown arms or a folder in use; input for data; interrupted
 */
export async function runExperiment(options: RunOptions): Promise<RunResults> {
  const { seed, epochs, batchSize, directory, signal, onEvent } = options
  const selected = selectArms(options.arms)
  const independent = selected.filter((arm) => arm !== teacherArm)
  const jobs = Math.max(1, Math.min(options.jobs ?? defaultJobs(), independent.length))
  const data = await loadRunData(options, {
    signal,
    onDownload: (url) => onEvent({ kind: 'download', url }),
  })
  const folder = RunFolder.create(directory, { force: options.force ?? false })
  const classes = data.train.classes?.length ?? 0
  const images = data.train.inputs.input!.dims
  onEvent({
    kind: 'data',
    shapes: {
      xTrain: [data.train.length, ...images],
      yTrain: [data.train.length, classes],
      xTest: [data.test.length, ...images],
      yTest: [data.test.length, classes],
    },
    jobs,
    arms: selected,
  })

  const record = new RunRecord(options, folder, selected, {
    trainSize: data.train.length,
    testSize: data.test.length,
  })
  const shared = { seed, epochs, batchSize, signal }
  let teacher: Model | undefined
  const here = async (arm: Arm, threads: number) => {
    const { model } = await trainArm(arm, teacher, {
      ...shared,
      ...data,
      threads,
      runtime: nodeRuntime,
      onEvent: record.take,
      onModel: (network) => folder.saveModel(arm.name, network),
    })
    return model
  }
  const apart = (arm: Arm) =>
    trainApart(
      {
        ...shared,
        arm: arm.name,
        data: options,
        threads: options.threads ?? otherThreads(),
        output: folder.modelFile(arm.name),
        ...(arm.student ? { teacher: folder.modelFile(teacherArm.name) } : {}),
      },
      record.take,
      signal,
    )
  try {
    if (selected.includes(teacherArm))
      teacher = await here(teacherArm, options.threads ?? teacherThreads())
    // A student starts from the file, whether it is trained here or apart: the same bits.
    if (teacher) teacher = await load(folder.modelFile(teacherArm.name))
    const waiting = [...independent]
    const work = async () => {
      for (let arm = waiting.shift(); arm; arm = waiting.shift())
        if (jobs === 1) await here(arm, options.threads ?? otherThreads())
        else await apart(arm)
    }
    const outcomes = await Promise.allSettled(Array.from({ length: jobs }, work))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    return await record.finish(true)
  } catch (error) {
    await record.finish(false)
    throw error
  } finally {
    folder.close()
  }
}

/** What has happened so far, in memory and in the folder. */
class RunRecord {
  readonly #options: RunOptions
  readonly #folder: RunFolder
  readonly #arms = new Map<string, ArmResult | undefined>()
  readonly #sizes: { readonly trainSize: number; readonly testSize: number }
  readonly #started = new Date()
  /** Writes of results.json follow one another. */
  #saving: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(
    options: RunOptions,
    folder: RunFolder,
    arms: readonly Arm[],
    sizes: { readonly trainSize: number; readonly testSize: number },
  ) {
    this.#options = options
    this.#folder = folder
    this.#sizes = sizes
    for (const { name } of arms) this.#arms.set(name, undefined)
  }

  readonly take = (event: ArmEvent): void => {
    if (event.kind === 'start') this.#arms.set(event.arm.name, event.arm)
    else if (event.kind === 'progress') this.#folder.appendMetrics(event.metrics)
    else {
      const { arm, step, result } = event
      const { epoch, valLoss, valAccuracy } = result
      this.#folder.appendMetrics({ arm, epoch, step, valLoss, valAccuracy })
      const before = this.#arms.get(arm)!
      this.#arms.set(arm, {
        ...before,
        epochs: [...before.epochs, result],
        model: `${arm}.onnx`,
      })
      this.#save(this.#results(false))
    }
    this.#options.onEvent(event)
  }

  async finish(finished: boolean): Promise<RunResults> {
    const results = this.#results(finished)
    this.#save(results)
    await this.#saving
    if (finished && this.#failure !== undefined) throw this.#failure
    return results
  }

  #save(results: RunResults): void {
    this.#saving = this.#saving
      .then(() => this.#folder.saveResults(results))
      .catch((error: unknown) => {
        this.#failure ??= error
      })
  }

  #results(finished: boolean): RunResults {
    const { seed, command, epochs, batchSize, directory } = this.#options
    return {
      seed,
      command,
      settings: { epochs, batchSize, ...this.#sizes },
      environment: {
        node: process.version,
        runtime: nodeRuntime.description,
        platform: `${process.platform}-${process.arch}`,
        cores: availableParallelism(),
      },
      started: this.#started.toISOString(),
      finished,
      seconds: (Date.now() - this.#started.getTime()) / 1000,
      arms: [...this.#arms.values()].filter((arm) => arm !== undefined),
      directory,
    }
  }
}

/** Trains an arm in a process of its own, which can be stopped or killed without harm. */
async function trainApart(
  task: ArmTask,
  onEvent: (event: ArmEvent) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const interrupted = () => new Net2NetError('interrupted', 'The run was interrupted.')
  if (signal?.aborted) throw interrupted()
  const child = fork(programFile('mnist/arm-process'), {
    execArgv: nodeArguments(),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await supervise(child, task, {
    signal,
    onEvent,
    interrupted,
    ended: (how) => internalError(`The process that trained ${task.arm} ended early (${how}).`),
  })
}
