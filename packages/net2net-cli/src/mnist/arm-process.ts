/** The child process that trains one arm; see run-node.ts. */
import { load, save } from 'net2net'
import { nodeRuntime } from 'net2net/runtime'
import { serveParent } from '../processes/child-process.ts'
import type { ArmEvent } from '../runs/results.ts'
import { selectArms } from './arms.ts'
import type { DataSettings } from './data.ts'
import { loadRunData } from './data.ts'
import { trainArm } from './train-arm.ts'

export interface ArmTask {
  readonly arm: string
  readonly data: DataSettings
  readonly seed: number
  readonly epochs: number
  readonly batchSize: number
  readonly threads: number
  /** File of the trained teacher, for students. */
  readonly teacher?: string
  /** Where the trained network goes. */
  readonly output: string
}

// On SIGTERM an arm ends at once, like any process.
serveParent(train, { ignored: ['SIGINT'] })

async function train(
  task: ArmTask,
  signal: AbortSignal,
  onEvent: (event: ArmEvent) => void,
): Promise<void> {
  const arm = selectArms([task.arm]).find(({ name }) => name === task.arm)!
  // The parent has verified the same files.
  const data = await loadRunData(task.data, { verify: false })
  await trainArm(arm, task.teacher === undefined ? undefined : await load(task.teacher), {
    ...task,
    ...data,
    runtime: nodeRuntime,
    signal,
    onEvent,
    onModel: (model) => save(model, task.output, { force: true }),
  })
}
