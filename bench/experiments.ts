/** The five experiments, whole, against the same five trainings in PyTorch. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Row, type Section, short } from './report.ts'
import type { Settings } from './steps.ts'

const epochs = 3
const testSize = 1000

/**
 * Ours is the command as users run it, start and data loading included. PyTorch trains the five
 * networks one after the other on tensors in memory, each in its better memory format.
 */
export async function benchmarkExperiments({ quick, threads, python }: Settings): Promise<Section> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const trainSize = quick ? 960 : 6400
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const timed = async (command: string, parameters: readonly string[]) => {
    const start = performance.now()
    const child = spawn(command, parameters, { stdio: ['ignore', 'ignore', 'inherit'], cwd: root })
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) throw new Error(`${command} ended with ${code}.`)
    return (performance.now() - start) / 1000
  }
  try {
    const sizes = ['--train-size', `${trainSize}`, '--test-size', `${testSize}`]
    const ours = await timed(process.execPath, [
      path.join(root, 'dist/cli/main.js'),
      'mnist',
      ...sizes,
      '--epochs',
      `${epochs}`,
      '-o',
      path.join(folder, 'run'),
    ])
    const theirs =
      python &&
      (await timed(python, [
        path.join(root, 'bench/experiments.py'),
        `${trainSize}`,
        `${testSize}`,
        `${epochs}`,
        `${threads}`,
      ]))
    const row: Row = python
      ? {
          figure: 'wall time over PyTorch’s',
          measured: `${(ours / Number(theirs)).toFixed(2)}; ${short(ours)} s against ${short(Number(theirs))} s`,
          target: '≤ 0.70',
          reached: ours / Number(theirs) <= 0.7,
          values: { ours, pytorch: Number(theirs) },
        }
      : { figure: 'wall time', measured: `${short(ours)} s`, values: { ours } }
    return {
      title: 'The five experiments',
      method: `\`net2net mnist\` with ${trainSize} training and ${testSize} test images, ${epochs} epochs, batch 32, as a user runs it, against the same five trainings and validations in PyTorch with ${threads} threads.`,
      rows: [row],
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
