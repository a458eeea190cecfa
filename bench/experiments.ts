/** The five experiments, whole, against the same five trainings in PyTorch and in Keras. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TrainTest } from '../packages/net2net/src/data/load-mnist.node.ts'
import { loadRunData } from '../packages/net2net-cli/src/mnist/data.ts'
import { type Row, type Section, short } from './report.ts'
import type { Settings } from './settings.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const epochs = 3
const testSize = 1000

/** Ways to use the cores: which networks each process trains, and how it waits. */
interface Way {
  readonly name: string
  readonly processes: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
}
const all = 'teacher,wider,wider,deeper,deeper'
const together: Way = { name: 'all threads', processes: [all] }
const shared: Way = {
  name: 'two processes that share the threads',
  processes: ['wider,deeper,teacher', 'wider,deeper'],
}

interface Framework {
  readonly name: string
  readonly python: string
  readonly script: string
  readonly ways: readonly Way[]
  /** The largest part of its time that ours may take. */
  readonly most: number
}

function frameworks(python: string | undefined): readonly Framework[] {
  const keras = process.env.NET2NET_KERAS_PYTHON
  const passively = { name: 'all threads, waiting passively', processes: [all] }
  const plainly = { name: 'all threads, without XLA', processes: [all] }
  return [
    ...(python === undefined
      ? []
      : [
          {
            name: 'PyTorch',
            python,
            script: 'experiments.py',
            ways: [together, { ...passively, environment: { OMP_WAIT_POLICY: 'PASSIVE' } }, shared],
            most: 0.7,
          },
        ]),
    ...(keras === undefined
      ? []
      : [
          {
            name: 'Keras',
            python: keras,
            script: 'experiments_keras.py',
            ways: [
              together,
              { ...plainly, environment: { XLA: '0' } },
              { ...shared, environment: { XLA: '0' } },
            ],
            most: 0.6,
          },
        ]),
  ]
}

/**
 * Ours is the command as users run it, start, report and data loading included. The others have the same images; of the ways to
 * use the cores each takes the one that is the fastest in a short trial. PyTorch has each network in its better memory
 * format; Keras trains as its example does.
 */
export async function benchmarkExperiments({ quick, threads, python }: Settings): Promise<Section> {
  const trainSize = quick ? 960 : 6400
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  try {
    writeImages(folder, await loadRunData({ trainSize, testSize }))
    const ours = await timed([
      start(process.execPath, [
        ...[
          path.join(root, 'packages/net2net-cli/dist/cli/main.js'),
          'mnist',
          '--train-size',
          `${trainSize}`,
        ],
        ...['--test-size', `${testSize}`, '--epochs', `${epochs}`],
        ...['-o', path.join(folder, 'run')],
      ]),
    ])
    const rows: Row[] = []
    for (const framework of frameworks(python))
      rows.push(await compared(framework, ours, { folder, trainSize, threads }))
    if (rows.length === 0)
      rows.push({ figure: 'wall time', measured: `${short(ours)} s`, values: { ours } })
    return {
      title: 'The five experiments',
      method: `\`net2net mnist\` with ${trainSize} training and ${testSize} test images of MNIST, ${epochs} epochs, batch 32, as a user runs it, against the same five trainings and validations in PyTorch, each network in its better memory format, and in Keras on TensorFlow, as its example trains, on the same images with ${threads} threads in all. Each uses the cores in the way that was the fastest in one epoch on a fifth of the images.`,
      rows,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compared(
  { name, python, script, ways, most }: Framework,
  ours: number,
  { folder, trainSize, threads }: { folder: string; trainSize: number; threads: number },
): Promise<Row> {
  const seconds = (way: Way, size: number, passes: number) => {
    const each = Math.max(1, Math.floor(threads / way.processes.length))
    const numbers = [size, testSize, passes, each].map(String)
    return timed(
      way.processes.map((networks) =>
        start(
          python,
          [path.join(root, 'bench', script), folder, ...numbers, networks],
          way.environment,
        ),
      ),
    )
  }
  const trials: { readonly way: Way; readonly seconds: number }[] = []
  for (const way of ways)
    trials.push({ way, seconds: await seconds(way, Math.floor(trainSize / 5), 1) })
  const best = [...trials].sort((a, b) => a.seconds - b.seconds)[0]!.way
  const theirs = await seconds(best, trainSize, epochs)
  return {
    figure: `wall time over ${name}’s`,
    measured: `${(ours / theirs).toFixed(2)}; ${short(ours)} s against ${short(theirs)} s (${best.name})`,
    target: `≤ ${most.toFixed(2)}`,
    reached: ours / theirs <= most,
    values: {
      ours,
      [name.toLowerCase()]: theirs,
      ...Object.fromEntries(trials.map((trial) => [`trial, ${trial.way.name}`, trial.seconds])),
    },
  }
}

/** The first rows of each file are what a shorter training takes. */
function writeImages(folder: string, data: TrainTest): void {
  for (const part of ['train', 'test'] as const) {
    const { inputs, target } = data[part]
    writeFileSync(path.join(folder, `${part}.images`), Uint8Array.from(inputs.input!.data, Number))
    writeFileSync(path.join(folder, `${part}.labels`), Uint8Array.from(target.data, Number))
  }
}

const start =
  (command: string, parameters: readonly string[], environment?: NodeJS.ProcessEnv) => () =>
    new Promise<void>((resolve, reject) => {
      const child = spawn(command, parameters, {
        stdio: ['ignore', 'ignore', 'inherit'],
        cwd: root,
        env: { ...process.env, ...environment },
      })
      child.on('error', reject)
      child.on('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}.`)),
      )
    })

/** Seconds until all of them have ended. */
async function timed(processes: readonly (() => Promise<void>)[]): Promise<number> {
  const begin = performance.now()
  await Promise.all(processes.map((run) => run()))
  return (performance.now() - begin) / 1000
}
