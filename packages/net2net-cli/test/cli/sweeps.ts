/** What the tests of sweeps share: a small sweep, its outcomes, Redis, and workers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { SweepPlan, TrialResult } from '../../src/sweep/trial/trial.ts'
import { net2net, type Outcome } from './net2net.ts'

const allArms = {
  wider: '{name: wider, widen: {conv1: 12, fc1: 12}, carryOptimizer: true}',
  stages: '{name: stages, epochs: 2, stages: [{afterEpoch: 1, deepen: [fc1]}]}',
  'from-scratch': '{name: from-scratch, from: scratch, widen: {conv1: 12}}',
}
type ArmName = keyof typeof allArms

/** Tiny trials: the teacher, long enough to die in, and these arms. The same ones are the same trials. */
export function writeSweep(
  folder: string,
  name: string,
  seeds: number,
  arms: readonly ArmName[] = Object.keys(allArms) as ArmName[],
): string {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(
    file,
    `name: ${name}
seeds: ${seeds}
defaults: {width: 8, trainSize: 320, testSize: 100, epochs: 1, evaluateEvery: 5}
experiments:
  - name: small
    learningRate: 0.05
    teacher: {epochs: 16}
    arms: [${arms.map((arm) => allArms[arm]).join(', ')}]
`,
  )
  return file
}

const read = (...path: readonly string[]): unknown =>
  JSON.parse(readFileSync(join(...path), 'utf8'))

export const planOf = (directory: string) => read(directory, 'sweep.json') as SweepPlan
export const resultOf = (directory: string, id: string) =>
  read(directory, 'trials', id, 'result.json') as TrialResult

/** What must be the same bits everywhere, by trial. */
export const outcomes = (directory: string): Readonly<Record<string, TrialResult['outcome']>> =>
  Object.fromEntries(
    planOf(directory).trials.map(({ id }) => [id, resultOf(directory, id).outcome]),
  )

/** Started here, killed by `stopAll`. */
const running = new Set<ChildProcess>()
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
}

export async function startRedis(port: number): Promise<ChildProcess> {
  const child = spawn('redis-server', [
    ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
  ])
  running.add(child)
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      if (String(text).includes('Ready to accept connections')) resolve()
    })
    child.on('exit', () => reject(new Error('redis-server ended')))
  })
  return child
}

export interface RunningWorker {
  readonly outcome: Promise<Outcome>
  said: string
  child: ChildProcess | undefined
}

export function startWorker(url: string, ...flags: readonly string[]): RunningWorker {
  const worker: { said: string; child: ChildProcess | undefined } = { said: '', child: undefined }
  const command = ['worker', '--queue', url, '--lost-after', '3', ...flags]
  const outcome = net2net(command, {
    onOutput: (child, err) => {
      running.add(child)
      Object.assign(worker, { said: err, child })
    },
  })
  return Object.assign(worker, { outcome })
}

/** Ends workers as a user does; those that have died already stay as they are. */
export function stopWorkers(workers: readonly RunningWorker[]): Promise<readonly Outcome[]> {
  for (const { child } of workers) child?.kill('SIGTERM')
  return Promise.all(workers.map(({ outcome }) => outcome))
}

/** The trials that the workers have finished, in their order. */
export const finishedBy = (workers: readonly RunningWorker[]): readonly string[] =>
  workers.flatMap(({ said }) => [...said.matchAll(/^(t\w+) .*: finished$/gm)].map(([, id]) => id!))

/** @throws where it does not come true within 100 seconds */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const start = Date.now(); !(await holds()); ) {
    if (Date.now() - start > 100_000) throw new Error('What was waited for did not happen.')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
