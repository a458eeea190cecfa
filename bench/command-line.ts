/** Start of the command line, and inspection of a large file. Needs the built package. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { save } from '../packages/net2net/src/onnx/save.node.ts'
import { denseChain } from './growth.ts'
import { contestant, interleave, type Timing } from './measure.ts'
import { milliseconds, type Section } from './report.ts'
import type { Settings } from './settings.ts'

export async function benchmarkCommandLine({ quick }: Settings): Promise<Section> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const main = path.join(root, 'packages/net2net-cli/dist/cli/main.js')
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  const call = (...parameters: readonly string[]) => {
    const { status, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  try {
    const size = quick ? 1e8 : 5e8
    const file = path.join(folder, 'model.onnx')
    await save(denseChain(size), file)
    const [node, help, inspect] = (await interleave(
      [
        contestant('node', () => call('-e', '0')),
        contestant('help', () => call(main, '--help')),
        contestant('inspect', () => call(main, 'inspect', file)),
      ],
      { rounds: quick ? 5 : 12, times: 1 },
    )) as [Timing, Timing, Timing]
    return {
      title: 'Command line',
      method: 'Wall time of whole processes.',
      rows: [
        {
          figure: '`net2net --help`',
          measured: `${milliseconds(help)}; an empty Node program takes ${milliseconds(node)}`,
          target: '≤ 150 ms',
          reached: help.median <= 150,
          values: { help: help.median, node: node.median },
        },
        {
          figure: `\`net2net inspect\` of a model of ${size / 1e6} MB`,
          measured: milliseconds(inspect),
          values: { inspect: inspect.median, bytes: size },
        },
      ],
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
