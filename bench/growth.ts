/** Widening a model in a file against copying the file. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { GraphBuilder } from '../packages/net2net/src/model/builder.ts'
import type { Model } from '../packages/net2net/src/model/model.ts'
import { save } from '../packages/net2net/src/onnx/save.node.ts'
import type { LazyTensor } from '../packages/net2net/src/tensor/tensor.ts'
import { type Contestant, interleave, type Run, speedup, type Timing } from './measure.ts'
import { type Row, type Section, short, times } from './report.ts'
import type { Settings } from './settings.ts'

/** Weights of some repeating noise, made when they are read. */
function weights(dims: readonly number[]): LazyTensor {
  const noise = new Float32Array(1 << 16).map(Math.random)
  const bytes = new Uint8Array(noise.buffer)
  return {
    dtype: 'float32',
    dims,
    byteLength: 4 * dims.reduce((a, b) => a * b, 1),
    read(offset, length) {
      const result = new Uint8Array(length)
      for (let done = 0; done < length; ) {
        const from = (offset + done) % bytes.length
        const part = bytes.subarray(from, from + length - done)
        result.set(part, done)
        done += part.length
      }
      return result
    },
  }
}

/** A chain of dense layers, about this large as a file. */
export function denseChain(bytes: number, layers = 10): Model {
  const width = Math.round(Math.sqrt(bytes / 4 / layers))
  const builder = new GraphBuilder()
  let value = builder.input('input', 'float32', ['batch', width])
  for (let i = 0; i < layers; i++) {
    const name = `dense${i}`
    const weight = builder.initializer(`${name}.weight`, weights([width, width]))
    value = builder.node('MatMul', [value, weight], {}, { name })
    if (i < layers - 1) value = builder.node('Relu', [value], {}, { name: `${name}.relu` })
  }
  builder.output(value, 'float32', ['batch', width])
  return builder.model('dense chain')
}

const tellMemory = ['--import', fileURLToPath(new URL('./tell-memory.js', import.meta.url))]

/** The last line of what `tell-memory.js` wrote. */
const megabytesIn = (stderr: string) => Number(stderr.trim().split('\n').at(-1))

function timed(program: string, args: readonly string[]) {
  const start = performance.now()
  const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8' })
  const milliseconds = performance.now() - start
  if (status !== 0) throw new Error(stderr)
  return { stdout, stderr, milliseconds }
}

export async function benchmarkGrowth({ quick }: Settings): Promise<Section> {
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  const script = fileURLToPath(new URL('./grow-file.js', import.meta.url))
  const root = fileURLToPath(new URL('..', import.meta.url))
  const main = path.join(root, 'packages/net2net-cli/dist/cli/main.js')
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const rows: Row[] = []
  try {
    for (const [label, bytes] of [
      ['100 MB', 1e8],
      ...(quick
        ? []
        : [
            ['1 GB', 1e9],
            ['4 GB', 4e9],
          ]),
    ] as const) {
      const from = path.join(folder, 'model.onnx')
      const to = path.join(folder, 'wider.onnx')
      const copy = path.join(folder, 'copy.onnx')
      rmSync(`${from}.data`, { force: true })
      await save(denseChain(bytes as number), from, { force: true })
      let fileBytes = 0
      // All write a new file, none finds another's in memory, and nobody pays for the removal.
      const cleared = () => {
        for (const file of [copy, to, `${to}.data`]) rmSync(file, { force: true })
        execFileSync('sync', ['-f', folder])
      }
      const contestant = (name: string, once: () => number): Contestant => ({
        name,
        async run(runs) {
          const found: Run[] = []
          for (let i = 0; i < runs; i++) {
            cleared()
            found.push({ wall: once(), processor: Number.NaN })
          }
          return found
        },
      })
      const resident = { library: 0, command: 0 }
      const [cp, library, command] = (await interleave(
        [
          contestant('cp', () => {
            const source = existsSync(`${from}.data`) ? `${from}.data` : from
            return timed('sh', ['-c', `cp "${source}" "${copy}" && sync "${copy}"`]).milliseconds
          }),
          contestant('library', () => {
            const { stdout, stderr } = timed(process.execPath, [...tellMemory, script, from, to])
            resident.library = Math.max(resident.library, megabytesIn(stderr))
            fileBytes = statSync(existsSync(`${to}.data`) ? `${to}.data` : to).size
            return Number(stdout)
          }),
          contestant('command', () => {
            const args = [...tellMemory, main, 'widen', from, 'dense4=x1.1', '-o', to]
            const { milliseconds, stderr } = timed(process.execPath, args)
            resident.command = Math.max(resident.command, megabytesIn(stderr))
            return milliseconds
          }),
        ],
        { rounds: quick ? 3 : 7, times: 1 },
      )) as [Timing, Timing, Timing]
      const largest = bytes === 4e9
      const compared = (timing: Timing, figure: string, target: number, promised: boolean): Row => {
        const ratio = speedup(timing, cp)
        const seconds = timing.median / 1000
        return {
          figure: `${label}: time of ${figure} over that of cp and sync`,
          measured: `${times(ratio)}; ${short(seconds)} s`,
          ...(promised && { target: `≤ ${target}×`, reached: ratio.median <= target }),
          values: { ratio: ratio.median, seconds, cp: cp.median / 1000 },
        }
      }
      const memory = (
        megabytes: number,
        figure: string,
        target: number,
        promised: boolean,
      ): Row => ({
        figure: `${label}: resident memory${figure}`,
        measured: `${megabytes.toFixed(0)} MB`,
        ...(promised && { target: `≤ ${target} MB`, reached: megabytes <= target }),
        values: { megabytes, fileBytes },
      })
      rows.push(
        compared(library, 'widening', 1.5, true),
        memory(resident.library, '', 400, true),
        compared(command, '`net2net widen` with its check', 2, largest),
        memory(resident.command, ' of `net2net widen`', 512, largest),
      )
      rmSync(to, { force: true })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    title: 'Growth on disk',
    method:
      'Load, widen one of ten dense layers by a tenth, save (synced to disk), in a process of its own with the built package; against `cp` of the input and `sync` of the copy. Before each run the earlier copies are removed and the file system is synced. Memory is the process’s largest resident set. `net2net widen` is the whole command: it starts, does the same and checks the file in ONNX Runtime.',
    rows,
  }
}
